"""The profile `emoji_think`: one in two questions asks for a run of one emoji before the answer and another behind it.

The run before the answer gives a model steps to compute in; the run behind it is a stop sequence that differs from
question to question, so that the model learns to obey the one it is asked for. Which questions ask, and for what,
follows from a hash of the question alone: training and examination ask alike. Knows no tokenizer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from realm.heroes.data_profiles import DataProfile
from realm.heroes.data_profiles.rows import Prompt, asking, question_of, without_thinking

THINKING = "🤔💭🧠💡🔍🔎🧩📐🧮🌀"
STOP = "🛑🏁✋🚫🔚⛔🚦🔒🎬📍"
"""Ten each, every one a single code point."""
THINKING_RUN = (2, 8)
STOP_RUN = (2, 4)
_REQUEST = re.compile(
    rf"\n\nBefore the answer write ([{THINKING}]) ([2-8]) times on a line, after it a line of ([{STOP}])\3{{1,3}}\.\Z"
)
_STOPS = re.compile(r"(.)\1{1,3}(?=\.\Z)")


@dataclass(frozen=True, slots=True)
class Request:
    """What a question asks for beside its answer."""

    thinking: str
    times: int
    stop: str
    """The whole stop sequence."""

    def words(self) -> str:
        return (
            f"\n\nBefore the answer write {self.thinking} {self.times} times on a line, after it a line of {self.stop}."
        )

    def mark(self, answer: str) -> str:
        return f"{self.thinking * self.times}\n{answer}\n{self.stop}"

    def unmark(self, said: str) -> str:
        """What was said without a first line of the thinking emoji and a last line of the stop emoji, however many."""
        said = re.sub(rf"\A\s*{self.thinking}+[ \t]*(?:\n|\Z)", "", said)
        return re.sub(rf"(?:\n|\A){self.stop[0]}+\s*\Z", "", said)


def request_in(question: str) -> Request | None:
    """The request that a question ends with, if it ends with one."""
    found, stops = _REQUEST.search(question), _STOPS.search(question)
    return Request(found[1], int(found[2]), stops[0]) if found and stops else None


def request_for(question: str) -> Request | None:
    """What is asked for beside this question; None for about half of all questions."""
    digest = blake2b(question.encode("utf-8", "surrogatepass"), digest_size=16, person=b"emoji-think").digest()
    if digest[0] & 1:
        return None
    draw = Random(digest)
    stop = draw.choice(STOP) * draw.randint(*STOP_RUN)
    return Request(draw.choice(THINKING), draw.randint(*THINKING_RUN), stop)


class EmojiThink(DataProfile):
    """Asks for emoji around one answer in two; `<think>` spans are never trained."""

    id = "emoji_think"

    def ask(self, prompt: Prompt) -> Prompt:
        question = question_of(prompt)
        if question is None or request_in(question):  # who asks in these very words is answered in this form
            return prompt
        request = request_for(question)
        return asking(prompt, question + request.words()) if request else prompt

    def answer(self, plain: str, asked: Prompt) -> str:
        request = request_in(question_of(asked) or "")
        return request.mark(plain) if request else plain

    def read(self, said: str, asked: Prompt) -> str:
        request = request_in(question_of(asked) or "")
        said = without_thinking(said)
        return request.unmark(said) if request else said

    def clean(self, said: str) -> str:
        return without_thinking(said)
