"""Atomic problems on strings of letters. Knows no word of any language."""

from __future__ import annotations

from random import Random

from .draft import Draft, Maker, letters, number, yes

AS_IT_STANDS = "Answer with the letters only."


def reverse(draw: Random) -> Draft:
    while (text := letters(draw, 3, 7)) == text[::-1]:
        pass
    return Draft(f"Write {text} backwards. {AS_IT_STANDS}", text[::-1], f"reverse({text})")


def count(draw: Random) -> Draft:
    text = letters(draw, 5, 10, "aabcdeel")
    wanted = draw.choice("abcdel")
    return number(f"How many times does the letter {wanted} stand in {text}?", text.count(wanted), f"{wanted}#{text}")


def substring(draw: Random) -> Draft:
    text = letters(draw, 6, 9, "abcdefgh")
    at = draw.randint(0, len(text) - 3)
    piece = text[at : at + 3]
    if draw.random() < 0.5:
        piece = piece[::-1]
    return yes(f"Does {text} contain {piece}?", piece in text, f"{piece} in {text}")


def sort(draw: Random) -> Draft:
    while (text := letters(draw, 3, 7)) == "".join(sorted(text)):
        pass
    answer = "".join(sorted(text))
    return Draft(f"Write the letters of {text} in alphabetical order. {AS_IT_STANDS}", answer, f"sort({text})")


def palindrome(draw: Random) -> Draft:
    half = letters(draw, 2, 4, "abcdeflmnorst")
    text = half + half[::-1][draw.randint(0, 1) :]
    if draw.random() < 0.5:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice("abcdeflmnorst") + text[at + 1 :]
    return yes(f"Does {text} read the same backwards?", text == text[::-1], f"palindrome({text})")


def length(draw: Random) -> Draft:
    text = letters(draw, 3, 12)
    return number(f"How many letters has {text}?", len(text), f"length({text})")


MAKERS: dict[str, Maker] = {
    "reverse_string": reverse,
    "count_char": count,
    "substring_check": substring,
    "sort_letters": sort,
    "palindrome_check": palindrome,
    "string_length": length,
}
