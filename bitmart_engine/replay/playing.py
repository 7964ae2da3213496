"""One replay: the real engine, the paper exchange and the candles, in memory, on a clock that jumps.

The engine is opened as ever, with its streams, its REST client and its monitors. What differs is what it is connected
by: WebSockets run over streams in memory, requests go to the exchange in the same process, callbacks go nowhere and
count as delivered, the journal is in memory. Nothing is read from the environment, and nothing is left behind.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import trio
from attrs import evolve, frozen

from ..engine import Engine, open_engine
from ..model.errors import CallerError
from ..model.instruments import Instrument
from ..model.lifecycle import EntryState
from ..model.orders import EntryOrder
from ..model.sides import PositionSide
from ..paper import (
    Direction,
    Fill,
    PaperConfig,
    PaperExchange,
    PaperInstrument,
    open_paper_exchange,
)
from ..settings import IN_MEMORY, Settings
from ..trading.requests import Unit
from ..world import World
from .candles import Candle, interval_ms
from .clock import run_seeded
from .market import CandleMarket, PathKind, Wishes
from .network import HOST, Requests, dialler, in_line
from .orders import TimedOrder, named
from .trades import CANDLES_ENDED, Execution, Plan

__all__ = ["Played", "Rules", "instrument_of", "play"]

BEFORE_S = 300.0
"""By how much the engine is started before the first candle opens."""
READY_WITHIN_S = 120.0
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


@frozen(kw_only=True)
class Played:
    """What became of the orders: every fill, and every entry order as it stood at the end."""

    executions: Sequence[Execution]
    orders: Sequence[EntryOrder]
    end_ms: int

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
    )
    market = CandleMarket(candles, contract.symbol, rules.path, rules.seed)
    begins_ms = market.first_ms - round(BEFORE_S * 1000)

    def now_ms() -> int:
        return begins_ms + round(trio.current_time() * 1000)

    async with (
        trio.open_nursery() as servers,
        open_paper_exchange(config, market=market, now_ms=now_ms, serve_sockets=False) as exchange,
    ):
        world = World(
            wall_ms=now_ms,
            dial=dialler(exchange, servers),
            http_transport=lambda: Requests(exchange),
            random=random.Random(f"engine:{rules.seed}"),
            run_blocking=in_line,
        )
        async with open_engine(
            _settings(config, rules, interval_ms(candles)), world=world
        ) as engine:
            market.wishes = _Waited(engine, exchange, contract)
            with trio.fail_after(READY_WITHIN_S):
                await engine.wait_ready()
            await _place(engine, orders, market, begins_ms)
            await market.done.wait()
            await trio.sleep(SETTLES_S)
            executions = list(_executions(exchange.books.fills, engine))
            played = Played(
                executions=executions, orders=_orders(engine, orders), end_ms=market.end_ms
            )
        servers.cancel_scope.cancel()
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
    )


async def _place(
    engine: Engine, orders: Sequence[TimedOrder], market: CandleMarket, begins_ms: int
) -> None:
    """Place each order at its time; the market begins once those of the beginning are placed."""
    begun = False
    for order in orders:
        if order.at_ms is not None and not begun:
            market.begin(BEFORE_S)
            begun = True
        if order.at_ms is not None:
            await trio.sleep_until((order.at_ms - begins_ms) / 1000)
        try:
            await engine.place_order(order.asked)
        except CallerError as error:
            raise named(order.where, error) from None
    if not begun:
        market.begin(BEFORE_S)


def _orders(engine: Engine, orders: Iterable[TimedOrder]) -> list[EntryOrder]:
    return [engine.state.orders[each.asked.id] for each in orders]


def _executions(fills: Iterable[Fill], engine: Engine) -> Iterator[Execution]:
    """The exchange's fills, each with the entry order that it belongs to, as the engine's journal has it."""
    state = engine.state
    for fill in fills:
        entry = state.entry_of(fill.client_order_id)
        closing = state.closing_of(fill.client_order_id) or state.fired_for(str(fill.order_id))
        trade, reason = entry.id if entry else "", ""
        if closing is not None and entry is None:
            trade = closing.entry_id or closing.id
            reason = closing.closing_for.value if closing.closing_for else "closed"
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
            reason=reason,
        )


class _Waited(Wishes):
    """The prices at which something is to happen: of what the engine waits for, and of what rests at the exchange."""

    def __init__(self, engine: Engine, exchange: PaperExchange, contract: PaperInstrument) -> None:
        self._engine = engine
        self._exchange = exchange
        self._contract = contract

    def levels(self) -> Iterator[Decimal]:
        state = self._engine.state
        for order in state.orders.alive():
            request = order.request
            if order.state is EntryState.WAITING:
                yield from (request.zone_min, request.zone_max)
            yield from (
                each for each in (request.stop_loss, request.take_profit) if each is not None
            )
        for protection in state.protections.alive():
            for level in (protection.stop_loss, protection.take_profit):
                if level is not None:
                    yield level
        tick = self._contract.tick_size
        for working in self._exchange.books.ledger.working(self._contract.symbol):
            if (
                working.price is not None
            ):  # the trade at its price, or the next one if that is where the price is
                yield working.price
                yield working.price - tick if working.side.is_buy else working.price + tick

    def side_at_risk(self) -> int:
        state = self._engine.state
        held = {each.side for each in state.protections.alive() if each.remaining}
        sides = held or {each.request.side for each in state.orders.alive()}
        if len(sides) != 1:
            return 0
        return 1 if PositionSide.LONG in sides else -1
