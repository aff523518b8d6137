"""`realm export` and `realm adapter`: a checkpoint as a folder for other programs, an adapter merged or taken out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli.context import Realm, open_realm, print_json, train_packages
from realm.cli.keeping import find_checkpoint, open_keeper
from realm.config.layers import resolve_hero
from realm.errors import CheckpointError, UsageError
from realm.events import ExportEnded
from realm.guild.engine import SkillEngine
from realm.records import CheckpointRecord
from realm.registry import unknown
from realm.vault import files, scan
from realm.vault.manifest import Manifest

FORMATS = ("hf", "merged", "gguf")
OUTTYPES = ("f32", "f16", "bf16", "q8_0")
PROMPTS = 20
PARITY_TOKENS = 64
UNMERGE_TOLERANCE = 1e-4

app = typer.Typer()

CheckpointArgument = Annotated[
    str, typer.Argument(metavar="CHECKPOINT", help="An id, a step, `latest` or `champion` of the campaign in play.")
]
ToOption = Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder to make; it must not exist.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def export(
    checkpoint: CheckpointArgument,
    to: ToOption,
    form: Annotated[str, typer.Option("--format", help="hf, merged (an adapter with its base), or gguf.")] = "hf",
    outtype: Annotated[str, typer.Option("--outtype", help="Numbers in a GGUF file: f32, f16, bf16, q8_0.")] = "f16",
    converter: Annotated[
        str, typer.Option("--converter", metavar="FILE", help="llama.cpp's convert_hf_to_gguf.py, where not on PATH.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint for use elsewhere, and check that it still gives the same greedy answers."""
    for what, given, known in (("format", form, FORMATS), ("outtype", outtype, OUTTYPES)):
        if given not in known:
            raise unknown(what, given, known)
    with open_realm() as realm, train_packages("Exporting"):
        _export(realm, checkpoint, to, form, outtype, converter, as_json=as_json)


@app.command()
def merge(checkpoint: CheckpointArgument, to: ToOption, as_json: JsonOption = False) -> None:
    """Add a checkpoint's adapter to its base and write the whole model: `realm export --format merged`."""
    with open_realm() as realm, train_packages("Merging"):
        _export(realm, checkpoint, to, "merged", "", "", as_json=as_json)


@app.command()
def unmerge(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `realm adapter merge` wrote.")],
    checkpoint: CheckpointArgument,
    to: ToOption,
) -> None:
    """Subtract a checkpoint's adapter from a merged model: the base again, within rounding."""
    with open_realm() as realm, train_packages("Unmerging"):
        from realm.heroes.unmerge import unmerge as subtract  # noqa: PLC0415 - torch stays behind this door

        record, source, _ = _verified(realm, checkpoint)
        profile = resolve_hero(realm.settings, record.hero)
        largest = subtract(folder, source, to, profile=profile, models=realm.workspace.models, limit=UNMERGE_TOLERANCE)
    typer.echo(f"Base: {to}\nLargest difference to the base itself: {largest:.1e}")


@app.command()
def show(checkpoint: CheckpointArgument = "latest", as_json: JsonOption = False) -> None:
    """What a checkpoint's adapter was trained on, and its shape."""
    with open_realm() as realm:
        record, _, manifest = _verified(realm, checkpoint)
    adapter = dict(manifest.configuration.get("adapter") or {})
    if as_json:
        print_json({"checkpoint": record.id, "adapter": adapter, "base": manifest.lineage.base})
    elif not manifest.lineage.base:
        typer.echo(f"{record.id} holds all weights; no adapter.")
    else:
        for name, value in {**manifest.lineage.base, **adapter}.items():
            typer.echo(f"{name:<16} {', '.join(value) if isinstance(value, list) else value}")


def _export(realm: Realm, name: str, to: Path, form: Any, outtype: str, converter: str, *, as_json: bool) -> None:
    from realm.heroes import exports, gguf  # noqa: PLC0415 - torch stays behind this door

    record, folder, manifest = _verified(realm, name)
    command = gguf.find_converter(converter) if form == "gguf" else []
    source = exports.Source(
        folder=folder,
        files=[file for file in manifest.files if file not in files.RESUME_FILES],
        profile=resolve_hero(realm.settings, record.hero),
        models=realm.workspace.models,
        prompts=_prompts(realm, manifest),
        max_new_tokens=min(PARITY_TOKENS, realm.settings.curriculum.exam_max_new_tokens or PARITY_TOKENS),
        context_tokens=_context_tokens(manifest),
        told=_told(manifest),
    )
    keeper = open_keeper(realm)
    with keeper.leases.reading(record.id, "export"):
        made = exports.export(source, form, to, converter=command, outtype=outtype)
    scan.enter_export(keeper.catalogue, record, made.folder)
    realm.events.append(
        ExportEnded(
            hero=record.hero, campaign=record.campaign, checkpoint=record.id, folder=str(made.folder), problem=""
        )
    )
    if as_json:
        print_json({"folder": str(made.folder), "parity": made.parity.as_json(), "notes": made.notes})
        return
    typer.echo(f"Exported {record.id} to {made.folder}: {made.parity.words}.")
    for note in made.notes:
        typer.echo(note)


def _verified(realm: Realm, name: str) -> tuple[CheckpointRecord, Path, Manifest]:
    """A checkpoint that is there and whole. Raises CheckpointError."""
    keeper = open_keeper(realm)
    record = find_checkpoint(realm, keeper.ledger, name)
    if record.state != "present":
        raise CheckpointError(f"{record.id} is {record.state}.", hint="See which are there: realm vault ls")
    folder = keeper.folder(record)
    manifest = files.verify(folder)
    if manifest.id != record.id:
        raise UsageError(f"{folder.name} holds {manifest.id}, not {record.id}.", hint="See: realm vault ls")
    return record, folder, manifest


def _prompts(realm: Realm, manifest: Manifest) -> list[str]:
    """Questions of the hero's skills at the levels it works on; fresh ones, not those of examinations."""
    engine, skills = SkillEngine(), realm.settings.campaign.skills
    asked: list[str] = []
    for at in range(PROMPTS):
        skill = skills[at % len(skills)]
        level = min(manifest.levels.get(skill, 0) + 1, engine.get(skill).levels)
        problem = engine.generate_batch(skill, level, 1, f"parity/{manifest.id}/{at}")[0]
        asked.append(problem.prompt)
    return asked


def _context_tokens(manifest: Manifest) -> int:
    """The longest input that the hero's profile allows."""
    return int(manifest.configuration.get("profile", {}).get("context_window", 1024))


def _told(manifest: Manifest) -> dict[str, Any]:
    """What an export says of its checkpoint."""
    configuration = manifest.configuration
    return {
        "checkpoint": manifest.id,
        "model": {"base": configuration.get("profile", {}).get("base_model", "")},
        "lineage": manifest.lineage.model_dump(mode="json"),
        "progress": {"step": manifest.progress.step, "tokens": manifest.progress.tokens},
        "levels": manifest.levels,
        "training": {**configuration.get("hyperparameters", {}), "adapter": configuration.get("adapter")},
        "configuration_sha256": manifest.configuration_sha256,
        "versions": manifest.versions,
        "git_commit": manifest.git_commit,
    }
