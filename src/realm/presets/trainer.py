"""`ConfigTrainer`: a preset trained by one call, to a model folder with its metadata. The hero loop does the work."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from realm.arena.crew import require_shared
from realm.config.adapters import require_trainable
from realm.config.launch import processes
from realm.config.output import model_folder, run_metadata
from realm.config.preset_file import load_preset
from realm.config.presets import violations, way_out
from realm.config.run_spec import RunSpec
from realm.errors import ConfigError, UsageError
from realm.guild.engine import SkillEngine
from realm.guild.examiner import Target
from realm.guild.progression import Examination
from realm.opening import find_workspace, open_workspace
from realm.presets import record
from realm.presets.loop import Listener, PresetLoop, Trained
from realm.presets.record import How, Training
from realm.presets.source import Source, source_of
from realm.presets.training_config import TrainingConfig
from realm.records import CheckpointRecord, StepMetrics
from realm.registry import unknown
from realm.vault.files import RESUME_FILES
from realm.workspace import Workspace


class Silent:
    """Follows a training without a word."""

    def on_step(self, metrics: StepMetrics) -> None: ...

    def on_checkpoint(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Finished:
    """A training that ended, and its model."""

    model: Path
    trained: Trained
    spec: RunSpec


class ConfigTrainer:
    """Trains presets of the catalogue, of the workspace and of a file.

    `config` is a TOML file laid over the workspace's settings; `workspace` the folder of a realm, by default the one
    that REALM_HOME names or that this folder is in. Raises WorkspaceError where there is none.
    """

    def __init__(self, config: str | Path | None = None, *, workspace: str | Path | None = None) -> None:
        self._config = Path(config) if config is not None else None
        self._workspace = Workspace(workspace).require() if workspace is not None else find_workspace()

    def build_training_config(self, preset: str, overrides: Sequence[str] = ()) -> TrainingConfig:
        """The configuration of a preset; its fields can be changed before `train_with_config`.

        `overrides` are `key=value`. Raises UsageError for an unknown preset, ConfigError with every mistake.
        """
        run = load_preset(preset, overrides, workspace_settings=self._workspace.settings, config_file=self._config)
        return TrainingConfig(run.spec, run.settings)

    def train(self, preset: str) -> Path:
        """Train a preset to its end, going on where it was interrupted. Returns the folder of the model."""
        return self.train_with_config(self.build_training_config(preset))

    def train_with_config(self, config: TrainingConfig, *, file: str | Path | None = None) -> Path:
        """Train a configuration, on its dataset or on `file`. Returns the folder of the model.

        Raises ConfigError with every limit that it breaks, QuestError when the file is unfit, TrainingError when the
        run had to stop.
        """
        return self.run(config, file=Path(file) if file is not None else None).model

    def run(
        self,
        config: TrainingConfig,
        *,
        file: Path | None = None,
        how: How = "auto",
        listener: Listener | None = None,
        started: Callable[[PresetLoop], None] = lambda _loop: None,
        aims: Sequence[Target] = (),
        keep_model: bool = True,
    ) -> Finished:
        """What `train_with_config` does, with all that came of it; `started` is handed the loop before it trains.

        `aims` are examined beside the usual. Without `keep_model` no model is written beside the checkpoint.
        """
        source, at = self._beginning(config, file, how)
        if (wanted := processes(at.spec)) > 1 and "RANK" not in os.environ:
            where = at.spec.hardware_name
            raise UsageError(
                f"{where} trains in {wanted} processes, and this is one.",
                hint=f"Start them: realm train {at.spec.preset}. Or set hardware.{where}.processes = 1.",
            )
        realm = open_workspace(self._workspace)
        try:
            loop = PresetLoop(realm, config.settings, _without_slice(at.spec, source), listener or Silent(), aims)
            started(loop)
            return self._complete(loop, config, at, source, keep_model)
        finally:
            realm.db.close()

    def require_ready(self, config: TrainingConfig, *, file: Path | None = None, how: How = "auto") -> None:
        """Raises what `run` would raise before it looks into the file; for who starts other processes to run it."""
        self._beginning(config, file, how)
        with self._workspace.hold("hero"):  # that a hero is awake is said once, before several processes find it out
            pass

    def check(self, spec: RunSpec) -> None:
        """Raises ConfigError with every limit that a spec breaks, UsageError for a skill that is not installed."""
        require_trainable(spec)
        if processes(spec) > 1:
            require_shared(spec.hyperparameters.method)
        if problems := list(violations(spec)):
            settings = self.build_training_config(spec.preset).settings if spec.preset else None
            raise ConfigError(problems, hint=way_out(settings, spec) if settings else "")
        skills = SkillEngine().names() if spec.examine else []
        for skill in spec.examine:
            if skill not in skills:
                raise unknown("skill", skill, skills)

    def _beginning(self, config: TrainingConfig, file: Path | None, how: How) -> tuple[Source, record.Beginning]:
        self.check(config.spec)
        if file is None and config.spec.dataset is None:
            cut = record.interrupted(self._workspace, config.spec, numbered=config.numbered)
            file = Path(cut.file) if cut and how != "fresh" else None
        source = source_of(config.spec, file)
        train = str(source.train.resolve())
        return source, record.beginning(self._workspace, config.spec, train, how, numbered=config.numbered)

    def _complete(
        self, loop: PresetLoop, config: TrainingConfig, at: record.Beginning, source: Source, keep_model: bool
    ) -> Finished:
        created, began = datetime.now(), time.monotonic()
        begun = at.training or Training(at.spec.to_json(), str(source.train.resolve()))

        def queued(quest: str) -> None:
            record.write(self._workspace, at.spec, replace(begun, quest=quest))

        trained = loop.complete(source, begun.quest, queued, at.abandoned.quest if at.abandoned else "")
        model = loop.keeper.folder(trained.checkpoint)
        if keep_model:
            spec = at.spec.model_copy(update={"hyperparameters": trained.used})
            told = run_metadata(
                spec, config.settings.output, samples=trained.samples, seconds=time.monotonic() - began,
                created=created, dataset=source.path, evaluation=trained.evaluation,
            )  # fmt: skip
            model = _finish(model, model_folder(at.spec, config.settings.output, self._workspace.models, created), told)
        record.finish(self._workspace, at.spec, model)
        return Finished(model, trained, at.spec)


def _without_slice(spec: RunSpec, source: Source) -> RunSpec:
    """Where the dataset has validation rows of its own, none is taken from its training rows."""
    if source.validation is None:
        return spec
    used = spec.hyperparameters.model_copy(update={"eval_fraction": 0.0})
    return spec.model_copy(update={"hyperparameters": used})


def _finish(checkpoint: Path, folder: Path, told: dict[str, Any]) -> Path:
    """Copy the model out of a checkpoint, without what only a resume needs; the folder appears whole."""
    target, number = folder, 2
    while target.exists():
        target, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(checkpoint, temporary, ignore=shutil.ignore_patterns(*RESUME_FILES))
    (temporary / "metadata.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return temporary.rename(target)
