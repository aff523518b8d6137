"""A teacher behind an address, on a real port."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realm.arena.endpoint import TRIES, Endpoint
from realm.errors import TrainingError

from .local_endpoint import Behaviour, serving

SECRET = "sk-do-not-tell"


def endpoint(behaviour: Behaviour, model: str = "", **more: Any) -> Endpoint:
    return Endpoint(behaviour.url, model, wait_seconds=0.0, **more)


def test_answers_come_in_the_order_asked_from_the_only_model() -> None:
    with serving(Behaviour()) as server:
        teacher = endpoint(server, max_new_tokens=7)
        asked: list[Any] = [f"question {i}" for i in range(9)]
        asked.append([{"role": "system", "content": "be brief"}, {"role": "user", "content": "question 9"}])
        assert teacher.answer(asked) == [f"you said question {i}" for i in range(10)]
    assert teacher.name == f"{server.url}#little"
    assert {(body["model"], body["temperature"], body["max_tokens"]) for body in server.asked} == {("little", 0, 7)}


def test_an_answer_without_text_is_empty() -> None:
    with serving(Behaviour(answer=lambda _: None)) as server:
        assert endpoint(server).answer(["a"]) == [""]


def test_what_may_pass_is_tried_again() -> None:
    with serving(Behaviour(statuses=[503, 429])) as server:
        assert endpoint(server, "little").answer(["a"]) == ["you said a"]


def test_what_does_not_pass_is_said_in_words() -> None:
    with serving(Behaviour(statuses=[500] * TRIES)) as server, pytest.raises(TrainingError, match="status 500"):
        endpoint(server, "little").answer(["a"])
    with serving(Behaviour(statuses=[404])) as server, pytest.raises(TrainingError, match=r"\(404\): little") as wrong:
        endpoint(server, "little").answer(["a"])
    assert "/v1" in wrong.value.hint


def test_nobody_at_the_address() -> None:
    with serving(Behaviour()) as server:
        pass
    with pytest.raises(TrainingError, match="cannot be reached") as down:
        endpoint(server, "little").answer(["a"])
    assert "Start it" in down.value.hint


def test_a_slow_one() -> None:
    with serving(Behaviour(seconds=30)) as server, pytest.raises(TrainingError, match=r"within 0.1 seconds"):
        endpoint(server, "little", timeout_seconds=0.1).answer(["a"])


def test_the_key_comes_from_the_environment_and_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Behaviour(key=SECRET)) as server:
        with pytest.raises(TrainingError, match="refuses the API key") as refused:
            endpoint(server)
        assert "teacher_key_variable" in refused.value.hint
        with pytest.raises(TrainingError, match=r"MY_KEY.* is not set") as unset:
            endpoint(server, key_variable="MY_KEY")
        monkeypatch.setenv("MY_KEY", SECRET)
        teacher = endpoint(server, key_variable="MY_KEY")
        assert teacher.answer(["a"]) == ["you said a"]
        monkeypatch.setenv("MY_KEY", SECRET + "x")
        with pytest.raises(TrainingError, match="the variable MY_KEY") as wrong:
            endpoint(server, key_variable="MY_KEY")
    for error in (refused.value, unset.value, wrong.value):
        assert SECRET not in error.message + error.hint
    assert SECRET not in teacher.name


def test_several_models_are_named_and_one_must_be_chosen() -> None:
    with serving(Behaviour(models=("big", "small"))) as server:
        with pytest.raises(TrainingError, match="2 models: big, small") as which:
            endpoint(server)
        assert f"{server.url}#MODEL" in which.value.hint
        assert endpoint(server, "small").answer(["a"]) == ["you said a"]


@pytest.mark.parametrize("raw", [b"<html>", json.dumps({"choices": []}).encode(), b"[]"])
def test_something_else_answers(raw: bytes) -> None:
    with serving(Behaviour(raw=raw)) as server:
        with pytest.raises(TrainingError, match="no OpenAI-compatible language"):
            endpoint(server)
        with pytest.raises(TrainingError, match="no OpenAI-compatible language"):
            endpoint(server, "little").answer(["a"])
