"""Runs checks and gathers what they find. A check that fails by itself is a finding, not a crash."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from realm.errors import RealmError, UsageError
from realm.registry import Registry, unknown
from realm.temple.check import GROUPS, Check, Finding, fail, skip
from realm.temple.checks import checks
from realm.temple.scene import Scene

log = logging.getLogger(__name__)


def wanted(registry: Registry[Check], groups: Sequence[str] = (), *, cheap: bool = False) -> list[Check]:
    """The checks of some groups (none: all) in the order of the groups. Raises UsageError for an unknown group."""
    found = [registry.get(name) for name in registry.names()]
    known = [*GROUPS, *sorted({check.group for check in found} - GROUPS.keys())]
    for group in groups:
        if group not in known:
            raise unknown("group of checks", group, known)
    chosen = [check for check in found if (not groups or check.group in groups) and (check.cheap or not cheap)]
    return sorted(chosen, key=lambda check: known.index(check.group))


def inspect(scene: Scene, found: Iterable[Check]) -> list[Finding]:
    """What each check finds, in their order."""
    return [look(check, scene) for check in found]


def look(check: Check, scene: Scene) -> Finding:
    """What one check finds. What it cannot look at is said in words."""
    try:
        return check.look(scene).of(check)
    except UsageError as error:
        return skip(error.message, error.hint).of(check)
    except RealmError as error:
        return fail(error.message, "readable", error.hint).of(check)
    except OSError as error:
        why = f"{error.filename or 'A file'} cannot be read: {error.strerror}."
        return fail(why, "readable", "Mend the disk or the rights of the file.").of(check)
    except Exception as error:  # the boundary of a check: a package's mistake must not end a hero or a command
        log.exception("the check %s failed", check.id)
        remedy = f"See the log. The check '{check.id}' has a mistake of its own; other checks go on."
        return skip(f"The check itself failed: {type(error).__name__}: {error}", remedy).of(check)


def inspected(
    scene: Scene, groups: Sequence[str] = (), *, cheap: bool = False, registry: Registry[Check] | None = None
) -> list[Finding]:
    """Look at some groups of a scene, or at all."""
    return inspect(scene, wanted(registry or checks(), groups, cheap=cheap))
