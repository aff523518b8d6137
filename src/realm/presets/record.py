"""What a preset's training was begun with and how far it came: `training.json` of its campaign. Knows no model."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from realm.config.edit import replace_text
from realm.config.run_spec import RunSpec
from realm.errors import UsageError
from realm.workspace import Workspace

How = Literal["auto", "resume", "fresh"]
"""Go on with what was interrupted where there is such; only that; or begin anew."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a preset. Written when its quest is queued, and again when its model stands."""

    spec: str
    """The RunSpec as JSON text."""
    file: str
    """What it trains on."""
    quest: str = ""
    model: str = ""
    """Folder of the finished model; empty until then."""

    @property
    def finished(self) -> bool:
        return bool(self.model)


def read(workspace: Workspace, hero: str, campaign: str) -> Training | None:
    """The record of a campaign; None where no preset was trained in it."""
    try:
        told = json.loads(workspace.campaign_training(hero, campaign).read_text(encoding="utf-8"))
        return Training(**told)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{workspace.campaign_training(hero, campaign)} is damaged.", hint="Begin anew: realm train NAME --fresh"
        ) from error


def write(workspace: Workspace, spec: RunSpec, training: Training) -> None:
    file = workspace.campaign_training(spec.hero, spec.campaign)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(asdict(training), indent=1, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a training takes place; `training` is the interrupted one that it goes on with."""

    spec: RunSpec
    training: Training | None = None
    abandoned: Training | None = None
    """An interrupted one that is left for good."""


def beginning(workspace: Workspace, spec: RunSpec, file: str, how: How, *, numbered: bool) -> Beginning:
    """Find the campaign of a training: that of an interrupted one, or a new one.

    `numbered`: each training of the preset has a campaign of its own, NAME, NAME-002, ...; otherwise all go on in
    one. Raises UsageError when there is nothing to resume, or when what was interrupted was set up otherwise.
    """
    names = _numbered(workspace, spec) if numbered or how == "fresh" else [spec.campaign]
    newest = names[-1] if names else spec.campaign
    last = read(workspace, spec.hero, newest)
    cut = last if last and not last.finished else None
    if how == "resume" and cut is None:
        raise UsageError(
            f"There is no interrupted training of '{spec.preset}'.", hint=f"Begin one: realm train {spec.preset}"
        )
    if cut and how == "resume":
        return Beginning(RunSpec.from_json(cut.spec), cut)
    if cut and how == "auto":
        at = spec.model_copy(update={"campaign": newest})
        _require_alike(at, cut, file)
        return Beginning(at, cut)
    if not numbered and how == "auto":
        return Beginning(spec)
    return Beginning(spec.model_copy(update={"campaign": _next(names, spec.campaign)}), abandoned=cut)


def interrupted(workspace: Workspace, spec: RunSpec, *, numbered: bool) -> Training | None:
    """The training of this preset that was begun last, unless it ended."""
    names = _numbered(workspace, spec) if numbered else [spec.campaign]
    last = read(workspace, spec.hero, names[-1]) if names else None
    return last if last and not last.finished else None


def finish(workspace: Workspace, spec: RunSpec, model: Path) -> None:
    """Note that a training ended, and where its model lies."""
    begun = read(workspace, spec.hero, spec.campaign)
    assert begun is not None  # it was written before the first step
    write(workspace, spec, replace(begun, model=str(model)))


def _require_alike(spec: RunSpec, interrupted: Training, file: str) -> None:
    """Raises UsageError when an interrupted training had other settings or another file."""
    before = RunSpec.from_json(interrupted.spec)
    differs = _differences(before, spec) + ([f"the file was {interrupted.file}"] if file != interrupted.file else [])
    if differs:
        raise UsageError(
            f"A training of '{spec.preset}' was interrupted, and it was set up otherwise: {'; '.join(differs[:5])}.",
            hint=f"Go on as it was: realm train {spec.preset} --resume. Leave it and begin anew: --fresh",
        )


def _differences(before: RunSpec, after: RunSpec) -> list[str]:
    if before.hash == after.hash:
        return []
    old, new = _flat(before.model_dump(mode="json")), _flat(after.model_dump(mode="json"))
    keys = [key for key in {**old, **new} if not key.startswith(("versions", "git_commit", "quest"))]
    return [f"{key} was {old.get(key)}, is {new.get(key)}" for key in keys if old.get(key) != new.get(key)]


def _flat(table: object, above: str = "") -> dict[str, object]:
    if not isinstance(table, dict):
        return {above: table}
    return {k: v for key, value in table.items() for k, v in _flat(value, f"{above}.{key}" if above else key).items()}


def _numbered(workspace: Workspace, spec: RunSpec) -> list[str]:
    """The campaigns that trainings of this preset began, oldest first."""
    folder = workspace.campaign(spec.hero, spec.campaign).parent
    form = re.compile(re.escape(spec.campaign) + r"(?:-(\d{3,}))?")
    entries = folder.iterdir() if folder.is_dir() else ()
    found = {
        int(match[1] or 1): entry.name
        for entry in entries
        if (match := form.fullmatch(entry.name)) and _was_begun(workspace, spec.hero, entry.name)
    }
    return [found[number] for number in sorted(found)]


def _was_begun(workspace: Workspace, hero: str, campaign: str) -> bool:
    """Whether more than the folder is there: one attempt may have ended before its file was queued."""
    trained = workspace.checkpoints(hero, campaign).glob("checkpoint-*/realm.json")
    return workspace.campaign_training(hero, campaign).is_file() or any(trained)


def _next(names: list[str], base: str) -> str:
    if not names:
        return base
    newest = names[-1].removeprefix(base).removeprefix("-")
    return f"{base}-{int(newest or 1) + 1:03d}"
