"""Who is learned from: found by name, loaded, and kept the same for a whole quest. Knows no loss and no database.

The best or newest checkpoint of a hero may change, or be dropped, while a quest trains. So the files of a teacher's
checkpoint are linked into the folder of the run at the first step, and a run that goes on takes them from there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from realm.arena.endpoint import Endpoint
from realm.config.schema import HeroProfile, Hyperparameters
from realm.config.teacher import TeacherName, parse
from realm.errors import CheckpointError, HeroError
from realm.heroes import hero as heroes
from realm.heroes.hero import LoadedHero
from realm.records import Progress
from realm.registry import unknown

KEPT = "teacher"
"""Folder of a teacher inside the folder of a run."""
START, WHO, ANSWERS = "start.safetensors", "teacher.json", "answers.jsonl"
_NOT_FOR_A_TEACHER = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "own_weights.safetensors", "quest_state*")

FindCheckpoint = Callable[[TeacherName], tuple[str, Path]]
"""Id and folder, its bytes verified, of the checkpoint that is meant. Raises a RealmError in words."""


class Teachers:
    """The teachers of one campaign. `runs` is the folder of its runs."""

    def __init__(
        self,
        settings: Hyperparameters,
        profiles: Mapping[str, HeroProfile],
        *,
        models: Path,
        runs: Path,
        checkpoint: FindCheckpoint,
        tell: Callable[[str, str, str], None] = lambda *_: None,
        beat: Callable[[], object] = lambda: None,
    ) -> None:
        """`tell` hears once in a run (its name) who teaches and how it is learned from; `beat` is a sign of life."""
        self._settings, self._profiles = settings, profiles
        self._models, self._runs = models, runs
        self._checkpoint, self._tell, self._beat = checkpoint, tell, beat
        self._loaded: tuple[str, LoadedHero] | None = None

    def find(self, name: str, progress: Progress) -> LoadedHero | Answers:
        """The teacher of that name for the run in `progress`. Raises a RealmError in words when there is none."""
        named = parse(name)
        if named.hero:
            named = replace(named, hero=self._spelled(named.hero))
        if progress.quest_step == 0:
            self._begin(progress)
        if named.kind == "endpoint":
            self._once(progress, named.text, named)
            return Answers(self._endpoint(named), self._folder(progress.run) / ANSWERS, self._beat)
        if named.kind == "checkpoint":
            return self._of_checkpoint(named, progress)
        self._once(progress, named.text, named)
        load = partial(heroes.load, models=self._models)
        return load(self._profiles[named.hero]) if named.kind == "hero" else load(named.text)

    def kept(self, progress: Progress, tell: str) -> Path:
        """Where the weights that a run begins with lie, or are to be put."""
        if progress.quest_step == 0:
            self._begin(progress)
        self._once(progress, tell, parse(tell))
        return self._folder(progress.run) / START

    def release(self, run: str) -> None:
        """The run has ended: nothing of its teacher is needed any more."""
        shutil.rmtree(self._folder(run), ignore_errors=True)

    def _of_checkpoint(self, named: TeacherName, progress: Progress) -> LoadedHero:
        folder = self._folder(progress.run)
        if progress.quest_step == 0:
            found, source = self._checkpoint(named)
            _link(source, folder)
            self._once(progress, found, named)
        who = _who(folder)
        if self._loaded is None or self._loaded[0] != who:
            self._loaded = who, heroes.load(self._profiles[named.hero], checkpoint=folder, name=who)
        return self._loaded[1]

    def _endpoint(self, named: TeacherName) -> Endpoint:
        settings = self._settings
        return Endpoint(
            named.url,
            named.model,
            key_variable=settings.teacher_key_variable,
            timeout_seconds=settings.teacher_timeout_seconds,
            max_new_tokens=settings.distill_max_new_tokens,
        )

    def _spelled(self, hero: str) -> str:
        """A hero's name as the catalogue spells it. Raises UsageError naming the nearest one."""
        for name in self._profiles:
            if name.lower() == hero.lower():
                return name
        raise unknown("hero", hero, self._profiles)

    def _begin(self, progress: Progress) -> None:
        """A run begins: what runs that never ended kept of their teachers is not needed any more."""
        for folder in self._runs.glob(f"*/{KEPT}"):
            if folder != self._folder(progress.run) or not (folder / ANSWERS).exists():
                shutil.rmtree(folder)
        self._folder(progress.run).mkdir(parents=True, exist_ok=True)

    def _once(self, progress: Progress, name: str, named: TeacherName) -> None:
        """Write down and tell who teaches, at the first step of a run."""
        if progress.quest_step == 0:
            file = self._folder(progress.run) / WHO
            file.write_text(json.dumps({"teacher": name}) + "\n", encoding="utf-8")
            self._tell(progress.run, name, "tokens" if named.scores_tokens else "sequences")

    def _folder(self, run: str) -> Path:
        return self._runs / run / KEPT


class Answers:
    """An endpoint's answers, each asked for once in a run: a run that goes on learns the same text."""

    def __init__(self, endpoint: Endpoint, file: Path, beat: Callable[[], object]) -> None:
        self.name = endpoint.name
        self._endpoint, self._file, self._beat = endpoint, file, beat
        self._known = _read_answers(file)

    def answer(self, prompts: Sequence[Any]) -> list[str]:
        """The answers to prompts, in their order. Raises TrainingError when the endpoint does not answer."""
        keys = [_key(self.name, prompt) for prompt in prompts]
        new = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._known}
        self._beat()
        if new:
            given = dict(zip(new, self._endpoint.answer(list(new.values())), strict=True))
            with self._file.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps({"key": key, "answer": answer}) + "\n" for key, answer in given.items())
            self._known |= given
        return [self._known[key] for key in keys]


def _read_answers(file: Path) -> dict[str, str]:
    """The whole lines of the file; one that a kill has cut short is cut off."""
    if not file.is_file():
        return {}
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        os.truncate(file, len(whole))
    rows = map(json.loads, whole.splitlines())
    return {row["key"]: row["answer"] for row in rows}


def _key(teacher: str, prompt: Any) -> str:
    return blake2b(json.dumps([teacher, prompt], sort_keys=True).encode(), digest_size=12).hexdigest()


def _link(source: Path, folder: Path) -> None:
    """The files of a checkpoint in a second place, at no cost where the disk can link; they appear together."""
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    ignore = shutil.ignore_patterns(*_NOT_FOR_A_TEACHER)
    shutil.copytree(source, partial_folder, ignore=ignore, copy_function=_link_or_copy)
    shutil.rmtree(folder, ignore_errors=True)
    partial_folder.rename(folder)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one that cannot link
        shutil.copy2(source, target)


def _who(folder: Path) -> str:
    """The id of the checkpoint that a run keeps as its teacher. Raises CheckpointError when it is gone."""
    try:
        return str(json.loads((folder / WHO).read_text(encoding="utf-8"))["teacher"])
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The teacher that this quest began with is gone from {folder}.",
            hint="Leave the quest with `realm skip`, and begin it anew with `realm quest retry`.",
        ) from error


def require_same_tokenizer(student: Any, teacher: LoadedHero, name: str) -> None:
    """Raises HeroError unless both cut every text into the same tokens: scores of other tokens mean nothing."""
    mine, theirs = student.get_vocab(), teacher.tokenizer.get_vocab()
    if mine == theirs and all(_ids(student, text) == _ids(teacher.tokenizer, text) for text in _PROBES):
        return
    raise HeroError(
        f"The teacher {name} has another tokenizer ({len(theirs):,} tokens; the student's has {len(mine):,}), "
        "so it cannot score the student's tokens.",
        hint="Choose a teacher of the same family; or serve it and name its address: then its answers are the text to "
        "learn (sequence-level).",
    )


_PROBES = ("The quick brown fox, 1024 times.", "  def f(x):\n\treturn x", "Ünïcödé ①② ≥ 0")


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
