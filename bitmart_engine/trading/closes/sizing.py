"""How many contracts one closing order may have: the exchange's limits, and what it refuses in spite of them."""

from __future__ import annotations

from contextlib import suppress

import trio
from attrs import define

from ...exchange.budget import Urgency
from ...exchange.errors import Meaning, Refused
from ...model.errors import CallerError
from ...model.positions import Protection
from ..desk import Desk

__all__ = ["Most", "in_one_order", "learn_limits"]

LIMITS_WITHIN_S = 2.0
"""How long a close waits to learn what size an order may have."""
OUT_OF_RANGE = (40043, 40044)
"""What a close may be refused with for its size."""


@define
class Most:
    """How many contracts one closing order may have, where the exchange refuses what its limits seem to allow."""

    size: int | None = None

    def of(self, size: int) -> int:
        return size if self.size is None else min(size, self.size)

    def refused(self, size: int) -> None:
        """An order of `size` was refused for its size: the next is smaller."""
        self.size = max(1, size // 2)

    def taken(self) -> None:
        """An order was taken: what is left may go out in larger ones, if that was not it."""
        self.size = None if self.size is None else self.size * 2


async def learn_limits(id: str, desk: Desk, failure: Exception, most: Most) -> None:
    """A close may fail for being larger than an order may be: that is unknown after a restart, and it may change."""
    protection = desk.state.protections[id]
    symbol, refused = protection.symbol, protection.close
    out_of_range = isinstance(failure, Refused) and failure.code in OUT_OF_RANGE
    with suppress(CallerError), trio.move_on_after(LIMITS_WITHIN_S):
        if out_of_range or (isinstance(failure, Refused) and failure.meaning is Meaning.INVALID):
            await desk.instruments.refresh(symbol, Urgency.CLOSE)
        elif desk.instruments.known(symbol) is None:
            await desk.instruments.get(symbol)
    if out_of_range and refused is not None:
        instrument = desk.instruments.known(symbol)
        if instrument is None or refused.size <= instrument.market_max_size:
            most.refused(refused.size)


def in_one_order(size: int, protection: Protection, desk: Desk) -> int:
    """As much of `size` as one market order may have; what is left goes out after it."""
    instrument = desk.instruments.known(protection.symbol)
    return size if instrument is None else min(size, max(instrument.market_max_size, 1))
