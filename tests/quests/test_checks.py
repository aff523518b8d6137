"""Validation: every malformed file gets a report in words, good ones their figures, and memory stays flat."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import QuestSettings
from realm.errors import HeroError
from realm.quests.checks import Validation, shown_name, validate
from realm.quests.report import Report
from realm.records import Row


def good(count: int) -> bytes:
    return b"".join(json.dumps({"prompt": f"{i}?", "completion": f"{i}!"}).encode() + b"\n" for i in range(count))


def checked(tmp_path: Path, content: bytes, **options: Any) -> Report:
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    return validate(path, Validation(**options))


WHOLE_FILES = {
    "empty": (b"", "The file is empty"),
    "only blank": (b"\n \r\n\n", "The file is empty"),
    "only a mark": (b"\xef\xbb\xbf", "The file is empty"),
    "array": (json.dumps([{"text": "a"}, {"text": "b"}]).encode(), "one JSON array"),
    "pretty array": (json.dumps([{"text": "a"}], indent=2).encode(), "one JSON array"),
    "pretty object": (json.dumps({"text": "a", "meta": {}}, indent=2).encode(), "spread over several lines"),
    "gzip": (gzip.compress(b"{}"), "packed with gzip"),
    "zip": (b"PK\x03\x04....", "zip archive"),
    "parquet": (b"PAR1....", "Parquet"),
    "utf-16": ('{"text": "a"}\n'.encode("utf-16"), "UTF-16"),
    "csv": (b"prompt,completion\na,b\nc,d\n", "looks like CSV"),
    "tsv": (b"prompt\tcompletion\na\tb\nc\td\n", "looks like TSV"),
    "prose": (b"Once upon a time.\nThe end.\n", "plain text"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"),
    "zeros": (b"\0" * 1000, "NUL bytes"),
    "latin-1": (b'{"text": "\xe9"}\n' * 3, "not UTF-8"),
    "wrong columns": (b'{"foo": 1, "bar": 2}\n' * 3, "its fields are 'foo', 'bar'"),
    "all empty": (b'{"prompt": "", "completion": ""}\n', "empty 'prompt'"),
    "nested": (b'{"a":' * 100_000, "nested"),
    "preference without a prompt": (b'{"chosen": "b", "rejected": "c"}\n', "trained without their question"),
    "preference for nothing": (b'{"prompt": "a", "chosen": "b", "rejected": "b"}\n', "the same text in 'chosen'"),
    "one label": (b'{"prompt": "a", "completion": "b", "label": false}\n', "Every row has the label false"),
    "prompt-only": (b'{"prompt": "a"}\n', "holds no answer, so nobody can grade it"),
}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_malformed_file_is_said_with_its_fix(name: str, tmp_path: Path) -> None:
    content, words = WHOLE_FILES[name]
    report = checked(tmp_path, content)
    assert not report.ok and words in report.reason
    assert report.fix and report.fix in report.words()
    assert json.loads(json.dumps(report.as_json()))["ok"] is False


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbf" + good(5), good(5).replace(b"\n", b"\r\n"), good(5).rstrip(b"\n"), b"\n\n" + good(5) + b"\n\n\n",
], ids=["byte order mark", "carriage returns", "no last newline", "blank lines"])  # fmt: skip
def test_harmless_oddities_are_taken(content: bytes, tmp_path: Path) -> None:
    report = checked(tmp_path, content)
    assert report.ok and report.examples == 5 and report.bad == 0


@pytest.mark.parametrize(("line", "cause"), [
    (b"\0\0\0", "nul"), (b'{"prompt": "\xff", "completion": "b"}', "utf8"), (b"x" * 2_000_000, "too_long"),
    (b'{"prompt":' * 90_000, "nested"), (b'{"question": "a", "answer": "b"}', "other_shape"), (b"[]", "not_object"),
])  # fmt: skip
def test_one_bad_line_in_many_is_set_aside(line: bytes, cause: str, tmp_path: Path) -> None:
    report = checked(tmp_path, good(150) + line + b"\n" + good(150), settings=QuestSettings(max_line_bytes=1_000_000))
    assert report.ok and report.examples == 300 and report.causes == {cause: 1}
    assert report.problems[0].line == 151
    assert "1 bad row set aside" in report.words() and "line 151:" in report.words()


def test_the_first_twenty_problems_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    report = checked(tmp_path, good(5) + b"{bad\n" * 60 + b'{"prompt": "a", "completion": ""}\n' * 3)
    assert not report.ok and report.reason.startswith("63 of 68 rows are bad, more than the 0.01")
    assert len(report.problems) == 20 and report.causes == {"json": 60, "empty": 3} and report.empty == 3
    assert "... and 43 more." in report.words()


def test_duplicates_broken_accents_and_ignored_fields_are_counted(tmp_path: Path) -> None:
    rows = [
        {"question": "a", "answer": "b", "id": 1, "url": "x"},
        {"question": "a", "answer": "b", "id": 2},
        {"question": "cafÃ©", "answer": "it isnâ€™t"},
        {"question": "café", "answer": "Ärger, Ü, naïve"},
    ]
    report = checked(tmp_path, "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode())
    assert (report.ok, report.duplicates, report.mojibake, report.ignored_fields) == (True, 1, 1, ("url",))
    assert report.conversion == "question becomes the prompt, answer the completion"
    assert "Shape: question/answer: question becomes the prompt" in report.words()


@dataclass
class Ids:
    token_ids: list[int]
    trained: list[bool]


def letters(row: Row) -> Ids:
    """A hand-made tokenizer: one token a letter; the completion is trained."""
    text = row["prompt"] + row["completion"]
    return Ids([ord(c) for c in text], [i >= len(row["prompt"]) for i in range(len(text))])


def decode(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_tokens_are_counted_on_a_sample_and_examples_shown(tmp_path: Path) -> None:
    rows = [{"prompt": "p" * 9, "completion": "c"}] * 900 + [{"prompt": "p" * 80, "completion": "c" * 20}] * 100
    report = checked(
        tmp_path,
        "\n".join(map(json.dumps, rows)).encode(),
        render=letters,
        decode=decode,
        max_length=50,
        settings=QuestSettings(sample_rows=200),
    )
    tokens = report.tokens
    assert tokens is not None
    assert (tokens.sampled, tokens.p50, tokens.p95, tokens.max) == (200, 10, 100, 100)
    assert 10 <= tokens.truncated <= 30
    assert 0.1 < tokens.trained_share < 0.2
    assert 17_000 < tokens.total_estimate < 21_000
    assert report.shown[0] == (("p" * 9, False), ("c", True)) and len(report.shown) == 3
    assert "ppppppppp⟦c⟧" in report.words()


def test_without_a_tokenizer_examples_are_shown_as_written(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    report = checked(tmp_path, json.dumps(chat).encode())
    assert report.tokens is None
    assert ("Hello", True) in report.shown[0] and ("Hi", False) in report.shown[0]


def test_rows_that_the_hero_cannot_read_or_learn_from(tmp_path: Path) -> None:
    def deaf(row: Row) -> Ids:
        raise HeroError("the template wants turns")

    assert "the template wants turns" in checked(tmp_path, good(3), render=deaf, decode=decode).reason
    assert "Not one token" in checked(tmp_path, good(3), render=lambda row: Ids([1, 2], [False, False])).reason


def test_quick_validation_counts_no_tokens(tmp_path: Path) -> None:
    def never(row: Row) -> Ids:
        raise AssertionError

    report = checked(tmp_path, good(3) + good(3), level="quick", render=never)
    assert report.ok and report.duplicates == 0 and report.shown == () and "duplicate" not in report.words()


def test_what_is_no_file_gets_a_report_too(tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to("/etc/passwd")
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    for name, words in (("link", "links are not followed"), ("folder", "is a folder"), ("pipe", "no regular file")):
        report = validate(tmp_path / f"{name}.jsonl")
        assert not report.ok and words in report.reason


@given(st.text(), st.binary(max_size=40))
def test_any_name_becomes_printable(text: str, data: bytes) -> None:
    for name in (text, text + "\ud800\udcff\n", os.fsdecode(data)):
        shown = shown_name(name)
        assert shown.isprintable() and len(shown) <= 200
        assert shown.encode().decode() == shown


@given(content=st.binary(max_size=300) | st.lists(st.sampled_from([
    b'{"text": "a"}', b'{"prompt": "a", "completion": "b"}', b"{", b"[", b"]", b"\n", b"\r\n", b"\0", b"\xff", b'"'
]), max_size=20).map(b"".join))  # fmt: skip
def test_any_bytes_end_in_a_report(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    report = checked(tmp_path_factory.getbasetemp(), content)
    assert report.ok == (not report.reason)
    assert report.words() and json.dumps(report.as_json())


def peak_megabytes(path: Path) -> float:
    """Peak memory of a process that validates the file and nothing else."""
    code = (
        "import resource, sys; from pathlib import Path; from realm.quests.checks import validate;"
        "r = validate(Path(sys.argv[1])); print(r.lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[1])


def _many_rows(path: Path, megabytes: int) -> None:
    filler = "x" * 900
    with open(path, "w") as file:
        for i in range(megabytes * 1000):
            file.write(json.dumps({"prompt": f"{i} {filler}", "completion": str(i)}) + "\n")


def _one_line(path: Path, megabytes: int) -> None:
    with open(path, "wb") as file:
        file.write(good(200) + b'{"text": "')
        for _ in range(megabytes):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + good(200))


@pytest.mark.slow
@pytest.mark.parametrize("write", [_many_rows, _one_line])
def test_memory_stays_flat_on_a_large_file(write: Callable[[Path, int], None], tmp_path: Path) -> None:
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    write(small, 1)
    write(large, 200)
    assert large.stat().st_size > 180_000_000
    grown = peak_megabytes(large) - peak_megabytes(small)
    assert grown < 60, f"{grown:.0f} MB more for 200 times the file"


def pair_lines(count: int) -> bytes:
    rows = ({"prompt": f"{i}?", "chosen": "yes " * (i + 1), "rejected": "no"} for i in range(count))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_both_answers_are_shown_with_their_tokens(tmp_path: Path) -> None:
    from realm.heroes.chat import render
    from realm.heroes.hatchling.tokenizer import load

    tokenizer = load()
    report = checked(tmp_path, pair_lines(5), render=lambda row: render(tokenizer, row), decode=tokenizer.decode,
                     method="orpo")  # fmt: skip
    assert report.ok and (report.shape, report.method) == ("preference", "orpo")
    assert report.tokens is not None
    lengths = [[len(render(tokenizer, {"prompt": f"{i}?", "completion": text}).token_ids)
                for text in ("yes " * (i + 1), "no")] for i in range(5)]  # fmt: skip
    assert report.tokens.max == max(map(max, lengths)) and report.tokens.total_estimate == sum(map(sum, lengths))
    words = report.words()
    for number, (chosen, rejected) in enumerate(lengths[:3], 1):
        shown = words.partition(f"--- example {number}")[2]
        assert f"chosen, {chosen} tokens:" in shown and f"rejected, {rejected} tokens:" in shown
    assert "⟦no" in words and "trained tokens of an answer on average: chosen" in words


def test_a_long_answer_does_not_hide_the_other(tmp_path: Path) -> None:
    row = {"prompt": "a", "chosen": "b" * 9000, "rejected": "c"}
    from realm.heroes.chat import render
    from realm.heroes.hatchling.tokenizer import load

    tokenizer = load()
    content = json.dumps(row).encode() + b"\n"
    report = checked(tmp_path, content, render=lambda one: render(tokenizer, one), decode=tokenizer.decode)
    assert "⟦c" in report.words()
    assert "rejected:" in checked(tmp_path, pair_lines(2)).words(), "and without a tokenizer, as written"


def test_wanted_and_other_answers_are_counted(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}?", "completion": "b", "label": i > 0} for i in range(4)]
    report = checked(tmp_path, b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    assert report.ok and report.method == "kto"
    assert "3 answers are wanted, 1 are not." in report.notes
    assert "not wanted:" in report.words()


def test_prompts_that_can_be_graded_are_a_quest_for_rewards(tmp_path: Path) -> None:
    report = checked(tmp_path, b'{"prompt": "1 + 1", "answer": 2}\n' * 3 + b'{"prompt": "2 + 2", "answer": "4"}\n')
    assert report.ok and (report.shape, report.method, report.examples) == ("prompt-only", "grpo", 4)
    assert [text for text, _ in report.shown[0]] == ["1 + 1\n", "2"]


def test_prompts_that_nobody_can_grade_are_said_by_who_would_grade(tmp_path: Path) -> None:
    def ungradable(row: Row) -> str:
        return "" if row["meta"]["skill"] == "bin" else "names the skill 'bni', which is not installed"

    lines = [json.dumps({"prompt": str(i), "answer": "1", "skill": "bni" if i < 5 else "bin"}) for i in range(10)]
    file = tmp_path / "quest.jsonl"
    file.write_text("\n".join(lines))
    report = validate(file, Validation(ungradable=ungradable, settings=QuestSettings(bad_row_fraction=0.6)))
    assert report.ok and (report.examples, report.causes) == (5, {"ungradable": 5})
    assert not validate(file, Validation(ungradable=ungradable, settings=QuestSettings(bad_row_fraction=0.1))).ok
    file.write_text("\n".join(lines[:5]))
    report = validate(file, Validation(ungradable=ungradable))
    assert not report.ok and "'bni', which is not installed" in report.reason and "realm generate" in report.fix
