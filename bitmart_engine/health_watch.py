"""Looks at a running engine every second, so that what is wrong is known with the time since which it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import trio

from .engine import Engine
from .exchange.clock import SKEW_WARNED_MS
from .health import Fact, Health, HealthLevel, Report
from .keeping import Keeper, PromisedStop, keeper
from .model.lifecycle import EntryState, ProtectionState

__all__ = ["HealthWatch"]

EVERY_S = 1.0
OLD_S = 1.0
"""A report older than this is made anew for whoever asks."""
AT_ONCE = 200
"""Orders or protections that are looked at between two checkpoints: less than a millisecond."""
CLOSES_WITHIN_S = 10.0
KNOWN_WITHIN_S = 10.0
TOLD_WITHIN_S = 300.0


class HealthWatch:
    """The health of one engine. Reports are made by `run`, or by whoever asks where it does not run."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._health = Health()
        self._last: tuple[float, Report] | None = None
        self._looking = trio.Lock()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await trio.sleep(EVERY_S)

    async def latest(self) -> Report:
        """The last report, unless it is old. A checkpoint."""
        await trio.lowlevel.checkpoint()
        if self._last is not None and trio.current_time() - self._last[0] < OLD_S:
            return self._last[1]
        return await self.look()

    async def look(self) -> Report:
        """Look now."""
        async with self._looking:
            stops: list[PromisedStop] = []
            facts = [*self._engine.missing(), *self._connections()]
            facts += [each async for each in self._of_orders()]
            facts += [each async for each in self._of_protections(stops)]
            facts += _uncovered(stops)
            now_s = trio.current_time()
            report = self._health.report(facts, stops, self._engine.now_ms(), now_s)
            self._last = now_s, report
            return report

    def _connections(self) -> list[Fact]:
        engine, found = self._engine, []
        for symbol in engine.stale():
            said = f"no price of {symbol} comes over the stream; it is asked for over REST"
            found.append(Fact("prices_stale", HealthLevel.AMBER, said, symbol))
        for topic, why in engine.streams().refused.items():
            said = f"the exchange refuses the channel {topic}: {why}"
            found.append(Fact("channel_refused", HealthLevel.AMBER, said, topic))
        if engine.state.paused_ms is not None:
            said = "entries are paused: no order goes out until they are resumed"
            found.append(Fact("entries_paused", HealthLevel.AMBER, said))
        if (halt := engine.state.halt) is not None:
            orders, positions = engine.halt_leaves()
            left = (
                f"; {orders} orders and {positions} positions are left"
                if orders or positions
                else ""
            )
            said = f"trading is halted ({halt.level.value}) until it is resumed{left}"
            found.append(Fact("trading_halted", HealthLevel.AMBER, said))
        offset_ms = engine.exchange().clock_offset_ms
        if offset_ms is not None and abs(offset_ms) > SKEW_WARNED_MS:
            said = f"the exchange's clock is {offset_ms / 1000:+.1f} s from this machine's"
            found.append(Fact("clock_skewed", HealthLevel.AMBER, said))
        state = engine.state
        if state.dead:
            said = f"{len(state.dead)} callbacks were given up"
            found.append(Fact("callbacks_given_up", HealthLevel.AMBER, said))
        oldest = next(iter(state.owed.values()), None)
        if oldest is not None and engine.now_ms() - oldest.created_ms > TOLD_WITHIN_S * 1000:
            said = f"{len(state.owed)} callbacks are owed, the oldest for over 5 minutes"
            found.append(Fact("callbacks_late", HealthLevel.AMBER, said))
        return found

    async def _of_orders(self) -> AsyncIterator[Fact]:
        for number, order in enumerate(self._engine.state.orders.alive(), 1):
            if order.state is EntryState.UNKNOWN:
                said = f"whether the exchange has order {order.id} is not known: {order.reason}"
                yield Fact("order_unknown", HealthLevel.AMBER, said, order.id, KNOWN_WITHIN_S)
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    async def _of_protections(self, stops: list[PromisedStop]) -> AsyncIterator[Fact]:
        """Notes in `stops` who keeps the stop of how many contracts of which position."""
        engine = self._engine
        watching = not engine.without_account and not engine.stopping
        unpriced = engine.unpriced()
        for number, each in enumerate(engine.state.protections.alive(), 1):
            if each.state is ProtectionState.CLOSING:
                said = f"{each.remaining} contracts of {each.symbol} are to be closed, and are not"
                yield Fact("close_unfinished", HealthLevel.RED, said, each.id, CLOSES_WITHIN_S)
            who = keeper(each, unpriced, watching=watching)
            if who is not None:
                stops.append(PromisedStop(each.symbol, each.side, who, each.remaining))
            if number % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()


def _uncovered(stops: list[PromisedStop]) -> list[Fact]:
    naked: dict[str, int] = {}
    for each in stops:
        if each.keeper is Keeper.NOBODY:
            naked[each.symbol] = naked.get(each.symbol, 0) + each.size
    return [
        Fact(
            "stop_unwatched", HealthLevel.RED, f"nobody keeps the stop of {size} contracts", symbol
        )
        for symbol, size in naked.items()
    ]
