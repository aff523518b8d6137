"""`realm doctor`: this machine and this workspace, each finding with its remedy."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from realm.cli.context import INSTALL_TRAIN, find_workspace, print_json
from realm.cli.train_suggest import suggested
from realm.config.adapters import require_trainable
from realm.config.hardware import Machine, detect, suggest
from realm.config.in_play import in_play_with_sources
from realm.config.layers import load
from realm.config.run_spec import campaign_spec
from realm.errors import ConfigError, MissingExtra, PortTaken, UsageError, WorkspaceError
from realm.weaver.supervisor import require_port
from realm.workspace import Workspace

GB = 1e9
LOW_DISK_BYTES = 5 * GB
TRAIN_PACKAGES = ("torch", "transformers", "trl", "datasets", "accelerate", "peft")
MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was measured, and what to do about it."""

    check: str
    status: Literal["ok", "warn", "fail"]
    measured: str
    remedy: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check this machine and this workspace; exit code 1 if something must be mended."""
    findings = [*_machine(), *_workspace()]
    if json:
        print_json([asdict(f) for f in findings])
    else:
        for f in findings:
            typer.echo(f"{MARKS[f.status]}  {f.check}: {f.measured}" + (f"\n      {f.remedy}" if f.remedy else ""))
    if any(f.status == "fail" for f in findings):
        raise typer.Exit(1)


def _machine() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding(
        "python", "ok" if good else "fail", platform.python_version(), "" if good else "Use Python 3.11 or newer."
    )
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    yield Finding(
        "training packages",
        "fail" if missing else "ok",
        f"missing: {', '.join(missing)}" if missing else "installed",
        f"Install them: {INSTALL_TRAIN}" if missing else "",
    )
    machine = detect()
    profile = suggest(machine, load().hardware)
    yield Finding("hardware", "ok", f"{_summary(machine)}; suggested profile: {profile or 'none'}")
    try:
        found = suggested()[1]
    except UsageError:
        return  # settings that do not load are told below
    fits = f"{found[0].preset} ({found[0].command}); all: realm train --suggest" if found else "none fits this machine"
    yield Finding("preset", "ok", fits)


def _summary(machine: Machine) -> str:
    cards = ", ".join(f"{gpu.name} ({gpu.memory_gb:.0f} GB)" for gpu in machine.gpus) or "no GPU"
    return f"{machine.cores} cores, {machine.memory_gb:.0f} GB, {cards}"


def _workspace() -> Iterator[Finding]:
    try:
        workspace = find_workspace()
    except WorkspaceError as error:
        yield Finding("workspace", "warn", error.message, error.hint)
        return
    yield Finding("workspace", "ok", str(workspace.root))
    free = shutil.disk_usage(workspace.root).free
    low = free < LOW_DISK_BYTES
    yield Finding("disk", "warn" if low else "ok", f"{free / GB:.1f} GB free", "Free some room." if low else "")
    writable = os.access(workspace.root, os.W_OK)
    yield Finding(
        "writable", "ok" if writable else "fail", str(writable).lower(), "" if writable else "Change its owner."
    )
    yield from _settings(workspace)


def _settings(workspace: Workspace) -> Iterator[Finding]:
    try:
        loaded = in_play_with_sources(workspace, os.environ)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("settings", "fail", problem, error.hint)
        return
    settings = loaded.settings
    for notice in loaded.notices:
        yield Finding("settings", "warn", notice, "Leave the key out; nothing changes by it.")
    yield Finding("settings", "ok", f"campaign {settings.campaign.hero}:{settings.campaign.name}")
    try:
        require_trainable(campaign_spec(settings, versions={}))
    except (UsageError, MissingExtra) as error:
        yield Finding("training", "fail", error.message, error.hint)
    holder = workspace.holder()
    if holder is not None:
        yield Finding("running", "ok", f"process {holder}")
        return
    for setting in ("tavern_port", "watchtower_port", "vault_port"):
        port = getattr(settings.services, setting)
        try:
            require_port(settings.services.bind, port, setting=f"services.{setting}")
        except PortTaken as error:
            yield Finding(f"port {port}", "fail", error.message, error.hint)
        else:
            yield Finding(f"port {port}", "ok", "free")
