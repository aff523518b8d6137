"""One way to find parts by name: built-ins and third parties' entry points alike. Knows no part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from realm.errors import UsageError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant, or None."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not known: it names the nearest one, or lists what there is."""
    names = sorted(known)
    guess = nearest(name, names)
    hint = f"Did you mean '{guess}'?" if guess else f"Known: {', '.join(names) or 'none'}."
    return UsageError(f"There is no {what} named '{name}'.", hint=hint)


def entry_names(group: str) -> list[str]:
    """Names that installed packages bring to a group; nothing is imported."""
    return sorted({point.name for point in entry_points(group=group)})


class Registry(Generic[T]):
    """Parts of one kind by name. A factory runs at first use, so that listing names loads nothing heavy.

    `group` is the entry-point group that third parties use, e.g. `realm.skills`.
    """

    def __init__(self, what: str, group: str | None = None) -> None:
        self.what = what
        self._factories: dict[str, Callable[[], T]] = {}
        self._made: dict[str, T] = {}
        self._foreign: dict[str, str] = {}
        self.clashes: dict[str, str] = {}
        """Name -> one sentence about a package whose part of that name is left out."""
        self._group = group
        self._find()

    def register(self, name: str, factory: Callable[[], T]) -> None:
        """Add a part of our own; it goes before one of a package. Raises UsageError when the name is taken."""
        if name in self._factories and name not in self._foreign:
            raise UsageError(f"Two {self.what}s are named '{name}'.", hint="Uninstall or rename one of them.")
        if name in self._foreign:
            self._leave_out(name, self._foreign.pop(name))
        self._factories[name] = factory

    def _find(self) -> None:
        """Take up what packages bring; of two that bring the same name the first stays."""
        for point in entry_points(group=self._group) if self._group else ():
            package = _package(point)
            if point.name not in self._factories:
                self._foreign[point.name] = package
                self._factories[point.name] = _load(point.load)
            elif self._foreign.get(point.name) != package:
                self._leave_out(point.name, package)

    def _leave_out(self, name: str, package: str) -> None:
        self.clashes[name] = f"There is a {self.what} '{name}' already; that of the package '{package}' is left out."

    def source(self, name: str) -> str:
        """The package that brings a part; empty for the program's own."""
        return self._foreign.get(name, "")

    def get(self, name: str) -> T:
        """The part of that name, made at first use. Raises UsageError naming the nearest known one."""
        if name not in self._made:
            if name not in self._factories:
                self._find()  # a package may have been installed since
            if name not in self._factories:
                raise unknown(self.what, name, self._factories)
            self._made[name] = self._factories[name]()
        return self._made[name]

    def names(self) -> list[str]:
        return sorted(self._factories)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value.partition(":")[0]


def _load(loader: Callable[[], Callable[[], T]]) -> Callable[[], T]:
    """An entry point names a factory; loading it is put off until the part is wanted."""
    return lambda: loader()()
