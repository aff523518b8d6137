"""Rendering rows: only the assistant's tokens are trained, for templates with and without generation spans."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.errors import HeroError
from realm.heroes.chat import render, render_all, render_prompt, template_hash
from realm.heroes.hatchling import tokenizer as hatchling

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|system|>be kind\n{% endif %}"
    "<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
INSTRUCT = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% else %} {{ m['content'] | trim }}<|end|>{% endif %}{% endfor %}"
)
FORGETFUL = (
    "{% for m in messages %}<|{{ m['role'] }}|>"
    "{% if loop.last %}{{ m['content'] }}{% else %}{{ m['content'].split('</think>')[-1] }}{% endif %}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DATED = "{{ strftime_now('%Y') }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
CHAT = [
    {"role": "user", "content": "one?"},
    {"role": "assistant", "content": "first"},
    {"role": "user", "content": "two?"},
    {"role": "assistant", "content": "second"},
]


def with_template(template: str | None):
    tokenizer = hatchling.load()
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def trained_text(tokenizer, row) -> str:
    rendered = render(tokenizer, row)
    return tokenizer.decode([i for i, on in zip(rendered.token_ids, rendered.trained, strict=True) if on])


@pytest.mark.parametrize("template", [None, CHATML, INSTRUCT, FORGETFUL])
def test_only_the_assistants_words_are_trained(template) -> None:
    tokenizer = with_template(template)
    assert trained_text(tokenizer, {"messages": CHAT}) == "first<|end|>second<|end|>"


@pytest.mark.parametrize("template", [None, CHATML, INSTRUCT])
def test_prompt_and_completion_train_the_completion(template) -> None:
    tokenizer = with_template(template)
    assert trained_text(tokenizer, {"prompt": "first", "completion": "first"}) == "first<|end|>"


@pytest.mark.parametrize("template", [None, CHATML, INSTRUCT])
def test_many_rows_are_rendered_as_each_alone(template) -> None:
    rows = [
        {"prompt": "one?", "completion": "1"},
        {"text": "plain words"},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b ①"}]},
    ]
    tokenizer = with_template(template)
    assert render_all(tokenizer, rows) == [render(tokenizer, row) for row in rows]
    assert render_all(tokenizer, []) == []


@pytest.mark.parametrize("template", [None, CHATML, INSTRUCT])
def test_a_question_is_rendered_as_in_training(template) -> None:
    tokenizer = with_template(template)
    rendered = render(tokenizer, {"prompt": "one?", "completion": "yes"})
    asked = render_prompt(tokenizer, "one?")
    assert rendered.token_ids[: len(asked)] == asked
    assert not any(rendered.trained[: len(asked)])


@given(asked=st.text(), answered=st.text())
@settings(max_examples=100, deadline=None)
def test_any_words_are_trained_exactly(asked: str, answered: str) -> None:
    tokenizer = with_template(None)
    if any(control in asked + answered for control in hatchling.CONTROL_TOKENS):
        return
    assert trained_text(tokenizer, {"prompt": asked, "completion": answered}) == answered + "<|end|>"


def test_two_threads_render_without_losing_spans() -> None:
    """The inbox checks a file while the arena reads a quest; each has its own copy of the tokenizer."""
    row = {"messages": CHAT * 40}
    wanted = render(with_template(None), row)

    def many(tokenizer) -> bool:
        return all(render(tokenizer, row) == wanted for _ in range(60))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(many, [with_template(None), with_template(None)]))


def test_text_is_trained_whole() -> None:
    tokenizer = with_template(None)
    assert trained_text(tokenizer, {"text": "a story"}) == "a story<|end|>"


def test_without_a_template_plain_words_are_used() -> None:
    tokenizer = with_template("")
    assert trained_text(tokenizer, {"prompt": "2+2=", "completion": "4"}) == "4<|end|>"
    with pytest.raises(HeroError, match="no chat template"):
        render(tokenizer, {"messages": CHAT})


def test_no_date_enters_a_prompt() -> None:
    tokenizer = with_template(DATED)
    assert tokenizer.decode(render_prompt(tokenizer, "hello")) == "26 Jul 2024hello"


def test_a_template_that_hides_the_answer_is_refused() -> None:
    template = "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}"
    tokenizer = with_template(template)
    with pytest.raises(HeroError, match="does not show message 2"):
        render(tokenizer, {"messages": CHAT})


def test_a_template_that_refuses_says_so_in_words() -> None:
    tokenizer = with_template("{{ raise_exception('turns must alternate') }}")
    with pytest.raises(HeroError, match="turns must alternate"):
        render(tokenizer, {"messages": CHAT})


def test_the_templates_hash_follows_the_template() -> None:
    assert template_hash(with_template(None)) == template_hash(with_template(None))
    assert template_hash(with_template(None)) != template_hash(with_template(CHATML))
