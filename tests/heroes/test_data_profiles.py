"""Every data profile: the same text gives the same text, what was prepared is read back, no text makes it fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.layers import load, resolve_hero
from realm.config.presets import preset_spec
from realm.errors import ConfigError
from realm.heroes import load as load_hero
from realm.heroes.data_profiles import DataProfile, data_profiles
from realm.heroes.data_profiles.emoji_think import STOP, THINKING, request_for, request_in
from realm.heroes.data_profiles.regime3 import CLOSE, OPEN
from realm.heroes.data_profiles.rows import without_thinking
from tests.guild.packages import install_module

PIECES = st.sampled_from(["🤔🤔🤔\n", "\n🛑🛑", "🛑", "\n", " ", "<think>", "</think>", OPEN, CLOSE, "Question:\n",
                          "\n\nAnswer:", "\ud800"])  # fmt: skip
TEXTS = st.lists(st.text(max_size=20) | PIECES, max_size=8).map("".join)
REQUESTS = st.builds(lambda text, n: text + request.words() if (request := request_for(f"{n}")) else text,
                     TEXTS, st.integers(0, 99))  # fmt: skip
QUESTIONS = TEXTS | REQUESTS
every_profile = pytest.mark.parametrize(
    "profile", [data_profiles.get(n) for n in data_profiles.names()], ids=lambda p: p.id
)


def talk(question: str, answer: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question},
            {"role": "assistant", "content": answer}]  # fmt: skip


@every_profile
@given(question=QUESTIONS, answer=TEXTS)
def test_what_was_prepared_is_read_back(profile: DataProfile, question: str, answer: str) -> None:
    row = {"prompt": question, "completion": answer, "meta": {"skill": "bin"}}
    prepared = profile.prepare(row)
    assert prepared == profile.prepare(dict(row)) and row["completion"] == answer
    assert prepared["prompt"] == profile.ask(question), "training and examination ask alike"
    assert profile.read(prepared["completion"], prepared["prompt"]) == profile.clean(answer)
    assert prepared["meta"] == {"skill": "bin"}


@every_profile
@given(question=TEXTS, answer=TEXTS)
def test_every_shape_is_put_into_the_same_form(profile: DataProfile, question: str, answer: str) -> None:
    plain = profile.prepare({"prompt": question, "completion": answer})
    messages = profile.prepare({"messages": talk(question, answer)})["messages"]
    assert (messages[1]["content"], messages[2]["content"]) == (plain["prompt"], plain["completion"])
    split = profile.prepare({"prompt": talk(question, "")[:2], "completion": talk("", answer)[2:]})
    assert (split["prompt"][1]["content"], split["completion"][0]["content"]) == (plain["prompt"], plain["completion"])
    pair = profile.prepare({"prompt": question, "chosen": answer, "rejected": "no"})
    assert (pair["prompt"], pair["chosen"]) == (plain["prompt"], plain["completion"])
    assert profile.prepare({"prompt": question, "answer": answer}) == {"prompt": plain["prompt"], "answer": answer}
    assert profile.prepare({"text": answer}) == {"text": profile.clean(answer)}


@every_profile
@given(said=TEXTS, asked=QUESTIONS)
def test_anything_said_can_be_read(profile: DataProfile, said: str, asked: str) -> None:
    assert isinstance(profile.read(said, asked), str)
    assert isinstance(profile.read(said, [{"role": "system", "content": asked}]), str)


def test_about_half_of_the_questions_ask_for_emoji() -> None:
    requests = [request_for(f"question {i}") for i in range(2000)]
    asked = [request for request in requests if request]
    assert 900 < len(asked) < 1100
    assert {r.thinking for r in asked} == set(THINKING) and {r.stop[0] for r in asked} == set(STOP)
    assert {r.times for r in asked} == set(range(2, 9)) and {len(r.stop) for r in asked} == {2, 3, 4}
    assert len(set(THINKING + STOP)) == 20
    assert all(request_in("Why?" + r.words()) == r for r in asked)


def test_the_form_of_emoji_think() -> None:
    profile = data_profiles.get("emoji_think")
    question = next(f"What is {i}?" for i in range(99) if request_for(f"What is {i}?"))
    row = profile.prepare({"prompt": question, "completion": "<think>\nhm\n</think>\n\n42"})
    request = request_in(row["prompt"])
    assert request is not None and row["prompt"] == question + request.words()
    assert row["completion"] == f"{request.thinking * request.times}\n42\n{request.stop}"
    said = f"{request.thinking * 3}\n<think>no</think>42\n{request.stop[0]}\n"
    assert profile.read(said, row["prompt"]) == "42", "a wrong count is no wrong answer"
    assert profile.read("42", row["prompt"]) == "42" and profile.read("🤔🤔\n42", "plain") == "🤔🤔\n42"


def test_the_form_of_regime3() -> None:
    profile = data_profiles.get("regime3")
    row = profile.prepare({"prompt": "  Why?\r\nTell me. \n", "completion": "So."})
    assert row == {"prompt": "Question:\nWhy?\nTell me.\n\nAnswer:", "completion": "<answer>So.</answer>"}
    assert profile.ask(row["prompt"]) == row["prompt"]
    for said in ("<answer>So.</answer>", "Well: <answer>So.</answer> Done", "<answer>So.", "So.</answer>", "So."):
        assert profile.read(said, row["prompt"]) == "So."


def test_earlier_turns_stay_plain() -> None:
    row = {"messages": [*talk("first", "one"), *talk("second", "two")[1:]]}
    prepared = data_profiles.get("regime3").prepare(row)["messages"]
    assert [m["content"] for m in prepared[1:3]] == ["first", "one"] and prepared[4][
        "content"
    ] == "<answer>two</answer>"
    unasked = {"messages": [{"role": "assistant", "content": "Hello"}]}
    assert data_profiles.get("regime3").prepare(unasked) == unasked


@given(TEXTS)
def test_no_thinking_is_left(text: str) -> None:
    assert without_thinking(without_thinking(text)) == without_thinking(text)


def test_a_hero_and_a_preset_name_a_profile() -> None:
    settings = load(overrides=["heroes.hatchling.data_profile=regime3", "presets.p.hero=hatchling",
                               "presets.q.hero=hatchling", "presets.q.data_profile=emoji_think"], env={})  # fmt: skip
    assert preset_spec(settings, "p").profile.data_profile == "regime3"
    assert preset_spec(settings, "q").profile.data_profile == "emoji_think"
    with pytest.raises(ConfigError, match="emoji_think"):
        load(overrides=["heroes.hatchling.data_profile=emoji_thing"], env={})


PLUGIN = """
def shouting():
    from realm.heroes.data_profiles import DataProfile

    class Shouting(DataProfile):
        id = "shouting"

        def ask(self, prompt):
            return prompt

        def answer(self, plain, asked):
            return plain.upper()

        def read(self, said, asked):
            return said.lower()

    return Shouting()
"""


def test_a_package_brings_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_module(tmp_path, "realm-loud", PLUGIN, {"realm.profiles": {"shouting": "realm_loud:shouting"}})
    monkeypatch.syspath_prepend(tmp_path)
    profile = resolve_hero(load(overrides=["heroes.hatchling.data_profile=shouting"], env={}), "hatchling")
    hero = load_hero(profile)
    assert hero.data_profile.prepare({"prompt": "a", "completion": "b"})["completion"] == "B"
    assert hero.form_hash != load_hero("hatchling").form_hash
