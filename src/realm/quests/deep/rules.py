"""What is wrong with one row by itself: each rule is a function of its texts. Knows no other row and no file."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from realm.quests.deep.sides import Sides
from realm.records import Row

CONTROL_TOKENS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|begin_of_text|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|channel|>", "<|return|>",
    "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "[SYSTEM_PROMPT]",
    "### Instruction:", "### Response:", "### Human:", "### Assistant:",
)  # fmt: skip
"""How the templates of common models mark turns; inside a text they end a turn or begin another person's."""
LOOP_WORDS, LOOP_CHARACTERS = 24, 96
"""Shorter texts may well repeat themselves, numbers among them. In characters where a script has no spaces."""
LOOP_SHARE = 0.3
"""Fewer different runs of three words than this share of all: a loop."""
GRAM = 3
LOOKED_AT_CHARACTERS = 200_000
"""Of a longer text only the beginning is cut into runs: they take ten times its memory."""
UNSPACED_CHARACTERS = 16
"""More characters than that for each space: a script without spaces, looked at by its characters."""
SAME_CHARACTER = 32
"""So many of one character and nothing else say nothing; fewer may be a number."""
LONG_CHARACTERS, LENGTH_RATIO = 10_000, 1000
"""A side that is this long, and this many times longer than the other."""
_JAPANESE = dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"), "CJK")
"""Scripts that one text mixes."""
_SPACED = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a row, in words that go on after `line 7:`; `cause` is a stable name to count by."""

    cause: str
    message: str
    fix: str


def grams(text: str) -> list[str]:
    """The runs of three words of a text, or of eight characters where its script has no spaces; case is nothing."""
    text = text[:LOOKED_AT_CHARACTERS]
    words = text.casefold().split()
    if len(words) * UNSPACED_CHARACTERS < len(text):
        joined = "".join(words)
        return [joined[at : at + 8] for at in range(0, len(joined) - 7)]
    return [f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:], strict=False)]


def loop_in(runs: Sequence[str]) -> Finding | None:
    """A text, as its runs, that says the same over and over."""
    least = LOOP_WORDS if runs and " " in runs[0] else LOOP_CHARACTERS
    if len(runs) < least or len(set(runs)) > LOOP_SHARE * len(runs):
        return None
    often, times = Counter(runs).most_common(1)[0]
    return Finding("loop", f"repeats {_short(often)} {times:,} times.", "Cut it where it begins to repeat.")


def degenerate(sides: Sides, row: Row) -> Iterator[Finding]:
    """Answers that teach nothing."""
    question = sides.question.strip()
    for answer in sides.answers:
        said = answer.strip()
        if question and said == question:
            yield Finding("echo", "answers with the question itself.", "Write the answer, or take the row away.")
        elif not _visible(said):
            yield Finding("invisible", "has an answer of signs nobody sees.", "Write the answer, or take the row away.")
        elif len(said) >= SAME_CHARACTER and len(set(said)) == 1:
            message = f"has an answer of one character, {_short(said[0])}, {len(said):,} times."
            yield Finding("one_character", message, "Write the answer, or take the row away.")
        elif _out_of_proportion(question, said):
            message = f"has a question of {len(question):,} characters and an answer of {len(said):,}."
            yield Finding("length_ratio", message, "Look whether question and answer belong together.")


def foreign_tokens(sides: Sides) -> Finding | None:
    """Marks of a chat template inside a text: they would be read as the end of a turn, or as another one."""
    for text in sides.texts:
        if "<" in text or "[" in text or "#" in text:
            for token in CONTROL_TOKENS:
                if token in text:
                    fix = "Write the turns as messages; the hero's own template adds its marks."
                    return Finding("foreign_template", f"holds {token}, a mark of a chat template.", fix)
    return None


def broken_text(sides: Sides, is_bad: Callable[[str], bool], mend: Callable[[str], str]) -> Finding | None:
    """Text that was decoded with the wrong encoding (mojibake); `is_bad` and `mend` are ftfy's."""
    for text in sides.texts:
        if not text.isascii() and ("\ufffd" in text or is_bad(text)):
            return _broken(text, mend)
    return None


def _broken(text: str, mend: Callable[[str], str]) -> Finding:
    word = next((word for word in text.split() if not word.isascii() and mend(word) != word), "")
    if not word:
        lost = next((word for word in text.split() if "\ufffd" in word), text)
        return Finding(
            "broken_text", f"holds {_short(lost)}: characters were lost.", "Save it from its source as UTF-8."
        )
    message = f"holds {_short(word)}, which was {_short(mend(word))} before it was read in the wrong encoding."
    return Finding("broken_text", message, "Save it from its source as UTF-8, or mend it with ftfy.")


def script_of(text: str) -> str:
    """The writing system of most letters at the beginning of a text, by their Unicode names; empty without letters."""
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else ""
    letters = [c for c in text[:400] if c.isalpha()]
    found = Counter(_JAPANESE.get(name := unicodedata.name(c, "?").partition(" ")[0], name.title()) for c in letters)
    return found.most_common(1)[0][0] if found else ""


def _visible(text: str) -> bool:
    return any(c.isprintable() and not c.isspace() and unicodedata.category(c) not in ("Cf", "Cc") for c in text[:1000])


def _out_of_proportion(question: str, answer: str) -> bool:
    short, long = sorted((len(question), len(answer)))
    return bool(question) and long >= LONG_CHARACTERS and long >= LENGTH_RATIO * short


def _short(text: str) -> str:
    """A piece of a text as it may be shown."""
    piece = _SPACED.sub(" ", text)[:40]
    return "'" + "".join(c if c.isprintable() else "\ufffd" for c in piece) + "'"
