"""Sparring: three examples of each wrong answer, balanced, from the training side, and told apart by no look."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import SparringSettings
from realm.errors import UsageError
from realm.guild.engine import SkillEngine
from realm.guild.progression import Examination
from realm.guild.review import Review
from realm.guild.skill import Problem, side_of
from realm.guild.sparring import Bout, Example, hold, is_due, look_alikes, outdated, stalls
from realm.records import CampaignKey
from tests.guild.sloppy import Sloppy
from tests.guild.style_reader import accuracy, features
from tests.guild.tiny_skills import tiny_engine

ENGINE = SkillEngine()
KEY = CampaignKey("hatchling", "first-light")


class Watched(SkillEngine):
    """The skills of Realm, noting each problem that they make."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[Problem, str]] = []
        skill = self.get("bin")
        make = skill.generate

        def generate(level: int, seed: str, *, side: str = "train", kind: object = None) -> Problem:
            problem = make(level, seed, side=side, kind=kind)  # type: ignore[arg-type]
            self.made.append((problem, side))
            return problem

        skill.generate = generate  # type: ignore[method-assign, assignment]


def bout(level: int, seed: str = "s", count: int = 200) -> Bout:
    def answer(prompts: Sequence[str]) -> list[str]:
        return Sloppy((problem for problem, _ in engine.made), seed)(prompts)

    engine = Watched()
    return hold(engine, "bin", level, count, seed, answer)


def pairs_of(found: Bout) -> list[tuple[Example, Example]]:
    """Each wrong proposal with its right look-alike."""
    verdicts = sorted((e for e in found.examples if e.task == "verdict"), key=lambda e: (e.origin, e.proposal_is_right))
    return list(zip(verdicts[::2], verdicts[1::2], strict=True))


@pytest.mark.parametrize("level", [1, 4, 9])
def test_each_wrong_answer_makes_three_examples(level: int) -> None:
    found = bout(level)
    by_origin = defaultdict(list)
    for example in found.examples:
        by_origin[example.origin].append((example.task, example.proposal_is_right))
    wanted = [("correction", False), ("verdict", False), ("verdict", True)]
    assert all(sorted(kinds) == wanted for kinds in by_origin.values())
    assert found.asked == 200 and len(by_origin) == found.wrong - sum(found.left_out.values())
    assert len(by_origin) > 0.2 * found.wrong


@pytest.mark.parametrize("level", [1, 4, 9])
def test_verdicts_are_true_and_rest_on_a_check_line(level: int) -> None:
    found = bout(level)
    score = ENGINE.get("bin").score
    for e in found.examples:
        if e.task == "correction":
            assert e.completion == e.problem.answer and score(e.problem, e.completion).correct
            assert e.prompt == f"{e.problem.prompt}\n{e.proposal}\nfalse"
            continue
        *answer, check, verdict = e.completion.split("\n")
        assert "\n".join(answer) == e.problem.answer
        assert verdict == ("true" if e.proposal_is_right else "false")
        assert check.startswith("check:")
        assert (e.proposal == e.problem.meta["final"][-1]) == e.proposal_is_right
        compared = check.removeprefix("check:").split(",")[-1]
        same = compared[: len(compared) // 2] == compared[len(compared) // 2 :]
        assert same == e.proposal_is_right, "the last pair alone decides"


def test_nothing_of_the_examination_side_is_asked_or_shown() -> None:
    engine = Watched()
    hold(engine, "bin", 2, 150, "s", lambda prompts: Sloppy((p for p, _ in engine.made), "s")(prompts))
    assert engine.made and {side for _, side in engine.made} == {"train"}
    for example in bout(2).examples:
        assert side_of(example.problem.content) == "train"
        left, found, claim = example.proposal.rpartition("=")
        digits = example.problem.meta["digits"]
        if found and set(claim) <= set(digits) and not example.problem.meta["width"]:
            number = int("".join(str(digits.index(digit)) for digit in claim), 2)
            assert side_of(f"truth({example.problem.content},{number})") == "train", left


def chance(texts: int, deviations: float) -> float:
    """The highest share of texts that guessing names well, but for luck of so many standard deviations."""
    return 0.5 + deviations * sqrt(0.25 / texts)


def test_right_and_wrong_proposals_cannot_be_told_apart_by_their_look(capsys: pytest.CaptureFixture[str]) -> None:
    named, texts = 0.0, 0
    for level in (1, 2, 3, 5, 8, 12):
        pairs = [
            (features(wrong.problem.prompt, wrong.proposal), features(right.problem.prompt, right.proposal))
            for i in range(2)
            for wrong, right in pairs_of(bout(level, f"look {i}", 300))
        ]
        assert len(pairs) >= 60
        told = accuracy(pairs)
        named, texts = named + told * 2 * len(pairs), texts + 2 * len(pairs)
        with capsys.disabled():
            print(f"\n  level {level}: {told:.3f} of {2 * len(pairs)} named well by their look", end="")
        assert told < chance(2 * len(pairs), 3), "one level of six: three standard deviations"
    with capsys.disabled():
        print(f"\n  together: {named / texts:.3f} of {texts}, chance up to {chance(texts, 2):.3f}", end="")
    assert named / texts < chance(texts, 2), "beyond chance (two standard deviations)"


def test_the_reader_of_looks_does_tell_answers_that_were_not_matched(capsys: pytest.CaptureFixture[str]) -> None:
    problems = ENGINE.generate_batch("bin", 2, 700, "plain")
    answers = Sloppy(problems, "plain")([p.prompt for p in problems])
    score = ENGINE.get("bin").score
    wrong = [(p, a) for p, a in zip(problems, answers, strict=True) if not score(p, a).correct]
    pairs = [(features(p.prompt, a), features(p.prompt, p.answer)) for p, a in wrong]
    told = accuracy(pairs)
    with capsys.disabled():
        print(f"\n  not matched: {told:.3f} of {2 * len(pairs)}", end="")
    assert told > chance(2 * len(pairs), 3)


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = (b"".join(bout(3, "x").lines()) for _ in range(2))
    assert one == two != b"".join(bout(3, "y").lines())
    row = json.loads(one.splitlines()[0])
    assert set(row) == {"prompt", "completion", "skill", "level", "meta"} and row["skill"] == "bin"


def test_the_sidecar_names_its_checkpoint_and_what_was_asked() -> None:
    found = bout(3)
    about = found.sidecar("h:c@120")
    assert (about["source"], about["method"], about["checkpoint"]) == ("sparring", "sparring", "h:c@120")
    assert (about["skill"], about["level"], about["parameters"]["wrong"]) == ("bin", 3, found.wrong)
    assert f"{found.asked} asked, {found.wrong} wrong, {len(found.examples)} examples." in about["reason"]


def test_who_makes_no_mistake_gets_no_examples() -> None:
    engine = Watched()
    known = lambda prompts: [next(p.answer for p, _ in engine.made if p.prompt == prompt) for prompt in prompts]  # noqa: E731
    found = hold(engine, "bin", 1, 30, "s", known)
    assert (found.wrong, found.examples) == (0, ())
    assert found.words() == "30 asked, 0 wrong, 0 examples."


def test_another_number_of_answers_is_refused() -> None:
    with pytest.raises(UsageError, match="30 problems were asked and 0 responses"):
        hold(ENGINE, "bin", 1, 30, "s", lambda prompts: [])


def test_a_skill_without_checks_of_its_own_is_judged_in_words() -> None:
    def off_by_one_at_times(prompts: Sequence[str]) -> list[str]:
        numbers = [int(prompt.split()[-1]) for prompt in prompts]
        return [str(2 * n + (n % 3 == 0)) for n in numbers]

    found = hold(tiny_engine(), "double", 1, 90, "s", off_by_one_at_times)
    assert found.wrong > 10 and found.examples
    said = Counter((e.task, e.completion) for e in found.examples if e.task == "verdict")
    assert said["verdict", "correct"] == said["verdict", "incorrect"] == len(found.examples) / 3
    assert all("Proposed answer:" in e.prompt for e in found.examples if e.task == "verdict")
    for wrong, right in pairs_of(found):
        assert len(wrong.proposal) == len(right.proposal), "short answers look alike only at the same length"


@pytest.mark.parametrize(
    ("response", "proposal"),
    [
        ("①⓪+①=①①", "①⓪+①=①①"),
        ("①⓪+①=①⓪", "①⓪+①=①⓪"),
        ("carry:⓪\n①⓪+①=①⓪\n2+1=3", "①⓪+①=①⓪"),
        ("①①+①=①⓪⓪", "①⓪+①=①⓪⓪"),  # another question was answered: the result is what it proposes
        ("①⓪+①=⓪①", None),  # no number of BIN begins with a zero
        ("①⓪+①=①①\n①⓪+①=①⓪", None),  # two claims are none
        ("①⓪+①=3", None),
        ("babble", None),
        ("", None),
        ("①⓪+①=①①" + "①" * 900, None),
    ],
)
def test_what_an_answer_of_bin_proposes(response: str, proposal: str | None) -> None:
    meta = {"final": ("①⓪+①=①①",), "digits": "⓪①", "width": 0, "difficulty": "easy"}
    problem = Problem("bin", 1, "①⓪+①", "①⓪+①=①①", "add(1,2)", meta=meta, form="compute")
    assert ENGINE.get("bin").review().proposal(problem, response) == proposal


def test_a_right_one_is_used_once_and_only_for_what_looks_like_it() -> None:
    from realm.guild.sparring import Proposed

    def proposed(text: str) -> Proposed:
        return Proposed(Problem("x", 1, "q", text, text), text)

    wrong = [proposed("ab"), proposed("ab"), proposed("zzzzzzzzzzz")]
    right = [proposed("qwertyui"), proposed("ba")]
    assert look_alikes(Review(), wrong, right) == [(wrong[0], right[1])]


@given(st.sets(st.integers(0, 50), max_size=12), st.integers(0, 50))
def test_a_quest_expires_with_the_third_newer_checkpoint(steps: set[int], made: int) -> None:
    why = outdated(f"{KEY}@{made}", KEY, sorted(steps))
    assert bool(why) == (sum(step > made for step in steps) >= 3)


@pytest.mark.parametrize("made_by", ["", "hatchling:first-light", "smol:first-light@3", "hatchling:first-light@x"])
def test_a_quest_of_no_checkpoint_of_the_campaign_is_outdated(made_by: str) -> None:
    assert "which is none of hatchling:first-light" in outdated(made_by, KEY, [])


def taken(*correct: int) -> list[Examination]:
    """Examinations of 100 problems, newest first."""
    return [Examination(key=KEY, step=9 - i, skill="bin", level=3, role="frontier", n=100, correct=c)
            for i, c in enumerate(correct)]  # fmt: skip


def test_when_it_is_time() -> None:
    every, stalled = SparringSettings(every=4), SparringSettings(stalled_after=4)
    assert is_due(every, 2, 4, []) and not is_due(every, 2, 3, []) and not is_due(every, 1, 9, [])
    assert is_due(stalled, 2, 0, taken(61, 60, 60, 60)) and not is_due(stalled, 2, 0, taken(60, 60, 60))
    assert not is_due(stalled, 2, 0, taken(90, 88, 60, 58)) and not is_due(stalled, 1, 0, taken(50, 50, 50, 50))
    assert not is_due(SparringSettings(), 9, 999, taken(50, 50, 50, 50)), "by default a hero does not spar"


def test_a_rise_is_no_stall() -> None:
    assert stalls(taken(50, 50)) and not stalls(taken(70, 50)) and not stalls([]) and not stalls(taken(50))
