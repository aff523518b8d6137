"""Every path that the documentation names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises import ROOT, source_files

PATHS = re.compile(r"(?<![\w/.-])((?:src|docs|tests|benchmarks|\.ci)/[\w./-]*\w)")
LINKS = re.compile(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", re.ASCII)
BRANCH = re.compile(r"docs/[\w-]+\.md")


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def named(page: Path) -> Iterator[tuple[str, Path]]:
    """Paths that a page names: from the root when they begin with a folder of it, links from the page."""
    text = page.read_text(encoding="utf-8")
    yield from ((path, ROOT / path) for path in PATHS.findall(text))
    links = LINKS.findall(text)
    yield from ((link, page.parent / link) for link in links)


def test_paths_in_the_documentation_exist(capsys: pytest.CaptureFixture[str]) -> None:
    found = [(page, path, where) for page in pages() for path, where in named(page)]
    missing = [f"{page.relative_to(ROOT)}: {path}" for page, path, where in found if not where.exists()]
    with capsys.disabled():
        print(f"\n  docs: {len(found)} paths in {len(pages())} pages", end="")
    assert not missing, "\n" + "\n".join(missing)


def test_pages_that_the_code_points_to_exist() -> None:
    pointed = {(file, page) for file in source_files() for page in BRANCH.findall(file.read_text(encoding="utf-8"))}
    missing = sorted(f"{file.relative_to(ROOT)}: {page}" for file, page in pointed if not (ROOT / page).exists())
    assert not missing, "\n" + "\n".join(missing)
