"""A hero that is right in half of its answers and wrong in ways of its own: it repeats digits, forgets or adds one,
flips one, babbles, and to any yes or no it says the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random

from realm.guild.skill import Problem

HABITS = {"true": "true", "false": "true", "yes": "yes", "no": "yes", "1": "1", "2": "1", "same": "1"}


class Sloppy:
    """Answers the problems that it was shown; the same seed gives the same answers."""

    def __init__(self, problems: Iterable[Problem], seed: str) -> None:
        self._problems = {problem.prompt: problem for problem in problems}
        self._seed = seed

    def __call__(self, prompts: Sequence[str]) -> list[str]:
        random = Random(self._seed)
        return [self._answer(self._problems[prompt], random) for prompt in prompts]

    def _answer(self, problem: Problem, random: Random) -> str:
        luck = random.random()
        if luck < 0.5:
            return problem.answer
        final = str(problem.meta["final"][-1])
        head, found, result = final.rpartition("=")
        if not found:
            return "\n".join([*problem.answer.split("\n")[:-1], HABITS.get(final, "error1")])
        zero, one = problem.meta["digits"]
        if luck < 0.6:
            result = one * len(result)
        elif luck < 0.7:
            result += zero
        elif luck < 0.8:
            result = result[:-1] or one
        elif luck < 0.95 and set(result) <= {zero, one}:
            at = random.randrange(len(result))
            result = result[:at] + (one if result[at] == zero else zero) + result[at + 1 :]
        else:
            return "babble"
        return problem.answer.replace(final, f"{head}={result}")
