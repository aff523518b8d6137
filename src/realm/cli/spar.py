"""`realm spar`: the hero answers fresh problems, and its wrong answers become a quest."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from realm.cli.context import open_realm, print_json, train_packages


def spar(
    skill: Annotated[str, typer.Option(help="The skill (default: the first of the campaign).")] = "",
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Problems to ask.")] = 100,
    level: Annotated[int, typer.Option(min=0, help="A level (0: the frontier).")] = 0,
    kind: Annotated[
        Literal["reviews", "pairs"] | None,
        typer.Option("--as", help="reviews: check and correct. pairs: right and wrong answers side by side, for dpo."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Ask the newest checkpoint fresh problems and queue what comes of its answers.

    Its wrong answers become examples of checking and correcting; with `--as pairs` several answers to each problem are
    drawn, and right ones are set beside wrong ones.

    Works beside a running hero and without one. The quest waits with high priority and expires when three newer
    checkpoints exist.
    """
    with open_realm() as realm, train_packages("Sparring"):
        from realm.errands import spar as held  # noqa: PLC0415 - torch stays behind this door

        found = held(
            realm.workspace, realm.settings, realm.db, realm.events,
            skill=skill or realm.settings.campaign.skills[0], level=level, count=count, kind=kind,
        )  # fmt: skip
    bout = found.bout
    if json:
        print_json({
            "checkpoint": found.checkpoint, "skill": bout.skill, "level": bout.level, "asked": bout.asked,
            "wrong": bout.wrong, "left_out": dict(bout.left_out), "examples": len(bout.examples), "method": bout.method,
            "file": found.file, "quest": found.quest.id if found.quest else None,
        })  # fmt: skip
        return
    typer.echo(f"{found.checkpoint}, {bout.skill.upper()} level {bout.level}: {bout.words()}")
    if found.quest:
        typer.echo(f"They wait as quest {found.quest.id} with {found.quest.priority} priority.")
    elif found.file:
        typer.echo("They are on their way into the queue, with high priority.")
    else:
        typer.echo("There is nothing to train on; nothing was queued.")
