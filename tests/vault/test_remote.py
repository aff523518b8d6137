"""One machine fetches from another: whole, verified, taken up again, and nothing of what is sent is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from realm.config.schema import RetentionSettings, ServiceSettings
from realm.db import open_database
from realm.errors import CheckpointError, ServiceError, UsageError
from realm.events import Events
from realm.records import CheckpointRecord, Progress
from realm.vault import api, files, remote
from realm.vault.keeper import Keeper
from realm.vault.ledger import CheckpointLedger
from realm.vault.manifest import ManifestFacts
from realm.vault.remote import RemoteVault
from realm.workspace import Workspace

from .conftest import KEY, facts, writer
from .server import Server

BIG = 3_000_000
Here = tuple[Workspace, Keeper]


def fetched(here: Here, asked: RemoteVault, step: int = 2, **how: Any) -> CheckpointRecord:
    """Fetched by somebody who hangs up afterwards."""
    try:
        return remote.fetch(*here, asked, f"{KEY}@{step}", **how)
    finally:
        asked.close()


@pytest.fixture
def there(keeper: Keeper) -> Keeper:
    def write(folder: Path) -> None:
        writer(2)(folder)
        (folder / "model-2.safetensors").write_bytes(bytes(range(250)) * (BIG // 250))

    keeper.save(KEY, writer(1), facts(1))
    keeper.save(KEY, write, facts(2))
    return keeper


@pytest.fixture
def server(there: Keeper) -> Iterator[Server]:
    running = Server(api.create(there, KEY, ServiceSettings()))
    yield running
    running.stop()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    workspace = Workspace(tmp_path / "here")
    workspace.create()
    db = open_database(workspace.database, checkpoints=True)
    db.upgrade()
    events = Events(db)
    yield workspace, Keeper(workspace, CheckpointLedger(db, events), events, RetentionSettings(enabled=False))
    db.close()


def test_fetched_whole_and_registered(server: Server, here: Here, there: Keeper) -> None:
    workspace, keeper = here
    told: list[int] = []
    record = fetched(here, RemoteVault(server.url), told=told.append)
    assert files.verify(keeper.folder(record)).id == f"{KEY}@2"
    assert record.state == "present" and sum(told) == record.size_bytes
    found = keeper.newest_good(KEY)
    assert found is not None and found.step == 2
    assert list(workspace.incoming.iterdir()) == [] and there.leases.readers() == {}
    with pytest.raises(CheckpointError, match="lies here already"):
        fetched(here, RemoteVault(server.url))


class Breaking(httpx.BaseTransport):
    """A network that cuts each answer about files after some bytes, a number of times."""

    def __init__(self, cuts: int, after: int) -> None:
        self._inner, self.cuts, self._after = httpx.HTTPTransport(), cuts, after
        self.ranges: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if "/files/" in request.url.path:
            self.ranges.append(request.headers.get("range", ""))
            if self.cuts and "model-2" in request.url.path:
                self.cuts -= 1
                return httpx.Response(
                    response.status_code, headers=response.headers, stream=_Cut(response.stream, self._after)
                )
        return response

    def close(self) -> None:
        self._inner.close()


class _Cut(httpx.SyncByteStream):
    def __init__(self, stream: object, after: int) -> None:
        self._stream, self._after = stream, after

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for chunk in self._stream:  # type: ignore[attr-defined]
            seen += len(chunk)
            yield chunk
            if seen >= self._after:
                raise httpx.ReadError("the line was cut")

    def close(self) -> None:
        self._stream.close()  # type: ignore[attr-defined]


def test_a_cut_line_is_taken_up_again(server: Server, here: Here) -> None:
    _workspace, keeper = here
    network = Breaking(cuts=2, after=BIG // 4)
    client = httpx.Client(base_url=server.url, transport=network)
    record = fetched(here, RemoteVault(server.url, client=client))
    assert files.verify(keeper.folder(record))
    assert sum(each.startswith("bytes=") for each in network.ranges) >= 2


def test_given_up_and_gone_on_later_without_what_is_there(
    server: Server, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, keeper = here
    monkeypatch.setattr(remote, "WAIT_SECONDS", 0.0)
    network = Breaking(cuts=99, after=BIG // 4)
    client = httpx.Client(base_url=server.url, transport=network)
    asked = RemoteVault(server.url, client=client)
    read = asked.read
    tries = 0

    def once(checkpoint: str, name: str, offset: int) -> Iterator[bytes]:
        nonlocal tries
        for chunk in read(checkpoint, name, offset):
            yield chunk
            if name == "model-2.safetensors":
                tries += 1
                if tries > 1:
                    raise ServiceError("the other machine went away")

    asked.read = once  # type: ignore[method-assign]
    with pytest.raises(ServiceError, match="went away"):
        fetched(here, asked)
    assert keeper.ledger.find(f"{KEY}@2") is None and keeper.newest_good(KEY) is None
    [part] = workspace.incoming.rglob("*.part")
    begun = part.stat().st_size
    assert 0 < begun < BIG
    again = Breaking(cuts=0, after=0)
    client = httpx.Client(base_url=server.url, transport=again)
    record = fetched(here, RemoteVault(server.url, client=client))
    assert files.verify(keeper.folder(record)) and f"bytes={begun}-" in again.ranges


def test_damage_on_the_other_side_is_found(server: Server, here: Here, there: Keeper) -> None:
    _workspace, keeper = here
    victim = there.folder(there.ledger.get(f"{KEY}@2")) / "model.safetensors"
    content = bytearray(victim.read_bytes())
    content[50] ^= 1
    victim.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors arrived damaged"):
        fetched(here, RemoteVault(server.url))
    assert keeper.newest_good(KEY) is None


def test_training_is_not_led_elsewhere_by_a_slip(server: Server, here: Here) -> None:
    _workspace, keeper = here
    first = ManifestFacts(hero=KEY.hero, campaign=KEY.campaign, progress=Progress(step=1))
    keeper.save(KEY, writer(1), first)
    with pytest.raises(CheckpointError, match="training would go on from step 2"):
        fetched(here, RemoteVault(server.url))
    assert fetched(here, RemoteVault(server.url), even_newest=True).step == 2


@pytest.mark.parametrize("answer", [b"{}", b"not json", b"[1]", b"x" * 100])
def test_a_manifest_that_is_none(answer: bytes, here: Here) -> None:
    _workspace, _keeper = here
    client = httpx.Client(
        base_url="http://x", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=answer))
    )
    with pytest.raises(CheckpointError):
        fetched(here, RemoteVault("http://x", client=client))


def test_an_answer_without_end_is_not_read_to_its_end(here: Here) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1_000_000
            yield b" " * 1_000_000

    client = httpx.Client(
        base_url="http://x", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=endless()))
    )
    with pytest.raises(CheckpointError, match="far too big"):
        RemoteVault("http://x", client=client).manifest(f"{KEY}@2")
    assert sent < 20_000_000


def test_nobody_there_is_said(here: Here) -> None:
    with pytest.raises(ServiceError, match="does not answer"):
        fetched(here, RemoteVault("http://127.0.0.1:1"))
    with pytest.raises(UsageError, match="no address"):
        RemoteVault("file:///etc/passwd")


def test_what_is_not_there_is_said_as_the_other_side_says_it(server: Server, here: Here) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        fetched(here, RemoteVault(server.url), 77)
