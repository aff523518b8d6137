"""The only module that knows a path of the workspace, and who holds it. Knows nothing of what the files say."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from realm.errors import UsageError, WorkspaceError, WorkspaceLocked

PRIORITIES = ("high", "normal", "low")
QUEUE_STATES = (*PRIORITIES, "active", "failed", "recently_completed")
STARTER_SETTINGS = """\
# Settings of this realm: only what differs from the built-in ones. See them all: realm config show
# Every field is explained in: realm config schema

[campaign]
hero = "hatchling"
name = "first-light"
"""


class Workspace:
    """A folder that holds everything of one user's realm and nothing of the program."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().resolve()

    # -- files and folders ---------------------------------------------------------------------------------
    @property
    def settings(self) -> Path:
        return self.root / "realm.toml"

    @property
    def database(self) -> Path:
        return self.root / "realm.db"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def current_model(self) -> Path:
        """A link to the active hero's newest checkpoint."""
        return self.models / "current_model"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def control(self) -> Path:
        """Requests to the running training, one small file each: pause, stop, skip, practice-resume."""
        return self.root / "control"

    def request(self, name: str, quest: str = "") -> None:
        """Leave a request (pause, stop or skip) for the running training; it is read at every step.

        With the id of a quest it is meant for that one alone.
        """
        whole = self.root / f".{safe_name(name)}.request"
        whole.write_text(quest, encoding="utf-8")
        whole.replace(self.control / name)  # at once: a step that falls between must not read half of it

    def is_meant(self, name: str, quest: str) -> bool:
        """Whether that request waits and is meant for this quest: it names it, or it names none."""
        return self.request_text(name) in {"", quest}

    def request_text(self, name: str) -> str | None:
        """What that request says; None when it does not wait."""
        try:
            return (self.control / safe_name(name)).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None

    def withdraw(self, name: str) -> None:
        """Take a request back, or mark it as answered."""
        (self.control / safe_name(name)).unlink(missing_ok=True)

    def requests(self) -> set[str]:
        """The requests that wait."""
        return {entry.name for entry in os.scandir(self.control)}

    @property
    def fit(self) -> Path:
        """What earlier runs found out about memory; may be deleted."""
        return self.root / "fit.json"

    @property
    def quarantine(self) -> Path:
        """Checkpoints that failed verification, kept for inspection."""
        return self.root / "quarantine"

    def free_export(self, name: str) -> Path:
        """A folder for an export that is not there yet."""
        folder, number = self.root / "exports" / safe_name(name), 2
        while folder.exists():
            folder, number = self.root / "exports" / safe_name(f"{name}-{number}"), number + 1
        return folder

    @property
    def incoming(self) -> Path:
        """Checkpoints on their way into the workspace; what was cut short goes on where it stopped."""
        return self.root / "incoming"

    @property
    def backups(self) -> Path:
        """What was copied before it was changed for good."""
        return self.root / "backups"

    def queue(self, state: str) -> Path:
        """The folder of one queue state: high, normal, low, active, failed or recently_completed."""
        if state not in QUEUE_STATES:
            raise UsageError(f"There is no queue state '{state}'.", hint=f"Known: {', '.join(QUEUE_STATES)}.")
        return self.root / "queue" / state

    def campaign(self, hero: str, campaign: str) -> Path:
        return self.root / "campaigns" / safe_name(hero) / safe_name(campaign)

    def checkpoints(self, hero: str, campaign: str) -> Path:
        return self.campaign(hero, campaign) / "checkpoints"

    def runs(self, hero: str, campaign: str) -> Path:
        return self.campaign(hero, campaign) / "runs"

    def campaign_settings(self, hero: str, campaign: str) -> Path:
        """A campaign's own settings, laid over those of the workspace while it is in play."""
        return self.campaign(hero, campaign) / "campaign.toml"

    def campaign_start(self, hero: str, campaign: str) -> Path:
        """The weights that a New Game+ begins with: a copy, so that no other campaign's retention touches them."""
        return self.campaign(hero, campaign) / "start"

    def campaign_method(self, hero: str, campaign: str) -> Path:
        """What a maxed-out campaign leaves behind to be run again."""
        return self.campaign(hero, campaign) / "method.json"

    def campaign_training(self, hero: str, campaign: str) -> Path:
        """What a preset's training was begun with, and how far it came."""
        return self.campaign(hero, campaign) / "training.json"

    def sweep(self, name: str) -> Path:
        """The folder of a sweep: its file as it was begun, and its trials."""
        return self.root / "sweeps" / safe_name(name)

    @property
    def trackers(self) -> Path:
        """Where trackers that keep files have a folder each."""
        return self.logs / "trackers"

    def log(self, name: str) -> Path:
        return self.logs / f"{safe_name(name)}.log"

    # -- life ----------------------------------------------------------------------------------------------
    @property
    def exists(self) -> bool:
        return self.settings.is_file()

    def create(self) -> bool:
        """Make what is missing; never touch what is there. Returns whether the workspace is new."""
        new = not self.exists
        try:
            for folder in (
                self.inbox / "high",
                self.inbox / "low",
                *(self.queue(s) for s in QUEUE_STATES),
                self.root / "campaigns",
                self.models,
                self.logs,
                self.control,
            ):
                folder.mkdir(parents=True, exist_ok=True)
            if new:
                self.settings.write_text(STARTER_SETTINGS, encoding="utf-8")
        except OSError as error:
            raise WorkspaceError(
                f"The workspace {self.root} cannot be made: {error.strerror}.",
                hint="Choose a folder you may write to: realm init DIR",
            ) from error
        return new

    def require(self) -> Workspace:
        """This workspace, if it is one. Raises WorkspaceError with the command that makes one."""
        if not self.exists:
            raise WorkspaceError(f"{self.root} is no realm workspace.", hint=f"Make one: realm init {self.root}")
        return self

    @contextmanager
    def hold(self, name: str = "realm") -> Iterator[None]:
        """Hold a lock of this workspace for as long as the block runs; free at once when the process dies.

        Raises WorkspaceLocked that names the pid of the holder.
        """
        path = self.root / f"{name}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise self._locked(path) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)  # closing frees the lock

    def holder(self, name: str = "realm") -> int | None:
        """The pid that holds the lock now, or None."""
        path = self.root / f"{name}.lock"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return _read_pid(path)
        finally:
            os.close(descriptor)
        return None

    def _locked(self, path: Path) -> WorkspaceLocked:
        pid = _read_pid(path)
        return WorkspaceLocked(
            f"The workspace {self.root} is in use by process {pid or 'unknown'}.",
            pid=pid,
            hint="Look at it: realm status. End it: realm stop-all.",
        )


def safe_name(name: str) -> str:
    """The name itself if it can be one path component. Raises UsageError for anything else."""
    good = name and name not in {".", ".."} and not name.startswith(".") and len(name.encode()) <= 200
    if not good or any(c in name for c in "/\\\0\n\r"):
        raise UsageError(f"{name!r} cannot be a name.", hint="Use letters, digits, '-' and '_'.")
    return name


def _read_pid(path: Path) -> int | None:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None
