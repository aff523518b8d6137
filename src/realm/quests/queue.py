"""The quest queue: folders hold the files, a file's folder is its state. Knows no training and no page.

A claim is an atomic rename, so a person may move a file between folders with mv. Two ends are decided in the
database before the file moves - completed (or skipped) and failed -, so that a crash between the two never trains a
quest again: recovery finishes the move. In every other case the folder is right and the ledger follows it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from realm.config.schema import QuestSettings
from realm.db import Database
from realm.errors import QuestError, UsageError
from realm.events import (
    Events,
    Fact,
    QuestCompleted,
    QuestExpired,
    QuestFailed,
    QuestRejected,
    QuestRemoved,
    QuestSkipped,
)
from realm.quests import lineage, ownership, sidecar
from realm.quests.checks import Validation, validate
from realm.quests.filing import Check, Filing, queued
from realm.quests.folders import Effect, Folders, Place, companions
from realm.quests.formats import read
from realm.quests.ledger import QuestLedger
from realm.quests.quest import Quest, Source, from_row, unchecked
from realm.records import CampaignKey, Row
from realm.workspace import PRIORITIES, QUEUE_STATES, Workspace

__all__ = ["Quest", "QuestQueue"]
ENDS = ("recently_completed", "failed")
FRESH_SECONDS = 2.0
"""A file that a person puts straight into the queue is left alone until it is this old."""


class QuestQueue:
    """The queue of one workspace. Safe for several threads; other processes may list, move, retry and remove."""

    def __init__(
        self,
        workspace: Workspace,
        db: Database,
        events: Events,
        settings: QuestSettings,
        *,
        check: Check | None = None,
        template: str | None = None,
        owner: CampaignKey | None = None,
        clock: Callable[[], float] = time.time,
        effect: Effect = lambda _what: None,
    ) -> None:
        """`check` is checks.validate with a hero's tokenizer bound; `template` is that hero's prompt_template.

        `owner` is the campaign that takes quests from here: those of another campaign are left alone.
        """
        self._owner = owner
        self._settings = settings
        self._template = template
        self._clock = clock
        self._lock = threading.RLock()
        self._folders = Folders(workspace, effect)
        self._ledger = QuestLedger(db, events, effect)
        asked = Validation(level=settings.validation, settings=settings, template=template)
        check = check or partial(validate, asked=asked)
        self._filing = Filing(self._folders, self._ledger, settings, check, clock)

    # -- coming in ---------------------------------------------------------------------------------------------
    def add(self, path: Path, priority: str | None = None, source: Source = "person") -> Quest:
        """Check a file where it lies and move it into the queue, or into failed/ with its report.

        Without a priority its sidecar decides; practice waits behind everything else. Raises QuestError when the
        file is gone or still being written.
        """
        arrival = self._filing.inspect(path)  # may take long on a big file: outside the lock
        with self._lock:
            return self._quest(self._filing.file(arrival, priority and _priority(priority), source))

    # -- training ----------------------------------------------------------------------------------------------
    def claim(self, quest_id: str | None = None) -> Quest | None:
        """Move the next quest (or that one) into active/: highest priority first, then oldest. None when none waits."""
        with self._lock:
            for place in self._waiting():
                if quest_id is not None and place.id != quest_id:
                    continue
                ready = self._ready(place)
                if ready is not None and (quest := self._start(ready)) is not None:
                    return quest
        return None

    def active(self) -> Quest | None:
        """The quest in active/: found again after a crash. One of another campaign goes back to wait for that."""
        with self._lock:
            for place in list(self._folders.places("active")):
                if (quest := self._in_hand(place)) is None:
                    continue
                if ownership.is_free_for(self._owner, self._known(quest.id)):
                    self._ledger.change(quest.id, "active", ownership.owner(self._owner))
                    return self.get(quest.id)
                self.release(quest)
        return None

    def waiting(self) -> int:
        """Quests that this campaign could claim."""
        return sum(1 for _ in self._waiting())

    def rows(self, quest: Quest) -> Iterator[Row]:
        """The quest's rows in an internal shape, always in the same order; bad rows are passed over."""
        path = self._where(self._known(quest.id)).path
        for line in read(path, max_line_bytes=self._settings.max_line_bytes, template=self._template):
            if line.row is not None:
                yield line.row

    def complete(self, quest: Quest, run: str, steps: int, key: CampaignKey) -> bool:
        """Trained to its end by `run`. Safe to repeat.

        Returns False when this run had completed the quest before; if it was claimed again since, it stays active.
        """
        fact = QuestCompleted(quest=quest.id, name=quest.name, run=run, steps=steps, **_campaign(key))
        with self._lock:
            values = self._change("recently_completed", outcome="completed", reason="")
            new = self._ledger.complete(quest.id, run, steps, key, self._clock(), values, fact)
            self._finish(quest.id)
        return new

    def was_completed(self, quest: Quest, run: str) -> bool:
        """Whether `run` has completed this quest: if so and it is active, it waits to be trained anew.

        Runs of two campaigns may have one name; where the queue has an owner, its runs alone count.
        """
        return any(
            done["run"] == run and ownership.is_free_for(self._owner, done)
            for done in self._ledger.completions(quest.id)
        )

    def fail(self, quest: Quest, reason: str, key: CampaignKey, *, again: bool = True) -> Quest:
        """Training failed: back into the queue while tries are left, else into failed/ with the reason.

        Without `again` it is not tried again, whatever is left.
        """
        with self._lock:
            row = self._known(quest.id)
            left = max(0, self._settings.max_retries - row["retries"]) if again else 0
            fact = QuestFailed(quest=quest.id, name=quest.name, reason=reason, retries_left=left, **_campaign(key))
            self._report_failure(row, reason)
            if left:
                values = self._change(row["priority"], reason=reason, retries=row["retries"] + 1)
            else:
                values = self._change("failed", outcome="failed", reason=reason)
            if self._ledger.change(quest.id, "active", values, fact) and left:
                self._move(row["stored"], "active", row["priority"])
            self._finish(quest.id)
            return self.get(quest.id)

    def skip(self, quest: Quest, step: int, key: CampaignKey) -> Quest:
        """A person skipped it in training; it is not trained again by itself."""
        fact = QuestSkipped(quest=quest.id, name=quest.name, step=step, **_campaign(key))
        with self._lock:
            values = self._change("recently_completed", outcome="skipped", reason=f"Skipped at step {step}.")
            self._ledger.change(quest.id, "active", values, fact)
            self._finish(quest.id)
            return self.get(quest.id)

    def expire(self, outdated: Callable[[Mapping[str, Any]], str], key: CampaignKey) -> list[str]:
        """File away waiting sparring quests of whose sidecar `outdated` says why they are; empty words keep them.

        They are not trained; their files go to recently_completed/. Quests of another campaign than `key` are left
        alone. Returns the ids.
        """
        gone = []
        with self._lock:
            for quest in [q for state in PRIORITIES for q in self.list(state) if q.source == "sparring"]:
                row = self._known(quest.id)
                if ownership.is_free_for(key, row) and (reason := outdated(json.loads(row["meta"]))):
                    fact = QuestExpired(quest=quest.id, name=quest.name, reason=reason, **_campaign(key))
                    values = self._change("recently_completed", outcome="expired", reason=reason)
                    self._ledger.change(quest.id, row["state"], values, fact)
                    self._finish(quest.id)
                    gone.append(quest.id)
        return gone

    def release(self, quest: Quest) -> Quest:
        """Put the active quest back into its place in the queue, untrained or half trained."""
        with self._lock:
            row = self._known(quest.id)
            self._move(row["stored"], "active", row["priority"])
            self._follow(self._known(quest.id))
            return self.get(quest.id)

    # -- what a person may do ----------------------------------------------------------------------------------
    def retry(self, quest_id: str) -> Quest:
        """Queue a quest again that has ended; a file that was mended in failed/ comes back as a new quest.

        Raises QuestError with the reason when it is still unfit.
        """
        with self._lock:
            row = self._known(quest_id)
            place = self._where(row)
            if place.state not in ENDS:
                raise QuestError(
                    f"Quest {quest_id} is {_said(place.state)}; there is nothing to retry.",
                    hint="See the queue: realm quest list",
                )
            self._folders.move(place.path, self._folders.path(row["priority"], row["stored"]))
            ready = self._ready(self._where(row))
            quest = self.get(ready.id if ready and ready.id else quest_id)
        if quest.state in ENDS:
            raise QuestError(
                f"Quest {quest_id} still cannot be trained. {quest.reason}",
                hint=f"Mend {quest.path}; its report lies beside it.",
            )
        return quest

    def remove(self, quest_id: str) -> Quest:
        """Take a waiting quest out of the queue; its file goes to failed/, nothing is deleted."""
        with self._lock:
            row, place = self._waiting_one(quest_id, "removed")
            self._take_from(place, "failed")
            self._follow(row)
            return self.get(quest_id)

    def set_priority(self, quest_id: str, priority: str) -> Quest:
        """Move a waiting quest to another priority; it keeps its age."""
        with self._lock:
            row, place = self._waiting_one(quest_id, "moved")
            self._take_from(place, _priority(priority))
            self._follow(row)
            return self.get(quest_id)

    def sweep_practice(self, keep: int) -> list[str]:
        """Remove the files of completed practice but the newest `keep`: their sidecars' seeds make them again.

        The ledger keeps their rows. Files of a person are never removed. Returns the ids.
        """
        with self._lock:
            practice = [q for q in self.list("recently_completed") if q.source == "practice" and q.sha256]
            for quest in practice[keep:]:
                self._folders.discard([quest.path, *companions(quest.path)])
        return [quest.id for quest in practice[keep:]]

    # -- looking (writes nothing) --------------------------------------------------------------------------------
    def list(self, state: str | None = None, limit: int | None = None) -> Sequence[Quest]:
        """Quests of one state or of all: waiting ones in the order of claims, ended ones newest first."""
        states = QUEUE_STATES if state is None else (state,)
        return [quest for each in states for quest in self._listed(each)[:limit]]

    def get(self, quest_id: str) -> Quest:
        """One quest, wherever it is. Raises QuestError when there is none of that id."""
        row = self._ledger.get(quest_id)
        if row is None:
            raise QuestError(f"There is no quest {quest_id!r}.", hint="See them all: realm quest list")
        return self._quest(row)

    def report(self, quest_id: str) -> str:
        """The report of a quest as JSON text (report.Report.as_json)."""
        return str(self._known(quest_id)["report"])

    def meta(self, quest_id: str) -> dict[str, Any]:
        """What a quest's sidecar said when it was filed; empty where it had none."""
        found = json.loads(self._known(quest_id)["meta"] or "{}")
        return found if isinstance(found, dict) else {}

    def counts(self) -> dict[str, int]:
        return {state: self._folders.count(state) for state in QUEUE_STATES}

    def completed(self, key: CampaignKey) -> int:
        """Quests that this hero completed in this campaign."""
        return self._ledger.completed(key)

    # -- after a crash -------------------------------------------------------------------------------------------
    def recover(self) -> None:
        """Make folders and ledger agree: finish decided moves, take up unknown files, note those that are gone."""
        with self._lock:
            for place in list(self._folders.places("active")):
                self._in_hand(place)
            known = self._rows([place for place in self._folders.places()])
            for place in list(self._folders.places(*PRIORITIES, *ENDS)):
                self._see(place, known.get(place.id or ""))
            for row in self._ledger.in_states(*PRIORITIES, "active"):
                if self._folders.find(row["stored"]) is None:
                    self._note_gone(row)
            self._folders.gather(self._remembers)

    def _remembers(self, quest_id: str) -> bool | None:
        row = self._ledger.get(quest_id)
        return None if row is None else row["outcome"] != "changed"

    # -- one file and its row ------------------------------------------------------------------------------------
    def _ready(self, place: Place) -> Place | None:
        """A waiting file that may be claimed, checked and known; None when it may not (now)."""
        try:
            return self._prepared(place)
        except QuestError:
            return None  # gone, or being written: it is looked at again

    def _prepared(self, place: Place) -> Place | None:
        row = self._ledger.get(place.id) if place.id else None
        if row is None:
            return self._adopt(place)
        touched = _size_and_time(place.path) != (row["size_bytes"], row["mtime_ns"])
        if touched and lineage.digest(place.path) != row["sha256"]:
            return self._replaced(row, place)
        if (touched or row["outcome"] == "rejected") and not self._is_fit(row, place):
            return None
        self._settle(self._known(row["id"]), place)
        return place

    def _adopt(self, place: Place) -> Place | None:
        """Take up a file that the ledger does not know, once it stands still."""
        ours = place.id is not None and companions(place.path)[0].exists()
        if not ours and self._clock() - _mtime(place.path) < FRESH_SECONDS:
            return None
        return self._claimable(self.add(place.path, place.state))

    @staticmethod
    def _claimable(quest: Quest) -> Place | None:
        return Place(quest.state, quest.path, quest.id) if quest.state in PRIORITIES else None

    def _replaced(self, row: dict[str, Any], place: Place) -> Place | None:
        """The file was edited in the queue: other content is another quest."""
        filed = self._filing.file(self._filing.inspect(place.path), place.state, row["source"])
        self._folders.discard(companions(place.path))  # what was said about the old content
        return self._claimable(self._quest(filed))

    def _is_fit(self, row: dict[str, Any], place: Place) -> bool:
        """Check a file once more; when it is still unfit it goes to failed/."""
        values = self._filing.look_again(row, place.path)
        if not values["outcome"]:
            return self._ledger.change(row["id"], row["state"], values)
        fact = QuestRejected(quest=row["id"], name=row["name"], reason=values["reason"])
        self._ledger.change(row["id"], row["state"], values | self._change("failed"), fact)
        self._folders.move(place.path, self._folders.path("failed", place.path.name))
        return False

    def _start(self, place: Place) -> Quest | None:
        target = self._folders.path("active", place.path.name)
        try:
            self._folders.move(place.path, target)
        except FileNotFoundError:
            return None  # somebody moved it first
        row = self._known(place.id or "")
        self._settle(row, Place("active", target, place.id), ownership.owner(self._owner))
        return self.get(row["id"])

    def _in_hand(self, place: Place) -> Quest | None:
        """A file in active/: in training, or at an end that was decided and not yet carried out."""
        row = self._ledger.get(place.id) if place.id else None
        if row is None:
            self._ready(Place("normal", place.path, place.id))
            return None
        if row["state"] in ENDS:
            self._finish(row["id"])
            return None
        self._settle(row, place)
        return self._quest(row)

    def _see(self, place: Place, row: dict[str, Any] | None) -> None:
        """Let the ledger follow a file that lies in a folder."""
        if row is not None:
            self._settle(row, place)
        elif place.state in PRIORITIES:
            self._ready(place)
        elif place.state == "failed" and sidecar.read(companions(place.path)[0]).text("filed") == "failed":
            self.add(place.path)  # its filing was cut before its row was written
        else:
            self._filing.remember(self._filing.inspect(place.path), place.state)

    def _settle(self, row: dict[str, Any], place: Place, owner: dict[str, str] | None = None) -> None:
        """Write down where the file lies, if the ledger thought otherwise; `owner` is who has claimed it."""
        if row["state"] == place.state and row["stored"] == place.path.name:
            return
        values = self._change(place.state, stored=place.path.name, **(owner or {}))
        facts: list[Fact] = []
        if place.state in PRIORITIES:
            values["priority"] = place.state
            if row["state"] in (*ENDS, "missing"):
                values |= {"retries": 0, "reason": "", "outcome": "rejected" if row["outcome"] == "rejected" else ""}
                if row["source"] != "practice":
                    values |= ownership.NOBODY  # whoever is in play when its turn comes may train it anew
            facts = [queued(row | values)]
        elif place.state in ENDS and row["state"] not in ENDS:
            values |= {"outcome": "removed", "reason": "Removed by a person."}
            facts = [QuestRemoved(quest=row["id"], name=row["name"])]
        self._ledger.change(row["id"], row["state"], values, *facts)

    def _follow(self, row: dict[str, Any]) -> None:
        if place := self._folders.find(row["stored"]):
            self._settle(row, place)

    def _finish(self, quest_id: str) -> None:
        """Carry out an end that the ledger has decided."""
        row = self._known(quest_id)
        place = self._folders.find(row["stored"])
        if row["state"] in ENDS and place is not None and place.state != row["state"]:
            self._folders.move(place.path, self._folders.path(row["state"], row["stored"]))

    def _note_gone(self, row: dict[str, Any]) -> None:
        values = self._change("missing", outcome="removed", reason="Its file is gone from the queue.")
        self._ledger.change(row["id"], row["state"], values, QuestRemoved(quest=row["id"], name=row["name"]))

    def _report_failure(self, row: dict[str, Any], reason: str) -> None:
        place = self._folders.find(row["stored"])
        if place is not None:
            report = companions(place.path)[1]
            before = report.read_bytes() if report.is_file() else b""
            self._folders.write(report, [f"{row['name']}: training failed. {reason}\n\n".encode(), before])

    # -- small helpers -------------------------------------------------------------------------------------------
    def _waiting(self) -> Iterator[Place]:
        for priority in PRIORITIES:
            places = list(self._folders.places(priority))
            known = self._rows(places)
            free = [place for place in places if ownership.is_free_for(self._owner, known.get(place.id or ""))]
            yield from sorted(free, key=lambda place: _age(place, known))

    def _rows(self, places: Sequence[Place]) -> dict[str, dict[str, Any]]:
        return self._ledger.many([place.id for place in places if place.id])

    def _listed(self, state: str) -> Sequence[Quest]:
        places = list(self._folders.places(state))
        known = self._rows(places)
        quests = [
            from_row(known[place.id], place, place.path) if place.id in known else unchecked(place)
            for place in places
            if place.path.exists() or place.path.is_symlink()
        ]
        ended = state in ENDS
        return sorted(quests, key=lambda q: (q.changed if ended else q.added, q.id), reverse=ended)

    def _quest(self, row: dict[str, Any]) -> Quest:
        place = self._folders.find(row["stored"])
        path = place.path if place else self._folders.path(row["priority"], row["stored"])
        return from_row(row, place, path)

    def _known(self, quest_id: str) -> dict[str, Any]:
        row = self._ledger.get(quest_id)
        if row is None:
            raise QuestError(f"There is no quest {quest_id!r}.", hint="See them all: realm quest list")
        return row

    def _where(self, row: dict[str, Any]) -> Place:
        place = self._folders.find(row["stored"])
        if place is None:
            raise QuestError(f"The file of quest {row['id']} is gone from the queue.", hint="Drop it again.")
        return place

    def _waiting_one(self, quest_id: str, verb: str) -> tuple[dict[str, Any], Place]:
        row = self._known(quest_id)
        place = self._where(row)
        if place.state not in PRIORITIES:
            hint = "Leave it with: realm skip" if place.state == "active" else "See the queue: realm quest list"
            message = f"Quest {quest_id} is {_said(place.state)}; only a waiting quest can be {verb}."
            raise QuestError(message, hint=hint)
        return row, place

    def _take_from(self, place: Place, state: str) -> None:
        try:
            self._folders.move(place.path, self._folders.path(state, place.path.name))
        except FileNotFoundError as error:
            raise QuestError("The quest was taken for training just now.", hint="Leave it with: realm skip") from error

    def _move(self, stored: str, old: str, new: str) -> None:
        try:
            self._folders.move(self._folders.path(old, stored), self._folders.path(new, stored))
        except FileNotFoundError:
            return  # a person moved it by hand: where it lies now is where it is

    def _change(self, state: str, **values: Any) -> dict[str, Any]:
        return {"state": state, "changed": self._clock(), **values}


def _age(place: Place, known: dict[str, dict[str, Any]]) -> tuple[float, str]:
    row = known.get(place.id or "")
    return (row["added"] if row else _mtime(place.path), place.path.name)


def _mtime(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = path.lstat()
    except FileNotFoundError as error:
        raise QuestError(f"There is no file {path.name!r} any more.", hint="Somebody moved it.") from error
    return status.st_size, status.st_mtime_ns


def _priority(priority: str) -> str:
    if priority not in PRIORITIES:
        raise UsageError(f"There is no priority {priority!r}.", hint=f"Known: {', '.join(PRIORITIES)}.")
    return priority


def _said(state: str) -> str:
    return {"active": "in training", "recently_completed": "completed", "failed": "failed"}.get(state, "waiting")


def _campaign(key: CampaignKey) -> dict[str, str]:
    return {"hero": key.hero, "campaign": key.campaign}
