"""Who learns: a hero's profile. Reads no file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from realm.config.schema.base import COLOUR, Settings, Table, part


class IdleGeneration(Settings):
    """What a hero does when its queue is empty."""

    enabled: bool = True
    """Practise when idle."""
    examples: int = Field(2000, ge=1)
    """Examples of one practice quest."""
    min_queue_depth: int = Field(0, ge=0)
    """Practise only while no more quests than this wait."""
    review_share: float = Field(0.2, ge=0, le=1)
    """Share of practice on mastered levels."""


class SparringSettings(Settings):
    """When a hero makes practice of its own mistakes (docs: sparring)."""

    every: int = Field(0, ge=0)
    """Spar after that many practice quests; 0: not by count."""
    stalled_after: int = Field(0, ge=0)
    """Spar when the accuracy of the frontier has not risen over that many examinations; 0: never for that."""
    from_level: int = Field(2, ge=0)
    """Skill level below which the hero only practises: there is little to check before something is known."""
    problems: int = Field(100, ge=1)
    """Problems that are asked each time."""
    kind: Literal["reviews", "pairs"] = "reviews"
    """What becomes of the answers: examples of checking and correcting, or pairs of a right and a wrong answer."""
    samples: int = Field(4, ge=2)
    """`pairs`: answers drawn for each problem."""
    temperature: float = Field(1.0, gt=0)
    """`pairs`: temperature of the drawn answers."""


class PenaltySettings(Settings):
    """A text that answers are kept from, most at their beginning (docs: profiles)."""

    text: str = Field(min_length=1)
    """The unwanted text, such as `<think>`."""
    penalty: float = Field(10.0, gt=0)
    """Taken from the logit of the token that would complete the text."""
    decay: Literal["constant", "linear", "exponential"] = "constant"
    """How the penalty falls as the answer grows: not at all, in a straight line to 0, or by halves."""
    decay_tokens: int = Field(64, ge=1)
    """Tokens of the answer until a `linear` penalty is 0 and an `exponential` one has halved."""


class HeroProfile(Settings):
    """One hero: where its weights come from, how it learns, how it looks."""

    display_name: str = ""
    """Name as shown."""
    title: str = ""
    """A few words under the name."""
    about: str = ""
    """One or two sentences."""
    base_model: str
    """`hatchling`, `smol`, a local folder, or a hub id."""
    revision: str | None = None
    """Revision of a hub model."""
    family: Annotated[str, part("model family", "realm.families", "transformers")] = "transformers"
    """How its model is loaded and spoken to: `transformers`, or one that an installed package brings."""
    role: str = ""
    """What the hero is for."""
    group: str = ""
    """Heroes shown together."""
    context_window: int = Field(1024, ge=8)
    """Longest input in tokens."""
    specialization: str = ""
    """Field of knowledge in words."""
    prompt_template: str | None = None
    """Template for instruction/input/output rows; fields {context} {instruction} {input_section} {output}."""
    chat_template: str | None = None
    """Overrides the tokenizer's chat template."""
    skill_priorities: dict[str, float] = {}
    """Weight of each skill in practice."""
    idle_generation: IdleGeneration = IdleGeneration()
    """Practice when idle."""
    sparring: SparringSettings = SparringSettings()
    """Practice with its own mistakes."""
    data_profile: Annotated[str, part("data profile", "realm.profiles", "none", "emoji_think", "regime3")] = "none"
    """Form in which it is asked and answers: `none`, `emoji_think`, `regime3`, or one that an installed package
    brings."""
    penalties: tuple[PenaltySettings, ...] = ()
    """Texts that its answers are kept from, each `{text, penalty, decay, decay_tokens}` (docs: profiles)."""
    training_defaults: Table = {}
    """Hyperparameters of this hero; layered over the defaults."""
    parameters_billion: float | None = Field(None, gt=0)
    """Size of the model, for the memory estimate when its config.json is not at hand."""
    status: Literal["available", "later"] = "available"
    """A hero that comes `later` is listed and cannot be trained; `reason` says why."""
    reason: str = ""
    """Why a hero comes later."""
    adapter: str = "none"
    """Name of an adapter of the catalogue, or `none` for all weights."""
    portrait: str = ""
    """Built-in portrait: `hatchling` or `smol`. Any other name, or none, is a coat of arms with the hero's initial."""
    color: str = ""
    """Accent colour of the hero's card and portrait, as `#rrggbb`."""

    @field_validator("color")
    @classmethod
    def _is_a_colour(cls, color: str) -> str:
        # It stands in a stylesheet of the page, so nothing else may pass.
        if color and not COLOUR.fullmatch(color):
            raise ValueError("must be a colour such as #e8a33d")
        return color
