"""Taking a campaign back to a checkpoint: asked for by a request in the workspace, carried out by the hero itself.

Only the hero's process saves and sets aside checkpoints, so whoever wants to go back leaves a request; a hero that is
awake takes it up between two quests, one that sleeps when it wakes.
"""

from __future__ import annotations

from realm.errors import CheckpointError
from realm.events import CampaignRolledBack, Events
from realm.records import CampaignKey, CheckpointRecord
from realm.temple.ledger import Verdict, VerdictLedger
from realm.vault.keeper import Keeper
from realm.workspace import Workspace

REQUEST = "roll-back"


def good_before(keeper: Keeper, key: CampaignKey, step: int) -> CheckpointRecord:
    """The newest checkpoint on disk up to a step: where a run that ended later is undone.

    Raises CheckpointError where retention has left none.
    """
    found = [record for record in keeper.ledger.present(key) if record.step <= step]
    if not found:
        raise CheckpointError(
            f"No checkpoint of {key} up to step {step} is left to go back to.",
            hint="See which there are: realm vault ls. To start over: realm campaign create",
        )
    return found[-1]


def ask(workspace: Workspace, record: CheckpointRecord) -> None:
    """Leave the request that the campaign goes on from this checkpoint."""
    workspace.request(REQUEST, record.id)


def is_asked(workspace: Workspace, key: CampaignKey) -> bool:
    """Whether this campaign is to go back; a request for another one waits for that."""
    return (workspace.request_text(REQUEST) or "").startswith(f"{key}@")


def carry_out(workspace: Workspace, keeper: Keeper, key: CampaignKey, events: Events) -> CheckpointRecord | None:
    """Set aside everything after the checkpoint that was asked for. For the process that saves; safe to repeat.

    Nothing is deleted: folders lie in quarantine/ with the reason. None where nothing was asked, or where that
    checkpoint is gone by now.
    """
    if not is_asked(workspace, key):
        return None
    record = keeper.ledger.find(workspace.request_text(REQUEST) or "")
    if record is None or record.state != "present":
        workspace.withdraw(REQUEST)
        return None
    reason = f"the campaign went back to step {record.step}"
    later = [each for each in keeper.ledger.present(key) if each.step > record.step]
    for each in reversed(later):
        keeper.quarantine(each, reason)
    names = {"hero": key.hero, "campaign": key.campaign}
    events.append(
        CampaignRolledBack(
            checkpoint=record.id, step=record.step, set_aside=len(later), reason="A person asked for it", **names
        )
    )
    workspace.withdraw(REQUEST)
    return record


def roll_back(
    workspace: Workspace, keeper: Keeper, ledger: VerdictLedger, verdict: Verdict, reason: str
) -> CheckpointRecord:
    """Undo a run: note who wanted it, and ask for the checkpoint before it. Raises CheckpointError."""
    record = good_before(keeper, verdict.key, verdict.start_step)
    if verdict.recommendation != "roll_back":
        ledger.override(verdict.key, verdict.run, "roll_back", record.id, reason)
    ask(workspace, record)
    return record


def promote(keeper: Keeper, ledger: VerdictLedger, verdict: Verdict, reason: str) -> CheckpointRecord:
    """Let the checkpoint of a run take the champion's place although the gate was not met; the decision is recorded.

    Raises CheckpointError when the checkpoint is gone or was never examined.
    """
    record = keeper.ledger.get(verdict.checkpoint)
    if record.state != "present" or record.accuracy is None:
        what = "was never examined" if record.state == "present" else f"is {record.state}"
        raise CheckpointError(f"{record.id} {what}.", hint="See which are there: realm vault ls")
    ledger.override(verdict.key, verdict.run, "promote", record.id, reason)
    return keeper.ledger.crown(record.id)
