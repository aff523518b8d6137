"""The stream: a snapshot, then changes; nothing missed after a lost connection; one tail for all pages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from realm.events import LevelGained
from realm.tavern.live import BACKLOG, Event, Listener, Topic
from tests.tavern.conftest import Server
from tests.tavern.demo import Demo

GAINED = LevelGained(skill="bin", level=7, step=9, tokens=1)


class Stream:
    """Events of one open page."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.last_id: str | None = None

    def next(self) -> tuple[str, str]:
        name, data = "", []
        for line in self._lines:
            if not line:
                if name:
                    return name, "\n".join(data)
            elif line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data.append(line[6:])
            elif line.startswith("id: "):
                self.last_id = line[4:]
        raise AssertionError("the stream ended")

    def until(self, wanted: str, holds: Callable[[str], bool] = lambda _data: True) -> str:
        """The next event of that name of whose data this is true."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            name, data = self.next()
            if name == wanted and holds(data):
                return data
        raise AssertionError(f"no {wanted}")


@contextmanager
def listen(server: Server, page: str = "home", **headers: str) -> Iterator[Stream]:
    with (
        httpx.Client(timeout=15) as client,
        client.stream("GET", f"{server.url}/live", params={"page": page}, headers=headers) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def body(data: str) -> Any:
    return json.loads(data)


def test_a_page_is_sent_the_whole_of_now_first(server: Server, told: Demo) -> None:
    with listen(server) as stream:
        first, data = stream.next()
        assert first == "init" and body(data)["fact"] == told.events.last_id()
        assert stream.last_id == str(told.events.last_id())
        assert "popovertarget" in stream.until("hero")
        rows = body(stream.until("series"))["rows"]
        assert rows[-1][0] == told.step and all(low <= mean <= high for _, mean, low, high, _ in rows)


def test_new_steps_and_facts_arrive(server: Server, told: Demo) -> None:
    with listen(server) as stream, listen(server, "guild") as other:
        stream.until("series")
        other.until("history")
        told.train(12)
        rows = body(stream.until("metrics"))["rows"]
        assert rows[-1][0] == told.step
        told.events.append(GAINED)
        fact = body(stream.until("fact"))
        assert (fact["kind"], fact["tone"]) == ("level_gained", "good")
        assert stream.last_id == str(fact["id"])
        assert f'id="fact-{fact["id"]}"' in stream.until("log")
        assert body(other.until("fact"))["id"] == fact["id"]


def test_what_was_missed_is_sent_again_in_order_and_once(server: Server, told: Demo) -> None:
    seen = told.events.last_id()
    last = [told.events.append(GAINED) for _ in range(3)][-1]
    with listen(server, **{"Last-Event-ID": str(seen)}) as stream:
        ids = []
        while (event := stream.next())[0] == "fact":
            ids.append(body(event[1])["id"])
        assert ids == [seen + 1, seen + 2, last] and event[0] == "init"
        told.events.append(GAINED)
        assert body(stream.until("fact"))["id"] == last + 1


def test_the_stream_goes_on_after_the_server_was_started_again(server: Server, told: Demo) -> None:
    with listen(server) as stream:
        stream.until("series")
        seen = stream.last_id
    server.stop()
    missed = told.events.append(GAINED)
    server.start()
    with listen(server, **{"Last-Event-ID": seen or ""}) as stream:
        assert body(stream.until("fact"))["id"] == missed


def test_training_that_went_back_sends_the_whole_series(server: Server, told: Demo) -> None:
    from realm.watchtower.metrics import Metrics

    with listen(server) as stream:
        stream.until("series")
        told.step -= 40
        Metrics(told.db).truncate(told.key, told.step)
        rows = body(stream.until("series"))["rows"]
        assert rows[-1][0] == told.step


def test_a_moved_quest_changes_the_board(server: Server, told: Demo) -> None:
    with listen(server, "quests") as stream:
        stream.until("board")
        quest = told.quest("late-arrival.jsonl", 5)
        stream.until("board", lambda board: "late-arrival.jsonl" in board)
        told.queue.set_priority(quest, "high")
        stream.until("board", lambda board: "late-arrival.jsonl" in board.split('id="shelf-normal"')[0])


def test_stopping_the_server_ends_open_streams_soon(server: Server) -> None:
    with listen(server) as stream:
        stream.until("series")
        began = time.monotonic()
        server.end_streams()
        with pytest.raises(AssertionError, match="the stream ended"):
            while True:
                stream.next()
        assert time.monotonic() - began < 3
    server.stop()
    server.start()


def test_an_unknown_page_has_no_stream(server: Server) -> None:
    assert httpx.get(f"{server.url}/live", params={"page": "nope"}).status_code == 422


def test_a_page_that_is_too_slow_is_cut_off() -> None:
    async def scene() -> Event | None:
        listener = Listener(Topic("home", "realm"))
        for i in range(BACKLOG + 1):
            listener.offer(Event("fact", "{}", i))
        return await listener.queue.get()

    assert asyncio.run(scene()) is None


def test_events_carry_what_a_browser_needs() -> None:
    sent = Event("fact", "{}", 7).as_sse()
    assert sent["id"] == "7" and sent["event"] == "fact" and sent["retry"] > 0
    assert "id" not in Event("hero", "<p>").as_sse()
