"""Tokens a second of the Oracle under many clients against `generate` one prompt after the other, one run.

python benchmarks/oracle_load.py [--clients 32] [--tokens 64] [--rounds 2]

The hatchling is untrained and writes to its token limit, so that both sides write the same number of tokens. The
service, its clients and `generate` each have a process of their own; clients stream. Sides take turns: A B A B.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvicorn

from realm.config.schema import OracleSettings, ServiceSettings
from realm.heroes.hero import LoadedHero, load
from realm.oracle import sharing
from realm.oracle.api import create
from realm.oracle.catalogue import Card, Model

START_SECONDS = 60.0
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


class OneHero:
    """A catalogue of the hatchling alone."""

    def find(self, name: str) -> Model:
        return Model(name, lambda: load("hatchling"))

    def cards(self) -> Sequence[Card]:
        return [Card("hatchling", "hatchling")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--requests", type=int, default=6, help="Of each client, in each round.")
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    together, alone, waits = [], [], []
    with service() as port:
        load_once(port, clients=2, requests=1, tokens=4)
        for _ in range(chosen.rounds):
            alone.append(in_a_process(one_by_one, chosen.tokens))
            speed, first = load_once(port, chosen.clients, chosen.requests, chosen.tokens)
            together.append(speed)
            waits += first
            print(f"one by one {alone[-1]:,.0f} tokens/s; {chosen.clients} clients {speed:,.0f} tokens/s")
    p95 = quantiles(waits, n=20)[-1]
    print(f"time to first token: median {1000 * median(waits):.0f} ms, p95 {1000 * p95:.0f} ms")
    print(f"ratio {sum(together) / sum(alone):.1f}")


@contextmanager
def service(rule: sharing.Rule = "chat_first", logs: Path | None = None) -> Iterator[int]:
    """The service in a process of its own; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, rule, logs), daemon=True)
    process.start()
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.join(10)


def serve(port: int, rule: sharing.Rule, logs: Path | None) -> None:
    sharing.take_place(rule)
    on_load = sharing.Word(logs, rule).say if logs else lambda _: None
    app = create(OneHero(), OracleSettings(queue=1000), ServiceSettings(), on_load=on_load)
    uvicorn.run(app, port=port, log_level="error", ws="none")


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"The service did not start within {START_SECONDS:.0f} s.")


def load_once(port: int, clients: int, requests: int, tokens: int) -> tuple[float, list[float]]:
    """Tokens a second of all clients together, and the seconds to each request's first token."""
    return in_a_process(clients_at_once, port, clients, requests, tokens)


def in_a_process(function: Any, *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def clients_at_once(port: int, clients: int, requests: int, tokens: int) -> tuple[float, list[float]]:
    async def all_of_them() -> list[tuple[int, float]]:
        people = [client(port, number, requests, tokens) for number in range(clients)]
        return [told for person in await asyncio.gather(*people) for told in person]

    began = time.perf_counter()
    told = asyncio.run(all_of_them())
    seconds = time.perf_counter() - began
    return sum(written for written, _ in told) / seconds, [first for _, first in told]


async def client(port: int, number: int, requests: int, tokens: int) -> list[tuple[int, float]]:
    """One after the other; tokens written, and seconds to the first, of each."""
    return [await ask(port, prompt(number, turn), tokens) for turn in range(requests)]


def prompt(number: int, turn: int) -> str:
    return " ".join(WORDS[(number + i) % len(WORDS)] for i in range(5 + (number + turn) % 10))


async def ask(port: int, words: str, tokens: int) -> tuple[int, float]:
    """Plain sockets: the client must not be what is measured."""
    body = json.dumps(
        {
            "model": "hatchling", "messages": [{"role": "user", "content": words}], "temperature": 0, "stream": True,
            "max_tokens": tokens, "ignore_eos": True, "stream_options": {"include_usage": True},
        }
    ).encode()  # fmt: skip
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began, first, written = time.perf_counter(), 0.0, 0
    writer.write(f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    async for line in reader:
        if not first and b'"delta"' in line and b'"role"' not in line:
            first = time.perf_counter() - began
        if b'"usage"' in line:
            written = json.loads(line.removeprefix(b"data: "))["usage"]["completion_tokens"]
    writer.close()
    assert written == tokens, "an answer is not whole"
    return written, first


def one_by_one(tokens: int, prompts: int = 12) -> float:
    """Tokens a second of transformers' own `generate`, greedy."""
    import torch

    from realm.heroes.chat import render_prompt

    hero: LoadedHero = load("hatchling")
    asked = [torch.tensor([render_prompt(hero.tokenizer, prompt(i, 0))]) for i in range(prompts)]
    how = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
    hero.model.generate(asked[0], **how)
    began = time.perf_counter()
    for ids in asked:
        hero.model.generate(ids, attention_mask=torch.ones_like(ids), **how)
    return prompts * tokens / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
