"""Who keeps the stops, and for how long: from facts about protections, without clock, network or tasks.

A position that is owed a stop is kept by the engine, by the exchange, by both or by nobody. It is looked at again and
again; what a look finds is taken to have been so until the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import Enum

from attrs import define, field, frozen

from .model.lifecycle import ProtectionState
from .model.positions import Protection
from .model.sides import PositionSide

__all__ = ["Keeper", "Keeping", "Kept", "KeptPosition", "Naked", "PromisedStop", "keeper"]


class Keeper(Enum):
    """Who would close the position where its stop is reached."""

    BOTH = "both"
    ENGINE = "engine"
    EXCHANGE = "exchange"
    NOBODY = "nobody"


@frozen
class PromisedStop:
    """The stop of one protection: of how many contracts, and who keeps it now."""

    symbol: str
    side: PositionSide
    keeper: Keeper
    size: int


@frozen
class Naked:
    """How long contracts with a promised stop were kept by nobody, since the engine started, in seconds."""

    now_s: float = 0.0
    """Since when they are now; 0 while there are none."""
    longest_s: float = 0.0
    sum_s: float = 0.0


@frozen
class KeptPosition:
    """One position with a promised stop: contracts by who keeps it, and for how long some were kept so, in seconds."""

    symbol: str
    side: PositionSide
    contracts: Mapping[Keeper, int]
    seconds: Mapping[Keeper, float]
    naked: Naked


@frozen
class Kept:
    """All stops at one look."""

    contracts: Mapping[Keeper, int]
    seconds: Mapping[Keeper, float]
    """By keeper, for how long any contract was kept so since the start."""
    unwatched: int
    """Protections whose stop is kept by nobody."""
    naked: Naked
    positions: tuple[KeptPosition, ...]
    """All that had a promised stop since the start, by symbol."""


@define
class _Times:
    """How long each keeper had any contracts."""

    contracts: dict[Keeper, int] = field(factory=lambda: dict.fromkeys(Keeper, 0))
    seconds: dict[Keeper, float] = field(factory=lambda: dict.fromkeys(Keeper, 0.0))
    naked_since: float | None = None
    longest_s: float = 0.0

    def pass_to(self, now_s: float, passed_s: float) -> None:
        """What was so at the last look has been so until now."""
        for who, size in self.contracts.items():
            if size:
                self.seconds[who] += passed_s
        if self.naked_since is not None:
            self.longest_s = max(self.longest_s, now_s - self.naked_since)

    def become(self, contracts: dict[Keeper, int], now_s: float) -> None:
        """From now on it is like this."""
        self.contracts = contracts
        if not contracts[Keeper.NOBODY]:
            self.naked_since = None
        elif self.naked_since is None:
            self.naked_since = now_s

    def naked(self, now_s: float) -> Naked:
        lasts_s = 0.0 if self.naked_since is None else now_s - self.naked_since
        return Naked(lasts_s, self.longest_s, self.seconds[Keeper.NOBODY])


@define
class Keeping:
    """How long whose stop was kept by whom. Asked again and again, with the time of a clock that nobody sets."""

    _all: _Times = field(factory=_Times)
    _positions: dict[tuple[str, PositionSide], _Times] = field(factory=dict)
    _looked_s: float | None = None

    def observe(self, stops: Iterable[PromisedStop], now_s: float) -> Kept:
        """Take in every promised stop as it is kept at `now_s`."""
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        unwatched = 0
        sums = dict.fromkeys(Keeper, 0)
        found: dict[tuple[str, PositionSide], dict[Keeper, int]] = {}
        for each in stops:
            unwatched += each.keeper is Keeper.NOBODY
            sums[each.keeper] += each.size
            of_position = found.setdefault((each.symbol, each.side), dict.fromkeys(Keeper, 0))
            of_position[each.keeper] += each.size
        self._all.pass_to(now_s, passed_s)
        self._all.become(sums, now_s)
        for key in found:
            self._positions.setdefault(key, _Times())
        for key, times in self._positions.items():
            times.pass_to(now_s, passed_s)
            times.become(found.get(key) or dict.fromkeys(Keeper, 0), now_s)
        positions = [
            KeptPosition(symbol, side, times.contracts, dict(times.seconds), times.naked(now_s))
            for (symbol, side), times in self._positions.items()
        ]
        positions.sort(key=lambda each: (each.symbol, each.side.value))
        seconds = dict(self._all.seconds)
        return Kept(sums, seconds, unwatched, self._all.naked(now_s), tuple(positions))


def keeper(protection: Protection, unpriced: Collection[str], *, watching: bool) -> Keeper | None:
    """Who keeps the stop of what a protection covers; None where there is nothing, or no stop.

    `unpriced` are the symbols without a price now; `watching` says whether the engine acts on prices at all.
    """
    alive = protection.state in (ProtectionState.ARMED, ProtectionState.CLOSING)
    if not alive or not protection.remaining or protection.stop_loss is None:
        return None
    closing = protection.state is ProtectionState.CLOSING
    ours = watching and (closing or protection.symbol not in unpriced)
    if protection.exchange_stop_loss is not None:
        return Keeper.BOTH if ours else Keeper.EXCHANGE
    return Keeper.ENGINE if ours else Keeper.NOBODY
