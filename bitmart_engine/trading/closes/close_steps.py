"""The steps of a close, and the answers to them; `close_plan` says what follows what."""

from __future__ import annotations

from attrs import frozen

from ...exchange.errors import ExchangeError

__all__ = [
    "Acted",
    "Again",
    "Answer",
    "AskAgain",
    "Asked",
    "AwaitClose",
    "AwaitEntry",
    "AwaitFired",
    "AwaitSettled",
    "AwaitStop",
    "CancelStops",
    "CountLeft",
    "Cover",
    "End",
    "Fail",
    "Failed",
    "FindClose",
    "FindFired",
    "Found",
    "LearnHeld",
    "LearnShared",
    "Left",
    "LostAnswer",
    "News",
    "NotTaken",
    "Pause",
    "ReadClose",
    "ReadFired",
    "ReadHeld",
    "ReadRefused",
    "Refusing",
    "Send",
    "SettleClose",
    "SettleFired",
    "Shared",
    "Step",
    "Stop",
    "TakeAway",
    "Taken",
    "WithdrawRest",
]

# Every step may be answered with `Failed`; without another answer it is answered with None.


@frozen
class FindClose:
    """Look for the closing order of whose end nothing is known. Answer: `Found`."""


@frozen
class AwaitStop:
    """Give the exchange's own stop, at the same price, a moment to say that it acts."""

    s: float


@frozen
class LearnHeld:
    """Try to read what is held, for no longer than the exchange's own stop is waited for."""

    s: float


@frozen
class SettleFired:
    """Settle how an order of the exchange's stop ended that is said to have ended with less than its size."""

    order_id: str


@frozen
class AwaitFired:
    """Wait for news of what the exchange closes. Answer: `News`."""

    s: float


@frozen
class ReadFired:
    """Read the orders that the exchange made of its stops, and that have not ended."""

    order_ids: tuple[str, ...]


@frozen
class LearnShared:
    """Learn whether others hold a part of the position. Answer: `Shared`."""


@frozen
class CancelStops:
    """Have the exchange not close what is about to be closed. Answer: `Acted`."""


@frozen
class ReadHeld:
    """Read what is held, as less is known to be than is covered."""


@frozen
class FindFired:
    """Look through the exchange's orders for what its stops have closed."""


@frozen
class AskAgain:
    """Wait, and read what is held. Answer: `Asked`."""

    s: float


@frozen
class Send:
    """Send a closing order. Answer: `Taken`, `LostAnswer` or `NotTaken`."""

    size: int
    held: int | None
    """What is held before, where that is known."""


@frozen
class ReadRefused:
    """Read what is held, as a close was refused for that."""

    none: bool
    """Whether the refusal says that there is no position."""


@frozen
class WithdrawRest:
    """Withdraw what has not filled of the entry order: there is no position for it to join."""


@frozen
class SettleClose:
    """Settle how the closing order ended that is said to have ended with less than its size."""


@frozen
class AwaitClose:
    """Wait for news of the closing order. Answer: `News`."""

    s: float


@frozen
class ReadClose:
    """Read the closing order."""


@frozen
class AwaitEntry:
    """Withdraw the entry order that may fill still, and wait for news of it."""

    s: float


@frozen
class Again:
    """Something is left: begin with another closing order."""


@frozen
class CountLeft:
    """Read how many contracts are left of a monitored position. Answer: `Left`."""


@frozen
class Cover:
    """Cover what is left, so that it is closed too."""

    size: int


@frozen
class Pause:
    s: float


@frozen
class TakeAway:
    """Cancel what the exchange still keeps for the protection."""


@frozen
class AwaitSettled:
    """Wait until it is known why it ended."""


@frozen
class Fail:
    """The close has failed for now: count it, learn what orders may be from it. Answer: `Refusing`."""

    failure: Exception
    tell: bool
    """Whether the application is told."""


@frozen
class End:
    """The position is gone, and the protection with it."""


@frozen
class Stop:
    """Nothing is being closed."""


Step = (
    FindClose
    | AwaitStop
    | LearnHeld
    | SettleFired
    | AwaitFired
    | ReadFired
    | LearnShared
    | CancelStops
    | ReadHeld
    | FindFired
    | AskAgain
    | Send
    | ReadRefused
    | WithdrawRest
    | SettleClose
    | AwaitClose
    | ReadClose
    | AwaitEntry
    | Again
    | CountLeft
    | Cover
    | Pause
    | TakeAway
    | AwaitSettled
    | Fail
    | End
    | Stop
)


@frozen
class Failed:
    """The exchange refused, was not reached, or its answer was lost."""

    failure: ExchangeError


@frozen
class Found:
    yes: bool


@frozen
class News:
    yes: bool


@frozen
class Shared:
    yes: bool


@frozen
class Acted:
    """Whether the exchange's own has acted, or is acting."""

    yes: bool


@frozen
class Asked:
    """Whether what was covered is gone, as other contracts are held by now; None: nothing is held still."""

    gone: bool | None


@frozen
class Taken:
    """The exchange has the closing order."""


@frozen
class LostAnswer:
    """The exchange may have the closing order."""

    failure: ExchangeError


@frozen
class NotTaken:
    """The exchange does not have the closing order."""

    failure: ExchangeError


@frozen
class Left:
    """How many contracts of the position no other protection covers."""

    contracts: int


@frozen
class Refusing:
    """The size that the exchange refuses, though its limits seem to allow it; None where it does not."""

    size: int | None


Answer = (
    Failed
    | Found
    | News
    | Shared
    | Acted
    | Asked
    | Taken
    | LostAnswer
    | NotTaken
    | Left
    | Refusing
    | None
)
