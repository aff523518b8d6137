"""`realm chat`: talk to one model or to two side by side, try them on problems, and send opinions to training."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from realm.cli.asked_models import Answer, Message, Models, open_models
from realm.cli.context import open_realm, print_json
from realm.errors import RealmError, UsageError
from realm.guild.ledger import GuildLedger
from realm.oracle.feedback import Opinion, Said
from realm.tavern.chat_desk import ChatDesk

HELP = """\
/trial [SKILL [LEVEL]]   put a skill's problem to the model; its grader says whether the answer is right
/up  /down               the last answer was good, or bad
/prefer WORDS            these words would have been better (a preference)
/teach WORDS             these words are what to learn (an example)
/send                    send these opinions to the inbox, as quests
/new                     begin anew
/quit                    end (opinions that were not sent are sent)"""


@dataclass
class Talk:
    """One model and the conversation with it."""

    model: str
    messages: list[Message] = field(default_factory=list)
    last: Answer | None = None
    last_asked: list[Message] = field(default_factory=list)


def chat(
    model: Annotated[
        str,
        typer.Argument(metavar="[MODEL]", help="hero, hero:champion, hero:campaign@step (default: who is in play)."),
    ] = "",
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="Ask this once, print the answer, and end.")] = "",
    against: Annotated[str, typer.Option(metavar="MODEL", help="Ask a second model the same.")] = "",
    system: Annotated[str, typer.Option(help="What the conversation begins with.")] = "",
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0: always the likeliest token.")] = 0.0,
    tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 256,
    seed: Annotated[int, typer.Option(help="Names the draws, with a temperature above 0.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="With -p: print JSON.")] = False,
) -> None:
    """Talk to a model of this realm. It is served by the running realm, or for as long as this command runs."""
    if as_json and not prompt:
        raise UsageError("--json is for one question.", hint="Ask it: realm chat -p 'one plus one?' --json")
    with open_realm() as realm, open_models(realm) as models:
        names = [model or realm.settings.campaign.hero, *([against] if against else [])]
        how = {"temperature": temperature, "max_tokens": tokens, "seed": seed}
        guild = GuildLedger(realm.db, realm.events, realm.settings.curriculum)
        desk = ChatDesk(realm.workspace, realm.settings, lambda: guild.levels(realm.key))
        room = Room(models, desk, names, system, how)
        if prompt:
            room.once(prompt, as_json=as_json)
        else:
            room.converse(_lines())


def _lines() -> Callable[[], str | None]:
    """What a person types, line by line; None at its end."""
    asking = "you> " if sys.stdin.isatty() else ""

    def read() -> str | None:
        try:
            return input(asking)
        except (EOFError, KeyboardInterrupt):
            return None

    return read


class Room:
    """The conversations of one command, and what the person thought of their answers."""

    def __init__(self, models: Models, desk: ChatDesk, names: Sequence[str], system: str, how: dict[str, Any]) -> None:
        self._models, self._desk, self._system, self._how = models, desk, system, how
        self._talks = [Talk(name) for name in names]
        self._opinions: list[Opinion] = []
        self._again()

    def once(self, prompt: str, *, as_json: bool) -> None:
        """One question, one answer of each model."""
        question = {"role": "user", "content": prompt}
        answers = []
        for talk in self._talks:
            if len(self._talks) > 1 and not as_json:
                typer.echo(f"{talk.model}:")
            show = (lambda _: None) if as_json else _show
            answers.append(self._models.answer(talk.model, [*talk.messages, question], show, **self._how))
            if not as_json:
                typer.echo()
        if as_json:
            print_json({"prompt": prompt, "answers": [answer.as_json() for answer in answers]})

    def converse(self, read: Callable[[], str | None]) -> None:
        """Until /quit or the end of what is typed. A mistake is said and the talk goes on."""
        typer.echo(f"Talking to {' and '.join(talk.model for talk in self._talks)}. /help says what else there is.")
        while (line := read()) is not None:
            words = line.strip()
            if words in {"/quit", "/exit"}:
                break
            try:
                self._do(words)
            except RealmError as error:
                typer.echo(f"{error.message} {error.hint}".strip())
        if self._opinions:
            self._send()

    def _do(self, words: str) -> None:
        command, _, rest = words.partition(" ")
        acts: dict[str, Callable[[str], None]] = {
            "/help": lambda _: typer.echo(HELP),
            "/new": lambda _: self._again(),
            "/send": lambda _: self._send(),
            "/trial": self._trial,
            "/up": lambda _: self._think("up"),
            "/down": lambda _: self._think("down"),
            "/prefer": lambda better: self._think("prefer", better),
            "/teach": lambda better: self._think("teach", better),
        }
        if command in acts:
            acts[command](rest.strip())
        elif command.startswith("/"):
            raise UsageError(f"There is no {command} here.", hint="See what there is: /help")
        elif words:
            for talk in self._talks:
                talk.messages.append({"role": "user", "content": words})
                self._answer(talk, talk.messages, **self._how)

    def _answer(self, talk: Talk, messages: list[Message], **how: Any) -> Answer:
        asked = list(messages)
        typer.echo(f"{talk.model}> ", nl=False)
        try:
            talk.last = self._models.answer(talk.model, asked, _show, **how)
        except RealmError:
            messages.pop()
            typer.echo()
            raise
        typer.echo()
        talk.last_asked = asked
        messages.append({"role": "assistant", "content": talk.last.text})
        return talk.last

    def _trial(self, words: str) -> None:
        skill, _, level = words.partition(" ")
        if level and not level.strip().isdecimal():
            raise UsageError(f"'{level}' is no level.", hint="Write a number: /trial bin 3")
        known = self._desk.skills()
        trial = self._desk.trial(
            self._talks[0].model, skill or known[0], int(level) if level else None, secrets.token_hex(6)
        )
        typer.echo(f"{trial.skill.upper()} level {trial.level}: {trial.messages[-1]['content']}")
        for talk in self._talks:
            answer = self._answer(talk, list(trial.messages), **{**self._how, "temperature": 0})
            score, right = self._desk.grade(talk.model, trial, answer.text)
            typer.echo("  Right." if score.correct else f"  Wrong: {score.reason}. Right would be: {right}")

    def _think(self, verdict: str, better: str = "") -> None:
        if verdict in {"prefer", "teach"} and not better:
            raise UsageError("Which words?", hint=f"Write them behind it: /{verdict} WORDS")
        thought = [talk for talk in self._talks if talk.last is not None]
        if not thought:
            raise UsageError("There is no answer yet.", hint="Say something first.")
        for talk in thought:
            assert talk.last is not None
            messages = [Said(role=m["role"], content=str(m["content"])) for m in talk.last_asked]
            try:
                opinion = Opinion.model_validate(
                    {
                        "model": talk.last.model, "messages": messages, "answer": talk.last.text, "verdict": verdict,
                        "better": better,
                    }
                )  # fmt: skip
            except ValueError as error:
                raise UsageError("These are the same words.", hint="Write better ones.") from error
            self._opinions.append(opinion)
        typer.echo(f"Noted; {len(self._opinions)} wait. Send them: /send")

    def _send(self) -> None:
        made = self._desk.send(self._opinions)
        self._opinions = []
        typer.echo(f"Sent to the inbox: {', '.join(made)}.")

    def _again(self) -> None:
        for talk in self._talks:
            talk.messages = [{"role": "system", "content": self._system}] if self._system else []
            talk.last = None


def _show(piece: str) -> None:
    typer.echo(piece, nl=False)
