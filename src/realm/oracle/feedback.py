"""What a person thinks of answers, as rows to train on: what is preferred, liked, disliked, or to be learned. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from realm.oracle.text import writable

Verdict = Literal["up", "down", "prefer", "teach"]
MAX_OPINIONS = 500
Text = Annotated[str, Field(max_length=200_000), AfterValidator(writable)]


class Said(BaseModel):
    """One message of the conversation before the answer."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "user", "assistant", "tool"]
    content: Text


class Opinion(BaseModel):
    """What somebody thinks of one answer. `prefer` and `teach` come with the words that would have been better."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1, max_length=300)
    """The weights that answered."""
    messages: Annotated[list[Said], Field(min_length=1, max_length=500)]
    answer: Text
    verdict: Verdict
    better: Text = ""

    @model_validator(mode="after")
    def _has_its_words(self) -> Opinion:
        if (self.verdict in {"prefer", "teach"}) != bool(self.better.strip()):
            raise ValueError("better words belong to `prefer` and `teach`, and to these alone")
        if self.verdict != "teach" and not self.answer.strip():
            raise ValueError("an empty answer teaches nothing; say what to learn in its place")
        if self.verdict == "prefer" and self.better == self.answer:
            raise ValueError("the better words are the same as the answer")
        return self


@dataclass(frozen=True, slots=True)
class QuestText:
    """The text of a quest file and what its sidecar says."""

    name: str
    text: str
    rows: int
    about: Mapping[str, Any]


def quests(opinions: Sequence[Opinion], version: str) -> list[QuestText]:
    """One file for each way to train on them: pairs (dpo), thumbs (kto), examples (sft).

    Thumbs that all point up teach nothing by comparison: then the answers themselves are the examples. Thumbs that
    all point down teach nothing at all and are left out.
    """
    thumbs = [one for one in opinions if one.verdict in {"up", "down"}]
    all_up = all(one.verdict == "up" for one in thumbs)
    mixed = {one.verdict for one in thumbs} == {"up", "down"}
    pairs = [one for one in opinions if one.verdict == "prefer"]
    taught = [(one, one.better) for one in opinions if one.verdict == "teach"]
    taught += [(one, one.answer) for one in thumbs if all_up]
    files = [
        ("pairs", "dpo", [_pair(one) for one in pairs], pairs),
        ("thumbs", "kto", [_thumb(one) for one in thumbs if mixed], thumbs),
        ("examples", "sft", [_example(one, words) for one, words in taught], [one for one, _ in taught]),
    ]
    return [_quest(name, method, rows, of, version) for name, method, rows, of in files if rows]


def _quest(name: str, method: str, rows: Sequence[Mapping[str, Any]], of: Sequence[Opinion], version: str) -> QuestText:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    models = sorted({one.model for one in of})
    about = {"source": "chat", "generator": f"realm {version}", "method": method, "answered_by": models}
    return QuestText(f"chat-{name}.jsonl", text, len(rows), about)


def _asked(one: Opinion) -> list[dict[str, str]]:
    return [message.model_dump() for message in one.messages]


def _told(words: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": words}]


def _pair(one: Opinion) -> dict[str, Any]:
    return {"prompt": _asked(one), "chosen": _told(one.better), "rejected": _told(one.answer), **_meta(one)}


def _thumb(one: Opinion) -> dict[str, Any]:
    return {"prompt": _asked(one), "completion": _told(one.answer), "label": one.verdict == "up", **_meta(one)}


def _example(one: Opinion, words: str) -> dict[str, Any]:
    """Only these words are trained, not what the model said before them in the same conversation."""
    return {"prompt": _asked(one), "completion": _told(words), **_meta(one)}


def _meta(one: Opinion) -> dict[str, Any]:
    return {"meta": {"answered_by": one.model, "verdict": one.verdict}}
