"""What a case is, and what can come of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from .desk import Desk

Verdict = Literal["agrees", "differs", "not established"]
Run = Callable[["Desk"], Awaitable["str | None"]]


class Differs(AssertionError):
    """The exchange does not do what the engine relies on; the text is what was seen."""


class NotEstablished(Exception):
    """It could not be found out here; the text says why."""


@frozen(kw_only=True)
class Case:
    """One thing that the engine relies on.

    `name` is the sentence, `fact` the sections of the fact sheet that state it, `needed_by` what in the engine breaks
    if it is not so. `run` returns what was seen where several things would be right; it raises `Differs` or
    `NotEstablished`.
    """

    name: str
    fact: str
    needed_by: str
    run: Run

    @property
    def sentence(self) -> str:
        return self.name.replace("_", " ")


@frozen(kw_only=True)
class Outcome:
    """What came of a case."""

    case: Case
    verdict: Verdict
    seen: str = ""


CASES: list[Case] = []
"""All cases, in the order of their modules."""


def case(fact: str, needed_by: str) -> Callable[[Run], Run]:
    """Make a function a case; its name is the sentence."""

    def registered(run: Run) -> Run:
        CASES.append(Case(name=run.__name__, fact=fact, needed_by=needed_by, run=run))
        return run

    return registered


def expect(holds: object, seen: object) -> None:
    """Raise Differs with what was seen, unless something holds."""
    if not holds:
        raise Differs(str(seen))


def expect_shape(problems: list[str]) -> None:
    """Raise Differs with the fields that are not as documented, if there are any."""
    if problems:
        raise Differs("; ".join(problems))
