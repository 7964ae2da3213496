"""Common parts of commands: their options, where their text goes, and how they fail."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import click
from attrs import frozen

from .client import DEFAULT_URL, Answer, Code, Failed, Remote, checked_url, open_remote
from .tables import Screen, printable

__all__ = ["EXIT_CODES", "Session", "checked_id", "remote_command"]

EXIT_CODES = """\b
Exit codes:
  0  done
  1  refused by the engine; with place --wait also: the order ended unfilled
  2  not a possible command
  3  no engine answers there, or not any more
  4  not authorised: CTRL_TOKEN is missing or wrong
  5  the engine cannot do it now, or failed at it
  6  place --wait: not ended within the time given"""

Function = Callable[..., None]


@frozen
class Session:
    """One command: the engine it asks, and where it tells what came of it."""

    remote: Remote
    screen: Screen
    as_json: bool

    def tell(self, answer: Answer, lines: Callable[[], Iterable[str]]) -> None:
        """The answer as one JSON document, or `lines` for people."""
        if self.as_json:
            click.echo(_document(answer, self.screen), nl=False)
        else:
            self.say(lines())

    def tell_line(self, answer: Answer, line: str) -> None:
        """One of many answers: a JSON document on a line, or a line for people."""
        raw = json.dumps(answer.body).encode() if self.screen.terminal else answer.raw
        click.echo(raw.replace(b"\n", b" ") if self.as_json else line)

    def say(self, lines: Iterable[str]) -> None:
        """Lines for people, on stdout."""
        for line in lines:
            click.echo(line)

    def note(self, line: str) -> None:
        """A line beside the answer, on stderr."""
        _note(line)


def remote_command(*examples: str, name: str | None = None) -> Callable[[Function], click.Command]:
    """A command made of a function that takes a Session: with the common options, and its `examples` in the help."""
    shown = "\n".join(f"  bitmart-engine {each}" for each in examples)
    epilog = f"\b\nExamples:\n{shown}\n\n{EXIT_CODES}"

    def decorate(function: Function) -> click.Command:
        @wraps(function)
        def run(url: str, as_json: bool, timeout: float, **given: Any) -> None:
            token = os.environ.get("CTRL_TOKEN", "")
            screen = Screen.of(sys.stdout, time.time_ns() // 1_000_000)
            try:
                with open_remote(url, token, timeout) as remote:
                    function(Session(remote, screen, as_json), **given)
            except Failed as failure:
                if as_json and failure.answer is not None:
                    click.echo(_document(failure.answer, screen), nl=False)
                _note(failure.why)
                sys.exit(failure.code)
            except KeyboardInterrupt:
                sys.exit(Code.INTERRUPTED)

        command: Any = run
        for option in COMMON:
            command = option(command)
        made: click.Command = click.command(name, epilog=epilog)(command)
        return made

    return decorate


def _note(line: str) -> None:
    click.echo(f"bitmart-engine: {printable(line)}", err=True)


def _url(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        return checked_url(value or DEFAULT_URL)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter("must be a number")
    return value


COMMON = (
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=10.0,
        show_default=True,
        callback=_finite,
        metavar="SECONDS",
        help="How long the engine may take to answer.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="The engine's answer as one JSON document."
    ),
    click.option(
        "--url",
        envvar="BITMART_ENGINE_URL",
        default=DEFAULT_URL,
        callback=_url,
        show_default=True,
        show_envvar=True,
        help="Where the engine's control API is. Its token is taken from CTRL_TOKEN.",
    ),
)


def checked_id(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The id of an order or a position, if one was given: any text that is not blank."""
    if value is not None and not value.strip():
        raise click.BadParameter("an id is needed")
    try:
        (value or "").encode()
    except UnicodeEncodeError:
        raise click.BadParameter("is not text") from None
    return value


def _document(answer: Answer, screen: Screen) -> bytes:
    """As it came for a program; for a person in lines, and in ASCII, which no terminal minds."""
    if not screen.terminal:
        return answer.raw if answer.raw.endswith(b"\n") else answer.raw + b"\n"
    return json.dumps(answer.body, indent=2).encode() + b"\n"
