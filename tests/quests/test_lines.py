"""Reading lines: whatever the bytes are, each line is an object or a problem in words."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import QuestError
from realm.quests.lines import Line, Parsed, open_file, parse, read_lines


def parsed(data: bytes, limit: int = 1000) -> list[Parsed]:
    return [parse(line) for line in read_lines(io.BytesIO(data), limit)]


def problem(data: bytes, limit: int = 1000) -> tuple[str, str, str]:
    found = parsed(data, limit)[0].problem
    assert found is not None
    return found.cause, found.message, found.fix


@pytest.mark.parametrize(("data", "cause", "words"), [
    (b"{'a': 1}", "json", "double quotes"),
    (b'{"a": 1,}', "json", "last comma"),
    (b'{"a": "open', "json", "Close the quote"),
    (b'{"a": "tab\there"}', "json", "\\t"),
    (b'{"a": 1}{"b": 2}', "json", "line of its own"),
    (b'{"a": 1} trailing', "json", "line of its own"),
    (b"[1, 2]", "not_object", "holds a list"),
    (b"null", "not_object", "holds null"),
    (b'"text"', "not_object", "holds text"),
    (b'{"a": "\xff"}', "utf8", "byte 0xff at position 8"),
    (b'{"a": "\xe4\xf6"}', "utf8", "iconv"),
    (b'{"a": 1}\0\0', "nul", "NUL bytes"),
    (b"\0" * 50, "nul", "NUL bytes"),
    (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "nested", "deeper than 64"),
    (b'{"a":' * 100_000, "nested", "deeper than 64"),
    (b'{"a": ' + b"9" * 10_000 + b"}", "json", "thousands of digits"),
    (b'{"a": "\\ud800"}', "surrogate", "half a character"),
])  # fmt: skip
def test_a_bad_line_is_said_in_words(data: bytes, cause: str, words: str) -> None:
    found = problem(data, limit=1_000_000)
    assert found[0] == cause
    assert words in found[1] + found[2]


def test_deep_but_allowed_and_paired_surrogates_are_fine() -> None:
    deep = b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}"
    many = json.dumps({"messages": [{"role": "user", "content": "{["}] * 200}).encode()
    assert all(p.problem is None for p in parsed(b"\n".join([deep, many, b'{"a": "\\ud83d\\ude00"}']), 100_000))


def test_bom_crlf_and_blank_lines_do_no_harm() -> None:
    found = [parse(line) for line in read_lines(io.BytesIO(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}'), 100) if line.data]
    assert [(p.line.number, p.value) for p in found] == [(1, {"a": 1}), (3, {"a": 2})]


def test_a_long_line_is_skipped_and_the_next_one_read() -> None:
    data = b'{"a": 1}\n' + b"x" * 5000 + b'\n{"a": 2}\n' + b"y" * 5000
    found = parsed(data, limit=100)
    assert [p.line.number for p in found] == [1, 2, 3, 4]
    assert [p.problem.cause if p.problem else None for p in found] == [None, "too_long", None, "too_long"]
    assert found[1].line.data is None and found[1].line.size_bytes == 5001


def test_a_line_of_just_the_limit_is_read() -> None:
    data = b'{"a": "' + b"x" * 91 + b'"}'
    assert len(data) == 100
    assert parsed(data, limit=100)[0].problem is None
    assert parsed(data + b"\n", limit=100)[0].problem is None
    assert problem(data[:-2] + b'x"}', limit=100)[0] == "too_long"


@given(st.binary(max_size=400), st.integers(1, 40))
def test_random_bytes_never_raise_and_lines_are_counted_right(data: bytes, limit: int) -> None:
    found = parsed(data, limit)
    ended = data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)
    assert [p.line.number for p in found] == list(range(1, ended + 1))
    assert sum(p.line.size_bytes for p in found) == len(data)
    assert all((p.value is None) != (p.problem is None) for p in found)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), _json), st.booleans())
def test_every_object_comes_back_as_it_was(value: dict[str, object], ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(Line(1, data, len(data))).value == value


def test_what_is_no_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("folder", "is a folder"),
        ("link", "links are not followed"),
        ("pipe", "no regular file"),
        ("nothing", "There is no file"),
    ):
        with pytest.raises(QuestError, match=words), open_file(tmp_path / name):
            pass
