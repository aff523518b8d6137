"""Files that the page was given and that nobody has queued yet. They wait under hidden names in the inbox."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from secrets import token_hex

from realm.config.schema import QuestSettings
from realm.errors import QuestError, UsageError
from realm.guild.engine import SkillEngine
from realm.guild.passives.guard import holds_canary
from realm.guild.rewards import Rewards
from realm.quests.checks import Validation, shown_name, validate
from realm.quests.elsewhere import Elsewhere
from realm.quests.inbox import deliver
from realm.records import Row
from realm.tavern.quest_view import preview
from realm.tavern.shown import Preview
from realm.workspace import Workspace

FORGOTTEN_SECONDS = 86_400
"""An upload that nobody decided about for so long is removed at the next start."""
FLUSH_BYTES = 1 << 20
_TOKEN = re.compile("[0-9a-f]{32}")


class Uploads:
    """Takes files in, shows what they are, and hands them to the inbox. The inbox passes over its hidden names."""

    def __init__(
        self,
        workspace: Workspace,
        settings: QuestSettings,
        prepare: Callable[[Row], Row] = lambda row: row,
        elsewhere: Callable[[], Elsewhere] = Elsewhere,
    ) -> None:
        """`prepare` and `elsewhere` are those of `Validation`."""
        self._inbox = workspace.inbox
        self._workspace = workspace
        self._settings = settings
        self._asked = Validation(
            level=settings.validation,
            settings=settings,
            refused=holds_canary,
            prepare=prepare,
            ungradable=Rewards(SkillEngine()).why_not,
            elsewhere=elsewhere,
        )

    async def receive(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Store a body under a new token. Raises QuestError when it is larger than allowed; nothing is left then."""
        token = token_hex(16)
        path = self._path(token)
        try:
            await self._store(path, chunks)
            await asyncio.to_thread(self._name_path(token).write_text, json.dumps(name[:1000]), "utf-8")
        except BaseException:
            self._forget(token)
            raise
        return token

    def preview(self, token: str) -> Preview:
        """What the file is and what of it would be trained."""
        report = validate(self._known(token), self._asked, name=self._name(token))
        return preview({**asdict(report), "causes": dict(report.causes)}, token)

    def add(self, token: str, priority: str) -> str:
        """Give the file to the inbox. Returns its name as it may be shown."""
        path, name = self._known(token), self._name(token)
        deliver(self._workspace, name, _chunks(path), priority=priority, max_bytes=self._settings.max_upload_bytes)
        self._forget(token)
        return shown_name(name)

    def discard(self, token: str) -> None:
        self._known(token)
        self._forget(token)

    def sweep(self) -> None:
        """Remove what was forgotten."""
        for path in self._inbox.glob(".upload-*"):
            if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                path.unlink(missing_ok=True)

    async def _store(self, path: Path, chunks: AsyncIterator[bytes]) -> None:
        size, held = 0, bytearray()
        with await asyncio.to_thread(open, path, "xb") as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._settings.max_upload_bytes:
                    raise QuestError(
                        f"The file is larger than {self._settings.max_upload_bytes:,} bytes.",
                        hint="Copy it into the inbox folder itself, or raise quests.max_upload_bytes.",
                    )
                held += chunk
                if len(held) >= FLUSH_BYTES:
                    await asyncio.to_thread(file.write, bytes(held))
                    held.clear()
            await asyncio.to_thread(file.write, bytes(held))

    def _known(self, token: str) -> Path:
        path = self._path(token)
        if not path.is_file():
            raise UsageError("There is no such upload.", hint="It was queued or discarded already: send it again.")
        return path

    def _name(self, token: str) -> str:
        return str(json.loads(self._name_path(token).read_text("utf-8")))

    def _path(self, token: str) -> Path:
        if not _TOKEN.fullmatch(token):
            raise UsageError("There is no such upload.", hint="Send the file again.")
        return self._inbox / f".upload-{token}.part"

    def _name_path(self, token: str) -> Path:
        return self._inbox / f".upload-{token}.name.part"

    def _forget(self, token: str) -> None:
        self._path(token).unlink(missing_ok=True)
        self._name_path(token).unlink(missing_ok=True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(FLUSH_BYTES):
            yield chunk
