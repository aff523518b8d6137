"""A quest file as a stream of lines, each a JSON object or a problem in words. Knows no shape of a row.

Memory stays bounded by the longest line allowed, whatever the file holds.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from realm.errors import QuestError

BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 64
"""Objects and lists inside one another; deeper rows are no training data."""
_SKIP_BYTES = 1 << 20
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one line cannot be used. `line` counts from 1; `cause` is a stable name to count by."""

    line: int
    cause: str
    message: str
    fix: str

    def words(self) -> str:
        return f"line {self.line}: {self.message} Fix: {self.fix}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its ending. `data` is None when it was longer than allowed and skipped."""

    number: int
    data: bytes | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """A line that is either an object or a problem."""

    line: Line
    value: dict[str, Any] | None
    problem: Problem | None


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading; links are not followed and nothing blocks. Raises QuestError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unusable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unusable(path)
    with os.fdopen(descriptor, "rb") as file:
        yield file


def unusable(path: Path, error: OSError | None = None) -> QuestError:
    """Why a path is no file that can be read, in words."""
    name = repr(path.name)
    if path.is_symlink():
        return QuestError(f"{name} is a link; links are not followed.", hint="Drop a copy of the file itself.")
    if not path.exists():
        return QuestError(f"There is no file {name}.", hint="Check the path.")
    if path.is_dir():
        return QuestError(f"{name} is a folder.", hint="Drop the .jsonl files in it one by one.")
    if error is not None and path.is_file():
        return QuestError(f"{name} cannot be read: {error.strerror}.", hint="Give yourself the right to read it.")
    return QuestError(f"{name} is no regular file.", hint="Drop a .jsonl file.")


def read_lines(file: BinaryIO, max_line_bytes: int) -> Iterator[Line]:
    """Lines by `\\n`; a byte order mark and carriage returns are taken off, blank lines come as empty data."""
    number = 0
    while data := file.readline(max_line_bytes + 1):
        number += 1
        size = len(data)
        if size > max_line_bytes and not data.endswith(b"\n"):
            yield Line(number, None, size + _skip(file))
            continue
        if number == 1:
            data = data.removeprefix(BOM)
        yield Line(number, data.rstrip(b"\r\n"), size)


def _skip(file: BinaryIO) -> int:
    """Read to the end of the line without keeping it. Returns the bytes passed."""
    passed = 0
    while data := file.readline(_SKIP_BYTES):
        passed += len(data)
        if data.endswith(b"\n"):
            break
    return passed


def parse(line: Line) -> Parsed:
    """The object on a line, or what is wrong with it. Never raises."""
    if line.data is None:
        return _bad(
            line,
            "too_long",
            f"is {_megabytes(line.size_bytes)} long.",
            "Split it into several examples, or raise quests.max_line_bytes.",
        )
    try:
        value = json.loads(line.data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _not_utf8(line, error)
    except RecursionError:
        return _nested(line)
    except ValueError as error:
        return _not_json(line, error)
    if not isinstance(value, dict):
        return _bad(line, "not_object", f"holds {kind_of(value)}, not an object.", 'Write {"prompt": ..., ...} on it.')
    if line.data.count(b"{") + line.data.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        return _nested(line)
    if _SURROGATE.search(line.data) and _has_lone_surrogate(value):
        return _bad(
            line,
            "surrogate",
            "holds half a character (a lone \\ud8.. escape).",
            "Write the whole pair, or the character itself.",
        )
    return Parsed(line, value, None)


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true/false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _bad(line: Line, cause: str, message: str, fix: str) -> Parsed:
    return Parsed(line, None, Problem(line.number, cause, message, fix))


def _nested(line: Line) -> Parsed:
    return _bad(line, "nested", f"is nested deeper than {MAX_DEPTH} levels.", "Keep only the fields that are trained.")


def _not_utf8(line: Line, error: UnicodeDecodeError) -> Parsed:
    byte = error.object[error.start]
    return _bad(
        line,
        "utf8",
        f"is not UTF-8: byte 0x{byte:02x} at position {error.start + 1}.",
        "Save the file as UTF-8, e.g. iconv -f latin1 -t utf-8.",
    )


def _not_json(line: Line, error: ValueError) -> Parsed:
    data = line.data or b""
    if b"\0" in data:
        return _bad(
            line,
            "nul",
            "holds NUL bytes: the file was cut short, or is not text.",
            "Write the file again; a UTF-16 file must be saved as UTF-8.",
        )
    if not isinstance(error, json.JSONDecodeError):
        return _bad(line, "json", "holds a number with thousands of digits.", "Write it as text, in quotes.")
    message = f"is not valid JSON: {error.msg} at column {error.colno}, near {_near(error)}."
    return _bad(line, "json", message, _json_fix(error))


def _near(error: json.JSONDecodeError) -> str:
    return repr(error.doc[max(0, error.pos - 12) : error.pos + 12])


def _json_fix(error: json.JSONDecodeError) -> str:
    here = error.doc[error.pos : error.pos + 1]
    if error.msg.startswith("Expecting property name") and here == "'":
        return "Use double quotes, not single ones."
    if error.msg.startswith("Illegal trailing comma") or (error.msg.startswith("Expecting property") and here == "}"):
        return "Take away the last comma."
    if error.msg.startswith("Unterminated string"):
        return "Close the quote; a line break inside a text is written \\n."
    if error.msg.startswith("Invalid control character"):
        return "Write tabs and line breaks inside a text as \\t and \\n."
    if error.msg.startswith("Extra data"):
        return "Put each object on a line of its own."
    return "Write each line with a JSON library (json.dumps)."


def _deeper_than(value: object, limit: int) -> bool:
    layer = [value]
    for _ in range(limit):
        layer = [inner for outer in layer for inner in _children(outer)]
        if not layer:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _has_lone_surrogate(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
