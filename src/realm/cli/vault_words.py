"""The arguments and the words that the vault's commands share."""

from __future__ import annotations

from typing import Annotated

import typer

CheckpointArgument = Annotated[
    str,
    typer.Argument(
        metavar="[CHECKPOINT]", help="An id, a step or a version; `latest` or `champion` of the campaign in play."
    ),
]
NamedCheckpoint = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="An id, a step, a version, `latest` or `champion`.")
]
HeroOption = Annotated[str, typer.Option("--hero", help="Hero (default: the one in play).")]
CampaignOption = Annotated[str, typer.Option("--campaign", help="Campaign (default: the one in play).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def size_words(size_bytes: float) -> str:
    """Bytes for people, in decimal units."""
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"
