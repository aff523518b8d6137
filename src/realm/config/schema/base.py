"""What every table of settings has in common. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from realm.registry import entry_names, nearest


def split(value: Any) -> Any:
    """A command line or an environment variable gives a list as `a,b`."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def part(what: str, group: str, *own: str) -> AfterValidator:
    """A name of the program's own, or one that an installed package registers in an entry-point group."""

    return AfterValidator(lambda name: named_part(what, group, own, name))


def named_part(what: str, group: str, own: Sequence[str], name: str) -> str:
    """The name, if there is a part so named. Raises ValueError that names the nearest one."""
    if name in own or name in (others := entry_names(group)):
        return name
    names = sorted({*own, *others})
    guess = nearest(name, names)
    raise ValueError(f"is no {what} ({f'did you mean {guess!r}?' if guess else 'known: ' + ', '.join(names)})")


Words = Annotated[tuple[str, ...], BeforeValidator(split)]
SKILL_PORTS = {"sy": 8080, "bin": 8090}


def _with_usual_ports(value: Any) -> Any:
    return {**SKILL_PORTS, **value} if isinstance(value, dict) else value


Ports = Annotated[dict[str, Annotated[int, Field(ge=0, le=65535)]], BeforeValidator(_with_usual_ports)]
COLOUR = re.compile("#[0-9a-fA-F]{6}")
Strategy = Literal["curriculum", "balanced", "focus", "weighted", "lowest_first", "uniform"]
"""Ways to mix practice: docs/curriculum.md."""
Table = dict[str, Any]
"""A table that names only some of another schema's keys; the loader checks it against that schema."""


class Settings(BaseModel):
    """A table of settings: unknown keys are mistakes, values do not change after loading.

    `use_attribute_docstrings` would cost each command 50 ms; `realm.config.reference` reads the docstrings instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
