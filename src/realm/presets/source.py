"""What a preset trains on: a file, and its dataset's own validation and test rows. Reads lines, knows no model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realm.config.output import dataset_file, good_enough
from realm.config.run_spec import RunSpec
from realm.config.schema import DatasetSettings
from realm.errors import QuestError, UsageError
from realm.quests.formats import read
from realm.records import Row


@dataclass(frozen=True, slots=True)
class Source:
    """The files of one training; `validation` and `test` are None where there is no such split."""

    train: Path
    validation: Path | None = None
    test: Path | None = None
    dataset: DatasetSettings | None = None

    @property
    def path(self) -> str:
        """What `metadata.json` names: the dataset's folder, or the file."""
        return self.dataset.path if self.dataset else str(self.train)


def source_of(spec: RunSpec, file: Path | None = None) -> Source:
    """The file that is named, else the preset's dataset. Raises UsageError where there is neither."""
    if file is not None:
        return Source(_present(file, "Mend the path."))
    if spec.dataset is None:
        raise UsageError(
            f"Preset '{spec.preset}' names no dataset.", hint=f"Name a file: realm train {spec.preset} FILE"
        )
    train = dataset_file(spec.dataset, "train")
    found = _present(train, f"Mend the path of [datasets.{spec.dataset_name}], or name a file.")
    held_out, test = (dataset_file(spec.dataset, split) for split in ("val", "test"))
    measured = spec.hyperparameters.eval_strategy != "no" and held_out.is_file() and held_out != train
    return Source(
        found,
        validation=held_out if measured else None,
        test=test if test.is_file() and test != train else None,
        dataset=spec.dataset,
    )


def lines(source: Source) -> Iterator[bytes]:
    """The training rows that are good enough, then the validation rows, each marked as one.

    A line that cannot be read is passed on: validation says what is wrong with it. Raises QuestError when no training
    row is left.
    """
    kept = 0
    for line in _good(source.train, source.dataset):
        kept += bool(line.strip())
        yield line
    if not kept:
        raise QuestError(
            f"{source.train.name} holds no row to train on.",
            hint="Look at the file, and at the dataset's quality_threshold.",
        )
    for line in _good(source.validation, source.dataset) if source.validation else ():
        yield _marked(line)


def rows_of_test(source: Source, template: str | None) -> Iterator[Row]:
    """The good rows of the test split, converted as those of a quest are."""
    if source.test is None:
        return
    for line in read(source.test, template=template):
        if line.row is not None and (source.dataset is None or good_enough(source.dataset, dict(line.fields or {}))):
            yield line.row


def _present(file: Path, fix: str) -> Path:
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", hint=fix)
    return file


def _good(file: Path, dataset: DatasetSettings | None) -> Iterator[bytes]:
    with open(file, "rb") as opened:
        for line in opened:
            if dataset is None or good_enough(dataset, _raw(line)):
                yield line if line.endswith(b"\n") else line + b"\n"


def _raw(line: bytes) -> dict[str, object]:
    """A line's row as it stands; empty for what is none."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _marked(line: bytes) -> bytes:
    row = _raw(line)
    if not row:
        return line
    meta = row.get("meta")
    about = meta if isinstance(meta, dict) else {"given": meta} if meta is not None else {}
    return json.dumps({**row, "meta": {**about, "split": "validation"}}, ensure_ascii=False).encode() + b"\n"
