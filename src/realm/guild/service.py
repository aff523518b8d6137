"""One skill over HTTP: its levels, problems to train on, examinations without their answers, grading. Knows no model.

Nothing is remembered between two requests: whoever has answers graded names the batch (level, seed, side, count), and
the same problems are made again. So nobody grades against an answer of his own making.
"""
# No postponed annotations here: the bounds of the request models are those of the skill that is served.

import asyncio
import threading
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Path, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from realm.errors import UsageError
from realm.guild.engine import SkillEngine
from realm.guild.skill import Display, Problem, Side, Skill, Thresholds
from realm.http import Listening, make_app

MAX_PROBLEMS = 1000
"""Problems, and responses, of one request."""
MAX_RESPONSE_CHARACTERS = 100_000
MAX_BODY_BYTES = 8_000_000
MAX_SEED_CHARACTERS = 100
EXAMINATION_PROBLEMS = 100
EXAMINATION_SEED = "exam"


def _no_text(value: object) -> object:
    """JSON's 3.0 is a whole number; its true and "3" are none."""
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number")
    return value


_WHOLE = BeforeValidator(_no_text)
Count = Annotated[int, Field(ge=1, le=MAX_PROBLEMS, strict=False, description="Problems of the batch."), _WHOLE]
Seed = Annotated[str, Field(min_length=1, max_length=MAX_SEED_CHARACTERS, description="Names the batch.")]


class Refusal(BaseModel):
    """What was wrong with a request, in words."""

    message: str
    type: str
    hint: str
    param: str | None


class Refused(BaseModel):
    """The one shape of an error."""

    error: Refusal


class Info(BaseModel):
    """The skill as its description tells it."""

    id: str
    name: str
    description: str
    levels: int
    display: Display
    thresholds: Thresholds
    primitives: tuple[str, ...]
    max_problems: int
    """Most problems of one request."""


class Levels(BaseModel):
    """The level table: a row for each level, with the skill's own parameters."""

    skill: str
    levels: list[dict[str, Any]]


class TrainingProblem(BaseModel):
    """A problem of the training side with its answer."""

    prompt: str
    answer: str
    primitives: tuple[str, ...]
    form: str
    meta: dict[str, Any]


class Batch(BaseModel):
    """Problems to train on; the same for the same level, seed and count."""

    skill: str
    level: int
    seed: str
    side: Literal["train"] = "train"
    problems: list[TrainingProblem]


class Question(BaseModel):
    """A problem of an examination. Its answer stays here: held-out problems are for asking."""

    prompt: str
    primitives: tuple[str, ...]


class Examination(BaseModel):
    """The fixed examination of a level. `count` is what was asked for; a small space has fewer problems."""

    skill: str
    level: int
    seed: str
    side: Literal["exam"] = "exam"
    count: int
    problems: list[Question]


class Grade(BaseModel):
    """One response's score."""

    value: float
    correct: bool
    reason: str


class Grades(BaseModel):
    """A batch's scores in the order of its problems; a problem without a response counts as wrong."""

    skill: str
    level: int
    n: int
    correct: int
    accuracy: float
    mean_value: float
    per_primitive: dict[str, tuple[int, int]]
    """Primitive: right, asked."""
    scores: list[Grade]


class Request(BaseModel):
    """What a body may hold: the named fields and nothing else, of the very types that are named."""

    model_config = ConfigDict(extra="forbid", strict=True)


def create(skill: str, settings: Listening, engine: SkillEngine | None = None) -> FastAPI:
    """The service of one skill. Raises UsageError for an unknown skill, SkillBroken for one that cannot be used."""
    service = SkillService(engine or SkillEngine(), skill)
    app = make_app(
        f"skill-{skill}", settings=settings, ready=service.ready, max_body_bytes=MAX_BODY_BYTES,
        docs_url=None, redoc_url=None, description=service.skill.spec.description,
    )  # fmt: skip
    app.include_router(router(service))
    return app


class SkillService:
    """What is answered. One computation at a time: a skill's code need not be made for threads."""

    def __init__(self, engine: SkillEngine, name: str) -> None:
        self.skill: Skill = engine.get(name)
        self.metrics = CollectorRegistry()
        self._engine = engine
        self._one_at_a_time = threading.Lock()
        self._made = self._counter("realm_skill_problems", "Problems made for others.")
        self._graded = self._counter("realm_skill_responses", "Responses graded for others.")

    async def ready(self) -> str | None:
        """None when the skill solves its own problems, otherwise what is wrong."""
        finding = await asyncio.to_thread(self._fitness)
        return None if finding == "ok" else finding

    def info(self) -> Info:
        spec = self.skill.spec
        return Info(
            id=spec.id, name=spec.name, description=spec.description, levels=self.skill.levels, display=spec.display,
            thresholds=spec.thresholds, primitives=spec.primitives, max_problems=MAX_PROBLEMS,
        )  # fmt: skip

    def levels(self) -> Levels:
        return Levels(skill=self.skill.id, levels=[row.model_dump(mode="json") for row in self.skill.spec.levels])

    def generate(self, level: int, count: int, seed: str) -> Batch:
        problems = [
            TrainingProblem(
                prompt=p.prompt, answer=p.answer, primitives=p.primitives, form=p.form, meta=dict(p.meta)
            )
            for p in self._problems("train", level, count, seed)
        ]  # fmt: skip
        return Batch(skill=self.skill.id, level=level, seed=seed, problems=problems)

    def examination(self, level: int, count: int, seed: str) -> Examination:
        problems = [
            Question(prompt=p.prompt, primitives=p.primitives) for p in self._problems("exam", level, count, seed)
        ]
        return Examination(skill=self.skill.id, level=level, seed=seed, count=count, problems=problems)

    def score(self, side: Side, level: int, count: int, seed: str, responses: Sequence[str]) -> Grades:
        """Raises UsageError when there are more responses than problems."""
        problems = self._problems(side, level, count, seed)
        if len(responses) > len(problems):
            raise UsageError(
                f"There is no problem number {len(problems) + 1}: the batch has {len(problems)}.",
                hint="Send one response for each problem, in their order.",
                param="responses",
            )
        missing = [""] * (len(problems) - len(responses))
        with self._one_at_a_time:
            result = self._engine.score_eval(problems, [*responses, *missing])
        self._graded.inc(len(responses))
        return Grades(
            skill=self.skill.id, level=level, n=result.n, correct=result.correct, accuracy=result.accuracy,
            mean_value=result.mean_value, per_primitive=dict(result.per_primitive),
            scores=[Grade(value=s.value, correct=s.correct, reason=s.reason) for s in result.scores],
        )  # fmt: skip

    def _fitness(self) -> str:
        with self._one_at_a_time:
            return self._engine.fitness(self.skill.id)

    def _counter(self, name: str, about: str) -> Counter:
        return Counter(name, about, ("skill",), registry=self.metrics).labels(self.skill.id)

    def _problems(self, side: Side, level: int, count: int, seed: str) -> list[Problem]:
        make = self._engine.generate_batch if side == "train" else self._engine.generate_eval_batch
        with self._one_at_a_time:
            problems = make(self.skill.id, level, count, seed)
        self._made.inc(len(problems))
        return problems


def router(service: SkillService) -> APIRouter:
    """The routes of one skill."""
    routes = APIRouter(responses={"4XX": {"model": Refused, "description": "Refused, with the reason in words."}})
    last = service.skill.levels
    Level = Annotated[int, Field(ge=1, le=last, strict=False, description="A level of the skill."), _WHOLE]
    Responses = Annotated[
        list[Annotated[str, Field(max_length=MAX_RESPONSE_CHARACTERS)]], Field(min_length=1, max_length=MAX_PROBLEMS)
    ]
    batch: dict[str, Any] = {"level": (Level, ...), "count": (Count, 1), "seed": (Seed, ...)}
    answered: dict[str, Any] = {
        "level": (Level, ...), "side": (Literal["train", "exam"], "exam"), "count": (Count, EXAMINATION_PROBLEMS),
        "seed": (Seed, EXAMINATION_SEED), "responses": (Responses, ...),
    }  # fmt: skip
    Generate = create_model("Generate", __base__=Request, __doc__="A batch of the training side.", **batch)
    Score = create_model(
        "Score", __base__=Request, __doc__="Responses to a batch, in the order of its problems.", **answered
    )

    @routes.get("/info")
    def info() -> Info:
        """Name, description, levels, thresholds, primitives."""
        return service.info()

    @routes.get("/levels")
    def levels() -> Levels:
        """The level table."""
        return service.levels()

    @routes.post("/generate")
    def generate(asked: Generate) -> Batch:
        """Problems to train on, with their answers."""
        wanted: Any = asked
        return service.generate(wanted.level, wanted.count, wanted.seed)

    @routes.get("/eval/{level}")
    def examination(
        level: Annotated[int, Path(ge=1, le=last)],
        count: Annotated[int, Query(ge=1, le=MAX_PROBLEMS)] = EXAMINATION_PROBLEMS,
        seed: Annotated[str, Query(min_length=1, max_length=MAX_SEED_CHARACTERS)] = EXAMINATION_SEED,
    ) -> Examination:
        """The fixed examination of a level: held-out problems without their answers."""
        return service.examination(level, count, seed)

    @routes.post("/score")
    def score(asked: Score) -> Grades:
        """Grade responses to the batch that level, side, count and seed name."""
        wanted: Any = asked
        return service.score(wanted.side, wanted.level, wanted.count, wanted.seed, wanted.responses)

    @routes.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(service.metrics), media_type=CONTENT_TYPE_LATEST)

    return routes
