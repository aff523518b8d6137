"""Lines of keys agree with a file written by hand, whatever TOML's forms; made-up files agree with their maker."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.toml_lines import key_path, lines_of

TEXT = '''\
# a comment with [brackets] = 1
top = 1

[a]            # trailing
x = """
[not.a.table]
y = 2
"""
list = [
  1,  # one
  2,
]
inline = { one = 1, two = { three = 3 } }
"quoted.key" = 1
dotted.key = 1

[a.b."c.d"]
z = \'\'\'
z = 3\'\'\'
[[many]]
m = 1
'''


def test_every_form() -> None:
    lines = lines_of(TEXT)
    expected = {
        ("top",): 2,
        ("a",): 4,
        ("a", "x"): 5,
        ("a", "list"): 9,
        ("a", "inline"): 13,
        ("a", "inline", "two", "three"): 13,
        ("a", "quoted.key"): 14,
        ("a", "dotted", "key"): 15,
        ("a", "b", "c.d"): 17,
        ("a", "b", "c.d", "z"): 18,
        ("many",): 20,
        ("many", "m"): 21,
    }
    assert {path: lines.get(path) for path in expected} == expected
    assert ("a", "y") not in lines


def test_windows_line_ends_and_unicode_separators_in_strings() -> None:
    assert lines_of('a = "x\u2028y"\r\n[t]\r\nb = 1\r\n')[("t", "b")] == 3


def test_no_toml_is_an_error() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        lines_of("a = ")


def test_keys() -> None:
    assert key_path('presets."a.b".lr') == ("presets", "a.b", "lr")
    with pytest.raises(tomllib.TOMLDecodeError):
        key_path("not a key")


KEYS = st.from_regex(r"[a-z_]{1,6}", fullmatch=True)
VALUES = st.sampled_from(["1", '"x"', "[\n1,\n2]", '"""\n[k]\nk = 1\n"""', "{ k = 1 }", "true"])


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_lines_of_files_made_by_hand(tables: dict[str, dict[str, str]]) -> None:
    text, expected = "", {}
    for table, values in tables.items():
        expected[(table,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, value in values.items():
            expected[(table, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n\n"
    assert lines_of(text).items() >= expected.items()
