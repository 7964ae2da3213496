"""Runs cases, one after the other, each in its bounded time, and leaves the account as it was: empty in the symbol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import httpx
import trio

from . import on_evidence, on_orders, on_positions, on_reading, on_streams
from .case import CASES, Case, Differs, NotEstablished, Outcome
from .desk import Desk, Rest
from .venue import Venue

__all__ = ["ALL", "find", "run_case", "run_cases"]

MODULES = (on_reading, on_streams, on_orders, on_positions, on_evidence)
NAMES = [module.__name__ for module in MODULES]
ALL = sorted(CASES, key=lambda one: NAMES.index(one.run.__module__))
CASE_S = 120.0
CLEANING_S = 60.0
UNREACHABLE = (httpx.HTTPError, OSError, ConnectionError, trio.BrokenResourceError)


def find(part: str) -> list[Case]:
    """The cases whose sentence has `part` in it."""
    return [one for one in ALL if part.lower() in one.sentence.lower()]


async def run_cases(venue: Venue, cases: Iterable[Case], run: str) -> AsyncIterator[Outcome]:
    """What comes of each case. `run` is a text of a few letters and digits, another one for every run.

    Raises NotEstablished before the first case if the account has something in the symbol, and after one if it cannot
    be emptied again: then nothing more is run.
    """
    venue.check()
    async with venue.http() as client:
        desk = Desk(venue, Rest(venue, client), run)
        await desk.check_empty()
        for one in cases:
            yield await run_case(desk, one)


async def run_case(desk: Desk, one: Case) -> Outcome:
    """What comes of one case; what it left is cancelled and closed (NotEstablished if that does not work)."""
    outcome = Outcome(case=one, verdict="not established", seen=f"not done in {CASE_S:g} s")
    try:
        with trio.move_on_after(CASE_S):
            outcome = await _outcome(desk, one)
    finally:
        with trio.move_on_after(CLEANING_S, shield=True) as cleaning:
            await desk.clean_up()
    if cleaning.cancelled_caught:
        raise NotEstablished(f"{desk.symbol} could not be emptied again in {CLEANING_S:g} s")
    return outcome


async def _outcome(desk: Desk, one: Case) -> Outcome:
    try:
        seen = await one.run(desk)
    except Exception as raised:
        return _judged(one, raised)
    return Outcome(case=one, verdict="agrees", seen=seen or "")


def _judged(one: Case, raised: BaseException) -> Outcome:
    """What an exception says of a case: how the exchange differs, why it cannot be known; anything else is a bug."""
    while isinstance(raised, BaseExceptionGroup) and len(raised.exceptions) == 1:
        raised = raised.exceptions[0]
    if isinstance(raised, Differs):
        return Outcome(case=one, verdict="differs", seen=str(raised))
    if isinstance(raised, NotEstablished):
        return Outcome(case=one, verdict="not established", seen=str(raised))
    if isinstance(raised, UNREACHABLE):
        return Outcome(
            case=one, verdict="not established", seen=f"{type(raised).__name__} {raised}"
        )
    if isinstance(raised, KeyError | ValueError | TypeError | LookupError | ArithmeticError):
        return Outcome(case=one, verdict="differs", seen=f"unreadable: {raised!r}")
    raise raised
