"""Workspace, schema, free disk, queue: what is looked at in milliseconds."""

from __future__ import annotations

import os

from sqlalchemy import inspect as inspect_schema
from sqlalchemy.exc import DatabaseError

from realm.db import metadata
from realm.temple.check import Check, Finding, at_least, fail, ok, warn
from realm.temple.scene import Scene
from realm.watchtower.alerts import Bounds
from realm.workspace import QUEUE_STATES

MANY_FAILED = 10


def workspace(scene: Scene) -> Finding:
    place = scene.workspace
    needed = [place.inbox, place.models, place.logs, place.control, *(place.queue(state) for state in QUEUE_STATES)]
    missing = [folder for folder in needed if not folder.is_dir()]
    if missing:
        names = ", ".join(str(folder.relative_to(place.root)) for folder in missing)
        return fail(f"missing: {names}", "every folder is there", f"Make them again: realm init {place.root}")
    closed = [folder for folder in needed if not os.access(folder, os.W_OK | os.X_OK)]
    if closed:
        names = ", ".join(str(folder.relative_to(place.root)) for folder in closed)
        return fail(f"not writable: {names}", "writable", "Give them to the user that runs the realm: chown, chmod.")
    return ok(f"{len(needed)} folders, all writable", "every folder is there and writable", value=len(needed))


def schema(scene: Scene) -> Finding:
    """Every table and column that this program knows is in the database."""
    with scene.db.read() as connection:
        found = inspect_schema(connection)
        tables = set(found.get_table_names())
        missing = [name for name in metadata.tables if name not in tables]
        for name in metadata.tables.keys() & tables:
            columns = {column["name"] for column in found.get_columns(name)}
            missing += [f"{name}.{c.name}" for c in metadata.tables[name].columns if c.name not in columns]
    if missing:
        remedy = "Run any command of this version, e.g. realm status: it brings the tables up to date."
        return fail(f"missing: {', '.join(sorted(missing))}", "all tables and columns", remedy, value=len(missing))
    return ok(f"{len(metadata.tables)} tables", "all tables and columns", value=len(metadata.tables))


def integrity(scene: Scene) -> Finding:
    """SQLite's own look at its pages and indexes."""
    if not scene.db.is_sqlite:
        return ok("PostgreSQL looks after itself")
    try:
        with scene.db.read() as connection:
            said = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(3)")]
    except DatabaseError as error:  # a page so damaged that SQLite stops there
        said = [str(error.orig)]
    if said != ["ok"]:
        remedy = "Stop the realm, keep a copy of realm.db, then: sqlite3 realm.db .recover | sqlite3 new.db"
        return fail("; ".join(said)[:300], "no damaged page", remedy)
    return ok("no damaged page", "no damaged page")


def disk(scene: Scene) -> Finding:
    bounds, free = Bounds(), scene.machine.disk_free_bytes
    return at_least(
        free, bounds.disk_free_bytes, bounds.disk_critical_bytes, f"{free / 1e9:.1f} GB free",
        f"{bounds.disk_free_bytes / 1e9:g} GB; {bounds.disk_critical_bytes / 1e9:g} GB at the very least",
        "Free some room; see which checkpoints may go: realm vault retain --dry-run",
    )  # fmt: skip


def queue(scene: Scene) -> Finding:
    counts = scene.queue.counts()
    failed, active = counts["failed"], counts["active"]
    words = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count) or "empty"
    if active > 1:
        remedy = "Move all but one from queue/active back to queue/normal with mv."
        return fail(words, "at most one in training", remedy, value=active)
    if failed > MANY_FAILED:
        remedy = "See why: realm quest list failed. Mend and retry them, or remove them: realm quest rm ID"
        return warn(words, f"at most {MANY_FAILED} failed", remedy, value=failed)
    return ok(words, f"at most {MANY_FAILED} failed, one in training", value=failed)


CHECKS = (
    Check("workspace", "quick", "every folder of the workspace is there and writable", workspace),
    Check("schema", "quick", "the database has the tables of this version", schema),
    Check("integrity", "quick", "the database's pages and indexes are whole", integrity, cheap=False),
    Check("disk", "quick", "there is room for the next checkpoints", disk),
    Check("queue", "quick", "quests do not pile up failed", queue),
)
