"""A hero that has really trained spars: its mistakes wait first in the queue, are trained, and go out of date."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from realm.cli.context import open_workspace
from realm.guild.sparring_ledger import SparringLedger
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace
from tests.stories.conftest import SETTINGS, Nursery, quest_lines
from tests.stories.realm_support import facts, practise, run

pytestmark = pytest.mark.slow

PRACTISING = SETTINGS.replace("exam_max_new_tokens = 24", "exam_max_new_tokens = 60")


def steps(home: Workspace) -> list[int]:
    realm = open_workspace(home)
    found = CheckpointLedger(realm.db, realm.events).steps(realm.key)
    realm.db.close()
    return list(found)


@pytest.fixture(scope="module")
def reared(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Path:
    """The workspace of a tiny hero that has seen enough of BIN to write its answers, and to get many of them wrong."""
    home = Workspace(tmp_path_factory.mktemp("sparring") / "realm")
    home.create()
    text = PRACTISING.replace("max_length = 128", "max_length = 256").replace("save_steps = 5", "save_steps = 500")
    home.settings.write_text(text)
    practise(home, 4000, "story 4000")
    assert nursery.live(home.root) == 0
    return home.root


@pytest.fixture
def trained(reared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of that hero's workspace."""
    home = Workspace(shutil.copytree(reared, tmp_path / "trained", symlinks=True))
    monkeypatch.setenv("REALM_HOME", str(home.root))
    return home


def test_mistakes_are_queued_first_trained_and_expire(
    trained: Workspace, nursery: Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    home = trained
    made_at = max(steps(home))
    assert run(home, "spar", "--skill", "bin", "--count", "60", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["checkpoint"] == f"hatchling:story@{made_at}" and said["asked"] == 60
    assert 0 < said["examples"] == 3 * (said["wrong"] - sum(said["left_out"].values()))
    files = list(home.queue("high").glob("*.jsonl"))
    assert [file.name for file in files] == [f"{said['quest']}-{said['file']}"]
    rows = [json.loads(line) for line in files[0].read_text(encoding="utf-8").splitlines()]
    told = [row["completion"].split("\n")[-1] for row in rows if row["meta"]["task"] == "verdict"]
    assert told.count("true") == told.count("false") == said["examples"] / 3
    about = json.loads(files[0].with_name(files[0].name + ".meta.json").read_text())
    assert (about["source"], about["checkpoint"]) == ("sparring", said["checkpoint"])

    # it is trained before what a person has dropped with ordinary priority
    (home.inbox / "alder.jsonl").write_text(quest_lines("alder", 60))
    assert nursery.live(home.root) == 0
    assert [f.name for f in facts(home, "quest_started")][1:] == [said["file"], "alder.jsonl"]  # type: ignore[attr-defined]
    assert said["file"] in [f.name for f in facts(home, "quest_completed")]  # type: ignore[attr-defined]

    # another bout, of which three newer checkpoints come before its turn
    assert run(home, "spar", "--count", "60", "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert second["quest"] and second["checkpoint"] == f"hatchling:story@{max(steps(home))}"
    assert run(home, "quest", "priority", second["quest"], "low") == 0
    for name in ("birch", "cedar", "elm"):
        (home.root / f"{name}.jsonl").write_text(quest_lines(name, 40))
        assert run(home, "quest", "add", str(home.root / f"{name}.jsonl")) == 0  # they wait before the hero wakes
    assert nursery.live(home.root) == 0
    expired = facts(home, "quest_expired")
    assert [f.quest for f in expired] == [second["quest"]]  # type: ignore[attr-defined]
    assert "3 newer checkpoints exist" in expired[0].reason  # type: ignore[attr-defined]
    assert second["file"] not in [f.name for f in facts(home, "quest_started")]  # type: ignore[attr-defined]
    assert (home.queue("recently_completed") / f"{second['quest']}-{second['file']}").is_file()


def test_beside_a_living_hero_the_file_goes_by_the_inbox(
    trained: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with trained.hold("hero"):
        assert run(trained, "spar", "--count", "40") == 0
    assert "They are on their way into the queue, with high priority." in capsys.readouterr().out
    assert [file.name for file in (trained.inbox / "high").glob("sparring-bin-*.jsonl")]


def test_a_hero_spars_by_itself_when_its_settings_say_so(trained: Workspace, nursery: Nursery) -> None:
    text = trained.settings.read_text()
    loop = "[heroes.hatchling.sparring]\nevery = 1\nfrom_level = 0\nproblems = 40\n"
    trained.settings.write_text(text.replace("enabled = false", "enabled = true\nexamples = 40") + loop)
    realm = open_workspace(trained)
    from realm.hero_loop import HeroLoop

    life = HeroLoop(realm.workspace, realm.settings, realm.db, realm.events)
    with trained.hold("hero"):
        life.wake()
        life.open_queue()
        for _ in range(3):
            life.day()
    kinds = [r.fact.source for r in realm.events.replay(kinds=["quest_received"])]  # type: ignore[attr-defined]
    assert kinds == ["person", "practice", "sparring", "practice"], "after one practice quest, not before"
    assert SparringLedger(realm.db, realm.events).newest(realm.key, "bin")
    started = [r.fact.name for r in realm.events.replay(kinds=["quest_started"])]  # type: ignore[attr-defined]
    assert started[-2].startswith("sparring-bin-") or started[-1].startswith("sparring-bin-")
    realm.db.close()
