"""How many contracts one closing order may have: the exchange's limits, and what it refuses in spite of them."""

from __future__ import annotations

from contextlib import suppress

import trio
from attrs import frozen

from ...exchange.budget import Urgency
from ...exchange.errors import Meaning, Refused
from ...model.errors import CallerError
from ...model.positions import Protection
from ..market.instruments import Instruments

__all__ = ["Most", "largest", "learn_limits"]

LIMITS_WITHIN_S = 2.0
"""How long a close waits to learn what size an order may have."""
OUT_OF_RANGE = (40043, 40044)
"""What a close may be refused with for its size."""


@frozen
class Most:
    """How many contracts one closing order may have, where the exchange refuses what its limits seem to allow."""

    size: int | None = None

    def of(self, size: int) -> int:
        return size if self.size is None else min(size, self.size)

    def refused(self, size: int) -> Most:
        """An order of `size` was refused for its size: the next is smaller."""
        return Most(max(1, size // 2))

    def taken(self) -> Most:
        """An order was taken: what is left may go out in larger ones, if that was not it."""
        return self if self.size is None else Most(self.size * 2)


async def learn_limits(
    protection: Protection, instruments: Instruments, failure: Exception
) -> int | None:
    """A close may fail for being larger than an order may be: that is unknown after a restart, and it may change.

    Returns the size that was refused where the limits do not say why.
    """
    symbol, refused = protection.symbol, protection.close
    out_of_range = isinstance(failure, Refused) and failure.code in OUT_OF_RANGE
    with suppress(CallerError), trio.move_on_after(LIMITS_WITHIN_S):
        if out_of_range or (isinstance(failure, Refused) and failure.meaning is Meaning.INVALID):
            await instruments.refresh(symbol, Urgency.CLOSE)
        elif instruments.known(symbol) is None:
            await instruments.get(symbol)
    if out_of_range and refused is not None:
        instrument = instruments.known(symbol)
        if instrument is None or refused.size <= instrument.market_max_size:
            return refused.size
    return None


def largest(protection: Protection, instruments: Instruments) -> int | None:
    """Contracts that one market order may have; None where that is not known."""
    instrument = instruments.known(protection.symbol)
    return None if instrument is None else max(instrument.market_max_size, 1)
