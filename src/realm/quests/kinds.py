"""Files that are no JSONL at all, recognised by their first bytes, with the command that mends each. Reads no row."""

from __future__ import annotations

import json
from dataclasses import dataclass

from realm.quests.lines import BOM

HEAD_BYTES = 1 << 16
_MAGIC = (
    (b"\x1f\x8b", "is packed with gzip", "Unpack it: gunzip FILE"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd", "Unpack it: unzstd FILE"),
    (b"BZh", "is packed with bzip2", "Unpack it: bunzip2 FILE"),
    (b"\xfd7zXZ", "is packed with xz", "Unpack it: unxz FILE"),
    (b"PK\x03\x04", "is a zip archive (or a spreadsheet)", "Unpack it, or save the sheet as JSONL."),
    (
        b"PAR1",
        "is a Parquet file",
        "Write its rows as JSONL: pandas.read_parquet(F).to_json(G, orient='records', lines=True)",
    ),
    (b"ARROW1", "is an Arrow file", "Write its rows as JSONL with datasets: Dataset.from_file(F).to_json(G)"),
    (b"SQLite format 3", "is a SQLite database", "Write the rows of a table as JSONL."),
    (b"%PDF", "is a PDF", "Take the text out of it, one example a line."),
    (b"\xff\xfe", "is UTF-16 text", "Save it as UTF-8: iconv -f utf-16 -t utf-8 FILE"),
    (b"\xfe\xff", "is UTF-16 text", "Save it as UTF-8: iconv -f utf-16 -t utf-8 FILE"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the data", "Fetch the data: git lfs pull"),
)
_TO_LINES = "jq -c '.[]' FILE > FILE.jsonl"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is instead of JSONL, and what to do about it."""

    what: str
    fix: str


def not_jsonl(head: bytes) -> Kind | None:
    """What a file that starts with `head` is, when it cannot be JSONL; None when it may be."""
    for magic, what, fix in _MAGIC:
        if head.startswith(magic):
            return Kind(what, fix)
    text = head.removeprefix(BOM).lstrip()
    if not text:
        return Kind("is empty", "Write one JSON object on each line.") if len(head) < HEAD_BYTES else None
    if text.startswith(b"["):
        return _list(text)
    if text.startswith(b"{"):
        return _spread_object(text)
    return _table(text)


def _list(text: bytes) -> Kind | None:
    first, _, rest = text.partition(b"\n")
    if _parses(first) and rest.lstrip().startswith(b"{"):
        return None  # one odd line at the top of a JSONL file
    if b"{" in first[:200] or (rest and b"{" in rest[:200]) or not rest.strip():
        return Kind("is one JSON array, not one object a line", f"Turn it into lines: {_TO_LINES}")
    return None


def _spread_object(text: bytes) -> Kind | None:
    first, found, rest = text.partition(b"\n")
    if not found or first.rstrip().endswith(b"}"):
        return None
    second = rest.partition(b"\n")[0].strip()
    if first.rstrip() in (b"{", b'{"') or (second[:1] in (b'"', b"}", b"]") and not _parses(first)):
        return Kind(
            "holds JSON objects spread over several lines", "Put each object on one line: jq -c . FILE > FILE.jsonl"
        )
    return None


def _table(text: bytes) -> Kind | None:
    lines = text.splitlines()[:5]
    for mark, name in ((b",", "CSV"), (b"\t", "TSV")):
        columns = lines[0].count(mark)
        if columns and len(lines) > 1 and all(line.count(mark) == columns for line in lines[:-1]):
            return Kind(
                f"looks like {name}",
                f"Write its rows as JSONL: pandas.read_csv(F{_separator(name)})"
                ".to_json(G, orient='records', lines=True)",
            )
    if not any(line.lstrip().startswith((b"{", b"[")) for line in text.splitlines()) and b"\0" not in text:
        return Kind("is plain text, not JSON", 'Write each example as {"text": "..."} on a line of its own.')
    return None


def _separator(name: str) -> str:
    return ", sep='\\t'" if name == "TSV" else ""


def _parses(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
