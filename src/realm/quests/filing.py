"""From a file somewhere to a quest in the queue: look at it, decide where it belongs, put it there.

The order makes a cut at any point harmless: the sidecar and the report arrive first, then the file itself by one
rename, then the row and its facts in one transaction. Knows no claim and no training.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from realm.config.schema import QuestSettings
from realm.errors import QuestError
from realm.events import Fact, QuestQueued, QuestReceived, QuestRejected
from realm.quests import lineage, ownership, sidecar
from realm.quests.checks import shown_name
from realm.quests.folders import Folders, companions
from realm.quests.formats import SHAPES, TRAINABLE, Shape, read
from realm.quests.ledger import QuestLedger, dump
from realm.quests.report import Report
from realm.quests.sidecar import Sidecar
from realm.registry import entry_names

OWN_SOURCES = frozenset({"practice", "sparring"})
"""What heroes make themselves; anything else is a person's."""


class Check(Protocol):
    """Validation as the queue asks for it: checks.validate with the hero's tokenizer bound."""

    def __call__(self, path: Path, /, *, name: str) -> Report: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that was looked at in its place."""

    path: Path
    name: str
    sidecar: Sidecar
    sidecar_path: Path
    sha256: str
    size_bytes: int
    mtime_ns: int
    report: Report


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an arrival; an empty outcome means that it may be trained."""

    outcome: str = ""
    reason: str = ""
    fix: str = ""


class Filing:
    """Takes files into the queue of one workspace."""

    def __init__(
        self, folders: Folders, ledger: QuestLedger, settings: QuestSettings, check: Check, clock: Callable[[], float]
    ) -> None:
        self._folders = folders
        self._ledger = ledger
        self._settings = settings
        self._check = check
        self._clock = clock

    def inspect(self, path: Path) -> Arrival:
        """Hash and validate a file where it lies. Raises QuestError when it is gone or still being written."""
        before = _look(path)
        sha256 = _identity(path, before)
        sidecar_path = self._sidecar_path(path, sha256)
        said = sidecar.read(sidecar_path)
        carried = self._carried(path)
        vouched = said.text("sha256") == sha256 or (carried and said.text("quest") == carried)
        name = (vouched and said.text("name")) or path.name
        report = self._check(path, name=name)
        after = _look(path)
        if _stamp(before) != _stamp(after):
            raise QuestError(f"{path.name!r} is still being written.", hint="It is taken once it stands still.")
        return Arrival(path, name, said, sidecar_path, sha256, after.st_size, after.st_mtime_ns, report)

    def file(self, arrival: Arrival, priority: str | None, source: str) -> dict[str, Any]:
        """Put the file into a folder of the queue and remember it. Returns its row."""
        verdict = self._verdict(arrival)
        quest = self._id(arrival)
        said = arrival.sidecar.text("source")
        source = said if said in OWN_SOURCES else source
        wanted = priority or arrival.sidecar.priority or ("low" if source == "practice" else "normal")
        state = "failed" if verdict.outcome else wanted
        target = self._folders.path(state, lineage.stored_name(quest, arrival.name))
        row = self._row(arrival, verdict, quest, target.name, wanted, source) | {"state": state}
        replaces = self._replaced(arrival, quest)
        self._put_companions(arrival, verdict, target, row, replaces)
        self._folders.bring(arrival.path, target)
        self._ledger.put(row, *_facts(row), replaces=replaces)
        return row

    def remember(self, arrival: Arrival, state: str) -> dict[str, Any]:
        """Know about a file that lies in a folder where quests end; the ledger had lost it."""
        quest = self._id(arrival)
        stored = lineage.stored_name(quest, arrival.name)
        verdict = Verdict("found", f"It was found in queue/{state}.")
        row = self._row(arrival, verdict, quest, stored, "normal", arrival.sidecar.text("source") or "person")
        row |= {"state": state}
        self._folders.move(arrival.path, self._folders.path(state, stored))
        self._ledger.put(row)
        return row

    def look_again(self, row: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """What changes in a quest's row when its file is checked once more."""
        arrival = self.inspect(path)
        verdict = self._unfit(arrival)
        self._folders.write(companions(path)[1], _words(arrival, verdict))
        if not verdict.outcome and arrival.report.bad:
            self._folders.write(companions(path)[2], self._bad_rows(path))
        fresh = self._row(arrival, verdict, row["id"], path.name, row["priority"], row["source"])
        return {
            key: fresh[key]
            for key in ("size_bytes", "mtime_ns", "rows", "set_aside", "outcome", "reason", "method", "report")
        }

    # -- decisions ---------------------------------------------------------------------------------------------
    def _verdict(self, arrival: Arrival) -> Verdict:
        unfit = self._unfit(arrival)
        return unfit if unfit.outcome else self._twin(arrival)

    def _unfit(self, arrival: Arrival) -> Verdict:
        method = arrival.sidecar.text("method")
        if not arrival.report.ok:
            return Verdict("rejected", arrival.report.reason, arrival.report.fix)
        if method and method not in TRAINABLE | set(entry_names("realm.methods")):
            return Verdict(
                "rejected",
                f"Its sidecar asks for the method {method[:40]!r}; this version trains "
                f"{', '.join(sorted(TRAINABLE))} only.",
                "Take the method out of the sidecar.",
            )
        return _mismatch(method, SHAPES.get(arrival.report.shape))

    def _twin(self, arrival: Arrival) -> Verdict:
        """The same content again: said, not trained."""
        mine = ownership.named(arrival.sidecar)
        for row in self._ledger.of_content(arrival.sha256):
            place = self._folders.find(row["stored"])
            if mine["campaign"] and not ownership.is_of(mine, row):
                continue  # what one campaign practised, another may practise too: a rerun does
            if row["id"] == self._carried(arrival.path) or (place and place.path == arrival.path):
                continue  # the file in hand itself
            again = f"To train it again: realm quest retry {row['id']}"
            if done := self._ledger.completions(row["id"]):
                day = time.strftime("%Y-%m-%d", time.localtime(done[-1]["time"]))
                return Verdict(
                    "duplicate", f"It was trained already on {day}, as quest {row['id']}; nothing to do.", again
                )
            if place and place.state == "recently_completed":
                how = "skipped" if row["outcome"] == "skipped" else "filed as done"
                return Verdict("duplicate", f"It was {how} already, as quest {row['id']}; nothing to do.", again)
            if place and place.state != "failed":
                return Verdict(
                    "duplicate", f"It is in the queue already ({place.state}), as quest {row['id']}.", "Nothing to do."
                )
        return Verdict()

    def _id(self, arrival: Arrival) -> str:
        """The id that the file carries already, that of a quest whose file was lost, or a new one."""
        carried = self._carried(arrival.path)
        if carried and arrival.sidecar.text("quest") == carried and self._ledger.get(carried) is None:
            return carried  # its filing was cut before its row was written
        mine = ownership.named(arrival.sidecar)
        for row in self._ledger.of_content(arrival.sha256):
            lost = self._folders.find(row["stored"]) is None and not self._ledger.completions(row["id"])
            if lost and (not mine["campaign"] or ownership.is_of(mine, row)):
                return str(row["id"])
        taken = {place.id for place in self._folders.places()}
        copy = 1
        while (quest := lineage.quest_id(arrival.sha256, copy)) in taken or self._ledger.get(quest):
            copy += 1
        return quest

    def _carried(self, path: Path) -> str:
        """The id in the name of a file that lies in the queue; a copy of it elsewhere is not that quest."""
        return (self._folders.holds(path) and lineage.stored_id(path.name)) or ""

    def _replaced(self, arrival: Arrival, quest: str) -> str:
        """The quest that this file was before a person edited it in the queue; empty for most."""
        carried = self._carried(arrival.path)
        return arrival.sidecar.text("replaces") if carried == quest else carried

    def _sidecar_path(self, path: Path, sha256: str) -> Path:
        """Beside the file, or already in the queue when a crash parted the two."""
        beside = sidecar.path_of(path)
        if beside.exists() or beside.is_symlink():
            return beside
        return self._folders.stray_sidecar(lineage.quest_id(sha256), self._is_known) or beside

    def _is_known(self, quest: str) -> bool:
        return self._ledger.get(quest) is not None

    # -- effects -----------------------------------------------------------------------------------------------
    def _put_companions(
        self, arrival: Arrival, verdict: Verdict, target: Path, row: Mapping[str, Any], replaces: str
    ) -> None:
        beside, report, rejected = companions(target)
        if not replaces:  # an edited file keeps its old sidecar until it carries its new name
            self._folders.take_sidecar(arrival.sidecar_path, beside)
        said = dict(arrival.sidecar.values) | {
            "quest": row["id"],
            "name": arrival.name,
            "sha256": arrival.sha256,
            "source": row["source"],
            "filed": row["state"],
            "replaces": replaces,
        }
        self._folders.write(beside, [sidecar.encode(said)])
        self._folders.write(report, _words(arrival, verdict))
        if not verdict.outcome and arrival.report.bad:
            self._folders.write(rejected, self._bad_rows(arrival.path))

    def _bad_rows(self, path: Path) -> Iterator[bytes]:
        """The bad lines as they stand in the file, ready to be mended and dropped again; too long ones are left out."""
        for line in read(path, max_line_bytes=self._settings.max_line_bytes):
            if line.problem is not None and line.raw:
                yield line.raw + b"\n"

    def _row(
        self, arrival: Arrival, verdict: Verdict, quest: str, stored: str, priority: str, source: str
    ) -> dict[str, Any]:
        report, now = arrival.report, self._clock()
        fit = not verdict.outcome
        return {
            "id": quest,
            "name": shown_name(arrival.name),
            "stored": stored,
            "sha256": arrival.sha256,
            "priority": priority,
            "source": source,
            "outcome": verdict.outcome,
            "reason": verdict.reason,
            "size_bytes": arrival.size_bytes,
            "mtime_ns": arrival.mtime_ns,
            "rows": report.examples,
            "set_aside": report.bad if fit else 0,
            "retries": 0,
            "added": now,
            "changed": now,
            "method": arrival.sidecar.text("method")[:20] or report.method,
            "skill": shown_name(arrival.sidecar.text("skill"))[:80],
            "level": arrival.sidecar.level,
            **ownership.named(arrival.sidecar),
            "report": dump(_judged(report, verdict).as_json()),
            "meta": dump(arrival.sidecar.values),
        }


def _mismatch(method: str, shape: Shape | None) -> Verdict:
    """The verdict on a sidecar's method that cannot use the rows of a file."""
    if not method or shape is None or shape.takes(method):
        return Verdict()
    fitting = [other for other in SHAPES.values() if other.takes(method)]
    wanted = "; ".join(f"{other.name} ({', '.join(other.fields)})" for other in fitting[:3])
    return Verdict(
        "rejected",
        f"Its sidecar asks for the method {method!r}, which trains on {wanted}; the rows have the {shape.name} shape "
        f"({', '.join(shape.fields)}).",
        f"Take the method out of the sidecar, and {shape.method()} trains them; or write rows for {method}.",
    )


def _facts(row: Mapping[str, Any]) -> tuple[Fact, ...]:
    received = QuestReceived(
        quest=row["id"], name=row["name"], sha256=row["sha256"], size_bytes=row["size_bytes"], source=row["source"]
    )
    if row["outcome"]:
        return received, QuestRejected(quest=row["id"], name=row["name"], reason=row["reason"])
    return received, queued(row)


def queued(row: Mapping[str, Any]) -> QuestQueued:
    return QuestQueued(
        quest=row["id"], name=row["name"], priority=row["priority"], rows=row["rows"], set_aside=row["set_aside"]
    )


def _judged(report: Report, verdict: Verdict) -> Report:
    """The report with the queue's own reasons in it."""
    return replace(report, ok=False, reason=verdict.reason, fix=verdict.fix) if verdict.outcome else report


def _words(arrival: Arrival, verdict: Verdict) -> Iterable[bytes]:
    report = _judged(arrival.report, verdict)
    if arrival.sidecar.problem:
        report = replace(report, notes=(*report.notes, arrival.sidecar.problem + "."))
    return [report.words().encode("utf-8", "replace")]


def _look(path: Path) -> Any:
    try:
        return path.lstat()
    except FileNotFoundError as error:
        raise QuestError(f"There is no file {path.name!r} any more.", hint="Somebody moved it.") from error


def _stamp(status: Any) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _identity(path: Path, status: Any) -> str:
    if stat.S_ISREG(status.st_mode):
        try:
            return lineage.digest(path)
        except QuestError:
            pass  # not readable: the report says why
    return lineage.digest_of_name(path)
