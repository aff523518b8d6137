"""The canary modules and their fixed sets of problems, all on the examination side. Knows no hero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from itertools import cycle
from typing import Literal

from realm.errors import SkillError
from realm.guild.passives import makers
from realm.guild.primitives import atoms
from realm.guild.primitives.draft import Maker
from realm.guild.skill import Problem
from realm.registry import unknown

Kind = Literal["core", "extended"]
CORE_PROBLEMS, EXTENDED_PROBLEMS = 5, 30
CORE = "core"
"""Name under which the core modules are judged together."""
SKILL = "passives"
TRIES = 400


@dataclass(frozen=True, slots=True)
class Module:
    """One canary module: which primitives it asks alone, and what it asks besides."""

    name: str
    kind: Kind
    primitives: tuple[str, ...] = ()
    besides: makers.Makers = ()

    @property
    def count(self) -> int:
        return CORE_PROBLEMS if self.kind == "core" else EXTENDED_PROBLEMS


_ALL = (
    Module(
        "arithmetic",
        "core",
        ("add_single_digit_with_carry", "add_two_digit", "sub_two_digit", "mul_single_digit", "modulo"),
    ),
    Module("logic", "core", ("truth_table_basic", "modus_ponens", "modus_tollens", "syllogism_all", "de_morgan")),
    Module(
        "binary_arithmetic",
        "core",
        ("binary_add_with_carry", "binary_sub_no_borrow", "bitwise_xor", "binary_to_decimal", "decimal_to_binary"),
    ),
    Module(
        "word_puzzles",
        "core",
        (
            "syllable_assembly_ordered",
            "syllable_assembly_shuffled",
            "syllable_count",
            "definition_to_word",
            "word_from_bank",
        ),
    ),
    Module("counting", "extended", ("count_char", "string_length", "digit_sum"), makers.COUNTING),
    Module(
        "string_craft",
        "extended",
        ("reverse_string", "sort_letters", "substring_check", "palindrome_check"),
        makers.STRINGS,
    ),
    Module("sequence", "extended", (), makers.SEQUENCE),
    Module("memory", "extended", (), makers.MEMORY),
    Module(
        "code_trace",
        "extended",
        ("trace_assignment", "trace_if_else", "trace_loop_fixed", "eval_bool_expr", "function_call_trace"),
    ),
    Module("combinatorics", "extended", (), makers.COMBINATORICS),
    Module("language_basics", "extended", (), makers.LANGUAGE),
)
MODULES: dict[str, Module] = {module.name: module for module in _ALL}
"""All modules by name: the four core ones first."""


def modules(kind: Kind | None = None) -> list[Module]:
    return [module for module in _ALL if kind in (None, module.kind)]


@cache
def problems(name: str) -> tuple[Problem, ...]:
    """The fixed set of a module: the same in every process and at every checkpoint, no content twice.

    Raises UsageError, naming the nearest one, when there is no such module.
    """
    if name not in MODULES:
        raise unknown("canary module", name, MODULES)
    module = MODULES[name]
    found: dict[str, Problem] = {}
    for place, make in zip(range(TRIES), cycle(_sources(module)), strict=False):
        problem = make(f"canary/{name}/{place}")
        found.setdefault(problem.content, problem)
        if len(found) == module.count:
            return tuple(found.values())
    raise SkillError(f"The canary module {name} has only {len(found)} problems.", hint="Give it wider makers.")


def _sources(module: Module) -> list[Callable[[str], Problem]]:
    """What makes a module's problems from a seed, to be asked in turn."""
    alone = [partial(atoms.generate, name, side="exam") for name in module.primitives]
    return [*alone, *(partial(_besides, module.name, maker) for maker in module.besides)]


def _besides(name: str, maker: Maker, seed: str) -> Problem:
    draft = atoms.drawn(maker, f"{name}/{maker.__name__}", seed, "exam")
    return atoms.as_problem(draft, SKILL, 1, f"{name}/{maker.__name__}", ())


@cache
def digest(name: str) -> str:
    """What tells one set from another: sittings are compared only where it is the same."""
    text = "\n".join(f"{p.prompt}\t{p.answer}" for p in problems(name))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def joint(names: Sequence[str]) -> str:
    """The same of several modules judged together."""
    return blake2b("/".join(map(digest, names)).encode(), digest_size=8).hexdigest()
