"""Installs packages as pip would leave them, in a folder of the test's own: modules and their `.dist-info`."""

from __future__ import annotations

import shutil
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "realm-skill-clock"

EntryPoints = Mapping[str, Mapping[str, str]]
"""Group -> name -> object."""


def install_project(target: Path, project: Path) -> None:
    """Install a project with a `pyproject.toml` and its modules under `src/`: what its wheel would hold."""
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    for package in about["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        shutil.copytree(project / package, target / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
    write_dist_info(target, about["project"]["name"], about["project"]["version"], about["project"]["entry-points"])


def install_module(target: Path, package: str, source: str, entry_points: EntryPoints) -> None:
    """Install a package of one module, named as the package with underscores."""
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{package.replace('-', '_')}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    write_dist_info(target, package, "1.0", entry_points)


def write_dist_info(target: Path, name: str, version: str, entry_points: EntryPoints) -> None:
    folder = target / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = [
        f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in points.items())
        for group, points in entry_points.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(groups))
