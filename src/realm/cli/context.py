"""What most commands need: the realm that is meant, opened and closed again, and words about absent packages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from realm.errors import MissingExtra
from realm.opening import Realm, find_workspace, open_workspace

__all__ = ["INSTALL_TRAIN", "Realm", "find_workspace", "open_realm", "open_workspace", "print_json", "train_packages"]
INSTALL_TRAIN = "pip install 'realm[train]'; in a clone: make play, or pip install -e '.[train]'"


@contextmanager
def open_realm() -> Iterator[Realm]:
    """The realm that is meant, for one command."""
    realm = open_workspace(find_workspace())
    try:
        yield realm
    finally:
        realm.db.close()


@contextmanager
def train_packages(what: str) -> Iterator[None]:
    """Say in words that the training extra is missing. Raises MissingExtra; other errors pass as they are."""
    try:
        yield
    except (ImportError, RuntimeError) as error:  # transformers and trl wrap what their own imports miss
        if (package := _absent(error)) is None:
            raise
        raise MissingExtra(
            f"{what} needs the package '{package}', which is not installed.",
            hint=f"Install it: {INSTALL_TRAIN}",
        ) from error


def _absent(error: BaseException | None) -> str | None:
    """The package whose absence an error comes from; None when it comes from something else, our own code included."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            return None if package == "realm" else package
        error = error.__cause__
    return None


def print_json(value: Any) -> None:
    """Machine-readable output of a read command."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
