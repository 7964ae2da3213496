"""The steps by which the exchange's stops are taken away, and the answers to them; `cancel_plan` says what follows."""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from ...exchange.errors import ExchangeError
from ...exchange.rows import PlanOrder
from ...model.positions import Protection

__all__ = [
    "Answer",
    "AskPosition",
    "AskWhetherShared",
    "CancelPlan",
    "Cancelled",
    "CountLost",
    "Done",
    "Ending",
    "Failed",
    "FindFired",
    "GiveUp",
    "Held",
    "LeftBehind",
    "ListPlans",
    "Listed",
    "Looked",
    "Lost",
    "Shared",
    "Step",
    "TakenAway",
    "Vanished",
    "Wait",
]


@frozen
class ListPlans:
    """List the plan orders of the symbol. Answer: `Listed` or `Failed`."""


@frozen
class CancelPlan:
    """Cancel one plan order. Answer: `Cancelled`, `Vanished` or `Failed`."""

    plan_id: str


@frozen
class FindFired:
    """Look through the exchange's orders for what its stops close now, or have closed. Answer: `Looked`.

    What was found of which it is not sure whose it was is looked into first.
    """


@frozen
class CountLost:
    """Count what the position has lost without an order to show for it. Answer: `Lost`."""


@frozen
class AskPosition:
    """Ask whether all is held that should be. Answer: `Held`."""


@frozen
class AskWhetherShared:
    """Ask whether others hold a part of the position. Answer: `Shared`."""


@frozen
class Wait:
    """Wait, then begin the next round; sooner where there is news of what the exchange closes."""

    s: float
    for_news: bool = False


@frozen
class Done:
    """Before or after a close: the stops are no matter any more, or have `acted`, or are acting."""

    acted: bool = False
    none_kept: bool = False
    """Whether the exchange keeps nothing more of the protection."""
    lost: int = 0
    """Contracts that a stop is held to have closed, though no order shows that."""
    beside: str | None = None
    """Set where the close goes out beside a stop of which it is not known what became of it: why."""


@frozen
class TakenAway:
    """What the user did not want is not at the exchange any more."""

    levels: frozenset[Decimal]
    plan_ids: frozenset[str]


@frozen
class LeftBehind:
    """It could not be taken away for as long as was tried."""

    why: str


@frozen
class GiveUp:
    """Nothing could be learnt."""

    failure: ExchangeError


Ending = Done | TakenAway | LeftBehind | GiveUp
Step = (
    ListPlans
    | CancelPlan
    | FindFired
    | CountLost
    | AskPosition
    | AskWhetherShared
    | Wait
    | Done
    | TakenAway
    | LeftBehind
    | GiveUp
)


@frozen
class Listed:
    """All plan orders of the symbol, the ids known to be of other protections, and how many contracts were ours."""

    plans: tuple[PlanOrder, ...]
    others: frozenset[str] = frozenset()
    size: int = 0
    rivals: tuple[Protection, ...] = ()
    """The other protections that are kept at the exchange, none of whose plan orders are known."""


@frozen
class Cancelled:
    plan_id: str


@frozen
class Vanished:
    """It was not there to be cancelled: it may have acted."""

    plan_id: str


@frozen
class Failed:
    """A list, or a cancel, of which the outcome is not known or which was refused."""

    failure: ExchangeError


@frozen
class Looked:
    """How many orders of its stops are known of the protection by now, and what could not be looked through."""

    fired: int
    failures: tuple[ExchangeError, ...] = ()
    settling: bool = False
    """Whether it is being looked into whose stop an order of the side was made of."""


@frozen
class Lost:
    contracts: int


@frozen
class Held:
    whole: bool


@frozen
class Shared:
    yes: bool


Answer = Listed | Cancelled | Vanished | Failed | Looked | Lost | Held | Shared
