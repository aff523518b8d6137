from __future__ import annotations

from realm.arena.control import next_request

from .arena_support import Notes


def test_a_pause_waits_for_what_comes_after_it() -> None:
    notes = Notes(wanted={0: ["pause", "pause", "stop"]})
    assert next_request(notes, 7) == "stop"
    assert notes.pauses == [("pause", 7), ("resume", 7)]


def test_nothing_asked_for() -> None:
    assert next_request(Notes(), 7) is None
