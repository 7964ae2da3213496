"""What the exchange holds for us, side by side. Observations only: nothing is promised here, nothing is decided."""

from __future__ import annotations

from collections.abc import Callable

from ...model.events import PositionUpdate
from ...model.sides import PositionSide

__all__ = ["PositionBook"]


class PositionBook:
    """The latest position of every (symbol, side) that was ever reported. An older report never overwrites a newer.

    Reports are dated by the exchange's clock. Where that was set back since, one that looks older is believed.
    """

    def __init__(self, earliest_ms: Callable[[int], int]) -> None:
        """`earliest_ms` gives the earliest time that the exchange can have written since its clock showed one."""
        self._earliest_ms = earliest_ms
        self._latest: dict[tuple[str, PositionSide], PositionUpdate] = {}
        self.was_read = False
        """Whether all positions were read at least once: before that, what is not known is not flat."""

    def observe(self, update: PositionUpdate) -> bool:
        """Take `update` in. False if it is older than what is known, and was ignored."""
        key = (update.symbol, update.side)
        known = self._latest.get(key)
        if (
            known is not None
            and known.update_time_ms is not None
            and update.update_time_ms is not None
            and update.update_time_ms < self._earliest_ms(known.update_time_ms)
        ):
            return False
        self._latest[key] = update
        return True

    def get(self, symbol: str, side: PositionSide) -> PositionUpdate | None:
        """The latest report, None if there never was one: that is not the same as flat."""
        return self._latest.get((symbol, side))

    def knows(self, symbol: str, side: PositionSide) -> bool:
        """Whether it is known what is held of a side, which may be nothing."""
        return self.was_read or (symbol, side) in self._latest

    def all(self) -> list[PositionUpdate]:
        """Every side that is held."""
        return [update for update in self._latest.values() if update.size > 0]
