"""What a trained hero's mistakes give, and whether their look tells them from right answers.

python -m benchmarks.sparring WORKSPACE --level 1 --count 1000
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.guild.style_reader import accuracy, features

from realm.cli.context import open_workspace
from realm.config.run_spec import campaign_spec
from realm.guild import sparring
from realm.guild.engine import SkillEngine
from realm.heroes import hero as heroes
from realm.vault.ledger import CheckpointLedger
from realm.workspace import Workspace

Look = Counter[str]


def without_neighbours(look: Look) -> Look:
    return Counter({mark: n for mark, n in look.items() if not mark.startswith(("pair ", "begins ", "ends "))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    realm = open_workspace(Workspace(given.workspace))
    newest = CheckpointLedger(realm.db, realm.events).newest(realm.key)
    assert newest, "train first"
    hero = heroes.load(campaign_spec(realm.settings).profile, checkpoint=Path(newest.path))
    answers: dict[str, str] = {}

    def answer(prompts: Sequence[str]) -> list[str]:
        said = hero.family.answer(hero.model, hero.tokenizer, prompts, max_new_tokens=256)
        answers.update(zip(prompts, said, strict=True))
        return said

    engine, began = SkillEngine(), time.perf_counter()
    bout = sparring.hold(engine, "bin", given.level, given.count, "benchmark", answer)
    print(f"{newest.id} level {given.level}: {bout.words()} {time.perf_counter() - began:.1f} s")
    verdicts = sorted((e for e in bout.examples if e.task == "verdict"), key=lambda e: (e.origin, e.proposal_is_right))
    looks = [features(e.problem.prompt, e.proposal) for e in verdicts]
    matched = list(zip(looks[::2], looks[1::2], strict=True))
    print(f"told by their look: {accuracy(matched):.3f} of {len(looks)}")
    plain = [(without_neighbours(a), without_neighbours(b)) for a, b in matched]
    print(f"without neighbouring characters: {accuracy(plain):.3f} of {len(looks)}")
    raw = [(p, said) for p in sparring.asked(engine, "bin", given.level, given.count, "benchmark")
           if (said := answers[p.prompt])]  # fmt: skip
    score = engine.get("bin").score
    wrong = [features(p.prompt, said) for p, said in raw if not score(p, said).correct]
    right = [features(p.prompt, said) for p, said in raw if score(p, said).correct]
    pairs = list(zip(wrong, right, strict=False))
    print(f"answers as they came, not matched: {accuracy(pairs):.3f} of {2 * len(pairs)}")
    realm.db.close()


if __name__ == "__main__":
    main()
