"""The hatchling's tokenizer: any text comes back exactly, digits stay single."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realm.heroes.hatchling import tokenizer as hatchling


@pytest.fixture(scope="module")
def tokenizer():
    return hatchling.load()


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back_exactly(tokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


@given(text=st.text(alphabet="⓪①0123456789 \n\t=+-[]<|>enduser🌙☀️"))
@settings(max_examples=300, deadline=None)
def test_puzzle_text_comes_back_exactly(tokenizer, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


@given(digits=st.text(alphabet="⓪①", min_size=1, max_size=64))
def test_each_circled_digit_is_one_token(tokenizer, digits: str) -> None:
    assert len(tokenizer(digits, add_special_tokens=False)["input_ids"]) == len(digits)


def test_each_decimal_digit_is_one_token(tokenizer) -> None:
    assert len(tokenizer("4294967296", add_special_tokens=False)["input_ids"]) == 10


def test_every_byte_is_in_the_vocabulary(tokenizer) -> None:
    from tokenizers import pre_tokenizers

    assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(tokenizer.get_vocab())


def test_a_saved_tokenizer_is_the_same_after_loading(tokenizer, tmp_path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": "⓪① + ① = ?"}]
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again.chat_template == tokenizer.chat_template
    assert again.padding_side == "left"
    assert again.apply_chat_template(messages) == tokenizer.apply_chat_template(messages)


def test_chat_costs_three_tokens_beside_the_words(tokenizer) -> None:
    words = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("what?", "this")]
    chat = [{"role": "user", "content": "what?"}, {"role": "assistant", "content": "this"}]
    ids = tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
    assert len(ids) == sum(map(len, words)) + 3


def test_a_rebuilt_tokenizer_is_the_same() -> None:
    first, second = (hatchling.build(["[verify]", "carry:", "="]) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert len(first.encode("[verify]carry:=").ids) == 3


def test_every_piece_of_the_puzzles_is_one_token(tokenizer) -> None:
    from realm.guild.skills.binary import vocabulary

    split = {piece: tokenizer(piece, add_special_tokens=False)["input_ids"] for piece in vocabulary()}
    assert {piece for piece, ids in split.items() if len(ids) != 1} == set()
