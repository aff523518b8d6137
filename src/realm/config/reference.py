"""The settings as a page and as a JSON Schema, made from `schema`: each field's docstring is its description."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from realm.config import names, schema
from realm.config.schema import Hyperparameters, RealmSettings

BEGIN = "<!-- made by: python -m realm.config.reference docs/configuration.md -->"
END = "<!-- end of what is made -->"


def json_schema() -> dict[str, Any]:
    """JSON Schema of a realm.toml, with descriptions; short names and synonyms are not in it."""
    made = RealmSettings.model_json_schema()
    for name, table in [("RealmSettings", made), *made.get("$defs", {}).items()]:
        for field, told in table.get("properties", {}).items():
            told["description"] = docstrings()[name].get(field, "")
    return made


def markdown() -> str:
    """The reference: one section for each table, one line for each key."""
    parts = [_section(f"[{name}]", model) for name, model in _tables()]
    return "\n".join([*parts, _short_names()])


def in_page(page: str) -> str:
    """A page with its generated part made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


@cache
def docstrings() -> dict[str, dict[str, str]]:
    """The string under each field, by class and field."""
    found: dict[str, dict[str, str]] = {}
    for model in vars(schema).values():
        if isinstance(model, type) and issubclass(model, BaseModel):
            (node,) = ast.parse(inspect.getsource(model)).body
            assert isinstance(node, ast.ClassDef)
            found[model.__name__] = dict(_fields(node))
    return found


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in zip(node.body, node.body[1:], strict=False):
        named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield field.target.id, inspect.cleandoc(str(after.value.value))  # type: ignore[attr-defined]


def _tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table by its name in a file, from the outside in."""
    for name, field in RealmSettings.model_fields.items():
        inner = field.annotation
        if name in {"training", "hyperparameters"}:
            if name == "training":
                yield "training] and [hyperparameters.NAME", Hyperparameters
        elif get_origin(inner) is dict:
            yield from _with_inner(f"{name}.NAME", get_args(inner)[1])
        elif isinstance(inner, type):
            yield from _with_inner(name, inner)


def _with_inner(name: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    for field, told in model.model_fields.items():
        if isinstance(told.annotation, type) and issubclass(told.annotation, BaseModel):
            yield f"{name}.{field}", told.annotation


def _section(title: str, model: type[BaseModel]) -> str:
    about = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
    rows = [_row(model.__name__, name, field) for name, field in model.model_fields.items()]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"### `{title}`", "", about, "", *head, *filter(None, rows), ""])


def _row(model: str, name: str, field: Any) -> str:
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
        return ""
    meaning = docstrings()[model].get(name, "").replace("|", "\\|").replace("\n", " ")
    return f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {meaning} |"


def _type(annotation: Any) -> str:
    """A type in a reader's words."""
    if annotation in (int, float, bool, str):
        return {int: "integer", float: "number", bool: "true or false", str: "text"}[annotation]
    arguments = [one for one in get_args(annotation) if one is not type(None)]
    if arguments and all(isinstance(one, str) for one in arguments):
        return " or ".join(f"`{one}`" for one in arguments)
    if get_origin(annotation) is dict:
        return "table"
    if get_origin(annotation) is tuple:
        return "list"
    return " or ".join(_type(one) for one in arguments) or "value"


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    shown = (
        {True: "true", False: "false", None: "", "": ""}.get(value) if isinstance(value, bool | str | None) else None
    )
    return shown if shown is not None else f"`{value}`".replace("'", '"')


def _short_names() -> str:
    rows = [
        f"| `{short}` | `{full}` |" for short, full in (names.HYPERPARAMETERS | names.ADAPTER | names.PARTS).items()
    ]
    tables = [f"| `[{short}.*]` | `[{'.'.join(full)}.*]` |" for short, full in names.SECTIONS.items()]
    head = ["### Other names", "", "| accepted | means |", "|---|---|"]
    return "\n".join([*head, *tables, *rows, ""])


def main(arguments: list[str]) -> None:
    """Make the generated part of a page anew."""
    page = Path(arguments[0])
    page.write_text(in_page(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
