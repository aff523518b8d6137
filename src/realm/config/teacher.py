"""How a teacher is named in the settings. Knows no checkpoint, opens no folder and asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urldefrag, urlsplit

from realm.config.schema import Hyperparameters, RealmSettings
from realm.errors import UsageError
from realm.registry import unknown

SELF, OWN_MEAN = "self", "self:mean"
BEST_OR_NEWEST = ("champion", "latest")
FORMS = "a hero, its checkpoint (HERO:CAMPAIGN, HERO:CAMPAIGN@STEP), a folder, self, self:mean, or an https address"

Kind = Literal["start", "mean", "endpoint", "checkpoint", "folder", "hero"]


@dataclass(frozen=True, slots=True)
class TeacherName:
    """A teacher's name taken apart. What a kind does not have is empty."""

    kind: Kind
    text: str
    """As it was written: a folder or a hero's name is this."""
    hero: str = ""
    campaign: str = ""
    """Empty: the only one that the hero has."""
    which: str = ""
    """`champion`, `latest`, or a step; empty: the champion, or the latest while there is none."""
    url: str = ""
    model: str = ""
    """The endpoint's name for its model; empty: the only one that it serves."""

    @property
    def scores_tokens(self) -> bool:
        """Whether it tells the probability of every token; else its own answers are what is learned."""
        return self.kind != "endpoint"

    def words(self) -> str:
        """Who it is and how it is learned from, in one line."""
        who = {"start": "the hero itself, as it is when a quest begins", "mean": "the running mean of its own weights"}
        if self.scores_tokens:
            return f"{who.get(self.kind, self.text)}; it scores every token"
        return f"{self.text}; it tells no probabilities, so its answers are the text to learn (sequence-level)"


def parse(text: str) -> TeacherName:
    """Take a teacher's name apart. Raises UsageError for none, and for an address or a checkpoint that cannot be."""
    if not text:
        raise UsageError("The method distill needs a teacher.", hint=f"Set training.teacher: {FORMS}.", param="teacher")
    if text in (SELF, OWN_MEAN):
        return TeacherName("start" if text == SELF else "mean", text)
    if text.startswith(("http://", "https://")):
        return _endpoint(text)
    if "/" in text or text.startswith((".", "~")):
        return TeacherName("folder", text)
    if ":" in text:
        return _checkpoint(text)
    return TeacherName("hero", text, hero=text)


def problem(settings: RealmSettings, asked: Hyperparameters) -> str:
    """What is wrong with the teacher of a training that distils, in a sentence; empty when nothing is."""
    if asked.method != "distill":
        return ""
    try:
        named = parse(asked.teacher)
        if named.hero and named.hero.lower() not in {name.lower() for name in settings.heroes}:
            raise unknown("hero", named.hero, settings.heroes)
    except UsageError as error:
        return f"teacher: {error.message} {error.hint}"
    if named.kind == "mean" and not asked.ema_decay:
        return "teacher: 'self:mean' is the running mean of the weights; set ema_decay, such as 0.98."
    return ""


def _endpoint(text: str) -> TeacherName:
    url, model = urldefrag(text)
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password:
        raise UsageError(
            "The teacher's address must name a host, and no user or password.",
            hint="Write https://HOST/v1#MODEL; an API key goes into the variable that teacher_key_variable names.",
            param="teacher",
        )
    return TeacherName("endpoint", text, url=url.rstrip("/"), model=model)


def _checkpoint(text: str) -> TeacherName:
    hero, _, rest = text.partition(":")
    if rest in BEST_OR_NEWEST:
        return TeacherName("checkpoint", text, hero=hero, which=rest)
    campaign, _, which = rest.partition("@")
    if not (hero and campaign) or not (which in BEST_OR_NEWEST or which.isdigit() or "@" not in rest):
        raise UsageError(f"'{text}' names no teacher.", hint=f"Known forms: {FORMS}.", param="teacher")
    return TeacherName("checkpoint", text, hero=hero, campaign=campaign, which=which)
