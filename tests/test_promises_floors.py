"""A room imports lower floors only, and torch stays behind its doors."""

from __future__ import annotations

import pytest

from tests.promises import ROOT, imports, module_name, room, source_files

FLOORS = {
    1: ("errors",),
    2: ("records", "registry", "http", "workspace"),
    3: ("config", "clients", "db", "migrations"),
    4: ("heroes", "events"),
    5: ("arena", "guild", "jobs", "opening", "oracle", "quests", "vault", "watchtower", "weaver"),
    6: ("temple",),
    7: ("hero_loop", "tavern", "errands"),
    8: ("presets",),
    9: ("cli", "__main__"),
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
TOP_OF_THE_HOUSE = {"__main__", ""}  # `realm` itself: its face in Python, imported when it is asked for
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "accelerate"}
HEAVY_ROOMS = {"heroes", "arena", "oracle"}


def test_every_module_has_a_floor() -> None:
    homeless = {name for file in source_files() if (name := room(module_name(file))) and name not in FLOOR}
    assert homeless == set(), f"give them a floor in {__name__} and on the architecture page"


def test_imports_go_down(capsys: pytest.CaptureFixture[str]) -> None:
    broken, read = [], 0
    for file in source_files():
        mine = room(module_name(file))
        for line, name in imports(file):
            read += 1
            other = room(name) if name.split(".")[0] == "realm" else ""
            if other not in FLOOR or other == mine or mine in TOP_OF_THE_HOUSE:
                continue  # another package, the version in realm/__init__, the same room
            if FLOOR[other] >= FLOOR.get(mine, 0):
                broken.append(f"{file.relative_to(ROOT)}:{line}: {mine} (floor {FLOOR.get(mine)}) imports {name}")
    with capsys.disabled():
        print(f"\n  floors: {read} imports in {len(source_files())} files", end="")
    assert not broken, "\n" + "\n".join(broken)


def test_heavy_packages_stay_behind_their_doors() -> None:
    outside = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in source_files()
        for line, name in imports(file)
        if name.split(".")[0] in HEAVY and room(module_name(file)) not in HEAVY_ROOMS
    ]
    assert not outside, "\n" + "\n".join(outside)


@pytest.mark.parametrize("name", sorted(HEAVY_ROOMS))
def test_heavy_rooms_open_without_them(name: str) -> None:
    openings = [file for file in source_files() if module_name(file) == f"realm.{name}"]
    heavy = [found for file in openings for _, found in imports(file) if found.split(".")[0] in HEAVY]
    assert not heavy, "\n" + "\n".join(heavy)
