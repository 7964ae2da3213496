"""What closes ask of the protections, and tell them: the only way from this room to the one above it.

`Protections` is one. Nothing here imports it, so that it may import the closes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ...exchange.budget import Urgency
from ...exchange.errors import ExchangeError
from ...model.events import OrderUpdate
from ...model.positions import Protection
from ..protections.shared_positions import Sides
from .settling import Waits

__all__ = ["ClosesView"]


class ClosesView(Sides, Waits, Protocol):
    """All protections, as a close sees them."""

    @property
    def claims(self) -> dict[str, OrderUpdate]:
        """By the exchange's order id: ends with contracts unfilled that are not confirmed yet."""

    # What is known

    def is_gone(self, protection: Protection) -> bool:
        """Whether the contracts are gone, as surely as the evidence asks for."""

    def all_acted_there(self, id: str) -> bool:
        """Whether the exchange is held to have closed all that the protection covered."""

    # What is read

    async def observe_positions(self, symbol: str, urgency: Urgency = Urgency.READ) -> None:
        """Read both sides of a symbol and take in what is held. Raises ExchangeError."""

    async def learn_position(self, symbol: str) -> None:
        """Try to read both sides of a symbol for a close."""

    # What is told

    def on_update(self, update: OrderUpdate, *, settled: bool = False) -> None:
        """An update of a closing order."""

    def on_fired(
        self,
        update: OrderUpdate,
        but_not: Collection[str] | None = None,
        *,
        settled: bool = False,
    ) -> bool:
        """An order that the exchange made of a stop or target. False if it is of none of ours."""

    def could_not_read(self, symbol: str, failure: ExchangeError) -> None:
        """A read of the positions failed."""

    def acted_there(self, id: str, size: int) -> None:
        """The exchange's own stop or target has closed `size` contracts, as the position shows."""

    def cover(self, id: str, size: int) -> None:
        """Have the protection cover `size` contracts from here on."""

    def gone(self, id: str) -> None:
        """The position is gone, and the protection with it."""

    def close_failed(self, protection: Protection, error: str) -> None:
        """A close did not go through, and goes on being tried."""
