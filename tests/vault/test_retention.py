from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from realm.config.schema import RetentionSettings
from realm.records import CheckpointRecord
from realm.vault.retention import plan


def record(step: int, *, levels: dict[str, int] | None = None, champion: bool = False, state: str = "present"):  # type: ignore[no-untyped-def]
    return CheckpointRecord(
        id=f"h:c@{step}", hero="h", campaign="c", step=step, path=f"/x/{step}", created=float(step), size_bytes=1,
        parent="", run="", levels=levels or {}, champion=champion, state=state,  # type: ignore[arg-type]
    )  # fmt: skip


records = st.lists(
    st.builds(
        record,
        st.integers(0, 500),
        levels=st.dictionaries(st.sampled_from(["bin", "sy"]), st.integers(0, 5)),
        champion=st.booleans(),
        state=st.sampled_from(["present", "present", "present", "dropped", "quarantined"]),
    ),
    max_size=40,
    unique_by=lambda r: r.step,
)
policies = st.builds(
    RetentionSettings,
    keep_newest=st.integers(1, 6),
    keep_champion=st.booleans(),
    keep_first_at_level=st.booleans(),
    enabled=st.booleans(),
)


def test_each_reason() -> None:
    states = [record(9000), record(100), record(200, levels={"bin": 1}), record(300, champion=True), record(400),
              record(10_000, levels={"bin": 1}), record(500, levels={"bin": 1})]  # fmt: skip
    result = plan(states, RetentionSettings(keep_newest=2))
    assert dict(result.keep) == {
        "h:c@200": "the first at BIN level 1",
        "h:c@300": "the champion",
        "h:c@9000": "among the newest 2",
        "h:c@10000": "the newest",
    }
    assert [i for i, _ in result.drop] == ["h:c@100", "h:c@400", "h:c@500"]
    assert all("newest 2" in reason for _, reason in result.drop)


@given(records, policies)
def test_every_present_checkpoint_is_judged_once(states: list[CheckpointRecord], policy: RetentionSettings) -> None:
    result = plan(states, policy)
    judged = [i for i, _ in [*result.keep, *result.drop]]
    assert sorted(judged) == sorted(r.id for r in states if r.state == "present")
    assert all(reason for _, reason in [*result.keep, *result.drop])


@given(records, policies)
def test_the_newest_and_so_the_last_copy_stays(states: list[CheckpointRecord], policy: RetentionSettings) -> None:
    present = [r for r in states if r.state == "present"]
    kept = dict(plan(states, policy).keep)
    if present:
        assert max(present, key=lambda r: r.step).id in kept
    assert len(kept) >= min(len(present), policy.keep_newest)


@given(records, policies)
def test_what_the_policy_names_stays(states: list[CheckpointRecord], policy: RetentionSettings) -> None:
    kept = dict(plan(states, policy).keep)
    present = [r for r in states if r.state == "present"]
    for one in present:
        if not policy.enabled or (policy.keep_champion and one.champion):
            assert one.id in kept
    for skill, level in {(s, n) for r in present for s, n in r.levels.items() if n > 0}:
        first = min((r for r in present if r.levels.get(skill, 0) >= level), key=lambda r: r.step)
        assert not policy.keep_first_at_level or first.id in kept


@given(records, policies)
def test_doing_it_twice_drops_nothing_more(states: list[CheckpointRecord], policy: RetentionSettings) -> None:
    dropped = {i for i, _ in plan(states, policy).drop}
    assert plan([r for r in states if r.id not in dropped], policy).drop == []
