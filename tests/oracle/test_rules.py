"""The Oracle's pure parts: opinions as quests, sharing a machine, tool calls, the command for vLLM."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from realm.oracle.feedback import Opinion, quests
from realm.oracle.sharing import Courtesy, Rule, Word, wait_seconds
from realm.oracle.tools import read_calls
from realm.oracle.vllm import command
from realm.quests.checks import Validation, validate

ASKED = [{"role": "user", "content": "one plus one?"}]


def opinion(verdict: str, better: str = "", answer: str = "three") -> Opinion:
    told = {"model": "h:c@9", "messages": ASKED, "answer": answer, "verdict": verdict, "better": better}
    return Opinion.model_validate(told)


@pytest.mark.parametrize(
    ("given_opinions", "methods"),
    [
        ([opinion("prefer", "two")], ["dpo"]),
        ([opinion("up"), opinion("down", answer="four")], ["kto"]),
        ([opinion("down")], []),
        ([opinion("up", answer="two"), opinion("up", answer="II")], ["sft"]),
        ([opinion("teach", "two")], ["sft"]),
        ([opinion("prefer", "two"), opinion("down"), opinion("up"), opinion("teach", "2")], ["dpo", "kto", "sft"]),
    ],
)
def test_opinions_become_quests_that_the_inbox_takes(
    tmp_path: Path, given_opinions: list[Opinion], methods: list[str]
) -> None:
    made = quests(given_opinions, "0")
    assert [quest.about["method"] for quest in made] == methods
    assert sum(quest.rows for quest in made) == (len(given_opinions) if methods else 0)
    for quest in made:
        assert quest.about["answered_by"] == ["h:c@9"] and quest.about["source"] == "chat"
        path = tmp_path / quest.name
        path.write_text(quest.text, encoding="utf-8")
        report = validate(path, Validation(method=quest.about["method"]), name=quest.name)
        assert report.ok and report.examples == quest.rows and report.bad == 0, report


@pytest.mark.parametrize(("verdict", "better"), [("prefer", ""), ("teach", " "), ("up", "x"), ("prefer", "three")])
def test_better_words_belong_to_those_who_have_some(verdict: str, better: str) -> None:
    with pytest.raises(ValidationError):
        opinion(verdict, better)


def test_who_goes_first_is_a_rule() -> None:
    assert wait_seconds("training_first", 2.0) == 0
    assert wait_seconds("chat_first", 2.0) == 2.0
    assert wait_seconds("pause_on_chat", 2.0) == float("inf")


@pytest.mark.parametrize(("rule", "least", "most"), [("training_first", 0.0, 0.01), ("chat_first", 0.1, 0.3)])
def test_training_waits_a_step_while_somebody_is_answered(
    tmp_path: Path, rule: Rule, least: float, most: float
) -> None:
    word, courtesy = Word(tmp_path, rule), Courtesy(tmp_path, rule)
    assert courtesy.give_way(0.1) == 0
    word.say(3)
    assert least <= courtesy.give_way(0.1) <= most
    word.say(0)
    assert courtesy.give_way(0.1) == 0


def test_training_stands_still_until_the_chat_is_over_or_something_calls(tmp_path: Path) -> None:
    word, courtesy = Word(tmp_path, "pause_on_chat"), Courtesy(tmp_path, "pause_on_chat")
    word.say(1)
    timer = threading.Timer(0.15, word.say, [0])
    timer.start()
    assert 0.1 < courtesy.give_way(0.001) < 5
    word.say(1)
    assert courtesy.give_way(0.001, lambda: True) < 0.1
    timer.join()


def test_no_training_waits_for_a_service_that_has_died(tmp_path: Path) -> None:
    word, courtesy = Word(tmp_path, "pause_on_chat"), Courtesy(tmp_path, "pause_on_chat")
    word.say(1)
    long_ago = time.time() - 60
    os.utime(next(tmp_path.iterdir()), (long_ago, long_ago))
    assert courtesy.give_way(0.001) == 0


def test_calls_are_read_from_an_answer_and_what_is_broken_stays_text() -> None:
    text, calls = read_calls('Let me see. <tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    assert text == "Let me see." and calls[0]["function"]["name"] == "add"
    assert json.loads(calls[0]["function"]["arguments"]) == {"a": 1}
    for broken in ("<tool_call>{</tool_call>", "<tool_call>[1]</tool_call>", "<tool_call>{}"):
        assert read_calls(broken) == (broken, [])


@given(st.text())
def test_no_answer_makes_the_reader_of_calls_fail(text: str) -> None:
    assert read_calls(text)[1] == [] or "<tool_call>" in text


def test_the_command_for_vllm_names_the_very_checkpoint(tmp_path: Path) -> None:
    def write(name: str, content: Any) -> None:
        (tmp_path / name).write_text(json.dumps(content))

    write("config.json", {"max_position_embeddings": 512})
    write("chat_template.jinja", "")
    words = command("h:c@9", tmp_path, port=8001)
    assert words[:3] == ["vllm", "serve", str(tmp_path)]
    told = dict(zip(words[3::2], words[4::2], strict=True))
    assert told["--served-model-name"] == "h:c@9" and told["--max-model-len"] == "512" and told["--port"] == "8001"
    write("adapter_config.json", {"r": 8})
    words = command("h:c@9", tmp_path, base="some/base")
    assert words[2] == "some/base" and f"h:c@9={tmp_path}" in words and words[words.index("--max-lora-rank") + 1] == "8"
