"""A YAML file read against its model: every mistake at once, each with line, field, what is allowed, the nearest name.

Also the model as a JSON Schema, for editors. Knows no skill.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from realm.errors import SkillError
from realm.registry import nearest

Place = tuple[int | str, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)
LONGEST_SHOWN = 60


class _StrictLoader(yaml.SafeLoader):
    """A key that stands twice is a mistake; YAML would let the second one win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: Path, kind: type[ModelT]) -> ModelT:
    """The file as its model. Raises SkillError that lists every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"{path} cannot be read: {error}", hint="Put the skill's description there.") from error
    try:
        content = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise SkillError(f"{path} is no YAML: {error}", hint="Mend the line that is named.") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        node = yaml.compose(text, yaml.SafeLoader)
        mistakes = "\n".join(_mistake(kind, node, one) for one in error.errors(include_url=False))
        raise SkillError(
            f"{path} does not describe a skill:\n{mistakes}", hint="Each line names a field and what it allows."
        ) from error


def json_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The model as a JSON Schema; the string under each field is its description."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **kind.model_json_schema()}
    models = {model.__name__: model for model in _models(kind)}
    for name, table in [(kind.__name__, made), *made.get("$defs", {}).items()]:
        for field, told in table.get("properties", {}).items():
            if about := _docstrings(models[name]).get(field):
                told["description"] = about
    return made


def _mistake(kind: type[BaseModel], node: yaml.Node | None, error: Any) -> str:
    place: Place = error["loc"]
    where = f"line {_line(node, place)}, {_written(place)}"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such field; {_known(str(place[-1]), kind, place[:-1])}"
    if error["type"] == "missing":
        return f"{where}: is missing"
    said = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{where}: {said} (given: {_short(error['input'])})"


def _written(place: Place) -> str:
    return ".".join(map(str, place)) or "the whole"


def _known(name: str, kind: type[BaseModel], place: Place) -> str:
    """What may stand there instead."""
    model = _model_at(kind, place)
    fields = sorted(model.model_fields) if model else []
    guess = nearest(name, fields)
    return (f"did you mean '{guess}'? " if guess else "") + f"There are: {', '.join(fields)}"


def _line(node: yaml.Node | None, place: Place) -> int:
    """Line in the file, counted from 1, of what stands at a place, or of the nearest thing around it."""
    line = node.start_mark.line if node else 0
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if getattr(k, "value", None) == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _model_at(kind: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that the table at a place is read by."""
    model: type[BaseModel] | None = kind
    for part in place:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = next(_inside(field.annotation), None) if field else None
    return model


def _models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and all that its fields are made of."""
    yield kind
    for field in kind.model_fields.values():
        for inner in _inside(field.annotation):
            yield from _models(inner)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _inside(inner)


def _docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """The string under each field, by field; a subclass's goes before that of what it extends."""
    found: dict[str, str] = {}
    for cls in reversed([c for c in model.__mro__ if issubclass(c, BaseModel) and c is not BaseModel]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, after in zip(body.body, body.body[1:], strict=False):
            match field, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
