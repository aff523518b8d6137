"""What stories ask of a realm between two lives of its hero: commands, facts, a file of practice."""

from __future__ import annotations

import json

import pytest

from realm.cli import main
from realm.cli.context import open_workspace
from realm.events import Fact
from realm.guild.engine import SkillEngine
from realm.workspace import Workspace


def run(home: Workspace, *arguments: str) -> int:
    """A command of `realm` in this workspace. Returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["--workspace", str(home.root), *arguments])
    return int(ended.value.code or 0)


def facts(home: Workspace, kind: str) -> list[Fact]:
    realm = open_workspace(home)
    found = [r.fact for r in realm.events.replay(kinds=[kind])]
    realm.db.close()
    return found


def practise(home: Workspace, rows: int, seed: str) -> None:
    """Problems of BIN's first level, as a person's file: the stories' heroes make none of their own."""
    problems = SkillEngine().generate_batch("bin", 1, rows, seed)
    lines = [json.dumps({"prompt": p.prompt, "completion": p.answer}, ensure_ascii=False) + "\n" for p in problems]
    (home.inbox / f"bin-{rows}.jsonl").write_text("".join(lines), encoding="utf-8")
