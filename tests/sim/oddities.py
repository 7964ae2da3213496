"""The exchange says something odd: empty, unreadable, late, old or untrue answers and pushes.

What is odd here was seen of this exchange, or of others by users of other engines; none of it is what the books say.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import trio
from attrs import define

from bitmart_engine.paper import PaperExchange
from tests.support.wishes import GUARDED_HERE, GUARDED_THERE, MONITORED, UNGUARDED

from .chronicle import Chronicle
from .market import Market
from .pushes import Pushes
from .trace import Trace
from .troubles import Kinds

__all__ = ["Oddities"]

PRIVATE = "/contract/private"
SUBMIT = f"{PRIVATE}/submit-order"
POSITIONS = f"{PRIVATE}/position-v2"
LISTS = (
    POSITIONS,
    POSITIONS,
    POSITIONS,
    f"{PRIVATE}/get-open-orders",
    f"{PRIVATE}/current-plan-order",
    f"{PRIVATE}/order-history",
    f"{PRIVATE}/trades",
)
EVERYTHING = (
    *LISTS,
    SUBMIT,
    f"{PRIVATE}/cancel-order",
    f"{PRIVATE}/order",
    f"{PRIVATE}/assets-detail",
    "/contract/public/details",
    "/contract/public/kline",
    "/system/time",
)
EMPTY_FOR_S = 4.0
"""How long an empty answer, that is none, may be repeated: nobody can tell one that is always empty from the truth."""
LONG_ID = "9" * 70_000
NO_NUMBERS = (
    "\uff11\uff10",
    "1_000",
    "NaN",
    "1" * 41,
    "1e400",
    "Infinity",
    "-",
    " 5",
    "0x10",
    "\u0665",
)
ODD_FIELDS = (
    ("futures/order", ("order_id", "client_order_id", "symbol")),
    ("futures/position", ("symbol",)),
    ("futures/trade", ("symbol",)),
)
NUMBERS = (
    ("futures/order", ("deal_size", "size", "deal_avg_price", "state", "update_time")),
    ("futures/position", ("hold_volume", "position_type", "update_time")),
    ("futures/asset", ("available_balance",)),
    ("futures/trade", ("deal_price", "created_at")),
    ("futures/kline", ("c", "h", "l", "ts")),
)
ANSWERED_NUMBERS = (
    (POSITIONS, ("current_amount", "position_amount", "position_type")),
    (f"{PRIVATE}/get-open-orders", ("size", "deal_size", "state")),
    (f"{PRIVATE}/order", ("deal_size", "state", "price")),
    (f"{PRIVATE}/trades", ("vol", "price")),
    ("/contract/public/kline", ("close_price", "high_price", "timestamp")),
    ("/contract/public/details", ("contract_size", "price_precision", "market_max_volume")),
)
HIDDEN_BY = ("*", "futures/trade", "futures/kline", "futures/order", "futures/position", "futures/")


@define(eq=False)
class Oddities:
    """`rng` makes the generator of a kind."""

    paper: PaperExchange
    pushes: Pushes
    market: Market
    chronicle: Chronicle
    rng: Callable[[str], random.Random]
    trace: Trace

    def kinds(self) -> Kinds:
        return {
            "empty answers": self._empty_answers,
            "nested answers": self._nested_answers,
            "unreadable rows": self._unreadable_rows,
            "odd pushes": self._odd_pushes,
            "odd numbers": self._odd_numbers,
            "ends without a size": self._ends_without_a_size,
            "late orders": self._late_orders,
            "late positions": self._late_positions,
            "wild prints": self._wild_prints,
            "crashes": self._crashes,
            "leaps": self._leaps,
            "refused channels": self._refused_channels,
            "false limits": self._false_limits,
            "other contracts": self._other_contracts,
        }

    async def _empty_answers(self) -> None:
        """A list is empty, null or not there: once, or a few times within some seconds."""
        rng = self.rng("empty answers")
        while True:
            await trio.sleep(rng.expovariate(1 / 25))
            path, how = rng.choice(LISTS), rng.choice(("empty", "empty", "null", "absent"))
            times = rng.choice((1, 1, 1, 2, 3))
            self.trace.fault("answer empty", path, how, times)
            self.paper.alter_answer(path, how, times)
            if rng.random() < 0.6:
                self.paper.drop_connections("private")
            await self._used_up(path, rng.uniform(20, 40))

    async def _used_up(self, path: str, within_s: float) -> None:
        """Until what was altered was said, and a few seconds longer; it is not said again after that."""
        odd = self.paper.faults.oddities
        mine = odd.answers[-1]
        times = mine.times
        with trio.move_on_after(within_s):
            while mine in odd.answers and mine.times == times:
                await trio.sleep(0.5)
            await trio.sleep(EMPTY_FOR_S)
        if mine in odd.answers:
            odd.answers.remove(mine)

    async def _nested_answers(self) -> None:
        rng = self.rng("nested answers")
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            path = rng.choice(EVERYTHING)
            self.trace.fault("answer nested", path)
            self.paper.alter_answer(path, "nested", rng.choice((1, 1, 2)))

    async def _unreadable_rows(self) -> None:
        """For minutes, a list has one row more, of a symbol that nobody here trades, and that nobody can read."""
        rng = self.rng("unreadable rows")
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            path = rng.choice(LISTS)
            self.trace.fault("row unreadable", path)
            self.paper.alter_answer(path, "unreadable_row", 100_000, "ODDUSDT")
            if rng.random() < 0.5:
                self.paper.drop_connections("private")
            await trio.sleep(rng.uniform(30, 240))
            self.paper.faults.oddities.answers = [
                each for each in self.paper.faults.oddities.answers if each.times < 50_000
            ]

    async def _odd_pushes(self) -> None:
        """Names that are too long, lists that are too deep, rows that are none."""
        rng = self.rng("odd pushes")
        while True:
            await trio.sleep(rng.expovariate(1 / 15))
            channel, fields = rng.choice(ODD_FIELDS)
            how = rng.choice(
                ("nested", "null", "unreadable_row", f'set:{rng.choice(fields)}="{LONG_ID}"')
            )
            self.trace.fault("push odd", channel, how[:40])
            self.paper.alter_push(channel, how)

    async def _odd_numbers(self) -> None:
        """What Python would take for a number, or a number beyond all bounds, in one field of one row."""
        rng = self.rng("odd numbers")
        while True:
            await trio.sleep(rng.expovariate(1 / 12))
            number = rng.choice(NO_NUMBERS)
            pushed = rng.random() < 0.6
            where, fields = rng.choice(NUMBERS if pushed else ANSWERED_NUMBERS)
            how = f'set:{rng.choice(fields)}="{number}"'
            self.trace.fault("number odd", where, how.encode("ascii", "replace").decode())
            if pushed:
                self.paper.alter_push(where, how)
            else:
                self.paper.alter_answer(where, how)

    async def _ends_without_a_size(self) -> None:
        """Order pushes in state 4 that do not say how much of the order was filled, though it was."""
        self.pushes.ends_without_a_size = 0.6
        await trio.sleep_forever()

    async def _late_orders(self) -> None:
        """Pushes of orders come late; those of positions on time."""
        await self._late("order_push", self.rng("late orders"))

    async def _late_positions(self) -> None:
        await self._late("position_push", self.rng("late positions"))

    async def _late(self, which: str, rng: random.Random) -> None:
        while True:
            ms = rng.choice((300, 900, 2000, rng.randint(300, 6000), 6000))
            self.trace.fault("pushes late", which, ms)
            self.paper.set_delay(which, ms)
            await trio.sleep(rng.uniform(60, 300))
            self.paper.set_delay(which, 0)
            await trio.sleep(rng.uniform(0, 60))

    async def _wild_prints(self) -> None:
        """A trade is told that nobody made, far from all that were, and of which no other channel knows."""
        rng = self.rng("wild prints")
        self.pushes.new_trade_id = self._new_trade_id
        while True:
            await trio.sleep(rng.expovariate(1 / 30))
            symbol = rng.choice((GUARDED_HERE, GUARDED_THERE, MONITORED))
            part = rng.choice(
                (Decimal("0.7"), Decimal("0.5"), Decimal("1.3"), Decimal("0.01"), Decimal(2))
            )
            self.pushes.wild[symbol] = part

    def _new_trade_id(self) -> int:
        self.paper._next_trade_id += 1
        return self.paper._next_trade_id

    async def _crashes(self) -> None:
        """A price leaps by a third, and stays: that is no wild print."""
        rng = self.rng("crashes")
        while True:
            await trio.sleep(rng.uniform(60, 400))
            symbol = rng.choice((GUARDED_HERE, GUARDED_THERE, MONITORED))
            part = rng.choice((Decimal("0.68"), Decimal("1.35")))
            self.trace.fault("crash", symbol, part)
            self.market.centre[symbol] *= part
            self.market.to(symbol, self.market.centre[symbol])

    async def _leaps(self) -> None:
        """A price is in the zone of an order that waits and, in the same push, somewhere else, where it stays."""
        rng = self.rng("leaps")
        while True:
            await trio.sleep(rng.expovariate(1 / 15))
            waiting = [
                self.chronicle.requests[id]
                for id, state in self.chronicle.state.items()
                if state == "waiting"
            ]
            if not waiting:
                continue
            request = rng.choice(waiting)
            symbol = request["symbol"]
            within = (Decimal(request["zone_min"]) + Decimal(request["zone_max"])) / 2
            self.trace.fault("leap", symbol, within)
            self.pushes.gathering = True
            self.market.to(symbol, within)
            self.pushes.gathering = False
            self.market.centre[symbol] = within * (1 + Decimal(rng.uniform(-30, 30)) / 1000)
            self.market.to(symbol, self.market.centre[symbol])

    async def _refused_channels(self) -> None:
        """After a reconnect channels are refused for a while, as if there were no such."""
        rng = self.rng("refused channels")
        while True:
            await trio.sleep(rng.expovariate(1 / 60))
            channel = rng.choice(HIDDEN_BY)
            self.trace.fault("channels refused", channel)
            self.paper.refuse_channels(channel)
            self.paper.drop_connections(rng.choice(("public", "private", "all")))
            await trio.sleep(rng.uniform(10, 40))
            self.paper.refuse_channels(channel, False)

    async def _false_limits(self) -> None:
        """Headers say that nothing more may be asked for, for minutes; it may."""
        rng = self.rng("false limits")
        while True:
            await trio.sleep(rng.expovariate(1 / 20))
            path = rng.choice(("*", SUBMIT, SUBMIT, POSITIONS, rng.choice(EVERYTHING)))
            limit = rng.choice((24, 24, 1, 0))
            used = rng.choice((limit, limit, 10**9))
            self.trace.fault("limits false", path, limit, used)
            self.paper.claim_limits(
                path, limit, used, rng.choice((600, 75, 10**9)), rng.randint(1, 20)
            )

    async def _other_contracts(self) -> None:
        """Contracts change while orders wait and positions are held, and stay what they have become.

        But for one that takes no market order at all, by which nobody could ever close: that ends with the storm.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._change_contracts, self.rng("other contracts"))
                nursery.start_soon(self._smaller_at_a_stop, self.rng("contracts at stops"))
        finally:
            for symbol, now in self.paper.instruments.items():
                if not now.market_max_size:
                    self.paper.change_instrument(symbol, market_max_size=500_000)

    async def _smaller_at_a_stop(self, rng: random.Random) -> None:
        """A stop is reached when one order may just have become smaller than what it closes."""
        while True:
            await trio.sleep(rng.expovariate(1 / 60))
            armed = [
                each
                for _, each in sorted(self.chronicle.alive.items())
                if each.state == "armed" and each.remaining > 1
                if each.symbol in (GUARDED_HERE, MONITORED)
            ]
            if not armed:
                continue
            guard = rng.choice(armed)
            if guard.stop_loss is None:
                continue
            size = rng.randint(1, min(3, guard.remaining - 1))
            self.trace.fault("contract changed", guard.symbol, "market_max_size", size)
            self.paper.change_instrument(guard.symbol, market_max_size=size)
            beyond = Decimal("0.999") if guard.side == "long" else Decimal("1.001")
            self.market.centre[guard.symbol] = Decimal(guard.stop_loss) * beyond
            self.market.to(guard.symbol, self.market.centre[guard.symbol])

    async def _change_contracts(self, rng: random.Random) -> None:
        while True:
            await trio.sleep(rng.uniform(40, 200))
            symbol = rng.choice((GUARDED_HERE, GUARDED_THERE, UNGUARDED))
            now = self.paper.instruments[symbol]
            first = next(each for each in self.paper.config.symbols if each.symbol == symbol)
            what = rng.choice(("contract_size", "market_max_size", "tick_size"))
            changed: dict[str, Decimal | int]
            if what == "contract_size":
                changed = {what: first.contract_size * (1 if now != first else 10)}
            elif what == "market_max_size":
                changed = {what: rng.choice((0, 1, 2, 3, 5, 500_000))}
            else:
                changed = {what: first.tick_size * rng.choice((1, 5, 10))}
            self.trace.fault("contract changed", symbol, changed)
            self.paper.change_instrument(symbol, **changed)
