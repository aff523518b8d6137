"""Every shape is recognised and converted; what is wrong with a row is said with its fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.errors import QuestError
from realm.quests.formats import SHAPES, convert, detect, read

CHAT = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
EXAMPLES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "conversational": ({"messages": CHAT}, {"messages": CHAT}),
    "sharegpt": ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
                 {"messages": CHAT}),
    "prompt-completion": ({"prompt": "1+1", "completion": "2"}, {"prompt": "1+1", "completion": "2"}),
    "alpaca": ({"instruction": "Add", "input": "1 1", "output": "2"}, {"prompt": "Add\n\n1 1", "completion": "2"}),
    "question/answer": ({"question": "1+1", "answer": "2"}, {"prompt": "1+1", "completion": "2"}),
    "prompt/response": ({"prompt": "1+1", "response": "2"}, {"prompt": "1+1", "completion": "2"}),
    "user_prompt/assistant_response": ({"user_prompt": "1+1", "assistant_response": "2"},
                                       {"prompt": "1+1", "completion": "2"}),
    "input/output": ({"input": "1+1", "output": "2"}, {"prompt": "1+1", "completion": "2"}),
    "text": ({"text": "Once"}, {"text": "Once"}),
    "preference": ({"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "a", "chosen": "b", "rejected": "c"}),
    "unpaired preference": ({"prompt": "a", "completion": "b", "label": True},
                            {"prompt": "a", "completion": "b", "label": True}),
    "unpaired alpaca": ({"instruction": "a", "input": "1", "output": "b", "label": False},
                        {"prompt": "a\n\n1", "completion": "b", "label": False}),
    "prompt-only": ({"prompt": "1+1", "answer": 2, "skill": "bin"},
                    {"prompt": "1+1", "answer": "2", "meta": {"skill": "bin"}}),
}  # fmt: skip


def test_every_shape_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(SHAPES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_shape_is_recognised_and_converted(name: str) -> None:
    row, internal = EXAMPLES[name]
    shape = detect([row] * 3)
    assert shape is not None and shape.name == name and shape.trainable
    assert convert(row) == internal


def test_preference_rows_without_a_prompt_are_never_taken_for_alpaca() -> None:
    shape = detect([{"instruction": "a", "chosen": "b", "rejected": "c", "output": "d"}])
    assert shape is not None and shape.name == "preference"


USER, MORE = {"role": "user", "content": "Hi"}, {"role": "user", "content": "And?"}
YES, NO = {"role": "assistant", "content": "yes"}, {"role": "assistant", "content": "no"}


@pytest.mark.parametrize(("row", "prompt", "chosen", "rejected"), [
    ({"instruction": "Add", "input": "1 1", "chosen": "2", "rejected": "3"}, "Add\n\n1 1", "2", "3"),
    ({"instruction": "Add", "input": "", "chosen": "2", "rejected": "3"}, "Add", "2", "3"),
    ({"question": "1+1", "system": "Be brief.", "chosen": "2", "rejected": "3"},
     [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1"}], "2", "3"),
    ({"prompt": [USER], "chosen": [YES], "rejected": [NO]}, [USER], [YES], [NO]),
    ({"prompt": "Hi", "chosen": [YES], "rejected": [NO]}, "Hi", [YES], [NO]),
    ({"chosen": [USER, YES], "rejected": [USER, NO]}, [USER], [YES], [NO]),
    ({"prompt": "Hi", "chosen": [USER, YES], "rejected": [USER, NO]}, [USER], [YES], [NO]),
    ({"chosen": [USER, YES, MORE, YES], "rejected": [USER, YES, MORE, NO]}, [USER, YES, MORE], [YES], [NO]),
    ({"chosen": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "yes"}],
      "rejected": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "no"}]}, [USER], [YES], [NO]),
])  # fmt: skip
def test_preferences_come_in_many_ways_of_writing(row: dict[str, Any], prompt: Any, chosen: Any, rejected: Any) -> None:
    shape = detect([row])
    assert shape is not None and shape.name == "preference" and shape.method() == "dpo"
    assert convert(row) == {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_a_heros_template_shapes_instructions_of_preferences() -> None:
    row = {"instruction": "Add", "input": "1", "chosen": "b", "rejected": "c"}
    assert convert(row, template="# {instruction}{input_section}\n{output}")["prompt"] == "# Add\n### Input:\n1\n\n"


@pytest.mark.parametrize(("preferred", "method"), [("", "dpo"), ("orpo", "orpo"), ("kto", "kto"), ("sft", "dpo")])
def test_the_campaigns_method_is_taken_where_the_shape_allows_it(preferred: str, method: str) -> None:
    assert SHAPES["preference"].method(preferred) == method
    assert SHAPES["prompt-completion"].method(preferred) == "sft"


def test_what_tells_about_a_row_is_kept_apart() -> None:
    row = {"prompt": "a", "completion": "b", "id": 7, "skill": "bin", "level": 2, "meta": {"seed": 1}, "other": "x"}
    assert convert(row) == {"prompt": "a", "completion": "b", "meta": {"seed": 1, "id": 7, "skill": "bin", "level": 2}}


def test_messages_keep_tools_calls_and_text_parts() -> None:
    call = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    row = {"tools": [{"name": "f"}], "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Do "}, {"type": "text", "text": "it"}]},
        {"role": "assistant", "content": None, "tool_calls": call},
        {"role": "tool", "content": "done", "tool_call_id": "1"},
    ]}  # fmt: skip
    got = convert(row)
    assert got["tools"] == [{"name": "f"}]
    assert got["messages"][0]["content"] == "Do it"
    assert got["messages"][1] == {"role": "assistant", "content": "", "tool_calls": call}


def test_a_system_prompt_becomes_a_message() -> None:
    got = convert({"instruction": "Add", "input": "", "output": "2", "system": "Be brief."})
    assert [m["role"] for m in got["prompt"]] == ["system", "user"]
    assert got["completion"] == [{"role": "assistant", "content": "2"}]


def test_a_heros_template_shapes_instruction_rows() -> None:
    template = "Task{context}.\n### Task:\n{instruction}\n{input_section}\n### Answer:\n{output}"
    got = convert({"instruction": "Use {output} and {context}", "input": "x", "output": "y"}, template=template)
    assert got["prompt"] == "Task.\n### Task:\nUse {output} and {context}\n\n### Input:\nx\n\n### Answer:\n"
    assert got["completion"] == "y"


@pytest.mark.parametrize(("row", "cause", "words"), [
    ({}, "fields", "no fields"),
    ({"promt": "a", "completion": "b"}, "fields", "'promt' meant to be 'prompt'"),
    ({"prompt": 1, "completion": "b"}, "type", "a number in 'prompt'"),
    ({"prompt": "a", "completion": " "}, "empty", "empty 'completion'"),
    ({"prompt": "a", "completion": None}, "type", "null in 'completion'"),
    ({"messages": "Hi"}, "type", "text in 'messages'"),
    ({"messages": []}, "type", "an empty list"),
    ({"messages": [{"role": "user", "content": "Hi"}]}, "empty", "no assistant message"),
    ({"messages": [{"role": "hero", "content": "Hi"}]}, "role", "role 'hero' at messages[0]"),
    ({"messages": [{"content": "Hi"}]}, "role", "role 'None'"),
    ({"messages": ["Hi"]}, "type", "text at messages[0]"),
    ({"messages": [*CHAT, {"role": "user", "content": {"image": "x"}}]}, "type", "an object as the content"),
    ({"messages": [*CHAT, {"role": "assistant", "content": ""}]}, "empty", "empty message at messages[2]"),
    ({"messages": CHAT, "tools": "f"}, "type", "text in 'tools'"),
    ({"text": ""}, "empty", "empty 'text'"),
    ({"prompt": 7}, "type", "a number in 'prompt'"),
    ({"prompt": "a", "answer": " "}, "empty", "empty 'answer'"),
    ({"prompt": "a", "answer": ["b"]}, "type", "a list in 'answer'"),
    ({"conversations": [{"from": "alien", "value": "x"}]}, "role", "role 'alien'"),
    ({"chosen": "a", "rejected": "b"}, "prompt", "trained without their question"),
    ({"prompt": None, "chosen": "a", "rejected": "b"}, "prompt", "Write what was asked under 'prompt'"),
    ({"prompt": " ", "chosen": "a", "rejected": "b"}, "empty", "empty 'prompt'"),
    ({"prompt": "q", "chosen": "a", "rejected": "a"}, "alike", "the same text"),
    ({"prompt": "q", "chosen": "a", "rejected": ""}, "empty", "empty 'rejected'"),
    ({"prompt": "q", "chosen": 1, "rejected": "b"}, "type", "a number in 'chosen'"),
    ({"prompt": "q", "chosen": CHAT, "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant",
      "content": "no"}]}, "prompt", "'prompt' that is not what"),
    ({"chosen": CHAT, "rejected": [{"role": "user", "content": "Ho"}, {"role": "assistant", "content": "no"}]},
     "prompt", "has no 'prompt'"),
])  # fmt: skip
def test_a_bad_row_is_said_with_its_fix(row: dict[str, Any], cause: str, words: str) -> None:
    with pytest.raises(QuestError) as caught:
        convert(row)
    assert caught.value.param == cause
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


def test_rows_of_another_shape_are_problems(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    rows: list[dict[str, Any]] = [{"question": "a", "answer": "b"}] * 30 + [{"text": "x"}, {"question": "only"}]
    path.write_text("\n".join(map(json.dumps, rows)))
    problems = [line.problem for line in read(path) if line.problem]
    assert [(p.line, p.cause) for p in problems] == [(31, "other_shape"), (32, "fields")]
    assert "text row (text) in a file of question/answer rows" in problems[0].message


_words = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(_words, _words, st.sampled_from(["prompt/response", "question/answer", "prompt-completion", "input/output"]))
def test_pairs_keep_every_character(question: str, answer: str, name: str) -> None:
    row = dict(zip(SHAPES[name].fields, (question, answer), strict=True))
    assert convert(row) == {"prompt": question, "completion": answer}


_any = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)
_field = st.sampled_from(sorted({f for s in SHAPES.values() for f in (*s.fields, *s.optional)}))


@given(st.dictionaries(_field, _any | st.lists(st.dictionaries(st.sampled_from(["role", "content", "from"]), _any))))
def test_conversion_ends_in_a_row_or_in_words(row: dict[str, Any]) -> None:
    try:
        shape, got = detect([row]), convert(row)
    except QuestError as error:
        assert error.hint and error.param
    else:
        assert shape is not None
        assert not shape.trainable or {"messages", "completion", "text", "chosen", "prompt"} & set(got)
