"""Deep validation: each kind of bad row is found with its line, good rows are left alone, memory stays flat."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.layers import load
from realm.config.schema import QuestSettings
from realm.config.schema.places import Finding
from realm.errors import ConfigError
from realm.quests.checks import Validation, validate
from realm.quests.deep import CAUSES, DeepCheck
from realm.quests.deep.near import NearDuplicates
from realm.quests.deep.rules import grams, loop_in, script_of
from realm.quests.deep.sides import sides
from realm.quests.elsewhere import Elsewhere
from realm.quests.queue import QuestQueue
from realm.quests.report import Report
from realm.records import Row
from tests.quests.test_checks import Ids

WORDS = [f"word{i}" for i in range(2000)]


def prose(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).sample(WORDS, words))


def deep(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> Report:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return validate(path, Validation(level="deep", **options))


def good(count: int) -> list[dict[str, Any]]:
    return [{"prompt": prose(i), "completion": prose(10_000 + i, 20)} for i in range(count)]


ROWS: dict[str, dict[str, Any]] = {
    "loop": {"prompt": "Sing.", "completion": "tra la la " * 30},
    "echo": {"prompt": "Who are you?", "completion": " Who are you?\n"},
    "invisible": {"prompt": "Who?", "completion": "\u200b\u2060\u200b"},
    "one_character": {"prompt": "Who?", "completion": "!" * 50},
    "length_ratio": {"prompt": "Who?", "completion": prose(5, 1900)},
    "foreign_template": {"prompt": "Who?", "completion": "I am.<|im_end|>"},
    "broken_text": {"prompt": "Wo?", "completion": "Im CafÃ©, dort drÃ¼ben."},
    "near_duplicate": {"prompt": prose(3).replace("word1", "Word1"), "completion": prose(10_003, 20) + " yes"},
    "duplicate": {"prompt": prose(4), "completion": prose(10_004, 20)},
}


@pytest.mark.parametrize("cause", ROWS)
def test_a_bad_row_among_good_ones_is_found_by_its_line(cause: str, tmp_path: Path) -> None:
    report = deep(tmp_path, [*good(8), ROWS[cause], *good(0)])
    assert report.ok and report.finding_counts == {cause: 1}
    assert report.finding_lines == {cause: (9,)}
    finding = report.findings[0]
    assert (finding.line, finding.cause) == (9, cause) and finding.fix
    assert finding.words() in report.words() and f"{cause}: 1 row; line 9" in report.words()
    assert json.loads(json.dumps(report.as_json()))["finding_lines"] == {cause: [9]}


def test_a_twin_is_named_by_its_line(tmp_path: Path) -> None:
    report = deep(tmp_path, [*good(8), ROWS["near_duplicate"], ROWS["duplicate"], {"prompt": "a", "completion": "b"},
                             {"prompt": "a", "completion": "b"}])  # fmt: skip
    words = [(f.line, f.message) for f in report.findings]
    assert (9, "is nearly the same as line 4.") in words
    assert (10, "is a copy of line 5.") in words and (12, "is a copy of an earlier row.") in words


def test_good_rows_have_no_findings(tmp_path: Path) -> None:
    rows = [*good(50), {"prompt": "12 * 12 = ?", "completion": "144"},
            {"prompt": "2^30?", "completion": "1" + "0" * 30},
            {"prompt": "Wie heißt Ärger auf Japanisch?", "completion": "「怒り」と言います。"},
            {"prompt": "A list?", "completion": "- [INSTALL] a < b, # heading"}]  # fmt: skip
    report = deep(tmp_path, rows)
    assert report.ok and report.finding_counts == {} and "Found in rows" not in report.words()


SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "preference": ({"prompt": "Who?", "chosen": "[INST] I.", "rejected": "You."}, "foreign_template"),
    "preference of messages": (
        {
            "chosen": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Who?"}],
            "rejected": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "x"}],
        },
        "echo",
    ),
    "unpaired": ({"prompt": "Who?", "completion": "[INST] me", "label": True}, "foreign_template"),
    "prompt-only": ({"prompt": "### Instruction: go", "answer": "x"}, "foreign_template"),
    "messages": (
        {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Who?"}]},
        "echo",
    ),
    "text": ({"text": "over and over " * 30}, "loop"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_every_shape_are_looked_at(shape: str, tmp_path: Path) -> None:
    row, cause = SHAPES[shape]
    assert deep(tmp_path, [row]).finding_counts == {cause: 1}


def test_leakage_refuses_a_file_and_the_rest_warns(tmp_path: Path) -> None:
    def asked(row: Row) -> str:
        return "the examination of BIN, level 2" if row["completion"] == "secret" else ""

    def known() -> Elsewhere:
        return Elsewhere(asked, lambda row: "quest ab" if row["prompt"].startswith("old") else "")

    rows = [*good(200), {"prompt": "old one", "completion": "x"}]
    report = deep(tmp_path, rows, elsewhere=known)
    assert report.ok and report.finding_counts == {"trained_before": 1}
    rows += [{"prompt": f"{i}?", "completion": "secret"} for i in range(3)]
    report = deep(tmp_path, rows, elsewhere=known)
    assert not report.ok and report.reason.startswith("3 of 204 rows (those that hold a question of an examination)")
    assert report.finding_lines["leakage"] == (202, 203, 204)
    assert "line 202: holds a question of the examination of BIN, level 2." in report.words()
    lenient = QuestSettings.model_validate({"refuse_above": {"leakage": 0.5, "trained_before": 0.001}})
    report = deep(tmp_path, rows, elsewhere=known, settings=lenient)
    assert not report.ok and "refuse_above.trained_before" in report.fix


def test_the_shares_that_refuse_are_settings() -> None:
    settings = load(overrides=["quests.refuse_above.loop=0.25", "quests.validation=deep"], env={}).quests
    assert settings.refuse_above == {"leakage": 0.001, "loop": 0.25} and settings.validation == "deep"
    with pytest.raises(ConfigError, match="refuse_above"):
        load(overrides=["quests.refuse_above.lop=0.25"], env={})
    assert set(get_args(Finding)) == set(CAUSES)


def test_a_refused_file_lies_in_failed_with_its_findings(queue: QuestQueue, tmp_path: Path) -> None:
    def check(path: Path, /, *, name: str) -> Report:
        return validate(
            path, Validation(level="deep", elsewhere=lambda: Elsewhere(lambda _row: "an examination")), name=name
        )

    queue._filing._check = check
    path = tmp_path / "leaked.jsonl"
    path.write_text(json.dumps({"prompt": "a", "completion": "b"}))
    quest = queue.add(path)
    assert (quest.state, quest.outcome) == ("failed", "rejected")
    said = next(quest.path.parent.glob("*.report.txt")).read_text()
    assert "line 1: holds a question of an examination." in said


def test_what_is_wrong_with_a_whole_file_is_said(tmp_path: Path) -> None:
    same = [{"prompt": prose(i), "completion": "No."} for i in range(40)]
    assert "at least 100% of the rows have the same answer, 'No.'" in deep(tmp_path, same).words()
    labels = [{"prompt": prose(i), "completion": prose(-i), "label": False} for i in range(40)]
    assert "every row has the label false" in deep(tmp_path, labels).words()
    stray = [*good(40), {"prompt": "Где?", "completion": "Там, за рекой."}]
    words = deep(tmp_path, stray, template="質問に答えてください {instruction}").words()
    assert "1 row is answered in Cyrillic script, 98% in Latin; the first stands on line 41" in words
    assert "prompt_template is written in CJK script" in words


def test_the_share_of_trained_tokens_is_guarded(tmp_path: Path) -> None:
    little = deep(tmp_path, good(5), render=lambda row: Ids([1] * 100, [True] + [False] * 99))
    assert "only 1.0% of the tokens are trained" in little.words()
    everything = deep(tmp_path, good(5), render=lambda row: Ids([1] * 9, [True] * 9))
    assert "all tokens are trained, the questions too" in everything.words()
    usual = deep(tmp_path, good(5), render=lambda row: Ids([1] * 9, [True] * 4 + [False] * 5))
    assert "tokens are trained:" not in usual.words() and "all tokens" not in usual.words()


def test_rows_are_shown_as_a_profile_prepares_them(tmp_path: Path) -> None:
    report = deep(tmp_path, good(1), prepare=lambda row: {**row, "completion": "as trained"})
    assert ("as trained", True) in report.shown[0]


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2]), st.sampled_from([30, 40]))
def test_near_duplicates_are_those_that_share_most_words(seed: int, few: int, many: int) -> None:
    """Of 100 words a change of one or two leaves at least 88 % of the runs; of 30 or more at most 55 %."""
    words = random.Random(seed).sample(WORDS, 100)

    def changed(count: int) -> list[str]:
        places = range(1, 1 + 3 * count, 3)
        return grams(" ".join(f"new{i}" if i in places else word for i, word in enumerate(words)))

    near = NearDuplicates()
    list(near.add(1, grams(" ".join(words))))
    list(near.add(2, changed(many)))
    list(near.add(3, changed(few)))
    assert dict(near.flush()) == {3: 1}


def test_the_oldest_rows_are_forgotten() -> None:
    near = NearDuplicates(kept=300)
    found = [pair for i in range(600) for pair in near.add(i + 1, grams(prose(i)))]
    assert near.forgot and not found
    list(near.add(601, grams(prose(0))))
    list(near.add(602, grams(prose(590))))
    assert list(near.flush()) == [(602, 591)]


@given(st.dictionaries(st.sampled_from(["prompt", "completion", "chosen", "rejected", "messages", "text", "label"]),
       st.text() | st.booleans() | st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]),
       "content": st.text()}))))  # fmt: skip
def test_no_row_breaks_the_check(row: dict[str, Any]) -> None:
    check = DeepCheck(Elsewhere())
    check.add(1, row, duplicate=False)
    check.add(2, row, duplicate=True)
    check.finish()
    assert set(check.counts) <= set(CAUSES)
    assert all(problem.line in (1, 2) for problem in check.shown)


def test_sides_scripts_and_loops() -> None:
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    assert sides({"messages": talk}).question == "q" and sides({"messages": talk}).answers == ("a",)
    assert script_of("hello") == "Latin" and script_of("12 + 4") == "" and script_of("日本語です") == "CJK"
    assert loop_in(grams(prose(1, 300))) is None and loop_in(grams("one two three")) is None
    assert (found := loop_in(grams("我们走吧" * 60))) and "repeats" in found.message


def _peak_megabytes(path: Path) -> float:
    code = (
        "import resource, sys; from pathlib import Path; from realm.quests.checks import Validation, validate;"
        "validate(Path(sys.argv[1]), Validation(level='deep'));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "words"), [(20_000, 40), (40, 400_000)], ids=["many rows", "long rows"])
def test_memory_stays_flat(rows: int, words: int, tmp_path: Path) -> None:
    """Full tables take about 55 MB and a long row some ten times its length; nothing grows with the file."""
    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    text = prose(1, 2000) + " "
    for path, count in ((small, 300), (large, rows)):
        with path.open("w") as file:
            for i in range(count):
                said = prose(i, 40) if words < 2000 or path == small else text * (words // 2000)
                file.write(json.dumps({"prompt": prose(-i, 40), "completion": said}) + "\n")
    grown = _peak_megabytes(large) - _peak_megabytes(small)
    assert grown < 80, f"{grown:.0f} MB more for {large.stat().st_size / 1e6:.0f} MB"
