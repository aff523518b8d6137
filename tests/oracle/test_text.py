"""Pieces of text together are the text; none of them is half a character or part of a stop text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realm.heroes.hatchling import tokenizer as hatchling
from realm.oracle.text import BROKEN, Reader

TOKENIZER = hatchling.load()


def decode(ids: object) -> str:
    return str(TOKENIZER.decode(list(ids), skip_special_tokens=True))  # type: ignore[call-overload]


@given(st.text(max_size=60))
def test_pieces_are_the_whole_and_never_half_a_character(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    reader = Reader(decode)
    pieces = [reader.add(token) for token in ids]
    assert "".join(pieces) + reader.end() == decode(ids)
    if BROKEN not in decode(ids):
        assert not any(BROKEN in piece for piece in pieces)


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=40))
def test_any_tokens_are_read_to_their_end(ids: list[int]) -> None:
    reader = Reader(decode)
    assert "".join(map(reader.add, ids)) + reader.end() == decode(ids)


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_stop_text_is_never_shown(text: str, stops: list[str]) -> None:
    reader = Reader(lambda ids: "".join(map(chr, ids)), stops)
    shown = ""
    for character in text:
        shown += reader.add(ord(character))
        if reader.stopped:
            break
    shown += reader.end()
    ends = [at for stop in stops if (at := text.find(stop)) >= 0]
    if ends:
        assert reader.stopped and text.startswith(shown) and not any(stop in shown for stop in stops)
    else:
        assert shown == text
