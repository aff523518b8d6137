"""A Modelfile for Ollama: the hero's own chat template in Go's template language, checked by rendering both.

The template is not translated line by line: it is asked what it puts around each message, and the answer is written
down where it holds for every conversation tried. Knows no model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from realm.errors import HeroError
from realm.heroes.chat import Message, render_text

_ELSEWHERE = "Serve it by something that reads chat_template.jinja: llama-server --jinja, vllm, transformers serve."
_RANGE = re.compile(r"(.*?)\{\{ range \.Messages \}\}(.*)\{\{ end \}\}(.*)", re.DOTALL)
_BRANCH = re.compile(r'\{\{ (?:else )?if eq \.Role "(\w+)" \}\}(.*?)(?=\{\{ (?:else if|end)\b)', re.DOTALL)
_CONTENT = "{{ .Content }}"


@dataclass(frozen=True, slots=True)
class Turns:
    """What a chat template puts around each message."""

    start: str
    around: Mapping[str, tuple[str, str]]
    """Before and after the words of each role."""
    opening: str
    """What the answer follows on."""
    default_system: str
    """The system message that the template adds where a conversation has none."""


def modelfile(tokenizer: Any, source: str, *, context_tokens: int) -> str:
    """The Modelfile for the weights in `source`, a path as Ollama reads it.

    Raises HeroError, saying what stands in the way, when the template cannot be said in Go's language.
    """
    turns = probe(tokenizer)
    template = go_template(turns, adds_start=_adds_start(tokenizer))
    strips = _check(tokenizer, turns, template)
    lines = [
        f"FROM {source}",
        *(["# The hero's template strips white space around each message; this one keeps it."] if strips else []),
        f'TEMPLATE """{template}"""',
        *([f'SYSTEM """{turns.default_system}"""'] if turns.default_system else []),
        f'PARAMETER stop "{tokenizer.eos_token}"',
        f"PARAMETER num_ctx {context_tokens}",
        "# as it was examined: greedy, and free to repeat itself",
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1.0",
    ]
    return "\n".join(lines) + "\n"


def probe(tokenizer: Any) -> Turns:
    """What the tokenizer's template puts around messages. Raises HeroError when turns depend on what surrounds them."""
    if not tokenizer.chat_template:
        raise HeroError("This hero has no chat template.", hint="Ollama needs none: use the weights without Modelfile.")
    try:
        return _probe(tokenizer)
    except ValueError as error:
        raise HeroError(
            "The chat template writes a message in different ways, depending on what stands around it; Ollama's "
            "template cannot say that.",
            hint=_ELSEWHERE,
        ) from error


def go_template(turns: Turns, *, adds_start: bool = False) -> str:
    """The same in Go's template language. `adds_start`: whoever tokenizes puts the start token there anyway."""
    around = [text for pair in turns.around.values() for text in pair]
    pieces = [turns.start, turns.opening, turns.default_system, *around]
    if any("{{" in piece or '"""' in piece for piece in pieces):
        raise HeroError(
            "The chat template contains '{{' or three quotes as text, which a Modelfile cannot hold.",
            hint=_ELSEWHERE,
        )
    branches = [
        f'{{{{ {"" if index == 0 else "else "}if eq .Role "{role}" }}}}{before}{_CONTENT}{after}'
        for index, (role, (before, after)) in enumerate(turns.around.items())
    ]
    start = "" if adds_start else turns.start
    return f"{start}{{{{ range .Messages }}}}{''.join(branches)}{{{{ end }}}}{{{{ end }}}}{turns.opening}"


def rendered(template: str, messages: Sequence[Message]) -> str:
    """What Ollama makes of messages, for templates as `go_template` writes them."""
    parts = _RANGE.fullmatch(template)
    assert parts is not None, "go_template writes one range"
    branches = dict(_BRANCH.findall(parts[2]))
    turns = [branches[message["role"]].replace(_CONTENT, message["content"]) for message in messages]
    return parts[1] + "".join(turns) + parts[3]


def _probe(tokenizer: Any) -> Turns:
    def text(*roles: str, opening: bool = False) -> str:
        messages = [{"role": role, "content": f"WORDS{at}"} for at, role in enumerate(roles)]
        return render_text(tokenizer, messages, opening=opening)

    asked, answered = text("user"), text("user", "assistant")
    before_user, after_user = _split(_after(text("user", "assistant", "user"), answered), "WORDS2")
    head = _before(_split(asked, "WORDS0")[0], before_user)
    before_system, rest = _split(text("system", "user"), "WORDS0")
    after_system = _before(_split(rest, "WORDS1")[0], before_user)
    start = tokenizer.bos_token or ""
    # smol's start token is also what opens every turn: that is no start
    start = start if before_system.startswith(start) and not before_user.startswith(start) else ""
    before_system, head = before_system.removeprefix(start), head.removeprefix(start)
    default = _after(_before(head, after_system), before_system) if head else ""
    around = {
        "system": (before_system, after_system),
        "user": (before_user, after_user),
        "assistant": _split(_after(answered, asked), "WORDS1"),
    }
    return Turns(start, around, _after(text("user", opening=True), asked), default)


def _split(text: str, words: str) -> tuple[str, str]:
    before, found, after = text.partition(words)
    if not found or words in after:
        raise ValueError(words)
    return before, after


def _after(text: str, prefix: str) -> str:
    if not text.startswith(prefix):
        raise ValueError(prefix)
    return text[len(prefix) :]


def _before(text: str, suffix: str) -> str:
    if not text.endswith(suffix):
        raise ValueError(suffix)
    return text[: len(text) - len(suffix)]


def _check(tokenizer: Any, turns: Turns, template: str) -> bool:
    """Whether the hero's template strips white space. Raises HeroError where the two differ in anything else."""
    full = go_template(turns)
    unlike = [spaced for spaced, talk in _conversations() if not _same(tokenizer, turns, full, talk)]
    if not all(unlike):
        raise HeroError(
            "The chat template could not be said in Ollama's language: the two render a conversation differently.",
            hint=_ELSEWHERE,
        )
    assert template in {full, full.removeprefix(turns.start)}
    return bool(unlike)


def _same(tokenizer: Any, turns: Turns, template: str, talk: Sequence[Message]) -> bool:
    told = talk
    if turns.default_system and talk[0]["role"] != "system":  # as Ollama adds what SYSTEM says
        told = [{"role": "system", "content": turns.default_system}, *talk]
    return rendered(template, told) == render_text(tokenizer, talk, opening=True)


def _conversations() -> list[tuple[bool, list[Message]]]:
    """Conversations to try, each with whether its messages have white space around them."""
    shapes = [("user",), ("system", "user"), ("user", "assistant", "user"),
              ("system", "user", "assistant", "user", "assistant", "user")]  # fmt: skip
    words = ["What is 1 + 1?", "two\n\nlines: {{ .Content }} <b>", "⓪① 'quoted' \"twice\""]
    plain: list[list[Message]] = [
        [{"role": role, "content": words[(at + shift) % len(words)]} for at, role in enumerate(shape)]
        for shape in shapes
        for shift in range(len(words))
    ]
    spaced: list[list[Message]] = [
        [{**message, "content": f"  {message['content']}\n"} for message in talk] for talk in plain
    ]
    return [(False, talk) for talk in plain] + [(True, talk) for talk in spaced]


def _adds_start(tokenizer: Any) -> bool:
    """Whether the tokenizer puts its start token before any text by itself; llama.cpp then does so too."""
    return bool(tokenizer.bos_token) and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
