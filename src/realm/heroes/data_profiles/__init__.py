"""Data profiles by name: the form in which a hero is asked and answers, in training and in examination alike.

Knows no tokenizer and no model. Third parties add theirs by the entry point `realm.profiles`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from realm.heroes.data_profiles.rows import Prompt, with_answers, with_question
from realm.records import Row
from realm.registry import Registry

__all__ = ["PLAIN", "DataProfile", "data_profiles"]


class DataProfile(ABC):
    """How a question is asked and what of an answer counts. Deterministic: the same text gives the same text.

    Three rules hold for every profile: training and examination ask alike, what was prepared is read back as it was
    (but for what the profile takes away on purpose), and no text makes one fail.
    """

    id: str

    @abstractmethod
    def ask(self, prompt: Prompt) -> Prompt:
        """The question as it is put to the hero."""

    @abstractmethod
    def answer(self, plain: str, asked: Prompt) -> str:
        """The answer as it is trained, to a question as `ask` put it."""

    @abstractmethod
    def read(self, said: str, asked: Prompt) -> str:
        """The plain answer out of what was said to `asked`: what a grader sees. Never fails."""

    def clean(self, said: str) -> str:
        """An assistant's words without what this profile never trains on; by default as they are."""
        return said

    def prepare(self, row: Row) -> Row:
        """A row, in any internal shape, as it is trained. The last exchange of a conversation is put into the form."""
        row = with_answers(row, self.clean)
        return with_question(row, self.ask, self.answer)


class Plain(DataProfile):
    """The profile `none`: everything as it is written."""

    id = "none"

    def ask(self, prompt: Prompt) -> Prompt:
        return prompt

    def answer(self, plain: str, asked: Prompt) -> str:
        return plain

    def read(self, said: str, asked: Prompt) -> str:
        return said

    def prepare(self, row: Row) -> Row:
        return row


PLAIN = Plain()


def _emoji_think() -> DataProfile:
    from realm.heroes.data_profiles.emoji_think import EmojiThink  # noqa: PLC0415 - it stands on this module

    return EmojiThink()


def _regime3() -> DataProfile:
    from realm.heroes.data_profiles.regime3 import Regime3  # noqa: PLC0415 - it stands on this module

    return Regime3()


data_profiles: Registry[DataProfile] = Registry("data profile", "realm.profiles")
_OWN: dict[str, Callable[[], DataProfile]] = {"none": lambda: PLAIN, "emoji_think": _emoji_think, "regime3": _regime3}
for _name, _factory in _OWN.items():
    data_profiles.register(_name, _factory)
