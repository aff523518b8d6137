"""`realm guild`: primitives, transfer, passives, as a person and as a program reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from realm.cli import main
from realm.cli.context import Realm, open_workspace
from realm.cli.primitives import sparkline
from realm.config.schema import PassiveSettings
from realm.guild.ledger import GuildLedger
from realm.guild.passives.drift import Sitting
from realm.guild.passives.ledger import CanaryLedger
from realm.guild.progression import Examination
from realm.workspace import Workspace


@pytest.fixture
def realm(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    monkeypatch.setenv("REALM_HOME", str(workspace.root))
    opened = open_workspace(workspace)
    yield opened
    opened.db.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["guild", *arguments])
    out, err = capsys.readouterr()
    code = ended.value.code
    return (0 if code is None else int(code)), out, err


def tell(realm: Realm) -> None:
    guild = GuildLedger(realm.db, realm.events)
    for step, right in ((100, 4), (200, 30)):
        guild.record_tokens(realm.key, step, {("bin", 1): 1000})
        guild.record([Examination(key=realm.key, step=step, skill="bin", level=1, role="frontier", n=40, correct=right,
                                  primitives={"modulo": (right, 40), "div_exact": (1, 40)})])  # fmt: skip
    sittings = [Sitting(key=realm.key, step=step, module="logic", problem_set="x", right=(step < 150,) * 5,
                        primitives={"modus_ponens": (int(step < 150), 1)}) for step in (100, 200)]  # fmt: skip
    CanaryLedger(realm.db, realm.events, PassiveSettings()).record(sittings)


def test_primitives(realm: Realm, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "primitives")
    assert code == 0 and "has not been examined yet" in out
    tell(realm)
    _, out, _ = run(capsys, "primitives")
    assert "modulo                       75% of 40 [60%, 86%]" in out and "▁▇" in out
    assert "weak: modulo 75% of 40 [60%, 86%]; it needs div_exact, weak as well" in out
    _, out, _ = run(capsys, "primitives", "--json")
    found: dict[str, Any] = json.loads(out)
    (modulo,) = [row for row in found["primitives"] if row["name"] == "modulo"]
    assert (modulo["family"], modulo["needs"], modulo["n"]) == ("transform", ["div_exact", "sub_two_digit"], 40)
    assert [(point["step"], point["correct"]) for point in modulo["history"]] == [(100, 4), (200, 30)]
    assert [weak["name"] for weak in found["weakest"]] == ["div_exact", "modulo"]


def test_transfer(realm: Realm, capsys: pytest.CaptureFixture[str]) -> None:
    tell(realm)
    _, out, _ = run(capsys, "transfer", "bin", "--from", "100", "--to", "200", "--json")
    (movement,) = json.loads(out)["movements"]
    assert (movement["skill"], movement["primitive"], movement["change"]) == ("passives", "modus_ponens", -1.0)
    _, out, _ = run(capsys, "transfer", "bin")
    assert "bin trained from step 0 to 200: 2000 tokens" in out and "nothing to compare" in out
    code, _, err = run(capsys, "transfer", "bln")
    assert code == 2 and "Did you mean 'bin'?" in err
    assert run(capsys, "transfer", "bin", "--from", "9")[0] == 2


def test_passives(realm: Realm, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "passives")
    assert code == 0 and "was asked no canary yet" in out
    tell(realm)
    _, out, _ = run(capsys, "passives")
    assert "-100 points to step 100 (5 lost, 0 gained, p 0.03) CRITICAL" in out
    (row,) = json.loads(run(capsys, "passives", "--json")[1])
    assert (row["module"], row["severity"], row["best"]["step"]) == ("logic", "critical", 100)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["passives", "--extended"], 2, "--run latest --extended"),
        (["passives", "--run", "latest"], 1, "has no latest checkpoint yet"),
        (["passives", "--run", "123"], 1, "@123"),
        (["passives", "--run", "1", "--module", "logics"], 2, "Did you mean 'logic'?"),
        (["primitives", "--probe", "champion"], 1, "has no champion checkpoint yet"),
    ],
)
def test_mistakes_are_said_in_words(
    realm: Realm, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    found, _, err = run(capsys, *arguments)
    assert found == code and said in err


def test_a_line_of_bars() -> None:
    assert sparkline([0, 0.5, 1]) == "▁▅█"
    assert sparkline([]) == "" and len(sparkline([1.0] * 99)) == 24
