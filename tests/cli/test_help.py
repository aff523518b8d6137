"""What `--help` promises is there, and nothing of it is eaten on the way to the terminal."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import typer

from realm.cli import COMMANDS, main

GROUPS = {
    name: group
    for name, entry in COMMANDS.items()
    if isinstance(group := getattr(import_module(entry.module), entry.attribute), typer.Typer)
}


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_promises_the_commands_that_it_has(name: str) -> None:
    promised = COMMANDS[name].help.partition(": ")[2].rstrip(".").split(", ")
    had = [c.name or c.callback.__name__ for c in GROUPS[name].registered_commands if c.callback]
    assert sorted(promised) == sorted(had)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in GROUPS])
def test_a_command_helps_in_whole_sentences(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    assert not re.search(r"\w [.,;)](\s|$)", said), "rich takes [words] for markup"
