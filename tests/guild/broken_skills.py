"""Skills that go wrong, each in its own way, as packages that can be installed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.guild.packages import install_module

SOUND = """
from realm.guild.skill import Display, LevelRow, Problem, Score, Skill, SkillSpec, Thresholds, side_of

SPEC = SkillSpec(
    id="{name}", name="{name}", description="Counts.", display=Display(icon="n", color="#336699", short="N"),
    thresholds=Thresholds(), primitives=("parity",), levels=(LevelRow(level=1), LevelRow(level=2)),
)


class Sound(Skill):
    def __init__(self):
        super().__init__(SPEC)

    def generate(self, level, seed, *, side="train", kind=None):
        number = next(n for n in range(10**6) if side_of(f"{{seed}}/{{n}}") == side)
        content = f"{{seed}}/{{number}}"
        return Problem(self.id, level, f"say {{content}}", content, content, ("parity",))

    def score(self, problem, response):
        right = response == problem.answer
        return Score(float(right), right, "")
"""

WAYS = {
    "broken_import": 'raise RuntimeError("this package is unfinished")\n',
    "broken_syntax": "def make(:\n",
    "broken_exit": 'import sys\nsys.exit("no")\n',
    "broken_load": SOUND + '\n\ndef make():\n    raise FileNotFoundError("words.txt")\n',
    "broken_kind": SOUND + "\n\ndef make():\n    return 42\n",
    "broken_name": SOUND.replace('id="{name}"', 'id="something_else"') + "\n\nmake = Sound\n",
    "broken_generate": SOUND
    + """

class make(Sound):
    def generate(self, level, seed, *, side="train", kind=None):
        return {{}}["nothing"]
""",
    "broken_problem": SOUND
    + """

class make(Sound):
    def generate(self, level, seed, *, side="train", kind=None):
        return ("a question", "an answer")
""",
    "broken_side": SOUND
    + """

class make(Sound):
    def generate(self, level, seed, *, side="train", kind=None):
        return super().generate(level, seed, side="train", kind=kind)
""",
    "broken_score": SOUND
    + """

class make(Sound):
    def score(self, problem, response):
        if response == problem.answer:
            return super().score(problem, response)
        return Score(1 / 0, False, "")
""",
    "broken_value": SOUND
    + """

class make(Sound):
    def score(self, problem, response):
        return Score(1000.0, True, "")
""",
    "broken_meta": SOUND
    + """

class make(Sound):
    def generate(self, level, seed, *, side="train", kind=None):
        from dataclasses import replace
        return replace(super().generate(level, seed, side=side), meta={{"set": {{1, 2}}}})
""",
}
"""Name of a skill -> its module; each goes wrong at another place."""

WORDS = {
    "broken_import": "RuntimeError: this package is unfinished",
    "broken_syntax": "SyntaxError",
    "broken_exit": "SystemExit: no",
    "broken_load": "FileNotFoundError: words.txt",
    "broken_kind": "its entry point gave a int instead of a realm.guild.skill.Skill",
    "broken_name": "its description says id: something_else, its entry point is named broken_name",
    "broken_generate": "KeyError: 'nothing'",
    "broken_problem": "it gave a tuple instead of a Problem",
    "broken_side": "held-out problems would leak",
    "broken_score": "ZeroDivisionError",
    "broken_value": "the value is 1000.0 instead of a number from 0 to 1",
    "broken_meta": "not JSON serializable",
}
"""What is said of each."""


def install(target: Path, *names: str) -> None:
    for name in names or WAYS:
        sys.modules.pop(f"realm_{name}", None)  # another test may have imported its own
        source = WAYS[name].format(name=name) if "{name}" in WAYS[name] else WAYS[name]
        install_module(
            target, f"realm-{name}".replace("_", "-"), source, {"realm.skills": {name: f"realm_{name}:make"}}
        )
