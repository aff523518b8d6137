"""Whether each supervised process is up, alive and the one that the supervisor started."""

from __future__ import annotations

import psutil

from realm.temple.check import Check, Finding, fail, ok, skip, warn
from realm.temple.scene import Scene
from realm.weaver.ledger import ServiceRow

HUNG_SECONDS = 300.0


def supervised(scene: Scene) -> Finding:
    """The supervisor's own words about each process."""
    rows = scene.services.all()
    if not rows:
        return skip("nothing was ever started here", "Start it: realm start-all")
    words = ", ".join(f"{row.name} {row.state}" for row in rows)
    if lost := [row.name for row in rows if row.state == "gave-up"]:
        remedy = f"Read logs/{lost[0]}.log, mend the cause, then: realm stop-all, realm start-all"
        return fail(words, "none given up", remedy, value=len(lost))
    if restless := [row.name for row in rows if row.state == "backing-off" or row.restarts > 0]:
        return warn(words, "no crash", f"It crashed and was started again. Read logs/{restless[0]}.log")
    return ok(words, "none given up, no crash", value=len(rows))


def alive(scene: Scene) -> Finding:
    """Each process that counts as up lives, under the number on record, and is a Realm."""
    rows = [row for row in scene.services.all() if row.state == "up"]
    if not rows:
        return skip("no process counts as up", "Start it: realm start-all")
    wrong = [said for row in rows if (said := _wrong(row))]
    if wrong:
        return fail("; ".join(wrong), "each lives and is a Realm", "Start them anew: realm stop-all, realm start-all")
    return ok(f"{len(rows)} processes live", "each lives and is a Realm", value=len(rows))


def _wrong(row: ServiceRow) -> str:
    """What is wrong with a process, or nothing."""
    if row.pid is None or not psutil.pid_exists(row.pid):
        return f"{row.name} is gone (process {row.pid})"
    try:
        process = psutil.Process(row.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"{row.name} has ended (process {row.pid})"
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return f"{row.name} is gone (process {row.pid})"
    except psutil.AccessDenied:
        return f"process {row.pid} belongs to somebody else, not to {row.name}"
    return "" if "realm" in command else f"process {row.pid} is not {row.name} but {command[:60]!r}"


def heartbeat(scene: Scene) -> Finding:
    """The training process shows life: a process that hangs is up and does nothing."""
    holder, beat = scene.workspace.holder("hero"), scene.workspace.logs / "hero.beat"
    if holder is None or not beat.is_file():
        return skip("no training process runs", "Start it: realm start-all")
    silent = max(0.0, scene.clock() - beat.stat().st_mtime)
    words = f"last sign of life {silent:.0f} s ago"
    if silent > HUNG_SECONDS:
        remedy = f"It hangs. Where: py-spy dump --pid {holder}. Start it anew: realm stop-all, realm start-all"
        return fail(words, f"{HUNG_SECONDS:g} s", remedy, value=silent)
    return ok(words, f"{HUNG_SECONDS:g} s", value=silent)


CHECKS = (
    Check("supervised", "processes", "no process was given up or crashes again and again", supervised),
    Check("alive", "processes", "each process lives and is the right one", alive),
    Check("heartbeat", "processes", "the training process does not hang", heartbeat),
)
