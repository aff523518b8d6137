"""The real `openai` client against the service on a port: everything that its users rely on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.oracle.oracle_support import TOOLS_TEMPLATE, Shelf, expected, served, service, shelf

USER = [{"role": "user", "content": "what is 1 + 1?"}]
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24, "extra_body": {"ignore_eos": True}}


@pytest.fixture(scope="module")
def models() -> Shelf:
    made = shelf("a", "b", "with-tools")
    made.load("weights-with-tools").tokenizer.chat_template = TOOLS_TEMPLATE
    return made


@pytest.fixture(scope="module")
def address(models: Shelf) -> Iterator[str]:
    with served(service(models, answer_tokens=200, queue=3, rows=4)) as url:
        yield url


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[OpenAI]:
    with connected(address, max_retries=0) as made:
        yield made


def connected(address: str, max_retries: int) -> OpenAI:
    http = openai.DefaultHttpxClient(trust_env=False)
    return OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=max_retries, http_client=http)


def ask(client: OpenAI, **asked: Any) -> Any:
    return client.chat.completions.create(**{"model": "a", "messages": USER, **GREEDY, **asked})


def test_models_are_listed_and_found(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["a", "b", "with-tools"]
    assert client.models.retrieve("b").id == "b"


def test_a_chat_is_answered_as_in_an_examination(client: OpenAI, models: Shelf) -> None:
    answer = ask(client)
    choice = answer.choices[0]
    assert choice.message.content == expected(models.heroes["weights-a"], USER, 24, eos=False)
    assert choice.message.role == "assistant" and choice.finish_reason == "length"
    assert answer.model == "weights-a" and answer.object == "chat.completion"
    usage = answer.usage
    assert usage.completion_tokens == 24 and usage.total_tokens == usage.prompt_tokens + 24 > 24


def test_a_stream_is_the_same_answer_in_pieces_with_its_usage_at_the_end(client: OpenAI) -> None:
    whole = ask(client)
    pieces = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == whole.choices[0].message.content
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == "length"
    assert pieces[-1].choices == [] and pieces[-1].usage == whole.usage
    assert all(p.usage is None for p in pieces[:-1]) and len({p.id for p in pieces}) == 1
    assert all(p.usage is None for p in ask(client, stream=True))


def test_a_stop_text_ends_an_answer(client: OpenAI) -> None:
    hot = {"temperature": 1.0, "seed": 5}
    whole = ask(client, **hot).choices[0].message.content
    stop = whole[6:9]
    for stream in (False, True):
        found = ask(client, **hot, stop=[stop, "never in it"], stream=stream)
        choices = [piece.choices[0] for piece in found] if stream else found.choices
        said = "".join((c.delta.content or "") if stream else c.message.content for c in choices)
        assert said == whole[: whole.index(stop)] and choices[-1].finish_reason == "stop"


def test_a_seed_repeats_its_answers_and_n_gives_several(client: OpenAI) -> None:
    hot = {"temperature": 1.5, "n": 3, "seed": 11}
    first, again, other = (ask(client, **{**hot, "seed": seed}) for seed in (11, 11, 12))
    said = [c.message.content for c in first.choices]
    assert said == [c.message.content for c in again.choices] != [c.message.content for c in other.choices]
    assert [c.index for c in first.choices] == [0, 1, 2] and len(set(said)) == 3
    assert first.usage.completion_tokens == 72
    streamed = ["", "", ""]
    for piece in ask(client, **hot, stream=True):
        streamed[piece.choices[0].index] += piece.choices[0].delta.content or ""
    assert streamed == said


def test_log_probabilities_come_with_their_alternatives(client: OpenAI) -> None:
    choice = ask(client, logprobs=True, top_logprobs=2, max_tokens=5).choices[0]
    assert len(choice.logprobs.content) == 5
    for told in choice.logprobs.content:
        assert told.logprob <= 0 and len(told.top_logprobs) == 2
        assert told.top_logprobs[0].token == told.token and bytes(told.bytes).decode() == told.token
    streamed = [p.choices[0] for p in ask(client, logprobs=True, max_tokens=5, stream=True)]
    assert sum(len(c.logprobs.content) for c in streamed if c.logprobs) == 5
    assert ask(client, max_tokens=5).choices[0].logprobs is None


def test_completions_take_text_tokens_and_several_prompts(client: OpenAI, models: Shelf) -> None:
    hero = models.heroes["weights-a"]
    plain = {"model": "a", "temperature": 0, "max_tokens": 6, "extra_body": {"ignore_eos": True}}
    one = client.completions.create(prompt="1 + 1", **plain)
    ids = hero.tokenizer("1 + 1", add_special_tokens=False)["input_ids"]
    two = client.completions.create(prompt=[ids, hero.tokenizer("x", add_special_tokens=False)["input_ids"]], **plain)
    assert one.object == "text_completion" and [c.index for c in two.choices] == [0, 1]
    assert one.choices[0].text == two.choices[0].text != two.choices[1].text
    told = client.completions.create(prompt="1 + 1", logprobs=2, **plain).choices[0].logprobs
    assert len(told.token_logprobs) == 6 and all(len(top) <= 2 for top in told.top_logprobs)
    streamed = "".join(p.choices[0].text for p in client.completions.create(prompt="1 + 1", stream=True, **plain))
    assert streamed == one.choices[0].text


def test_a_bias_on_logits_and_texts_to_keep_from(client: OpenAI, models: Shelf) -> None:
    hero = models.heroes["weights-a"]
    token = hero.tokenizer("7", add_special_tokens=False)["input_ids"][0]
    assert set(ask(client, logit_bias={str(token): 100}).choices[0].message.content) == {"7"}
    kept = {"ignore_eos": True, "penalties": [{"text": "7", "penalty": 200}]}
    assert "7" not in ask(client, logit_bias={str(token): 100}, extra_body=kept).choices[0].message.content


def test_tools_reach_the_template_and_calls_are_read_from_the_answer(client: OpenAI, models: Shelf) -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
    with pytest.raises(openai.BadRequestError, match="knows no tools"):
        ask(client, tools=tools)
    without, given = (ask(client, model="with-tools", max_tokens=1, tools=t) for t in (openai.NOT_GIVEN, tools))
    assert given.usage.prompt_tokens > without.usage.prompt_tokens + 10
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    talk = [*USER, {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "2"}]  # fmt: skip
    told = ask(client, model="with-tools", tools=tools, messages=talk, max_tokens=2)
    assert told.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"model": "nobody"}, openai.NotFoundError, "There is no model 'nobody'"),
        ({"model": "../../etc/passwd"}, openai.NotFoundError, "There is no model"),
        ({"max_tokens": 100_000}, openai.BadRequestError, "more than this service writes"),
        ({"messages": [{"role": "user", "content": "x " * 9000}]}, openai.BadRequestError, "context"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "bard", "content": "x"}]}, openai.BadRequestError, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         openai.BadRequestError, "text"),
        ({"temperature": 3}, openai.BadRequestError, "temperature"),
        ({"n": 0}, openai.BadRequestError, "n:"),
        ({"n": 16}, openai.BadRequestError, "16 answers at once"),
        ({"logit_bias": {"x": 1}}, openai.BadRequestError, "no token"),
        ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "response_format"),
        ({"extra_body": {"bogus": 1}}, openai.BadRequestError, "bogus"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_words(
    client: OpenAI, asked: dict[str, Any], error: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(error) as refused:
        ask(client, **asked)
    body = refused.value.response.json()["error"]
    assert words in body["message"] and set(body) == {"message", "type", "hint", "param", "code"}
    if error is openai.NotFoundError:
        assert refused.value.code == "model_not_found" and body["hint"]


def test_too_many_requests_are_told_when_to_come_again(client: OpenAI, address: str) -> None:
    long = {"max_tokens": 200, "n": 4}
    refused, done = [], []

    def knock() -> None:
        try:
            done.append(ask(client, **long))
        except openai.RateLimitError as error:
            refused.append(error)

    people = [threading.Thread(target=knock) for _ in range(16)]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    assert refused and done and len(refused) + len(done) == 16
    assert all(int(error.response.headers["retry-after"]) >= 1 for error in refused)
    with connected(address, max_retries=3) as patient:
        assert ask(patient, max_tokens=2).choices[0].message.content


def test_who_leaves_ends_the_work(client: OpenAI, address: str) -> None:
    def rows() -> int:
        return sum(model["rows"] for model in httpx.get(f"{address}/models", trust_env=False).json()["models"])

    for _ in range(5):
        stream = ask(client, max_tokens=200, stream=True)
        next(iter(stream))
        _until(lambda: rows() == 1)
        stream.close()
        _until(lambda: rows() == 0)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{address}/v1/chat/completions", timeout=0.05, trust_env=False,
                   json={"model": "a", "messages": USER, "max_tokens": 200, "ignore_eos": True, "n": 4})  # fmt: skip
    _until(lambda: rows() == 0)
    _until(lambda: all(m["requests"] == 0 for m in httpx.get(f"{address}/models", trust_env=False).json()["models"]))


def _until(true: Any) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_was_measured_is_told(address: str) -> None:
    told = httpx.get(f"{address}/metrics", trust_env=False).text
    assert "realm_time_to_first_token_seconds_count" in told and "realm_oracle_tokens_total" in told
