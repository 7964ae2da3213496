"""Whose fault is it: the exchange's refusal, the network's silence, or our own missing key.

The split matters more than the details. A `Refused` request changed nothing at the exchange. A request that was
`NotSent` provably never left. `OutcomeUnknown` is everything else: it may have been taken, and only a look at the
exchange can tell. It is no kind of refusal and cannot be caught as one.

The codes are data, in `MEANINGS`. Nothing here ever holds a key, a secret, a memo or a signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from ..causes import Cause

__all__ = [
    "MEANINGS",
    "CredentialsMissing",
    "CutShort",
    "ExchangeError",
    "Meaning",
    "NotSent",
    "OutcomeUnknown",
    "Refused",
]


class Meaning(Enum):
    """What a refusal is about: what a caller can act on."""

    FUNDS = "not enough balance"
    LEVERAGE = "leverage out of range, or not that of the open position"
    DUPLICATE_ID = "client order id already used: that order exists"
    NO_SUCH_ORDER = "no such order, or not visible yet"
    ORDER_DONE = "the order is not working any more"
    POSITION_GONE = "the position is closed, or smaller than the order: read it again"
    RATE = "too many requests"
    CLOCK = "timestamp not accepted"
    KEY = "key, permission, region or address not accepted"
    INSTRUMENT = "no such contract, or it is not trading"
    INVALID = "request malformed or out of range"
    MAINTENANCE = "exchange closed for maintenance"
    OTHER = "see the message"


def _table(rows: Mapping[Meaning, Iterable[int]]) -> Mapping[int, Meaning]:
    return {code: meaning for meaning, codes in rows.items() for code in codes}


MEANINGS: Mapping[int, Meaning] = _table(
    {
        Meaning.FUNDS: (40027, 42000),
        Meaning.LEVERAGE: (40029, 40030, 40040),
        Meaning.DUPLICATE_ID: (40050,),
        Meaning.NO_SUCH_ORDER: (40035, 40037),
        Meaning.ORDER_DONE: (40036,),
        Meaning.POSITION_GONE: (40018, 40020, 40021),
        Meaning.RATE: (429, 30013, 30017, 40013),
        Meaning.CLOCK: (30007, 30008, 40008, 40039),
        Meaning.KEY: (
            *(30001, 30002, 30003, 30004, 30005, 30010, 30011, 30012, 30019),
            *(40001, 40006, 40046, 40047),
        ),
        Meaning.INSTRUMENT: (40014, 40015, 40034),
        Meaning.INVALID: (
            *(30000, 30006, 30018, 30030, 30031),
            *(40005, 40007, 40009, 40010, 40011, 40017, 40022, 40023, 40024, 40025),
            *(40031, 40032, 40033, 40038, 40041, 40042, 40043, 40044, 40045, 40048, 40049),
        ),
        Meaning.MAINTENANCE: (25601, 30014, 30016),
        Meaning.OTHER: (40002, 40003, 40004, 40012, 40016, 40019, 40026, 40028, 40059),
    }
)
"""Every code that BitMart names, and what it is about. Source: fact sheet 6.2 and 6.3; 429 is the HTTP status."""

INVALID_PARAMETER = 40011
"""`Invalid parameter`: the code without a meaning of its own that a maker-only refusal may well come as."""


class ExchangeError(Exception):
    """A call to the exchange did not succeed. For a read that is all there is to know: the query failed."""


class Refused(ExchangeError):
    """The exchange said no, and took nothing."""

    def __init__(
        self, code: int, message: str, http_status: int, meaning: Meaning, path: str
    ) -> None:
        super().__init__(f"{path} refused: {code} {message} ({meaning.value})")
        self.code = code
        self.message = message
        self.http_status = http_status
        self.meaning = meaning
        self.path = path

    @property
    def may_be_crossing(self) -> bool:
        """Whether this may say that a maker-only order would have matched at once. Only to be asked for such orders.

        Which code BitMart uses for that is not established (fact sheet 5.4), so it may be any that nothing else
        is known to use.
        """
        return self.code == INVALID_PARAMETER or self.code not in MEANINGS


class OutcomeUnknown(ExchangeError):
    """The request may have been taken, and the answer does not say. Look before sending it again.

    `cause` says what failed on the network; it is None where that is not known, or it was the answer itself.
    """

    def __init__(self, why: str, path: str, cause: Cause | None = None) -> None:
        super().__init__(f"{path}: {why}")
        self.why = why
        self.path = path
        self.cause = cause


class CutShort(OutcomeUnknown):
    """A list was read that is as long as one answer holds, so there may be more. Ask for less, for one symbol say.

    What was read is `found`: it is there, and says nothing of what else is.
    """

    def __init__(self, why: str, path: str, found: Iterable[Any] = ()) -> None:
        super().__init__(why, path)
        self.found = tuple(found)


class NotSent(ExchangeError):
    """The request provably never left this machine; it may be sent again as it is.

    `cause` says what failed on the network; it is None where we did not want to send it, or could not build it.
    """

    def __init__(self, why: str, cause: Cause | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.cause = cause


class CredentialsMissing(ExchangeError):
    """A private call without credentials. `missing` names the variables to set."""

    def __init__(self, missing: Iterable[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(f"not set: {', '.join(self.missing)}")
