"""The profile `regime3`: every question begins in one canonical form, and every answer stands between two markers.

The canonical prefix form of a question is `Question:` on a line of its own, the question without space around it and
with plain line ends, an empty line, and `Answer:`. The answer stands between `<answer>` and `</answer>`. Knows no
tokenizer.
"""

from __future__ import annotations

from realm.heroes.data_profiles import DataProfile
from realm.heroes.data_profiles.rows import Prompt, asking, question_of

HEAD, TAIL = "Question:\n", "\n\nAnswer:"
OPEN, CLOSE = "<answer>", "</answer>"


class Regime3(DataProfile):
    """One frame for all questions, one pair of markers for all answers."""

    id = "regime3"

    def ask(self, prompt: Prompt) -> Prompt:
        question = question_of(prompt)
        return prompt if question is None else asking(prompt, canonical(question))

    def answer(self, plain: str, asked: Prompt) -> str:
        return plain if question_of(asked) is None else f"{OPEN}{plain}{CLOSE}"

    def read(self, said: str, asked: Prompt) -> str:
        """From the first opening marker to the last closing one; where one is missing, from or to the end."""
        begin, end = said.find(OPEN), said.rfind(CLOSE)
        begin = 0 if begin < 0 else begin + len(OPEN)
        return said[begin : end if end >= begin else len(said)]


def canonical(question: str) -> str:
    """The question in its frame; one that stands in it already stays as it is."""
    if question.startswith(HEAD) and question.endswith(TAIL):
        return question
    plain = question.replace("\r\n", "\n").replace("\r", "\n").strip()
    return f"{HEAD}{plain}{TAIL}"
