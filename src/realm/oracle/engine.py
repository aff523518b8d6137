"""One warm model that answers many requests at once: rows join and leave between two tokens. Knows no name and no HTTP.

A thread of its own reads prompts and writes answers; whoever asks is told piece by piece, in that thread unless `post`
says otherwise.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from realm.errors import Busy, RealmError, ServiceError, UsageError
from realm.heroes.generation import TINY, stop_ids
from realm.heroes.hero import LoadedHero
from realm.oracle.choosing import Choice, choose, logprobs
from realm.oracle.columns import Columns, bytes_per_token, prompt_cache, takes_company
from realm.oracle.request import Finish, Piece, Request
from realm.oracle.text import Reader, Whole

log = logging.getLogger(__name__)
PROMPT_TOKENS_AT_ONCE = 4096
"""Prompt tokens (with padding) read between two tokens of the others: a long prompt must not hold them up for long."""

Delivery = tuple[Request, Piece]
Post = Callable[[list[Delivery]], None]


def deliver_here(deliveries: list[Delivery]) -> None:
    """Tell each request its news at once, in the calling thread."""
    for request, piece in deliveries:
        request.deliver(piece)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an engine takes on."""

    rows: int = 32
    """Answers written at once."""
    queue: int = 64
    """Requests that may wait."""
    cache_bytes: int = 1024**3
    """Keys and values of all rows, at their limits."""
    context_tokens: int = 0
    """Longest prompt and answer together; 0: what the model was made for."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an engine has in hand."""

    rows: int
    waiting: int
    tokens: int
    """Written since it was opened."""


def on_best_device(hero: LoadedHero) -> LoadedHero:
    """The hero with its model on the GPU, where there is one."""
    if torch.cuda.is_available():
        hero.model.to("cuda")
    return hero


class _Row:
    """One answer being written."""

    def __init__(self, request: Request, index: int, decode: Callable[[Sequence[int]], str]) -> None:
        self.request, self.index = request, index
        self.choice = Choice(request.sampling, request.prompt_ids, index)
        self.reader = Reader(decode, request.stops) if request.stream or request.stops else Whole(decode)
        self.tokens = 0
        self.last = 0
        self.began = time.perf_counter()
        self.unsaid = Piece(index)

    def take(self, token: int, told: Any, stops: frozenset[int]) -> Piece | None:
        """Take the next token. Returns what there is to say, at the end with how it ended."""
        self.tokens, self.last = self.tokens + 1, token
        self.choice.took(token)
        ended = token in stops and not self.request.ignore_eos
        self.unsaid.text += "" if ended else self.reader.add(token)
        if told is not None and not ended:
            self.unsaid.logprobs.append(told)
        finish: Finish | None = "stop" if ended or self.reader.stopped else None
        if finish is None and self.tokens >= self.request.max_new_tokens:
            finish = "length"
        if finish:
            self.unsaid.text += self.reader.end()
        return self._say(finish)

    def _say(self, finish: Finish | None) -> Piece | None:
        if finish is None and not (self.request.stream and (self.unsaid.text or self.unsaid.logprobs)):
            return None
        said, self.unsaid = self.unsaid, Piece(self.index)
        said.finish, said.tokens = finish, self.tokens
        return said


class Engine:
    """Open it, submit requests from any thread, close it."""

    def __init__(
        self,
        hero: LoadedHero,
        limits: Limits | None = None,
        *,
        post: Post = deliver_here,
    ) -> None:
        self.hero, self.limits = hero, limits or Limits()
        self._model = hero.model.eval()
        self._stops = stop_ids(hero.model, hero.tokenizer)
        self._decode, self._one_token = _decoder(hero.tokenizer), _token_decoder(hero.tokenizer)
        self._post = post
        self._company = takes_company(hero.model)
        self._budget_tokens = max(1, self.limits.cache_bytes // bytes_per_token(hero.model))
        self._waiting: deque[Request] = deque()
        self._reading: list[Request] = []
        self._rows: list[_Row] = []
        self._columns = Columns(hero.model.config.get_text_config().num_hidden_layers)
        self._lonely: Any = None
        self._tokens = 0
        self._changed = threading.Condition()
        self._closing = False
        self._request_seconds = 1.0
        self._thread = threading.Thread(target=self._live, name=f"engine-{hero.name}", daemon=True)
        self._thread.start()

    # -- from any thread -------------------------------------------------------------------------------------
    @property
    def context_tokens(self) -> int:
        """Longest prompt and answer together."""
        made_for = int(getattr(self._model.config.get_text_config(), "max_position_embeddings", 0) or 2048)
        return min(self.limits.context_tokens or made_for, made_for, self._budget_tokens)

    @property
    def vocabulary(self) -> int:
        """Tokens that the model has logits for."""
        return int(self._model.config.get_text_config().vocab_size)

    def token_text(self, token: int) -> str:
        """A token as text; special ones by their names."""
        return self._one_token(token)

    def load(self) -> Load:
        return Load(len(self._rows), len(self._waiting), self._tokens)

    def submit(self, request: Request) -> None:
        """Take a request in. Raises UsageError for one that can never be answered, Busy when too many wait."""
        if not request.prompt_ids:
            raise UsageError("The prompt is empty.", hint="Send some text.", param="messages")
        if request.tokens_at_end > self.context_tokens:
            raise UsageError(
                f"The prompt's {len(request.prompt_ids)} tokens and {request.max_new_tokens} for the answer are more "
                f"than this model's context of {self.context_tokens}.",
                hint="Shorten the conversation, or ask for fewer tokens.",
                param="messages",
            )
        if not self._fits_ever(request):
            raise UsageError(
                f"{request.count} answers at once are more than this service writes.", hint="Ask for less.", param="n"
            )
        with self._changed:
            if self._closing:
                raise ServiceError("This model is being unloaded.", hint="Send the request again.")
            waiting = sum(not one.cancelled.is_set() for one in self._waiting)
            if waiting >= self.limits.queue:
                raise Busy(
                    f"{waiting} requests wait already.",
                    retry_after_seconds=self._wait_seconds(),
                    hint="Send it again after the time named in Retry-After.",
                )
            self._waiting.append(request)
            self._changed.notify()

    def close(self) -> None:
        """End at once; what was not answered is told so."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _wait_seconds(self) -> int:
        """When a place may be free: as many rounds of requests as wait, each as long as the last ones took."""
        rounds = 1 + len(self._waiting) // max(1, self.limits.rows)
        return min(60, max(1, math.ceil(rounds * self._request_seconds)))

    def _fits_ever(self, request: Request) -> bool:
        rows = self.limits.rows if self._company else 1
        return request.count <= rows and request.count * request.tokens_at_end <= self._budget_tokens

    # -- the engine's own thread -----------------------------------------------------------------------------
    def _live(self) -> None:
        if self._model.device.type == "cpu" and self._model.num_parameters() < TINY:
            torch.set_num_threads(1)  # of this thread: threads wait longer for each other than they compute
        while self._wait_for_work():
            self._work()
        left = [row.request for row in self._rows] + list(self._waiting)
        self._fail(left, ServiceError("This model was unloaded.", hint="Send the request again."))

    def _wait_for_work(self) -> bool:
        with self._changed:
            while not (self._closing or self._waiting or self._rows):
                self._changed.wait()
            return not self._closing

    @torch.inference_mode()
    def _work(self) -> None:
        """Let go who left, read new prompts, write one token of every answer."""
        try:
            self._drop_cancelled()
            news = [*self._read_prompts(), *(self._write() if self._rows else ())]
        except Exception as error:  # the request boundary: what breaks here breaks these requests, not the service
            log.exception("a step of %s failed", self.hero.name)
            broken = [row.request for row in self._rows] + self._reading
            self._forget_rows()
            self._fail(broken, error if isinstance(error, RealmError) else _broke(error))
            return
        if news:
            self._post(news)

    def _drop_cancelled(self) -> None:
        gone = [at for at, row in enumerate(self._rows) if row.request.cancelled.is_set()]
        if gone:
            self._leave(gone)
        with self._changed:
            if any(request.cancelled.is_set() for request in self._waiting):
                self._waiting = deque(r for r in self._waiting if not r.cancelled.is_set())

    def _read_prompts(self) -> list[Delivery]:
        """Admit what fits, read the prompts together, and write the first token of their answers."""
        admitted = self._reading = self._admitted()
        if not admitted:
            return []
        rows = [_Row(request, index, self._decode) for request in admitted for index in range(request.count)]
        self._rows += rows
        self._reading = []
        lengths = [len(request.prompt_ids) for request in admitted]
        cache = prompt_cache(self._model) if self._company else None
        logits, cache = self._read(admitted, max(lengths), cache)
        for at, (request, length) in enumerate(zip(admitted, lengths, strict=True)):
            if self._company:
                self._columns.join(cache, at, length, request.count)
        self._lonely = None if self._company else cache
        owner = torch.tensor([at for at, request in enumerate(admitted) for _ in range(request.count)])
        return self._take(logits[owner.to(logits.device)], rows, first=len(self._rows) - len(rows))

    def _read(self, admitted: Sequence[Request], longest: int, cache: Any) -> tuple[Any, Any]:
        """Logits (P, V) after each prompt, and the cache that was filled; prompts are padded on the left."""
        device = self._model.device
        padding = [longest - len(request.prompt_ids) for request in admitted]
        ids = [[0] * pad + list(r.prompt_ids) for pad, r in zip(padding, admitted, strict=True)]
        mask = torch.arange(longest, device=device) >= torch.tensor(padding, device=device)[:, None]  # (P, T)
        out = self._model(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1], out.past_key_values

    def _admitted(self) -> list[Request]:
        """The next requests that fit, first come first served; all of them are rows from now on."""
        admitted: list[Request] = []
        with self._changed:
            rows = len(self._rows)
            longest = max((row.request.tokens_at_end for row in self._rows), default=0)
            prompt = 0
            while self._waiting:
                request = self._waiting[0]
                longest, prompt = max(longest, request.tokens_at_end), max(prompt, len(request.prompt_ids))
                fits = rows + request.count <= (self.limits.rows if self._company else 1)
                fits = fits and (rows + request.count) * longest <= self._budget_tokens
                if not fits or (admitted and (len(admitted) + 1) * prompt > PROMPT_TOKENS_AT_ONCE):
                    break
                admitted.append(self._waiting.popleft())
                rows += request.count
        return admitted

    def _write(self) -> list[Delivery]:
        """One token more of every answer."""
        device = self._model.device
        if self._company:
            mask, positions = self._columns.next_inputs(device)
            extra = {"attention_mask": mask, "position_ids": positions, "past_key_values": self._columns.cache}
        else:
            extra = {"past_key_values": self._lonely}
        last = torch.tensor([[row.last] for row in self._rows], device=device)
        out = self._model(input_ids=last, use_cache=True, logits_to_keep=1, **extra)
        if self._company:
            self._columns.advance()
        return self._take(out.logits[:, -1], self._rows, first=0)

    def _take(self, logits: Any, rows: Sequence[_Row], *, first: int) -> list[Delivery]:
        """Give each row its token from logits (R, V); rows that ended leave. `first`: place of the first of them."""
        chosen = choose(logits, [row.choice for row in rows])
        wanted = any(row.request.sampling.top_logprobs is not None for row in rows)
        told = logprobs(logits, [row.choice for row in rows], chosen) if wanted else [None] * len(rows)
        news: list[Delivery] = []
        ended: list[int] = []
        for at, (row, token, logprob) in enumerate(zip(rows, chosen, told, strict=True)):
            if piece := row.take(token, logprob, self._stops):
                news.append((row.request, piece))
                if piece.finish:
                    ended.append(first + at)
                    self._request_seconds += 0.1 * (time.perf_counter() - row.began - self._request_seconds)
        self._tokens += len(rows)
        if ended:
            self._leave(ended)
        return news

    def _leave(self, gone: Sequence[int]) -> None:
        if self._company:
            self._rows = [self._rows[was] for was in self._columns.leave(gone)]
        else:
            self._rows, self._lonely = [], None

    def _forget_rows(self) -> None:
        self._rows, self._reading, self._lonely = [], [], None
        self._columns = Columns(len(self._columns.cache.layers))

    def _fail(self, requests: Sequence[Request], error: RealmError) -> None:
        told = {id(request): request for request in requests}
        self._post([(r, Piece(index, error=error)) for r in told.values() for index in range(r.count)])


def _broke(error: Exception) -> RealmError:
    return ServiceError(
        f"The model could not answer: {type(error).__name__}.", hint="The service's log holds the details."
    )


def _decoder(tokenizer: Any) -> Callable[[Sequence[int]], str]:
    """Text of tokens, by a tokenizer of this engine's own: one serves a single thread at a time."""
    own = copy.deepcopy(tokenizer)
    fast = getattr(own, "backend_tokenizer", None)
    if fast is None or getattr(own, "clean_up_tokenization_spaces", False):
        return lambda ids: str(own.decode(list(ids), skip_special_tokens=True))
    return lambda ids: str(fast.decode(list(ids), skip_special_tokens=True))


def _token_decoder(tokenizer: Any) -> Callable[[int], str]:
    own = copy.deepcopy(tokenizer)
    return lambda token: str(own.decode([token], skip_special_tokens=False))


def answers(engine: Engine, requests: Sequence[Request]) -> Iterator[list[Piece]]:
    """Ask and wait: the whole answers of each request, in order. For commands and tests; a service does not wait."""
    for request in requests:
        done = threading.Event()
        whole = {index: Piece(index) for index in range(request.count)}

        def collect(piece: Piece, whole: dict[int, Piece] = whole, done: threading.Event = done) -> None:
            whole[piece.index].add(piece)
            if all(answer.finish or answer.error for answer in whole.values()):
                done.set()

        request.deliver = collect
        engine.submit(request)
        done.wait()
        yield [whole[index] for index in sorted(whole)]
