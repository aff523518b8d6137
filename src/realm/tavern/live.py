"""The one stream: a single task tails facts and metrics and fans them out to every open page. Knows no route.

Facts carry their id, so that a page which lost its connection is sent what it missed, out of the database. Cards
travel as HTML and only when their text changed; charts travel as JSON rows.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from realm.errors import RealmError
from realm.events import Recorded
from realm.tavern.lore import Skin
from realm.tavern.pages import Pages
from realm.tavern.sentences import tone
from realm.tavern.view import View

TICK_SECONDS = 0.3
MACHINE_SECONDS = 2.0
RETRY_MILLISECONDS = 1500
BACKLOG = 400
"""Events that a slow page may lag behind; then it is cut off and reconnects."""
REPLAY_FACTS = 200
CARDS: dict[str, tuple[str, ...]] = {
    "home": ("hero", "battle", "strain", "skills", "machine", "log", "blockers"),
    "quests": ("board", "blockers"),
    "guild": ("achievements", "blockers", "canaries"),
    "campaigns": ("campaigns", "blockers"),
    "temple": ("verdicts", "blockers"),
    "oracle": ("blockers",),
    "vault": ("zones", "checkpoints", "blockers"),
    "checkpoint": ("checkpoint", "blockers"),
}
SKILL_CARDS = ("climb", "prims", "practice")


@dataclass(frozen=True, slots=True)
class Topic:
    """What an open page wants to hear of."""

    page: str
    skin: str
    item: str = ""
    """What the page is about, where there are many of its kind: a checkpoint's id, or where a table begins."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the stream. `id` is a fact's id; other events carry none."""

    name: str
    data: str
    id: int | None = None

    def as_sse(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"event": self.name, "data": self.data, "retry": RETRY_MILLISECONDS}
        return shown if self.id is None else shown | {"id": str(self.id)}


@dataclass(eq=False, slots=True)
class Listener:
    topic: Topic
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(BACKLOG))

    def offer(self, event: Event | None) -> None:
        """Hand over an event; None ends the stream."""
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(None)


class Live:
    """Tails the database while anybody looks at a page, once for all of them."""

    def __init__(self, view: View, pages: Pages, skins: Mapping[str, Skin], program: str) -> None:
        self._view = view
        self._pages = pages
        self._skins = skins
        self._program = program
        self._listeners: set[Listener] = set()
        self._somebody = asyncio.Event()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sent: dict[Topic, dict[str, str]] = {}
        self._fact = 0
        self._step = 0
        self._machine_due = 0.0

    async def run(self) -> None:
        """Tail until cancelled; sleeps for as long as nobody listens."""
        self._loop = asyncio.get_running_loop()
        while not self._stopped:
            if not self._listeners:
                self._somebody.clear()
                await self._somebody.wait()
                self._sent.clear()
                self._fact, self._step = await asyncio.to_thread(self._positions)
            for topic, event in await asyncio.to_thread(self._news, {each.topic for each in self._listeners}):
                for listener in self._listeners:
                    if listener.topic == topic:
                        listener.offer(event)
            await asyncio.sleep(TICK_SECONDS)

    def stop(self) -> None:
        """End every stream, so that the server can end; pages reconnect to the next one. Safe from any thread."""
        self._stopped = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._somebody.set()
        for listener in self._listeners:
            listener.offer(None)

    async def stream(self, topic: Topic, last_seen: int | None) -> AsyncIterator[Event]:
        """What an open page is sent: what it missed, the whole of now, then each change."""
        with self._listening(topic) as listener:
            newest, snapshot = await asyncio.to_thread(self._snapshot, topic, last_seen)
            for event in snapshot:
                yield event
            while not self._stopped and (event_or_end := await listener.queue.get()) is not None:
                if event_or_end.id is None or event_or_end.id > newest:
                    yield event_or_end

    @contextmanager
    def _listening(self, topic: Topic) -> Iterator[Listener]:
        listener = Listener(topic)
        self._listeners.add(listener)
        self._somebody.set()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    # -- what follows runs in worker threads, one at a time for the tail -------------------------------------
    def _positions(self) -> tuple[int, int]:
        return self._view.last_fact(), self._view.last_step()

    def _snapshot(self, topic: Topic, last_seen: int | None) -> tuple[int, list[Event]]:
        newest = self._view.last_fact()
        missed = self._view.facts(last_seen, REPLAY_FACTS) if last_seen is not None else []
        events = [self._fact_event(recorded, topic) for recorded in missed]
        events.append(Event("init", json.dumps({"program": self._program, "fact": newest, "page": topic.page}), newest))
        events += [Event(name, html) for name, html in self.cards(topic).items()]
        return newest, events + self._charts(topic)

    def _charts(self, topic: Topic) -> list[Event]:
        if topic.page == "home":
            return [Event("series", json.dumps({"rows": self._view.series()}))]
        return [Event("history", json.dumps(self._view.history()))] if topic.page == "guild" else []

    def _news(self, topics: set[Topic]) -> list[tuple[Topic, Event]]:
        facts = self._view.facts(self._fact, REPLAY_FACTS)
        news = [(topic, self._fact_event(recorded, topic)) for topic in topics for recorded in facts]
        if facts:
            self._fact = facts[-1].id
        self._sent = {topic: sent for topic, sent in self._sent.items() if topic in topics}
        rows_event = self._new_rows()
        if rows_event is not None:
            news += [(topic, rows_event) for topic in topics if topic.page == "home"]
        if any(recorded.kind == "examination_taken" for recorded in facts):
            news += [(topic, event) for topic in topics if topic.page == "guild" for event in self._charts(topic)]
        if facts or rows_event is not None or self._view.files_changed() or self._machine_is_due():
            news += [(topic, event) for topic in topics for event in self._changed_cards(topic)]
        return news

    def _new_rows(self) -> Event | None:
        """New metric rows; the whole series when training went back to an earlier step."""
        last = self._view.last_step()
        if last == self._step:
            return None
        went_back, since = last < self._step, self._step
        self._step = last
        if went_back:
            return Event("series", json.dumps({"rows": self._view.series()}))
        return Event("metrics", json.dumps({"rows": self._view.series(since_step=since + 1)}))

    def _machine_is_due(self) -> bool:
        now = time.monotonic()
        due = now >= self._machine_due
        if due:
            self._machine_due = now + MACHINE_SECONDS
        return due

    def _changed_cards(self, topic: Topic) -> list[Event]:
        sent = self._sent.setdefault(topic, {})
        changed = {name: html for name, html in self.cards(topic).items() if sent.get(name) != html}
        sent |= changed
        return [Event(name, html) for name, html in changed.items()]

    def cards(self, topic: Topic) -> dict[str, str]:
        """Each card of a page, as HTML by the name of its event."""
        skin = self._skins[topic.skin]
        try:
            values = self._view.values(topic.page, skin, topic.item)
        except RealmError:
            return {}  # what the page is about is gone, or never was: one page's matter, not the stream's
        cards = {name: self._pages.fragment(name, skin, values) for name in CARDS[topic.page]}
        if topic.page == "guild":
            for skill in values["skills"]:
                cards |= {f"{name}-{skill.id}": self._pages.fragment(name, skin, {"s": skill}) for name in SKILL_CARDS}
        return cards

    def _fact_event(self, recorded: Recorded, topic: Topic) -> Event:
        text = self._skins[topic.skin].sentence(recorded)
        body = {"id": recorded.id, "kind": recorded.kind, "time": recorded.time, "text": text}
        return Event("fact", json.dumps(body | {"tone": tone(recorded.kind)}, ensure_ascii=False), recorded.id)
