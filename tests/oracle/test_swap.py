"""The champion changes fifty times while sixteen clients ask without a pause: nothing fails, nothing is mixed."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest

from tests.oracle.oracle_support import Shelf, expected, served, service

CLIENTS, SWAPS, TOKENS = 16, 50, 12
MODELS = ("weights-x", "weights-y", "weights-z")


@pytest.mark.slow
def test_hot_swap_under_load(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = Shelf({"hero:champion": MODELS[0]})
    asked = {i: [{"role": "user", "content": f"question {i}"}] for i in range(CLIENTS)}
    right = {(m, i): expected(catalogue.load(m), asked[i], TOKENS, eos=False) for m in MODELS for i in asked}
    assert len({right[m, 0] for m in MODELS}) == len(MODELS), "they are told apart by their answers"
    done, stop = [0] * CLIENTS, threading.Event()
    wrong: list[Any] = []
    seen: set[str] = set()

    def client(i: int, url: str) -> None:
        body = {"model": "hero:champion", "messages": asked[i], "temperature": 0, "max_tokens": TOKENS,
                "ignore_eos": True, "stream": i % 2 == 0}  # fmt: skip
        with httpx.Client(trust_env=False, timeout=60) as http:
            while not stop.is_set():
                answer = http.post(f"{url}/v1/chat/completions", json=body)
                model, said = read(answer)
                seen.add(model)
                done[i] += 1
                if answer.status_code != 200 or said != right.get((model, i)):
                    wrong.append((answer.status_code, model, said))

    with served(service(catalogue)) as url:
        people = [threading.Thread(target=client, args=(i, url)) for i in range(CLIENTS)]
        for person in people:
            person.start()
        with httpx.Client(trust_env=False, timeout=60) as http:
            for swap in range(1, SWAPS + 1):
                catalogue.names["hero:champion"] = MODELS[swap % len(MODELS)]
                deadline = time.monotonic() + 30
                while (loaded := http.get(f"{url}/models").json())["swaps"] < swap:
                    assert time.monotonic() < deadline, (swap, loaded, wrong)
                    time.sleep(0.05)
        stop.set()
        for person in people:
            person.join(60)
        left = httpx.get(f"{url}/models", trust_env=False).json()
    with capsys.disabled():
        print(f"\n  {sum(done)} answers over {SWAPS} swaps, {len(wrong)} failed or mixed", end="")
    assert not wrong and min(done) > 0 and seen == set(MODELS)
    assert [model["id"] for model in left["models"]] == [MODELS[SWAPS % len(MODELS)]]


def read(answer: httpx.Response) -> tuple[str, str]:
    """Which weights answered, and what."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        body = answer.json()
        return body["model"], body["choices"][0]["message"]["content"]
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    pieces = [json.loads(line) for line in lines[:-1]]
    assert len({piece["model"] for piece in pieces}) == 1
    return pieces[0]["model"], "".join(p["choices"][0]["delta"].get("content", "") for p in pieces)
