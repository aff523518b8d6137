"""Tokens of SY's problems with the hatchling's tokenizer, as it is and with more pieces.

`python benchmarks/sy_tokens.py`
"""

from __future__ import annotations

from collections import Counter
from statistics import mean

from tokenizers import Tokenizer

from realm.guild.skill import Problem
from realm.guild.skills.binary import vocabulary
from realm.guild.skills.syllacrostic import SyllacrosticSkill
from realm.heroes.hatchling.tokenizer import FOLDER, build

PROBLEMS = 40
LEVELS = (1, 10, 50)

PHRASES = (
    "Find ", " words and spell each with syllable tiles. ", "Every tile is used once.", "Every tile is used once, but ",
    " belong to no word.", " belongs to no word.", " Each _ is one tile.", "\nTiles: ", " | ", "[_ _] ", "[_ _ _] ",
    "[_ _ _ _] ", "[____] ", "synonym: ", "\nAnswer in JSON", ", in the order of the clues", '"word": ',
    '"syllables": ', '"...", "...", ...', '[{"', '"}, {"', '"]}, {"', '"]}]', '", "', '": "', '": ["', '"]', '{"',
)  # fmt: skip
"""What stands in nearly every problem of the first ten levels, word for word."""


def syllables(most: int) -> list[str]:
    """The syllables that the most words with clues have, of two letters at least."""
    from realm.guild.skills.syllacrostic.lexicon import lexicon

    counts = Counter(part for word in lexicon().words if word.told for part in word.syllables if len(part) > 1)
    return [part for part, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]]


def row(name: str, tokenizer: Tokenizer, problems: dict[int, list[Problem]]) -> str:
    cells = []
    for level in LEVELS:
        prompt = mean(len(tokenizer.encode(p.prompt).ids) for p in problems[level])
        answer = mean(len(tokenizer.encode(p.answer).ids) for p in problems[level])
        cells.append(f"{prompt:6.0f} + {answer:3.0f}")
    return f"{name:<34} {tokenizer.get_vocab_size():>6} " + "   ".join(cells)


def main() -> None:
    skill = SyllacrosticSkill()
    problems = {level: [skill.generate(level, f"sy/{level}/tokens/{i}") for i in range(PROBLEMS)] for level in LEVELS}
    words = list(vocabulary())
    print(f"{'tokens of prompt + answer':<34} {'vocab':>6} " + "   ".join(f"level {level:>6}" for level in LEVELS))
    print(row("as shipped", Tokenizer.from_file(str(FOLDER / "tokenizer.json")), problems))
    print(row("+ phrases", build([*words, *PHRASES]), problems))
    for most in (256, 1024):
        print(row(f"+ phrases, {most} syllables", build([*words, *PHRASES, *syllables(most)]), problems))


if __name__ == "__main__":
    main()
