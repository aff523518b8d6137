"""The shapes of a row: recognised by their fields, converted to one internal shape. Knows no file but to stream it.

Internal shapes: `messages` (+ `tools`), `prompt` + `completion` (+ `label`), `prompt` + `chosen` + `rejected`, or
`text`. Whatever tells about the row (`meta`, `id`, `skill`, `level`, ...) goes under `meta` and is never trained on.
docs/formats.md shows each shape.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

from realm.config.schema import REWARDED
from realm.errors import QuestError
from realm.quests.fields import Fields, conversation_of, fill, messages_of, optional_text_of, text_of, wrong
from realm.quests.lines import Parsed, Problem, kind_of, open_file, parse, read_lines
from realm.quests.preference_rows import from_preference
from realm.records import Row
from realm.registry import entry_names

TRAINABLE = frozenset({"sft", "sparring", "dpo", "orpo", "kto", "distill"}) | REWARDED
"""Methods that this version trains."""
ASKED_AND_ANSWERED = ("sft", "distill")
"""What rows with a question and an answer are for: to learn the answer, or to answer and learn from a teacher."""
FIRST_ROWS = 20
"""The shape of a file is that of most of its first rows."""
FIRST_BYTES = 4_000_000
"""No more than this is held in memory to find the shape."""
ABOUT = ("meta", "id", "skill", "level", "quality", "source", "domain", "category")
"""Fields that tell about a row."""

Converter = Callable[[Fields, str | None], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to write an example. `fields` must all be there; `optional` ones are read too."""

    name: str
    fields: tuple[str, ...]
    methods: tuple[str, ...]
    convert: Converter
    optional: tuple[str, ...] = ()
    conversion: str = ""
    """What becomes of a row, in words; empty when it is kept as it is."""

    @property
    def trainable(self) -> bool:
        return not TRAINABLE.isdisjoint(self.methods)

    def method(self, preferred: str = "") -> str:
        """The training method for rows of this shape: the preferred one if it can use them.

        One that an installed package brings decides for itself which rows it can use.
        """
        able = [name for name in self.methods if name in TRAINABLE] or list(self.methods)
        return preferred if preferred in able or preferred in entry_names("realm.methods") else able[0]

    def takes(self, method: str) -> bool:
        """Whether rows of this shape can be trained by a method; `sparring` is `sft`."""
        return {"sparring": "sft"}.get(method, method) in self.methods or method in entry_names("realm.methods")

    def fits(self, row: Fields) -> bool:
        return row.keys() >= _REQUIRED[self.name]

    def ignored(self, row: Fields) -> set[str]:
        return set(row) - {*self.fields, *self.optional, *ABOUT}


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of a quest file: a row in an internal shape, or a problem. Blank lines do not come."""

    number: int
    row: Row | None
    problem: Problem | None
    fields: Fields | None = None
    """The row as it was written."""
    raw: bytes = b""
    """The line's bytes if it is a problem and not too long."""


def detect(rows: Sequence[Fields]) -> Shape | None:
    """The shape of most of these rows; None when no row has a known one."""
    found = Counter(shape.name for shape in map(shape_of, rows) if shape is not None)
    return SHAPES[found.most_common(1)[0][0]] if found else None


def shape_of(row: Fields) -> Shape | None:
    """The first shape whose fields are all there; the table is ordered from the most telling to the least."""
    for shape in SHAPES.values():
        if shape.fits(row) and ("label" not in shape.fields or isinstance(row["label"], bool)):
            return shape
    return None


def convert(row: Fields, shape: Shape | None = None, *, template: str | None = None) -> Row:
    """A row in the internal shape. `template` is a hero's prompt_template for instruction rows.

    Raises QuestError whose `param` names the cause and whose hint is the fix.
    """
    own = shape_of(row)
    shape = shape or own
    if shape is None or own is None:
        raise _unknown_fields(row, shape)
    if own is not shape and not (shape.fits(row) and own.methods == shape.methods):
        raise _other_shape(own, shape)
    converted = shape.convert(row, template)
    if about := _about(row):
        converted["meta"] = about
    return converted


def read(path: Path, *, max_line_bytes: int = 8_000_000, template: str | None = None) -> Iterator[ReadLine]:
    """Stream a file's lines, converted by the shape that its first rows show. Raises QuestError if it is no file."""
    with open_file(path) as file:
        lines = (parse(line) for line in read_lines(file, max_line_bytes) if line.data is None or line.data.strip())
        first, shape = first_rows(lines)
        for parsed in chain(first, lines):
            yield _read_line(parsed, shape, template)


def first_rows(lines: Iterator[Parsed]) -> tuple[list[Parsed], Shape | None]:
    """Lines until enough rows were seen, and the shape they show."""
    seen: list[Parsed] = []
    rows: list[Fields] = []
    held_bytes = 0
    for parsed in lines:
        seen.append(parsed)
        held_bytes += len(parsed.line.data or b"")
        if parsed.value is not None:
            rows.append(parsed.value)
        if len(rows) >= FIRST_ROWS or held_bytes >= FIRST_BYTES or len(seen) >= 1000:
            break
    return seen, detect(rows)


def _read_line(parsed: Parsed, shape: Shape | None, template: str | None) -> ReadLine:
    number, raw = parsed.line.number, parsed.line.data or b""
    if parsed.value is None:
        return ReadLine(number, None, parsed.problem, raw=raw)
    try:
        return ReadLine(number, convert(parsed.value, shape, template=template), None, parsed.value)
    except QuestError as error:
        problem = Problem(number, error.param or "fields", error.message, error.hint)
        return ReadLine(number, None, problem, parsed.value, raw)


# -- what is wrong with a row ------------------------------------------------------------------------------
def _unknown_fields(row: Fields, shape: Shape | None) -> QuestError:
    has = ", ".join(repr(str(name)[:40]) for name in list(row)[:8]) or "no fields"
    if shape is not None:
        missing = [field for field in shape.fields if field not in row]
        fix = "Add what is missing." + _nearest(row, missing)
        return wrong("fields", f"lacks {', '.join(map(repr, missing))}; it has {has}.", fix)
    fix = "Use a known shape, e.g. prompt and completion." + _nearest(row, KNOWN_FIELDS)
    return wrong("fields", f"has no shape known here; its fields are {has}.", fix)


def _nearest(row: Fields, wanted: Sequence[str]) -> str:
    for name in row:
        if name not in KNOWN_FIELDS and (close := get_close_matches(name[:40].lower(), wanted, 1, 0.75)):
            return f" Is {name[:40]!r} meant to be {close[0]!r}?"
    return ""


def _other_shape(own: Shape, shape: Shape) -> QuestError:
    return wrong(
        "other_shape",
        f"is a {own.name} row ({', '.join(own.fields)}) in a file of {shape.name} rows ({', '.join(shape.fields)}).",
        "Put rows of another shape into a file of their own.",
    )


# -- conversion --------------------------------------------------------------------------------------------
def _with_tools(row: Fields, messages: list[dict[str, Any]]) -> dict[str, Any]:
    tools = row.get("tools")
    if tools in (None, []):
        return {"messages": messages}
    if not isinstance(tools, list):
        raise wrong("type", f"has {kind_of(tools)} in 'tools', where a list belongs.", "Write a list of tools.")
    return {"messages": messages, "tools": tools}


def _from_messages(row: Fields, _template: str | None) -> dict[str, Any]:
    return _with_tools(row, conversation_of(row["messages"], "messages"))


def _from_conversations(row: Fields, _template: str | None) -> dict[str, Any]:
    return _with_tools(row, conversation_of(row["conversations"], "conversations"))


def _from_completion(row: Fields, _template: str | None) -> dict[str, Any]:
    prompt, completion = row["prompt"], row["completion"]
    return {
        "prompt": messages_of(prompt, "prompt") if isinstance(prompt, list) else text_of(row, "prompt"),
        "completion": conversation_of(completion, "completion")
        if isinstance(completion, list)
        else text_of(row, "completion"),
    }


def _from_text(row: Fields, _template: str | None) -> dict[str, Any]:
    return {"text": text_of(row, "text")}


def _from_instruction(row: Fields, template: str | None) -> dict[str, Any]:
    instruction, output = text_of(row, "instruction"), text_of(row, "output")
    given, system = optional_text_of(row, "input"), optional_text_of(row, "system")
    if template:
        return {"prompt": fill(template, instruction, given, system), "completion": output}
    asked = f"{instruction}\n\n{given}" if given.strip() else instruction
    return _exchange(asked, output, system)


def _exchange(asked: str, answered: str, system: str) -> dict[str, Any]:
    if not system.strip():
        return {"prompt": asked, "completion": answered}
    return {
        "prompt": [{"role": "system", "content": system}, {"role": "user", "content": asked}],
        "completion": [{"role": "assistant", "content": answered}],
    }


def _from_unpaired(row: Fields, _template: str | None) -> dict[str, Any]:
    return _from_completion(row, None) | {"label": row["label"]}


def _from_unpaired_instruction(row: Fields, template: str | None) -> dict[str, Any]:
    return _from_instruction(row, template) | {"label": row["label"]}


def _from_pair(question: str, answer: str) -> Converter:
    def converter(row: Fields, _template: str | None) -> dict[str, Any]:
        return _exchange(text_of(row, question), text_of(row, answer), optional_text_of(row, "system"))

    return converter


def _from_prompt(row: Fields, _template: str | None) -> dict[str, Any]:
    prompt = row["prompt"]
    converted: dict[str, Any] = {
        "prompt": messages_of(prompt, "prompt") if isinstance(prompt, list) else text_of(row, "prompt")
    }
    answer = row.get("answer")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        answer = str(answer)
    if answer is not None:
        converted["answer"] = text_of({"answer": answer}, "answer")
    return converted


def _about(row: Fields) -> dict[str, Any]:
    meta = row.get("meta")
    about = dict(meta) if isinstance(meta, dict) else {} if meta is None else {"meta": meta}
    return about | {field: row[field] for field in ABOUT if field != "meta" and field in row}


def _pair(question: str, answer: str) -> Shape:
    return Shape(
        f"{question}/{answer}",
        (question, answer),
        ASKED_AND_ANSWERED,
        _from_pair(question, answer),
        ("system",),
        f"{question} becomes the prompt, {answer} the completion",
    )


_TABLE = (
    Shape(
        "preference",
        ("chosen", "rejected"),
        ("dpo", "orpo", "kto"),
        from_preference,
        ("prompt", "instruction", "input", "question", "system"),
        "each row becomes a prompt with a chosen and a rejected answer",
    ),
    Shape("unpaired preference", ("prompt", "completion", "label"), ("kto",), _from_unpaired),
    Shape(
        "unpaired alpaca",
        ("instruction", "output", "label"),
        ("kto",),
        _from_unpaired_instruction,
        ("input", "system"),
        "instruction and input become the prompt, output the completion",
    ),
    Shape("conversational", ("messages",), ASKED_AND_ANSWERED, _from_messages, ("tools",)),
    Shape(
        "sharegpt",
        ("conversations",),
        ASKED_AND_ANSWERED,
        _from_conversations,
        ("tools",),
        "conversations become messages with the roles user, assistant, system and tool",
    ),
    Shape("prompt-completion", ("prompt", "completion"), ASKED_AND_ANSWERED, _from_completion),
    Shape(
        "alpaca",
        ("instruction", "output"),
        ASKED_AND_ANSWERED,
        _from_instruction,
        ("input", "system"),
        "instruction and input become the prompt (by the hero's prompt_template if it has one), output the completion",
    ),
    _pair("question", "answer"),
    _pair("prompt", "response"),
    _pair("user_prompt", "assistant_response"),
    _pair("input", "output"),
    Shape("text", ("text",), ("sft",), _from_text),
    Shape("prompt-only", ("prompt",), ("grpo", "rloo", "distill"), _from_prompt, ("answer",)),
)
SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in _TABLE}
_REQUIRED = {shape.name: frozenset(shape.fields) for shape in _TABLE}
KNOWN_FIELDS = tuple(dict.fromkeys(chain.from_iterable((*s.fields, *s.optional) for s in _TABLE))) + ABOUT
