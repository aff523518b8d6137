"""One chat template from data to export: rows become token ids and the marks of those trained. Knows no model."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import jinja2

from realm.errors import HeroError

Message = Mapping[str, Any]
Span = tuple[int, int]
"""Characters from .. to (exclusive) of a rendered text."""

# Templates that print "today" get this day, for ever: training and examination prompts must not differ by date.
# A macro, because transformers turns callables among a template's variables into text.
_FROZEN_DAY = "26 Jul 2024"
_FROZEN_CLOCK = "{%- macro strftime_now(format) -%}" + _FROZEN_DAY + "{%- endmacro -%}"
# transformers keeps one compiled template and with it one tracker of spans for the whole process (5.23,
# chat_template_utils._cached_compile_jinja_template): two threads that render at once lose each other's spans or fail.
_ONE_AT_A_TIME = threading.Lock()
_GENERATION_SPAN = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of one row, and for each whether the loss falls on it. Both have the same length."""

    token_ids: list[int]
    trained: list[bool]


def render(tokenizer: Any, row: Mapping[str, Any]) -> Rendered:
    """Tokenize a row of `messages`, `prompt` + `completion`, or `text`; the loss falls on assistant tokens only.

    A row of `text` is trained on whole. Raises HeroError when the template hides the assistant's words.
    """
    if "messages" in row:
        return _render_messages(tokenizer, row["messages"])
    if "completion" in row:
        return _render_completion(tokenizer, row["prompt"], row["completion"])
    token_ids = [*_encode(tokenizer, row["text"]), tokenizer.eos_token_id]
    return Rendered(token_ids, [True] * len(token_ids))


def render_all(tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> list[Rendered]:
    """`render` of each row, in the same order; faster where the template marks what is generated."""
    if not tokenizer.chat_template or not _GENERATION_SPAN.search(tokenizer.chat_template):
        return [render(tokenizer, row) for row in rows]
    talks = [(at, messages) for at, row in enumerate(rows) if (messages := _talk(row))]
    marked: dict[int, Rendered] = {}
    if talks:
        texts, spans = _by_generation_spans(tokenizer, [messages for _, messages in talks])
        marked = dict(zip((at for at, _ in talks), _mark(tokenizer, texts, spans), strict=True))
    return [marked[at] if at in marked else render(tokenizer, row) for at, row in enumerate(rows)]


def render_prompt(
    tokenizer: Any, prompt: str | Sequence[Message], *, tools: Sequence[Mapping[str, Any]] | None = None
) -> list[int]:
    """Token ids of a question with the opening of the answer, as training rendered it; the template tells of tools."""
    if not tokenizer.chat_template:
        return _encode(tokenizer, _plain(prompt))
    return _encode(tokenizer, _render(tokenizer, _as_user(prompt), opening=True, tools=tools))


def render_text(tokenizer: Any, messages: Sequence[Message], *, opening: bool = False) -> str:
    """What the chat template makes of messages; with `opening`, up to where the next answer begins."""
    return _render(tokenizer, messages, opening=opening)


def template_hash(tokenizer: Any) -> str:
    """A short name for the exact template, stored with every examination."""
    return blake2b((tokenizer.chat_template or "").encode(), digest_size=8).hexdigest()


def _render_messages(tokenizer: Any, messages: Sequence[Message]) -> Rendered:
    if not tokenizer.chat_template:
        raise HeroError(
            "this hero's tokenizer has no chat template, so rows of messages cannot be rendered",
            hint="give the hero a chat_template in its profile, or use prompt/completion rows",
        )
    text, spans = _text_and_spans(tokenizer, messages)
    return _mark(tokenizer, [text], [spans])[0]


def _render_completion(tokenizer: Any, prompt: Any, completion: Any) -> Rendered:
    if tokenizer.chat_template:
        return _render_messages(tokenizer, [*_as_user(prompt), *_as_assistant(completion)])
    asked = _encode(tokenizer, _plain(prompt))
    answered = [*_encode(tokenizer, _plain(completion)), tokenizer.eos_token_id]
    return Rendered(asked + answered, [False] * len(asked) + [True] * len(answered))


def _talk(row: Mapping[str, Any]) -> list[Message] | None:
    """The row as messages, where it can be told as such."""
    if "messages" in row:
        return list(row["messages"])
    return [*_as_user(row["prompt"]), *_as_assistant(row["completion"])] if "completion" in row else None


def _text_and_spans(tokenizer: Any, messages: Sequence[Message]) -> tuple[str, list[Span]]:
    if _GENERATION_SPAN.search(tokenizer.chat_template):
        texts, marked = _by_generation_spans(tokenizer, [messages])
        return texts[0], list(marked[0])
    text = _render(tokenizer, messages)
    return text, _by_prefixes(tokenizer, messages, text)


def _by_generation_spans(
    tokenizer: Any, talks: Sequence[Sequence[Message]]
) -> tuple[Sequence[str], Sequence[Sequence[Span]]]:
    # the module is reached late: transformers costs seconds to import
    from transformers.utils.chat_template_utils import render_jinja_template  # noqa: PLC0415

    texts, spans = _in_words(
        render_jinja_template,
        conversations=[list(messages) for messages in talks],
        chat_template=_dateless(tokenizer.chat_template),
        return_assistant_tokens_mask=True,
        date_string=_FROZEN_DAY,
        **tokenizer.special_tokens_map,
    )
    return texts, spans


def _by_prefixes(tokenizer: Any, messages: Sequence[Message], text: str) -> list[Span]:
    spans: list[Span] = []
    cursor = 0
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        span = _span_of(tokenizer, messages, index, text, cursor)
        spans.append(span)
        cursor = span[1]
    return spans


def _span_of(tokenizer: Any, messages: Sequence[Message], index: int, text: str, cursor: int) -> Span:
    """Where an answer stands: from its words (found after what came before) to the end-of-sequence token after them."""
    content = str(messages[index].get("content") or "").strip()
    start = text.find(content, max(cursor, _start_by_prefix(tokenizer, messages, index, text)))
    if start < 0:
        raise HeroError(
            f"the chat template does not show message {index + 1} (assistant), so its tokens cannot be trained",
            hint="give the hero a chat_template with {% generation %} spans",
        )
    return start, _with_ending(tokenizer, text, start + len(content))


def _start_by_prefix(tokenizer: Any, messages: Sequence[Message], index: int, text: str) -> int:
    """Length of what stands before the answer; 0 where this template rewrites earlier turns."""
    if index == 0:
        return 0
    before = _render(tokenizer, messages[:index], opening=True)
    if text.startswith(before):
        return len(before)
    before = _render(tokenizer, messages[:index])
    return len(before) if text.startswith(before) else 0


def _with_ending(tokenizer: Any, text: str, end: int) -> int:
    ending = re.compile(r"\s*" + re.escape(tokenizer.eos_token or "\0"))
    found = ending.match(text, end)
    return found.end() if found else end


def _mark(tokenizer: Any, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Rendered]:
    encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
    return [
        Rendered(list(ids), [any(_inside(offset, span) for span in marked) for offset in offsets])
        for ids, offsets, marked in zip(encoded["input_ids"], encoded["offset_mapping"], spans, strict=True)
    ]


def _inside(offset: Span, span: Span) -> bool:
    return offset[0] >= span[0] and offset[1] <= span[1] and offset[0] < offset[1]


def _render(
    tokenizer: Any,
    messages: Sequence[Message],
    *,
    opening: bool = False,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    text = _in_words(
        tokenizer.apply_chat_template,
        list(messages),
        tools=list(tools) if tools else None,
        tokenize=False,
        add_generation_prompt=opening,
        chat_template=_dateless(tokenizer.chat_template),
        date_string=_FROZEN_DAY,
    )
    return str(text)


def _in_words(render: Any, *arguments: Any, **settings: Any) -> Any:
    try:
        with _ONE_AT_A_TIME:
            return render(*arguments, **settings)
    except (jinja2.TemplateError, TypeError, KeyError) as error:
        raise HeroError(
            f"the chat template cannot render these messages: {error}",
            hint="check the roles and their order; some templates want user and assistant in turns",
        ) from error


def _dateless(template: str) -> str:
    return _FROZEN_CLOCK + template if "strftime_now" in template else template


def _encode(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _as_user(prompt: str | Sequence[Message]) -> list[Message]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)


def _as_assistant(completion: str | Sequence[Message]) -> list[Message]:
    return [{"role": "assistant", "content": completion}] if isinstance(completion, str) else list(completion)


def _plain(words: str | Sequence[Message]) -> str:
    return words if isinstance(words, str) else "\n".join(str(message["content"]) for message in words)
