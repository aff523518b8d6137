"""Answers from an OpenAI-compatible endpoint. Knows no training and no file; the API key is sent and never told.

Its text alone is used: such endpoints give the probabilities of a few likely tokens at best, and none of a text that
somebody else wrote.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from realm.errors import TrainingError

TRIES = 3
WAIT_SECONDS = 1.0
"""Before the second try; doubled before the third."""
AT_ONCE = 4
"""Requests under way together."""
_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Endpoint:
    """A model behind an address such as `http://127.0.0.1:8000/v1`."""

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        key_variable: str = "",
        timeout_seconds: float = 60.0,
        max_new_tokens: int = 256,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Asks for the model's name where none is given. Raises TrainingError when that does not work out."""
        self.url = url.rstrip("/")
        self._key_variable, self._timeout, self._wait = key_variable, timeout_seconds, wait_seconds
        self._max_new_tokens = max_new_tokens
        self._key = _key(key_variable)
        self.model = model or self._only_model()

    @property
    def name(self) -> str:
        return f"{self.url}#{self.model}"

    def answer(self, prompts: Sequence[str | Sequence[dict[str, Any]]]) -> list[str]:
        """One answer to each prompt, in their order; as greedy as the endpoint can be. Raises TrainingError."""
        with self._client() as client, ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(lambda prompt: self._answer(client, prompt), prompts))

    def _answer(self, client: httpx.Client, prompt: str | Sequence[dict[str, Any]]) -> str:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        asked = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": self._max_new_tokens}
        said = self._ask(client, "POST", "/chat/completions", asked)
        try:
            content = said["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise self._strange("its answer has no choices[0].message.content") from error
        return content if isinstance(content, str) else ""

    def _only_model(self) -> str:
        with self._client() as client:
            said = self._ask(client, "GET", "/models", None)
        try:
            names = [str(model["id"]) for model in said["data"]]
        except (KeyError, TypeError) as error:
            raise self._strange("its list of models has no data[].id") from error
        if len(names) == 1:
            return names[0]
        raise TrainingError(
            f"The teacher at {self.url} serves {len(names)} models: {', '.join(names[:8])}.",
            hint=f'Name one in the setting: teacher = "{self.url}#MODEL"',
        )

    def _ask(self, client: httpx.Client, how: str, path: str, body: Any) -> Any:
        """The JSON of a reply; what may pass is tried again after a while."""
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                response = client.request(how, self.url + path, json=body)
            except httpx.TransportError as error:
                if last:
                    raise self._silent(error) from error
            else:
                if response.is_success:
                    return self._json(response)
                if last or response.status_code not in _TRY_AGAIN:
                    raise self._refused(response)
            time.sleep(self._wait * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise self._strange("its answer is no JSON") from error

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.Client(headers=headers, timeout=self._timeout)

    def _silent(self, error: httpx.TransportError) -> TrainingError:
        if isinstance(error, httpx.TimeoutException):
            why = f"did not answer within {self._timeout:g} seconds"
            fix = "Raise training.teacher_timeout_seconds, or ask a faster one."
        else:
            why = f"cannot be reached ({type(error).__name__})"
            fix = "Start it, or mend its address in training.teacher."
        return TrainingError(f"The teacher at {self.url} {why}, in {TRIES} tries.", hint=f"{fix} The quest waits.")

    def _refused(self, response: httpx.Response) -> TrainingError:
        if response.status_code in (401, 403):
            where = f"the variable {self._key_variable}" if self._key_variable else "no variable (teacher_key_variable)"
            return TrainingError(
                f"The teacher at {self.url} refuses the API key ({response.status_code}); the key came from {where}.",
                hint="Set training.teacher_key_variable to the name of the environment variable that holds the key.",
            )
        if response.status_code == 404:
            model = getattr(self, "model", "")
            return TrainingError(
                f"The teacher at {self.url} knows no such address or model (404){f': {model}' if model else ''}.",
                hint="The address ends in /v1 for most servers; the model's name stands after a #.",
            )
        return TrainingError(
            f"The teacher at {self.url} answered with status {response.status_code}.",
            hint="Look into that server's log; the quest can be tried again: realm quest retry",
        )

    def _strange(self, why: str) -> TrainingError:
        return TrainingError(
            f"The teacher at {self.url} speaks no OpenAI-compatible language: {why}.", hint="Is that its address?"
        )


def _key(variable: str) -> str:
    """The API key out of the environment; empty where no variable is named."""
    if variable and not os.environ.get(variable):
        raise TrainingError(
            f"The environment variable {variable}, which is to hold the teacher's API key, is not set.",
            hint=f"Set it where the realm is started: export {variable}=...",
        )
    return os.environ[variable] if variable else ""
