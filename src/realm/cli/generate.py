"""`realm generate`: rows of a skill's problems, with their answers to train on or as prompts to be rewarded for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from realm.errors import SkillError, UsageError
from realm.guild.engine import SkillEngine
from realm.guild.passives.guard import is_canary
from realm.guild.practice import line_of


def generate(
    skill: Annotated[str, typer.Option("--skill", help="A skill, as `realm skill list` names it.")],
    level: Annotated[int, typer.Option("--level", help="One of its levels.")] = 1,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many rows.")] = 100,
    prompts_only: Annotated[
        bool,
        typer.Option("--prompts-only", help="For grpo and rloo: answers are there to grade by."),
    ] = False,
    seed: Annotated[str, typer.Option("--seed", help="The same seed gives the same rows.")] = "generate",
    out: Annotated[Path | None, typer.Option("--out", help="File to write (default: print).")] = None,
) -> None:
    """Problems of a level from the training side, one JSON row a line."""
    lines = _lines(skill, level, count, seed, prompts_only)
    if out is None:
        for line in lines:
            typer.echo(line)
        return
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)
    except FileExistsError:
        raise UsageError(f"{out} is there already.", hint="Name another file, or remove that one.") from None
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.", hint="Name another folder.") from None
    typer.echo(f"{len(lines)} rows of {skill} level {level} are in {out}. To train on them: realm quest add {out}")


def _lines(skill: str, level: int, count: int, seed: str, prompts_only: bool) -> list[str]:
    engine = SkillEngine()
    try:
        engine.get(skill).spec.check_level(level)
    except SkillError as error:
        raise UsageError(error.message, hint=error.hint) from error
    problems = engine.generate_batch(skill, level, count, seed)
    return [line_of(p, prompts_only=prompts_only) for p in problems if not is_canary(p.prompt)]
