"""Another machine's vault over HTTP: its checkpoints looked up and fetched, taken up again where a transfer stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from realm.errors import CheckpointError, ServiceError, UsageError
from realm.records import CheckpointRecord
from realm.vault import files, manifest
from realm.vault.keeper import Keeper
from realm.vault.manifest import Manifest
from realm.vault.transfer import MAX_MANIFEST_BYTES, Told, receive, unheard
from realm.workspace import Workspace

TIMEOUT_SECONDS = 30.0
TRIES = 4
WAIT_SECONDS = 0.5
PIECE_BYTES = 65_536
"""What a cut line may lose: bytes that arrived and were not handed on yet."""
LEASE_SECONDS = 600


class RemoteVault:
    """One other vault. Raises ServiceError in words where it does not answer."""

    def __init__(self, url: str, token: str = "", *, client: httpx.Client | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"'{url}' is no address.", hint="Give one such as http://host:8767")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        self._client = client or httpx.Client(
            base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def close(self) -> None:
        self._client.close()

    def manifest(self, checkpoint: str) -> Manifest:
        """What the checkpoint holds. Raises CheckpointError when it is not there, or is another one."""
        try:
            content = b"".join(self._bytes(f"{_path(checkpoint)}/manifest", 0, MAX_MANIFEST_BYTES))
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        made = manifest.decode(content)
        if made.id != checkpoint:
            raise CheckpointError(f"{self.url} gave {made.id} when it was asked for {checkpoint}.")
        return made

    def read(self, checkpoint: str, name: str, offset: int) -> Iterator[bytes]:
        """A file's bytes from an offset on. A lost connection is taken up again a few times."""
        tries = 0
        while True:
            try:
                for chunk in self._bytes(f"{_path(checkpoint)}/files/{quote(name)}", offset):
                    offset += len(chunk)
                    tries = 0
                    yield chunk
                return
            except httpx.TransportError as error:
                tries += 1
                if tries >= TRIES:
                    raise self._silent(error) from error
                time.sleep(WAIT_SECONDS * tries)

    @contextmanager
    def lease(self, checkpoint: str, holder: str) -> Iterator[None]:
        """Keep the checkpoint where it is on the other side while the block runs."""
        asked = {"checkpoint": checkpoint, "holder": holder, "seconds": LEASE_SECONDS}
        token = str(self._json("POST", "/api/leases", asked)["token"])
        try:
            yield
        finally:
            self._json("DELETE", f"/api/leases/{token}")

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if not response.is_success:
            raise self._refused(response)
        return response.json()

    def _bytes(self, path: str, offset: int, limit: int | None = None) -> Iterator[bytes]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._client.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise self._refused(response)
            if offset and response.status_code != httpx.codes.PARTIAL_CONTENT:
                raise ServiceError(f"{self.url} cannot go on in the middle of a file.", hint="Begin again: --restart")
            size = 0
            for chunk in response.iter_bytes(PIECE_BYTES):
                size += len(chunk)
                if limit is not None and size > limit:
                    raise CheckpointError(f"{self.url} sends a manifest that is far too big.")
                yield chunk

    def _refused(self, response: httpx.Response) -> CheckpointError:
        try:
            told = response.json()["error"]
            return CheckpointError(f"{self.url}: {told['message']}", hint=str(told.get("hint", "")))
        except (ValueError, KeyError, TypeError):
            return CheckpointError(f"{self.url} answered {response.status_code}.", hint="Is that a realm's vault?")

    def _silent(self, error: Exception) -> ServiceError:
        return ServiceError(
            f"The vault at {self.url} does not answer: {error}",
            hint="Look whether it runs and can be reached; then give the same command again: it goes on from there.",
        )


def fetch(
    workspace: Workspace,
    keeper: Keeper,
    remote: RemoteVault,
    checkpoint: str,
    *,
    even_newest: bool = False,
    told: Told = unheard,
) -> CheckpointRecord:
    """Bring a checkpoint of another machine into this workspace, every byte compared with its manifest.

    Raises CheckpointError when it lies here already, or when training here would go on from it and `even_newest` does
    not say that it shall.
    """
    made = remote.manifest(checkpoint)
    known = keeper.ledger.find(made.id)
    if known is not None and known.state == "present":
        raise CheckpointError(f"{made.id} lies here already.", hint=f"Look at it: realm vault show {made.id}")
    newest = keeper.ledger.newest(made.key)
    if newest is not None and made.step > newest.step and not even_newest:
        raise CheckpointError(
            f"{made.key} stands at step {newest.step} here; training would go on from step {made.step} instead.",
            hint="If it shall: the same command with --even-newest",
        )
    folder = keeper.free_folder(made)
    staging = workspace.incoming / f"{made.key.hero}-{made.key.campaign}-{made.step}-{made.created:.0f}"
    with remote.lease(made.id, "fetch"):
        receive(made, lambda name, at: remote.read(made.id, name, at), staging, folder, told=told)
    files.verify(folder)
    keeper.ledger.register(made, folder)
    keeper.ledger.arrived(made.id, folder, source=remote.url)
    return keeper.ledger.get(made.id)


def _path(checkpoint: str) -> str:
    return f"/api/checkpoints/{quote(checkpoint, safe='')}"
