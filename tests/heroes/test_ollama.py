from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import HeroError
from realm.heroes import ollama
from realm.heroes.chat import render_text
from realm.heroes.hatchling import tokenizer as hatchling_tokenizer

CHATML = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRIMMING = CHATML.replace("message['content']", "(message['content'] | trim)")
FORGETFUL = (
    "{% for message in messages %}[{{ message['role'] }}]"
    "{% if loop.last or message['role'] != 'assistant' %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
SHOUTING = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] | replace('two', 'TWO') }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
BRACES = (
    "{% for message in messages %}{{ '{{' }}{{ message['role'] }}: {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}>>{% endif %}"
)


def tokenizer(template: str = "") -> Any:
    made = hatchling_tokenizer.load()
    if template:
        made.chat_template = template
    return made


def template_of(modelfile: str) -> str:
    return modelfile.split('TEMPLATE """', 1)[1].split('"""', 1)[0]


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)


@given(st.lists(words, min_size=1, max_size=5).filter(lambda said: len(said) % 2), st.booleans())
def test_the_hatchlings_template_is_the_same_in_go(said: list[str], with_system: bool) -> None:
    own = tokenizer()
    template = template_of(ollama.modelfile(own, ".", context_tokens=512))
    talk = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]
    talk = [{"role": "system", "content": "Be brief."}, *talk] if with_system else talk
    assert ollama.rendered(template, talk) == render_text(own, talk, opening=True)


def test_the_modelfile_of_the_hatchling() -> None:
    said = ollama.modelfile(tokenizer(), "./model.gguf", context_tokens=512)
    assert said.splitlines()[0] == "FROM ./model.gguf"
    assert template_of(said) == (
        '{{ range .Messages }}{{ if eq .Role "system" }}<|system|>{{ .Content }}'
        '{{ else if eq .Role "user" }}<|user|>{{ .Content }}'
        '{{ else if eq .Role "assistant" }}<|assistant|>{{ .Content }}<|end|>{{ end }}{{ end }}<|assistant|>'
    )
    for line in ('PARAMETER stop "<|end|>"', "PARAMETER num_ctx 512", "PARAMETER repeat_penalty 1.0"):
        assert line in said
    assert "SYSTEM" not in said and "strips" not in said


def test_what_a_template_says_by_itself_is_said_by_system() -> None:
    own = tokenizer(CHATML)
    said = ollama.modelfile(own, ".", context_tokens=512)
    assert 'SYSTEM """Be kind."""' in said
    asked = [{"role": "user", "content": "hi"}]
    with_default = [{"role": "system", "content": "Be kind."}, *asked]
    assert ollama.rendered(template_of(said), with_default) == render_text(own, asked, opening=True)


def test_a_start_token_is_written_unless_the_tokenizer_adds_it() -> None:
    own = tokenizer("{{ bos_token }}" + CHATML)
    own.bos_token = "<|tool|>"
    turns = ollama.probe(own)
    assert turns.start == "<|tool|>" and turns.default_system == "Be kind."
    assert ollama.go_template(turns).startswith("<|tool|>{{ range")
    assert ollama.go_template(turns, adds_start=True).startswith("{{ range")


def test_a_token_that_opens_every_turn_is_no_start() -> None:
    own = tokenizer(CHATML)
    own.bos_token = "<|im_start|>"
    assert ollama.probe(own).start == ""
    assert template_of(ollama.modelfile(own, ".", context_tokens=512)).startswith("{{ range")


def test_a_template_that_strips_white_space_is_said_to_do_so() -> None:
    said = ollama.modelfile(tokenizer(TRIMMING), ".", context_tokens=512)
    assert "strips white space" in said and template_of(said).startswith("{{ range")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (FORGETFUL, "in different ways"),
        (SHOUTING, "render a conversation differently"),
        (BRACES, "as text"),
        ("{% for message in messages %}no words{% endfor %}", "in different ways"),
    ],
)
def test_what_go_cannot_say_is_refused(template: str, why: str) -> None:
    with pytest.raises(HeroError, match=why) as refused:
        ollama.modelfile(tokenizer(template), ".", context_tokens=512)
    assert "chat_template.jinja" in refused.value.hint


def test_a_hero_without_a_template_needs_no_modelfile() -> None:
    own = tokenizer()
    own.chat_template = None
    with pytest.raises(HeroError, match="no chat template"):
        ollama.modelfile(own, ".", context_tokens=512)
