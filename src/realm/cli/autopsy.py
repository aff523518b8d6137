"""`realm autopsy`: what went wrong in a run, and with `--rows` which rows and which layer of the model."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any

import typer

from realm.cli.context import Realm, open_realm, print_json, train_packages
from realm.errors import UsageError
from realm.guild.passives.guard import without_canaries
from realm.records import Row
from realm.temple.autopsy import Autopsy
from realm.temple.autopsy import autopsy as examine
from realm.temple.diagnosis import gradients
from realm.temple.runs import find_run
from realm.temple.scene import Scene

MARKS = {"fine": "ok  ", "note": "note", "bad": "BAD "}
MOST_ROWS = 64
SHOWN_ROWS = 3


def autopsy(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="A run, or the end of its name (default: newest).")] = "",
    rows: Annotated[
        bool, typer.Option("--rows", help="Load the model: which rows of the worst step, which layer. Takes longer.")
    ] = False,
    step: Annotated[int, typer.Option("--step", min=0, help="With --rows: that step of the quest instead.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What went wrong in a run: its end, its loss, its gradients, its log; each with advice."""
    with open_realm() as realm:
        found = find_run(realm.events, realm.key, run)
        scene = Scene(realm.workspace, realm.settings, realm.db, realm.events, run=found)
        seen = examine(scene)
        closer = _closer(realm, scene, seen, step) if rows or step else None
    if as_json:
        body = {"run": seen.run.name, "diagnoses": [each.as_json() for each in seen.diagnoses], "rows": closer}
        print_json(body)
        return
    typer.echo(f"{seen.run.name}: steps {seen.run.start_step} to {seen.run.end_step}, {seen.run.method}")
    for each in seen.diagnoses:
        typer.echo(
            f"{MARKS[each.severity]}  {each.name}: {each.seen}" + (f"\n      {each.advice}" if each.advice else "")
        )
    for line in _words(closer) if closer else []:
        typer.echo(line)


def _closer(realm: Realm, scene: Scene, seen: Autopsy, step: int) -> dict[str, Any]:
    """The rows of one step through the model of the checkpoint before it. Raises UsageError in words."""
    from realm.arena.rows_of_step import PLANNED, order_of, rows_of_step  # noqa: PLC0415 - numpy, not needed otherwise

    quest_step = step or seen.suspect
    if not quest_step:
        raise UsageError("No step of this run stands out.", hint="Name one: realm autopsy RUN --step 12")
    if seen.run.method.split(" ")[0] not in PLANNED:
        raise UsageError(
            f"The rows of a step are known ahead for {' and '.join(PLANNED)} only, not for {seen.run.method}.",
            hint="Leave --rows out.",
        )
    if scene.resolved.hyperparameters.per_device_train_batch_size == "auto":
        raise UsageError(
            "The batch of this run was chosen by the machine's memory, so its rows cannot be told again.",
            hint="Set training.per_device_train_batch_size to a number for the next run, or leave --rows out.",
        )
    if scene.quest is None:
        raise UsageError("The quest of this run is gone, and its rows with it.", hint="Leave --rows out.")
    settings = scene.resolved.hyperparameters
    with train_packages("realm autopsy --rows"):
        from realm.arena.probe import probe  # noqa: PLC0415 - torch takes seconds to import
        from realm.heroes.to_train import load_to_train  # noqa: PLC0415

        standing = [r for r in scene.keeper.ledger.present(scene.key) if r.step < seen.run.start_step + quest_step]
        folder = scene.keeper.folder(standing[-1]) if standing else None
        hero = load_to_train(
            scene.profile, scene.resolved.adapter, models=realm.workspace.models, checkpoint=folder,
            seed=realm.settings.campaign.seed, name=scene.key.hero,
        )  # fmt: skip
        good = [hero.data_profile.prepare(row) for row in without_canaries(scene.queue.rows(scene.quest))]
        chosen = rows_of_step(
            good, lambda some: hero.family.render_all(hero.tokenizer, some), settings,
            order=order_of(settings, scene.quest.id), quest_step=quest_step,
        )[:MOST_ROWS]  # fmt: skip
        found = probe(hero, [row for _, row in chosen], max_length=settings.max_length)
    ordered = sorted(
        range(len(chosen)), key=lambda i: -(found.losses[i] if math.isfinite(found.losses[i]) else math.inf)
    )
    return {
        "quest_step": quest_step, "checkpoint": standing[-1].id if standing else "first weights",
        "rows": [{"row": chosen[i][0], "loss": found.losses[i], "text": _text(chosen[i][1])} for i in ordered],
        "broken_layer": found.broken, "broken_row": chosen[found.broken_row][0] if found.broken else None,
        "gradients": dict(found.gradients), "gradient_health": gradients.by_layer(found.gradients).as_json(),
    }  # fmt: skip


def _words(closer: dict[str, Any]) -> list[str]:
    lines = [f"      step {closer['quest_step']} of the quest, {len(closer['rows'])} rows, by {closer['checkpoint']}:"]
    lines += [f"      row {row['row']}: loss {row['loss']:.3g}  {row['text']}" for row in closer["rows"][:SHOWN_ROWS]]
    if closer["broken_layer"]:
        lines.append(f"BAD   not a number first in {closer['broken_layer']}, at row {closer['broken_row']}")
    health = closer["gradient_health"]
    lines.append(f"{MARKS[health['severity']]}  layers: {health['seen']}")
    return [*lines, f"      {health['advice']}"] if health["advice"] else lines


def _text(row: Row) -> str:
    return json.dumps({k: v for k, v in row.items() if k != "meta"}, ensure_ascii=False)[:160]
