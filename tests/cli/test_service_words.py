"""What a service writes: a missing package in words, however deep its import lies, and no chatter of libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realm.cli.context import INSTALL_TRAIN, train_packages
from realm.errors import MissingExtra
from realm.workspace import Workspace


def absent(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


def wrapped(name: str) -> RuntimeError:
    """What trl raises when an import of one of its parts fails."""
    try:
        try:
            raise absent(name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("Could not import module 'TrainingArguments'.") from error
    except ModuleNotFoundError as error:
        failed = RuntimeError("Failed to import trl.trainer.sft_config")
        failed.__cause__ = error
        return failed


@pytest.mark.parametrize(
    ("error", "package"),
    [
        (absent("torch"), "torch"),
        (absent("transformers.models"), "transformers"),
        (absent("trl"), "trl"),
        (wrapped("accelerate"), "accelerate"),
    ],
)
def test_a_missing_package_is_named(error: Exception, package: str) -> None:
    with pytest.raises(MissingExtra, match=f"needs the package '{package}'") as said, train_packages("Training"):
        raise error
    assert said.value.hint == f"Install it: {INSTALL_TRAIN}"


@pytest.mark.parametrize("error", [absent("realm.arena.nowhere"), RuntimeError("a bug"), ImportError("no such name")])
def test_other_errors_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as passed, train_packages("Training"):
        raise error
    assert passed.value is error


def test_a_log_holds_what_realm_says_and_no_chatter_of_libraries(workspace: Workspace) -> None:
    code = (
        "import logging, sys\n"
        "from pathlib import Path\n"
        "from realm.cli.context import open_workspace\n"
        "from realm.cli.serve import log_what_matters\n"
        "from realm.workspace import Workspace\n"
        "log_what_matters()\n"
        "open_workspace(Workspace(Path(sys.argv[1]))).db.close()\n"
        "logging.getLogger('realm.hero_loop').info('a word of our own')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, timeout=60, check=True
    )
    assert [line.partition("INFO ")[2] for line in done.stderr.splitlines()] == ["realm.hero_loop: a word of our own"]
