"""Orders that work at the exchange at this moment, as far as the engine knows."""

from __future__ import annotations

from attrs import define, field

from ...model.events import OrderUpdate
from ...model.sides import PositionSide

__all__ = ["WorkingOrders"]


@define
class WorkingOrders:
    """Ours, which may fill at any moment, and those of others."""

    ours: dict[tuple[str, PositionSide], set[str]] = field(factory=dict)
    """The ids of our entry orders that the exchange may fill, by symbol and the side that they would open."""
    foreign: tuple[OrderUpdate, ...] = ()
    """Working orders that are not ours, when they were last read."""
