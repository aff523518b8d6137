"""`realm config` and `realm presets`: what is set, where it comes from, and how to change it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from realm.cli.context import find_workspace, print_json
from realm.errors import UsageError, WorkspaceError
from realm.workspace import Workspace

app = typer.Typer(help="Settings: show, schema, set.")

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="A TOML file laid over realm.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def show(
    section: Annotated[str, typer.Argument(metavar="[SECTION]", help="A table, such as campaign or heroes.DIO.")] = "",
    as_json: AsJson = False,
    sources: Annotated[bool, typer.Option("--sources", help="Say where each value comes from.")] = False,
    config_file: ConfigFile = None,
) -> None:
    """The settings in force. Without a section: what the catalogue does not hold."""
    from realm.config.in_play import in_play_with_sources  # noqa: PLC0415
    from realm.config.layers import load_with_sources  # noqa: PLC0415 - the schema costs 150 ms that --help need not pay

    file = settings_file()
    in_force = in_play_with_sources(Workspace(file.parent)) if file and not config_file else None
    loaded = in_force or load_with_sources(file, config_file=config_file)
    everything = loaded.settings.model_dump(mode="json", exclude_none=True)
    everything["services"]["token"] = "(set)" if loaded.settings.services.token else ""  # it is a secret
    values = _part(everything, section)
    if as_json:
        print_json(values)
        return
    for key, value in _lines(values, section):
        origin = f"   # {loaded.sources.get(key, 'default')}" if sources else ""
        typer.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}{origin}")
    for notice in loaded.notices:
        typer.echo(notice, err=True)


@app.command()
def schema() -> None:
    """The JSON Schema of realm.toml: editors complete and check with it."""
    from realm.config.reference import json_schema  # noqa: PLC0415

    print_json(json_schema())


@app.command("set")
def set_setting(
    key: Annotated[str, typer.Argument(metavar="SECTION.KEY")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
) -> None:
    """Write one setting into this workspace's realm.toml; its comments stay."""
    from realm.config.edit import set_value  # noqa: PLC0415

    file = find_workspace().settings
    understood = set_value(file, key, value)
    typer.echo(f"{key} = {json.dumps(understood, ensure_ascii=False)}   ({file})")


def presets(as_json: AsJson = False, config_file: ConfigFile = None) -> None:
    """Presets of the catalogue and of this workspace."""
    from realm.cli.train_dry_run import list_presets  # noqa: PLC0415

    list_presets(config_file, as_json=as_json)


def settings_file() -> Path | None:
    """The realm.toml of the workspace that is meant, or None outside of one."""
    try:
        return find_workspace().settings
    except WorkspaceError:
        return None


def _part(values: dict[str, Any], section: str) -> Any:
    """The table of a dotted name; without a name all but the catalogue's tables."""
    from realm.registry import unknown  # noqa: PLC0415

    if not section:
        catalogue = {"heroes", "hardware", "adapters", "hyperparameters", "datasets", "presets"}
        return {name: table for name, table in values.items() if name not in catalogue}
    found: Any = values
    for name in section.split("."):
        if not isinstance(found, dict):
            raise UsageError(f"'{section}' is a value, not a table.", hint="Name the table above it.")
        if name not in found:
            raise unknown("table", name, found)
        found = found[name]
    return found


def _lines(values: Any, above: str) -> list[tuple[str, Any]]:
    """Dotted keys with their values; empty tables are left out."""
    if not isinstance(values, dict):
        return [(above, values)]
    return [line for key, value in values.items() for line in _lines(value, f"{above}.{key}" if above else key)]
