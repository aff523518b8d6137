"""An answer as text while it is written: whole characters only, and nothing that may yet be a stop text. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LONE = "the text holds half of a character (a lone surrogate)"
BROKEN = "\N{REPLACEMENT CHARACTER}"


def writable(text: str) -> str:
    """The text, if it can be written at all: JSON may hold halves of characters. Raises ValueError."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(LONE) from error
    return text


class Reader:
    """Turns tokens into text piece by piece; all pieces together are the text of all tokens, up to a stop text."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._ids: list[int] = []
        self._shown, self._from = 0, 0
        self._held = ""
        self.stopped = False

    def add(self, token: int) -> str:
        """What may be shown after this token; empty while a character or a stop text may be half written."""
        self._ids.append(token)
        return self._release(self._new_text(), last=False)

    def end(self) -> str:
        """What was held back, when nothing more comes."""
        return "" if self.stopped else self._release(self._new_text(last=True), last=True)

    def _new_text(self, *, last: bool = False) -> str:
        """Text of the tokens since the last whole character.

        Some tokenizers decode a token by its neighbour, so the tokens before it are decoded with it.
        """
        before = self._decode(self._ids[self._from : self._shown])
        text = self._decode(self._ids[self._from :])
        if len(text) <= len(before) or (text.endswith(BROKEN) and not last):
            return ""
        self._from, self._shown = self._shown, len(self._ids)
        return text[len(before) :]

    def _release(self, new: str, *, last: bool) -> str:
        text = self._held + new
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        keep = 0 if last else max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


class Whole:
    """The same for an answer that nobody reads before its end: its tokens are decoded once."""

    stopped = False

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []

    def add(self, token: int) -> str:
        self._ids.append(token)
        return ""

    def end(self) -> str:
        return self._decode(self._ids)


def _overlap(text: str, stop: str) -> int:
    """Characters at the end of the text with which the stop text begins."""
    longest = min(len(stop) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
