"""Tiny models to be served, a catalogue of them, and the service behind a real port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import torch
import uvicorn
from fastapi import FastAPI

from realm.config.schema import OracleSettings, ServiceSettings
from realm.heroes.chat import render_prompt
from realm.heroes.generation import answer_ids, stop_ids
from realm.heroes.hero import LoadedHero
from realm.oracle.api import create
from realm.oracle.catalogue import Card, Model, unknown_model
from tests.arena.arena_support import small_hero

TOOLS_TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}\n{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}"
    "{% endfor %}<assistant>"
)


def talkative(hero: LoadedHero) -> LoadedHero:
    """The same hero, made to answer in plain tokens and never to end by itself: it is untrained."""
    with torch.no_grad():  # its head has the same weights
        hero.model.get_input_embeddings().weight[list(hero.tokenizer.added_tokens_decoder)] = 0
    return hero


@dataclass
class Shelf:
    """A catalogue by hand: names that a test points at models, and how often each was loaded."""

    names: dict[str, str] = field(default_factory=dict)
    heroes: dict[str, LoadedHero] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    load_seconds: float = 0.0
    broken: set[str] = field(default_factory=set)

    def find(self, name: str) -> Model:
        if (model := self.names.get(name)) is None:
            raise unknown_model(name)
        return Model(model, lambda: self.load(model), self.sizes.get(model, 0))

    def cards(self) -> Sequence[Card]:
        return [Card(name, model) for name, model in self.names.items()]

    def load(self, model: str) -> LoadedHero:
        time.sleep(self.load_seconds)
        if model in self.broken:
            raise unknown_model(model, "its folder is gone.")
        self.loads.append(model)
        return self.heroes.setdefault(model, talkative(small_hero(model)))


def shelf(*names: str) -> Shelf:
    """Each name is a model of its own, told apart by its answers."""
    return Shelf({name: f"weights-{name}" for name in names})


class Open(Shelf):
    """Knows every name; all are one model."""

    def find(self, name: str) -> Model:
        return Model("any", lambda: self.load("any"))


def expected(hero: LoadedHero, prompt: str | Sequence[Mapping[str, Any]], tokens: int, *, eos: bool = True) -> str:
    """The greedy answer as examinations make it: one prompt alone, no batch."""
    stops = stop_ids(hero.model, hero.tokenizer) if eos else frozenset()
    asked = [render_prompt(hero.tokenizer, prompt)]
    ids = answer_ids(hero.model, asked, stop_ids=stops, max_new_tokens=tokens, batch_size=1)[0]
    return str(hero.tokenizer.decode(ids, skip_special_tokens=True))


def service(catalogue: Shelf, **settings: Any) -> FastAPI:
    return create(catalogue, OracleSettings(**settings), ServiceSettings())


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The service on a port of this machine; yields its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(400):
            if server.started:
                break
            time.sleep(0.02)
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        yield url
    finally:
        app.state.end_streams()
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
