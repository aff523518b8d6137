"""Every error a person can meet. Knows no place of the program, only words.

    RealmError                      exit 1: what was wrong, and what to do next
    |- UsageError                   exit 2: the command or the call was wrong
    |  `- ConfigError               one or many mistakes in settings, all at once
    |- WorkspaceError               no workspace here, or not one of ours
    |  `- WorkspaceLocked           another realm holds it (its pid is named)
    |- QuestError                   a quest file that cannot be used
    |- HeroError                    a model or its tokenizer cannot be had
    |  |- WeightsMissing            looked for here and there, not found
    |  `- MissingExtra              a package of an optional extra is not installed
    |- CheckpointError              a checkpoint that must not be trusted
    |- TrainingError                a run that had to stop
    |  |- NonFinite                 loss or gradient became NaN or infinite; nothing was saved
    |  |- MemoryShortage            memory ran out; a new start computes less at once
    |  `- NothingToLearn            the dry run of a quest says that its rewards would teach nothing
    |- SkillError                   a skill's file or generator is wrong
    |  `- SkillBroken               its code raised, or returned what no skill may return: it is set aside
    |- ServiceError                 a service cannot start or does not answer
    |  |- PortTaken                 somebody else listens there
    |  `- Busy                      it has too much to do; it says when to come again
    `- DiskFull                     no room left; nothing half-written is kept

Every error carries a `hint`: the next step for the reader.
"""

from __future__ import annotations

from collections.abc import Sequence


class RealmError(Exception):
    """An error said in words. `str()` is the message; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    @property
    def type(self) -> str:
        """Stable name for the wire, e.g. `workspace_locked`."""
        name = type(self).__name__
        return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class UsageError(RealmError):
    """The command or the request was wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """One or more mistakes in settings. `problems` lists them all, one sentence each."""

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = list(problems)


class WorkspaceError(RealmError):
    """The folder is no workspace, or cannot be made one."""


class WorkspaceLocked(WorkspaceError):
    """Another process holds the workspace."""

    def __init__(self, message: str, *, pid: int | None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class QuestError(RealmError):
    """A quest file cannot be used."""


class HeroError(RealmError):
    """A model, its tokenizer or its template cannot be had."""


class WeightsMissing(HeroError):
    """The weights were looked for and not found; the message says where."""


class MissingExtra(HeroError):
    """A package of an optional extra is needed and absent."""


class CheckpointError(RealmError):
    """A checkpoint that must not be trusted or used."""


class TrainingError(RealmError):
    """A run that had to stop."""


class NonFinite(TrainingError):
    """The loss or the gradient became NaN or infinite. Nothing was saved after it."""


class MemoryShortage(TrainingError):
    """Memory ran out where it cannot be helped now; a new start computes less at once."""


class NothingToLearn(TrainingError):
    """A dry run says that the rewards of a quest would teach nothing; trying again would say the same."""


class SkillError(RealmError):
    """A skill's description or generator is wrong."""


class SkillBroken(SkillError):
    """A skill's own code raised, or returned what no skill may. `skill` names it, `doing` what was asked of it."""

    def __init__(self, skill: str, doing: str, why: str, *, hint: str = "") -> None:
        super().__init__(
            f"The skill '{skill}' failed while {doing}: {why}",
            hint=hint or f"Mend or uninstall the package that brings '{skill}', then start the realm again.",
        )
        self.skill, self.doing, self.why = skill, doing, why

    def again(self) -> SkillBroken:
        """The same said anew: an exception that is raised twice would carry both tracebacks."""
        return SkillBroken(self.skill, self.doing, self.why, hint=self.hint)


class ServiceError(RealmError):
    """A service cannot start, or does not answer."""


class PortTaken(ServiceError):
    """Another program listens on the port."""


class Busy(ServiceError):
    """A service has too much to do. `retry_after_seconds` says when to come again."""

    def __init__(self, message: str, *, retry_after_seconds: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class DiskFull(RealmError):
    """No room left on the device."""
