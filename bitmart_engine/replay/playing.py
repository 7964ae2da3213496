"""One replay: the real engine, the paper exchange and the candles, in memory, on a clock that jumps.

The engine is opened as ever, with its streams, its REST client and its monitors. What differs is what it is connected
by: WebSockets run over streams in memory, requests go to the exchange in the same process, callbacks go nowhere and
count as delivered, the journal is in memory. Nothing is read from the environment, and nothing is left behind.
"""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from decimal import Decimal

import trio
from attrs import evolve, frozen

from ..engine import Engine, open_engine
from ..model.errors import CallerError
from ..model.instruments import Instrument
from ..model.lifecycle import EntryState, ProtectionState
from ..model.orders import EntryOrder
from ..model.sides import PositionSide
from ..model.trades import Trade as KeptTrade
from ..paper import (
    Books,
    Direction,
    PaperConfig,
    PaperExchange,
    PaperInstrument,
    open_paper_exchange,
)
from ..settings import IN_MEMORY, Settings
from ..trading.entries.waiting import rests_until_ms
from ..trading.requests import Unit
from ..world import World
from .candles import Candle, interval_ms
from .clock import WorldTime, run_seeded
from .leaping import Band
from .market import CandleMarket, PathKind, Wishes
from .network import HOST, Requests, dialler, in_line
from .orders import OrderError, TimedOrder, named
from .trades import CANDLES_ENDED, Execution, Plan

__all__ = ["Played", "Rules", "instrument_of", "play"]

BEFORE_MS = 300_000
"""By how much the engine is started before the first candle opens."""
READY_WITHIN_S = 120.0
TOLD_EVERY_S = 30.0
"""How often the exchange repeats what is held."""
NEVER_S = 1e9
"""When it tells of the market what the trades have told already, by tickers and running bars."""
UNDER_WAY = (EntryState.SUBMITTING, EntryState.UNKNOWN)
KINDS = ("stop_loss", "take_profit")
"""What orders are called at the exchange that it made of the stops and targets that it keeps."""
SETTLES_S = 10.0
"""How long the engine has, after the last candle, for what it has begun."""
LONGEST_STALE_S = 3600.0


@frozen(kw_only=True)
class Rules:
    """How a replay is played. Fees are parts of the value traded (0.0006 is 0.06 %)."""

    instrument: PaperInstrument
    path: PathKind = "nearer"
    seed: int = 0
    maker_fee: Decimal = PaperConfig().maker_fee
    taker_fee: Decimal = PaperConfig().taker_fee
    balance: Decimal = PaperConfig().balance
    unit: Unit = "base"
    leaps: bool = True
    """Whether candles in which nothing can happen are passed over."""


@frozen(kw_only=True)
class Played:
    """What became of the orders: every fill, and every entry order as it stood at the end."""

    executions: Sequence[Execution]
    orders: Sequence[EntryOrder]
    end_ms: int
    kept: Sequence[KeptTrade] = ()
    """The trades as the engine itself kept them, to check the arithmetic of `trades` by."""

    def plans(self) -> dict[str, Plan]:
        """The exits of each entry order, by its id."""
        return {
            each.id: Plan(stop_loss=each.request.stop_loss, take_profit=each.request.take_profit)
            for each in self.orders
        }

    def unfilled(self) -> Iterator[tuple[EntryOrder, str]]:
        """The orders of which nothing was filled, with why."""
        for each in self.orders:
            if not each.filled:
                yield each, each.reason if each.state.final else CANDLES_ENDED


def instrument_of(contract: PaperInstrument) -> Instrument:
    """The contract as the engine will read it from the exchange."""
    return Instrument(
        symbol=contract.symbol,
        tick_size=contract.tick_size,
        contract_size=contract.contract_size,
        min_size=contract.min_size,
        max_size=contract.max_size,
        market_max_size=contract.market_max_size,
        min_leverage=Decimal(contract.min_leverage),
        max_leverage=Decimal(contract.max_leverage),
    )


def play(candles: Sequence[Candle], orders: Sequence[TimedOrder], rules: Rules) -> Played:
    """Play the candles, place the orders. Raises OrderError for one that the engine refuses."""
    return run_seeded(rules.seed, _play, candles, orders, rules)


async def _play(candles: Sequence[Candle], orders: Sequence[TimedOrder], rules: Rules) -> Played:
    contract = evolve(rules.instrument, price=candles[0].open)
    config = PaperConfig(
        seed=rules.seed,
        symbols=(contract,),
        maker_fee=rules.maker_fee,
        taker_fee=rules.taker_fee,
        balance=rules.balance,
        ticker_interval_s=NEVER_S,
        position_interval_s=TOLD_EVERY_S,
        kline_interval_s=NEVER_S,
    )
    time = WorldTime(candles[0].at_ms - BEFORE_MS)
    market = CandleMarket(
        candles,
        contract.symbol,
        contract.tick_size,
        time,
        rules.path,
        rules.seed,
        leaps=rules.leaps,
    )
    async with (
        trio.open_nursery() as servers,
        open_paper_exchange(
            config, market=market, now_ms=time.now_ms, serve_sockets=False
        ) as exchange,
    ):
        world = World(
            wall_ms=time.now_ms,
            boot=time.boot,
            dial=dialler(exchange, servers),
            http_transport=lambda: Requests(exchange),
            random=random.Random(f"engine:{rules.seed}"),
            run_blocking=in_line,
        )
        async with open_engine(
            _settings(config, rules, interval_ms(candles)), world=world
        ) as engine:
            market.wishes = waited = _Waited(engine, exchange, contract, orders)
            with trio.fail_after(READY_WITHIN_S):
                await engine.wait_ready()
            refused = await _place(engine, orders, waited, market, time)
            if refused is None:
                await market.done.wait()
                await trio.sleep(SETTLES_S)
            executions = list(_executions(exchange.books, engine))
            played = Played(
                executions=executions,
                orders=_orders(engine, orders),
                end_ms=market.end_ms,
                kept=await engine.trades(limit=len(orders)),
            )
        servers.cancel_scope.cancel()
    if refused is not None:
        raise refused
    return played


def _settings(config: PaperConfig, rules: Rules, every_ms: int) -> Settings:
    """The engine's settings. A file says nothing between two prices of a candle: that is no silence of the stream."""
    return Settings(
        public_ws_uri=f"ws://{HOST}/api?protocol=1.1",
        private_ws_uri=f"ws://{HOST}/user?protocol=1.1",
        rest_uri=f"http://{HOST}",
        api_key=config.api_key,
        api_secret=config.api_secret,
        api_memo=config.api_memo,
        mode="paper",
        state_dir=IN_MEMORY,
        quantity_unit=rules.unit,
        stale_after_s=min(LONGEST_STALE_S, max(10.0, every_ms / 1000 * 2)),
        price_jump_percent=1000,
        ping_interval_s=60,
        history_days=36_500,
    )


async def _place(
    engine: Engine,
    orders: Sequence[TimedOrder],
    waited: _Waited,
    market: CandleMarket,
    time: WorldTime,
) -> OrderError | None:
    """Place each order at its time; the market begins once those of the beginning are placed.

    Returns what is wrong with the first that is refused, and places no more.
    """
    begun = False
    for number, order in enumerate(orders, start=1):
        if order.at_ms is not None:
            if not begun:
                market.begin()
                begun = True
            await time.sleep_until(order.at_ms)
        try:
            await engine.place_order(order.asked)
        except CallerError as error:
            return named(order.where, error)
        waited.placed = number
        if begun:
            market.show_price()
    if not begun:
        market.begin()
    return None


def _orders(engine: Engine, orders: Iterable[TimedOrder]) -> list[EntryOrder]:
    known = engine.state.orders
    return [known[each.asked.id] for each in orders if each.asked.id in known]


def _executions(books: Books, engine: Engine) -> Iterator[Execution]:
    """The exchange's fills, each with the entry order that it belongs to, as the engine's journal has it."""
    state = engine.state
    for fill in books.fills:
        entry = state.entry_of(fill.client_order_id)
        closing = state.closing_of(fill.client_order_id) or state.fired_for(str(fill.order_id))
        kind = books.orders[fill.order_id].type
        by_exchange = kind in KINDS
        trade, reason = entry.id if entry else "", ""
        if closing is not None and entry is None:
            trade = closing.entry_id or closing.id
            reason = closing.closing_for.value if closing.closing_for else ""
        yield Execution(
            at_ms=fill.at_ms,
            trade=trade,
            side=(
                PositionSide.LONG if fill.side.direction is Direction.LONG else PositionSide.SHORT
            ),
            opens=not fill.side.is_close,
            price=fill.price,
            size=fill.size,
            fee=fill.fee,
            reason=kind if by_exchange else reason,
            closed_by="exchange" if by_exchange else "engine",
        )


class _Waited(Wishes):
    """The prices at which something is to happen: of what the engine waits for, and of what rests at the exchange."""

    def __init__(
        self,
        engine: Engine,
        exchange: PaperExchange,
        contract: PaperInstrument,
        orders: Sequence[TimedOrder],
    ) -> None:
        self._state = engine.state
        self._books = exchange.books
        self._contract = contract
        self._orders = orders
        self.placed = 0
        """How many of the orders are placed."""

    def levels(self) -> Iterator[Decimal]:
        for band in self.bands():
            yield from (band.low, band.high)
        tick = self._contract.tick_size
        for working in self._books.ledger.working(self._contract.symbol):
            if working.price is not None:  # it fills beyond its price, where that is the last one
                yield working.price - tick if working.side.is_buy else working.price + tick

    def bands(self) -> Iterator[Band]:
        for order in self._state.orders.alive():
            request = order.request
            if order.state is EntryState.WAITING:
                yield Band(request.zone_min, request.zone_max)
            for level in (request.stop_loss, request.take_profit):
                if level is not None:
                    yield Band(level, level)
        for protection in self._state.protections.alive():
            for level in (protection.stop_loss, protection.take_profit):
                if level is not None:
                    yield Band(level, level)
        for working in self._books.ledger.working(self._contract.symbol):
            if working.price is not None:
                yield Band(working.price, working.price)

    def side_at_risk(self) -> int:
        held = {each.side for each in self._state.protections.alive() if each.remaining}
        sides = held or {each.request.side for each in self._state.orders.alive()}
        if len(sides) != 1:
            return 0
        return 1 if PositionSide.LONG in sides else -1

    def state(self) -> Hashable:
        orders, protections = self._state.orders.alive(), self._state.protections.alive()
        if any(each.state in UNDER_WAY for each in orders):
            return None
        if any(each.state is ProtectionState.CLOSING for each in protections):
            return None
        return (
            self.placed,
            len(self._books.fills),
            tuple((each.id, each.state, each.filled) for each in orders),
            tuple((each.id, each.state, each.covered, each.closed) for each in protections),
        )

    def until_ms(self) -> float:
        times: list[float] = [
            each.at_ms for each in self._orders[self.placed :] if each.at_ms is not None
        ]
        for order in self._state.orders.alive():
            rests = rests_until_ms(order)
            if order.state is EntryState.WAITING:
                times.append(order.deadline_ms)
            elif rests is not None:
                times.append(rests)
        return min(times, default=math.inf)
