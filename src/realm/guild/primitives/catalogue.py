"""Every primitive by name: its track, the family that unites it with others, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Track = Literal["arithmetic", "binary", "logic", "string", "code", "word"]

FAMILIES: dict[str, tuple[str, ...]] = {
    "sequence": ("continue", "transform", "reverse"),
    "logic": ("deduce", "chain", "contrapose"),
    "memory": ("recall", "context", "compose"),
    "format": ("json", "code", "table"),
    "attention": ("select", "count", "compare"),
    "transform": ("encode", "map", "reduce"),
}
"""The unified families and their members."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One atomic operation. `family` is `family/member` of FAMILIES."""

    name: str
    track: Track
    family: str
    about: str


_TABLE = """
arithmetic add_single_digit_no_carry    transform/map       Add two digits whose sum is below ten.
arithmetic add_single_digit_with_carry  transform/map       Add two digits whose sum is ten or more.
arithmetic add_two_digit                sequence/transform  Add numbers of two digits.
arithmetic sub_single_digit             transform/map       Subtract one digit from another.
arithmetic sub_two_digit                sequence/transform  Subtract numbers of two digits.
arithmetic mul_single_digit             transform/map       Multiply by a single digit.
arithmetic div_exact                    transform/reduce    Divide without a remainder.
arithmetic compare_integers             attention/compare   Order two whole numbers, or one and zero.
arithmetic parity                       transform/reduce    Tell even from odd.
arithmetic digit_sum                    transform/reduce    Add up the digits of a number.
arithmetic modulo                       transform/reduce    Find the remainder of a division.
binary     binary_add_no_carry          transform/map       Add binary numbers where no column carries.
binary     binary_add_with_carry        sequence/transform  Add binary numbers where a column carries.
binary     binary_sub_no_borrow         transform/map       Subtract binary numbers where no column borrows.
binary     binary_sub_with_borrow       sequence/transform  Subtract binary numbers where a column borrows.
binary     bitwise_and                  transform/map       Keep the ones that two patterns share.
binary     bitwise_or                   transform/map       Keep the ones of either pattern.
binary     bitwise_xor                  transform/map       Keep the places where two patterns differ.
binary     binary_compare               attention/compare   Order two binary numbers.
binary     binary_to_decimal            transform/encode    Write a binary number in decimal.
binary     decimal_to_binary            transform/encode    Write a decimal number in binary.
logic      truth_table_basic            logic/deduce        Evaluate and, or, not on given truths.
logic      implication_eval             logic/deduce        Evaluate an implication on given truths.
logic      modus_ponens                 logic/deduce        From a rule and its condition, conclude.
logic      modus_tollens                logic/contrapose    From a rule and a failed conclusion, reject the condition.
logic      syllogism_all                logic/chain         Chain two statements about all.
logic      syllogism_some               logic/chain         Chain a statement about all with one about some.
logic      de_morgan                    logic/contrapose    Move a negation inside and, or.
string     reverse_string               sequence/reverse    Write a string backwards.
string     count_char                   attention/count     Count a character.
string     substring_check              attention/select    Tell whether a string holds another.
string     sort_letters                 sequence/transform  Write letters in alphabetical order.
string     palindrome_check             sequence/reverse    Tell whether a string reads the same backwards.
string     string_length                attention/count     Count all characters.
code       trace_assignment             memory/recall       Follow the value of a variable.
code       trace_if_else                logic/deduce        Follow the branch that is taken.
code       trace_loop_fixed             sequence/continue   Follow a loop that runs a known number of times.
code       eval_bool_expr               transform/reduce    Evaluate a condition.
code       function_call_trace          memory/context      Follow a value into a function and back.
word       syllable_assembly_ordered    memory/compose      Join syllables that stand in order.
word       syllable_assembly_shuffled   memory/compose      Join syllables that stand out of order.
word       syllable_count               attention/count     Count the syllables of a word.
word       definition_to_word           memory/recall       Find the word that a definition means.
word       word_from_bank               attention/select    Find a word whose syllables are in a bank.
word       multi_word_assembly          memory/compose      Find several words that share out a bank.
word       json_output_format           format/json         Answer in the JSON that is asked for.
"""


def _read(table: str) -> dict[str, Primitive]:
    rows = [line.split(maxsplit=3) for line in table.strip().splitlines()]
    return {name: Primitive(name, track, family, about) for track, name, family, about in rows}  # type: ignore[arg-type]


CATALOGUE: dict[str, Primitive] = _read(_TABLE)
"""All primitives by name."""
