"""What an entry order's journey to the exchange is made of: the steps, what is answered to them, and how it ends.

Plain values. `journey` says which step is next, `submission` performs it.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from ...exchange.errors import Meaning
from ...model.events import OrderUpdate
from ...model.instruments import Instrument

__all__ = [
    "Absent", "Accepted", "Announced", "Answer", "CallUnknown", "Contract", "Crossed", "Dead", "Done",
    "Found", "GivenBack", "IdTaken", "LookUp", "Lost", "MeasureClock", "NotSent", "Opened",
    "Outcome", "Persist", "ProveDead", "Read", "ReadContract", "ReadLeverage", "Refused", "Rejected",
    "SetLeverage", "Setting", "Settled", "Step", "Submit", "Wait", "WaitNews",
]  # fmt: skip

# Answers: what came of a step


@frozen
class Accepted:
    """It is done; of a submit, with the exchange's id of the order."""

    exchange_order_id: str = ""


@frozen
class Refused:
    """The exchange said no, and took nothing."""

    meaning: Meaning
    why: str
    may_be_crossing: bool = False
    """Whether it may say that a maker-only order would have matched at once."""
    unexplained: bool = False
    """Whether its code has no meaning that is known."""


@frozen
class Lost:
    """No good answer: it may have been taken; of a question, it was not answered."""

    why: str


@frozen
class NotSent:
    """Nothing left this machine."""

    why: str


@frozen
class Found:
    """The exchange has the order. What it says of it was taken in."""


@frozen
class Absent:
    """The exchange lists no such order now; `others` bear its client order id and are not ours."""

    others: tuple[OrderUpdate, ...] = ()


@frozen
class Dead:
    """The exchange takes no request that bears the submit's timestamp any more."""

    at_ms: int
    """When that was seen, by the engine's time."""


@frozen
class Contract:
    """The contract as it was known and as it is."""

    before: Instrument | None
    now: Instrument | None


@frozen
class Setting:
    """The leverage and the margin mode that are set; None where they could not be read."""

    now: tuple[Decimal, str] | None


Answer = Accepted | Refused | Lost | NotSent | Found | Absent | Dead | Contract | Setting


# Outcomes: how a journey ends


@frozen
class GivenBack:
    """The exchange has no order of ours: its zone is watched again, after `rest_s` seconds."""

    why: str
    rest_s: float = 0.0


@frozen
class Rejected:
    """The exchange does not want the order, and asking again would not help."""

    reason: str
    error: str


@frozen
class Crossed:
    """Refused, for it is maker-only and would have matched at once."""

    why: str


@frozen
class IdTaken:
    """The client order id is another order's: `by`, or one of the past."""

    by: OrderUpdate | None


@frozen
class Announced:
    """The exchange has the order; `placed` is told unless it was. `submit_only`: only the submit's answer is known."""

    submit_only: bool


@frozen
class Settled:
    """What was heard of the order decides: nothing is left to record. `refusal`: why it was refused all the same."""

    refusal: str = ""


Outcome = GivenBack | Rejected | Crossed | IdTaken | Announced | Settled


# Steps


@frozen
class Persist:
    """Have the intent on disk, before anything is sent."""


@frozen
class SetLeverage:
    """Have the symbol set to the leverage and the margin mode that the order asks for."""

    leverage: Decimal
    open_type: str


@frozen
class Submit:
    """Send the order."""


@frozen
class ReadContract:
    """Read the contract again: the order may have been refused for what it is no longer."""


@frozen
class ReadLeverage:
    """Read the leverage again: somebody may have changed it since it was set."""


@frozen
class Opened:
    """Record that the exchange took the order."""

    exchange_order_id: str


@frozen
class CallUnknown:
    """Record that nobody knows whether the exchange took the order. `in_use`: it refused the id as one it knows."""

    why: str
    in_use: bool = False


@frozen
class LookUp:
    """Look for the order among those that work, that ended, and in the trades.

    `conclusive`: if it is not listed, the exchange never had it, and never will.
    """

    conclusive: bool


@frozen
class ProveDead:
    """Ask whether the exchange would still take a submit that is signed with this timestamp."""

    signed_ms: int


@frozen
class MeasureClock:
    """Measure the exchange's clock: the time of what bears the order's id may be all that does not fit."""


@frozen
class Wait:
    seconds: float


@frozen
class WaitNews:
    """Wait until the exchange tells of the order, for `seconds` at most."""

    client_order_id: str
    seconds: float


@frozen
class Read:
    """Read the order by its id at the exchange, and take in what it says."""


@frozen
class Done:
    outcome: Outcome


Step = (
    Persist | SetLeverage | Submit | ReadContract | ReadLeverage | Opened | CallUnknown
    | LookUp | ProveDead | MeasureClock | Wait | WaitNews | Read | Done
)  # fmt: skip
