"""A sweep: a preset trained again and again with values that Optuna chooses, each trial in a campaign of its own.

Its trials lie in SQLite, so that a sweep goes on after a kill: the trial in hand at its last checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from realm.config.edit import replace_text
from realm.config.sweep_file import Axis, Sweep, Value
from realm.errors import ConfigError, NonFinite, TrainingError, UsageError
from realm.guild.engine import SkillEngine
from realm.guild.examiner import Target
from realm.guild.ledger import GuildLedger
from realm.guild.progression import Examination
from realm.opening import open_workspace
from realm.presets import record
from realm.presets.loop import PresetLoop
from realm.presets.trainer import ConfigTrainer
from realm.presets.training_config import TrainingConfig
from realm.records import CampaignKey, CheckpointRecord, StepMetrics
from realm.registry import unknown
from realm.watchtower.metrics import Metrics
from realm.workspace import Workspace

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial as the table shows it."""

    number: int
    state: str
    """complete, pruned, fail or running."""
    value: float | None
    """The objective; of a pruned trial the last one seen."""
    values: Mapping[str, Value]
    campaigns: Sequence[str]
    reason: str
    """Why it failed."""


class SweepRun:
    """A sweep of one workspace. `trainer` knows the presets."""

    def __init__(self, workspace: Workspace, sweep: Sweep, trainer: ConfigTrainer, file: Path | None) -> None:
        """`file` is what the trials train on; None means the preset's dataset.

        Raises ConfigError when a sweep of that name was begun otherwise, UsageError for what is not known, before
        anything is written.
        """
        self._workspace, self._sweep, self._trainer, self._file = workspace, sweep, trainer, file
        self._check()
        self._study = _open(workspace, sweep)
        self._loop: PresetLoop | None = None

    @property
    def study(self) -> optuna.Study:
        return self._study

    def go_on(self, say: Say, started: Callable[[PresetLoop], None] = lambda _loop: None) -> list[TrialResult]:
        """Run trials until there are as many as asked for. Raises TrainingError when a person stopped it."""
        with self._workspace.hold(f"sweep-{self._sweep.name}"):
            while (trial := self._next()) is not None:
                self._run(trial, say, started)
        return results(self._study)

    # -- trials --------------------------------------------------------------------------------------------------
    def _next(self) -> Trial | None:
        """The trial that a kill cut short, else a new one; None when there are enough."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state == TrialState.RUNNING:  # we hold the lock: nobody else runs it
                return Trial(self._study, trial._trial_id)
        if sum(trial.state in ENDED for trial in trials) >= self._sweep.sweep.trials:
            return None
        self._study.sampler = _sampler(self._sweep, len(trials))  # so it chooses alike, killed or not
        return self._study.ask()

    def _run(self, trial: Trial, say: Say, started: Callable[[PresetLoop], None]) -> None:
        chosen = {key: _suggest(trial, key, axis) for key, axis in self._sweep.space.items()}
        say(f"trial {trial.number}: " + ", ".join(f"{key} {_short(value)}" for key, value in chosen.items()))
        values: list[float] = []
        for seed in self._sweep.sweep.seeds:
            campaign = self._campaign(trial.number, seed)
            _note(trial, campaign)
            listener = _TrialListener(self._sweep, trial if not values else None)
            try:
                key = self._train(self._config(chosen, campaign, seed), listener, started)
            except NonFinite as error:
                self._give_up(trial, error, say)
                return
            if listener.pruned:
                self._study.tell(trial, state=TrialState.PRUNED)
                say(f"  pruned at {_short(listener.newest)}")
                return
            values.append(self._value(key))
        value = sum(values) / len(values)
        self._study.tell(trial, value)
        say(f"  {self._sweep.sweep.objective} {_short(value)}")

    def _train(
        self, config: TrainingConfig, listener: _TrialListener, started: Callable[[PresetLoop], None]
    ) -> CampaignKey:
        """Train a trial in its campaign, unless it has ended there already."""

        def begun(loop: PresetLoop) -> None:
            self._loop = loop
            started(loop)

        spec = config.spec
        done = record.read(self._workspace, spec.hero, spec.campaign)
        if done is None or not done.finished:
            self._trainer.run(
                config, file=self._file, listener=listener, started=begun, aims=self._aims(), keep_model=False
            )
        return spec.key

    def _config(self, chosen: Mapping[str, Value], campaign: str, seed: int) -> TrainingConfig:
        """Raises ConfigError when a value breaks a limit of the preset's hardware."""
        config = self._trainer.build_training_config(self._sweep.sweep.preset, self._sweep.overrides(chosen))
        config.campaign = campaign
        config.seed = seed
        config.hero_seed = seed
        examined = self._sweep.sweep.skill_level
        config.examine = examined[:1] if examined else ()  # an examination that decides nothing costs time
        return config

    def _give_up(self, trial: Trial, error: NonFinite, say: Say) -> None:
        """Values that cannot be trained with are a result too."""
        if self._loop is not None:
            self._loop.leave_for_good()
        trial.set_user_attr("reason", error.message)
        self._study.tell(trial, state=TrialState.FAIL)
        say(f"  failed: {error.message}")

    def _value(self, key: CampaignKey) -> float:
        """The objective as the ledgers have it. Raises TrainingError when it was never measured."""
        realm = open_workspace(self._workspace)
        try:
            if (examined := self._sweep.sweep.skill_level) is None:
                value = Metrics(realm.db).lowest(key, "val_loss")
            else:
                taken = GuildLedger(realm.db, realm.events).examinations(key, *examined)
                value = max((one.accuracy for one in taken), default=None)
        finally:
            realm.db.close()
        if value is None:
            raise TrainingError(
                f"{key} has no {self._sweep.sweep.objective} to compare it by.",
                hint='For val_loss hold rows out: eval_strategy = "steps" and a validation split or eval_fraction.',
            )
        return value

    def _aims(self) -> Sequence[Target]:
        examined = self._sweep.sweep.skill_level
        return [Target(*examined, "frontier")] if examined else []

    def _campaign(self, number: int, seed: int) -> str:
        name = f"sweep-{self._sweep.name}-{number:03d}"
        return f"{name}-seed{seed}" if len(self._sweep.sweep.seeds) > 1 else name

    def _check(self) -> None:
        """Everything a trial needs, once with the lower and once with the upper end of each range."""
        problems: list[str] = []
        for end in (0, -1):
            values = {key: axis.ends[end] for key, axis in self._sweep.space.items()}
            try:
                self._trainer.check(self._config(values, "sweep", self._sweep.sweep.seeds[0]).spec)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(sorted(set(problems)), hint="Narrow [space], or change the preset.")
        if examined := self._sweep.sweep.skill_level:
            skills = SkillEngine()
            if examined[0] not in skills.names():
                raise unknown("skill", examined[0], skills.names())
            if examined[1] > (levels := skills.get(examined[0]).levels):
                raise UsageError(f"{examined[0]} has {levels} levels.", hint="Change the sweep's objective.")


class _TrialListener:
    """Follows a trial: tells Optuna each reading at a checkpoint, and ends a trial that lags behind."""

    def __init__(self, sweep: Sweep, trial: Trial | None) -> None:
        """`trial` None only trains: further seeds of a trial are not pruned."""
        self._sweep, self._trial = sweep, trial
        self.pruned = False
        self.newest: float | None = None

    def on_step(self, metrics: StepMetrics) -> None: ...

    def on_checkpoint(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> bool:
        value = self._reading(checkpoint, taken)
        if self._trial is None or value is None:
            return True
        self.newest = value
        self._trial.report(value, checkpoint.step)
        self.pruned = self._sweep.sweep.pruning and self._trial.should_prune()
        return not self.pruned

    def _reading(self, checkpoint: CheckpointRecord, taken: Sequence[Examination]) -> float | None:
        if (examined := self._sweep.sweep.skill_level) is None:
            loss = checkpoint.metrics.get("val_loss")
            return float(loss) if loss is not None else None
        return next((one.accuracy for one in taken if (one.skill, one.level) == examined), None)


def results(study: optuna.Study) -> list[TrialResult]:
    """Every trial, oldest first."""
    return [_result(trial) for trial in study.get_trials(deepcopy=False)]


def load(workspace: Workspace, name: str) -> tuple[Sweep, optuna.Study]:
    """A sweep that was begun. Raises UsageError naming the nearest one."""
    folder = workspace.sweep(name)
    if not (folder / "sweep.json").is_file():
        known = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise unknown("sweep", name, known)
    sweep = Sweep.model_validate_json((folder / "sweep.json").read_text(encoding="utf-8"))
    return sweep, _study(folder, sweep)


def best(study: optuna.Study) -> TrialResult:
    """The best trial that ended. Raises UsageError where there is none yet."""
    with suppress(ValueError):
        return _result(study.best_trial)
    raise UsageError("No trial of this sweep has ended yet.", hint="Go on: realm sweep FILE")


def importance(study: optuna.Study) -> dict[str, float]:
    """Share of each key in how the trials differ (PED-ANOVA); empty while there are too few or all are alike."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.COMPLETE]
    if len(ended) < 4 or len({trial.value for trial in ended}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _open(workspace: Workspace, sweep: Sweep) -> optuna.Study:
    """The study of a sweep, made if it is new."""
    folder = workspace.sweep(sweep.name)
    file = folder / "sweep.json"
    told = json.loads(sweep.model_dump_json())
    if file.is_file() and _deciding(json.loads(file.read_text(encoding="utf-8"))) != _deciding(told):
        raise ConfigError(
            [f"A sweep named '{sweep.name}' was begun with other values."],
            hint="Give this one another name: [sweep] name = ...; only `trials` may change.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(told, indent=1) + "\n")
    return _study(folder, sweep)


def _deciding(told: Mapping[str, Any]) -> dict[str, Any]:
    """What two lives of a sweep must have in common."""
    return {**told, "sweep": {key: value for key, value in told["sweep"].items() if key != "trials"}}


def _study(folder: Path, sweep: Sweep) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=sweep.sweep.startup_trials)
    return optuna.create_study(
        storage=optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}"), study_name=sweep.name,
        direction=sweep.sweep.direction, sampler=_sampler(sweep, 0), load_if_exists=True,
        pruner=pruner if sweep.sweep.pruning else optuna.pruners.NopPruner(),
    )  # fmt: skip


def _sampler(sweep: Sweep, trials: int) -> optuna.samplers.BaseSampler:
    seed = sweep.sweep.seed * 100_003 + trials
    if sweep.sweep.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=sweep.sweep.startup_trials)


def _suggest(trial: Trial, key: str, axis: Axis) -> Value:
    if axis.choices:
        chosen = trial.suggest_categorical(key, axis.choices)
        assert chosen is not None  # no choice is
        return chosen
    assert axis.low is not None and axis.high is not None  # the schema saw to it
    if axis.is_whole:
        return trial.suggest_int(key, int(axis.low), int(axis.high), step=int(axis.step or 1), log=axis.log)
    return trial.suggest_float(key, axis.low, axis.high, step=axis.step, log=axis.log)


def _note(trial: Trial, campaign: str) -> None:
    known = trial.user_attrs.get("campaigns", [])
    if campaign not in known:
        trial.set_user_attr("campaigns", [*known, campaign])


def _result(trial: FrozenTrial) -> TrialResult:
    last = trial.intermediate_values.get(trial.last_step) if trial.last_step is not None else None
    value = trial.value if trial.state == TrialState.COMPLETE else last
    return TrialResult(
        trial.number, trial.state.name.lower(), value, dict(trial.params), trial.user_attrs.get("campaigns", []),
        trial.user_attrs.get("reason", ""),
    )  # fmt: skip


def _short(value: Value | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
