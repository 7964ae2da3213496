"""The paper exchange as a whole: what it is made of, what runs while it is open, and its controls."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

import trio
from attrs import evolve

from . import wire
from .books import Books
from .broadcast import Broadcast
from .candles import CHANNELS, Candles
from .codes import Refusal
from .config import PaperConfig
from .deadman import DeadMan
from .fault_front import FaultFront, RequestRecord
from .feed import MarketFeed, parts
from .instruments import CHANGEABLE, PaperInstrument, exact, on_grid, to_grid
from .market import Market
from .memory import MemoryTransport
from .orders import Direction, Order
from .rest import make_rest_app
from .rest_private import PrivateDesk
from .rest_public import MOST_TRADES, PublicDesk
from .serving import HttpServer, Port
from .topics import private_topics
from .trouble import Trouble
from .ws import WsServer
from .ws_session import FrameRecord, WsSession


class PaperExchange(Trouble):
    """A running exchange. Made by `open_paper_exchange`; the controls may be called at any time while it is open."""

    def __init__(self, config: PaperConfig, market: Market, world_ms: Callable[[], int]) -> None:
        super().__init__(config)
        self.market = market
        self._world_ms = world_ms
        now_ms = self.now_ms
        self.public_ws_uri = self.private_ws_uri = self.rest_uri = self.admin_uri = ""

        self._rng = random.Random(config.seed)
        self.books = Books(config, random.Random(f"books:{config.seed}"))
        for symbol, price in market.opening_prices().items():
            self.books.last[symbol] = to_grid(price, self._instrument(symbol).tick_size)
        opened_s = market.market_ms(now_ms()) // 1000
        self.candles = {
            one.symbol: Candles(one, self.books.last[one.symbol], opened_s, config.seed)
            for one in config.symbols
        }
        self._tape: dict[str, deque[wire.Trade]] = {
            one.symbol: deque(maxlen=MOST_TRADES) for one in config.symbols
        }
        self._broadcast = Broadcast(self.hub, self.books, self.candles)
        self._feed = MarketFeed(self.hub, config, self, self.candles, now_ms)
        self._deadman = DeadMan(self._cancel_everything)
        self._held: set[str] = set()
        self._next_trade_id = 9_000_000

        self._session = WsSession(
            config, self.instruments, self.hub, self.faults, now_ms, self._rng, self._snapshot
        )
        self._ws = WsServer(config, self.hub, self._session, self.faults)
        rest_app = make_rest_app(
            config,
            PublicDesk(config, self.instruments, self.candles, self._tape, now_ms),
            PrivateDesk(self.books, now_ms, self.delays, self._deadman),
            self.limits,
            now_ms,
            self._rng,
            self._broadcast.settle,
            lambda: self.timestamp_window_ms,
        )
        self.rest_app = FaultFront(
            rest_app,
            self.hub,
            self.faults,
            self.delays,
            now_ms,
            push_before_reply=config.push_before_reply,
        )

    def now_ms(self) -> int:
        """The exchange's clock, in ms since the epoch."""
        return self._world_ms() + self.clock_skew_ms

    # -- what can be seen ---------------------------------------------------------------------

    @property
    def instruments(self) -> dict[str, PaperInstrument]:
        return self.books.account.instruments

    @property
    def requests(self) -> Sequence[RequestRecord]:
        """The REST requests that arrived, oldest first; the last 10,000 of them."""
        return self.rest_app.requests

    @property
    def connections(self) -> int:
        """How many WebSocket connections are open."""
        return len(self.hub.connections)

    @property
    def connections_opened(self) -> int:
        """How many WebSocket connections there have been, open ones included."""
        return self.hub.opened

    @property
    def subscriptions(self) -> set[str]:
        """The topics that somebody is subscribed to."""
        return {topic for connection in self.hub.connections for topic in connection.topics}

    @property
    def frames(self) -> Sequence[FrameRecord]:
        """The WebSocket frames that clients sent, oldest first; the last 10,000 of them."""
        return self._session.heard

    def last_price(self, symbol: str) -> Decimal:
        return self.books.last[symbol]

    def is_held(self, symbol: str) -> bool:
        return symbol in self._held

    # -- the market ---------------------------------------------------------------------------

    def set_price(self, symbol: str, price: Decimal | str | int, *, hold: bool = False) -> None:
        """A trade happens at this price now, and does to candles, orders and presets what a trade does.

        The market goes on from there; with `hold` it leaves the symbol alone until `release`.
        """
        instrument = self._instrument(symbol)
        price = exact(price)
        if not price.is_finite() or price <= 0 or not on_grid(price, instrument.tick_size):
            raise ValueError(
                f"price {price} of {symbol} is not a positive multiple of {instrument.tick_size}"
            )
        if hold:
            self.hold(symbol)
        up = price >= self.books.last[symbol]
        self.market_trade(symbol, price, self._rng.randint(1, 100), buy=up)

    def market_trade(self, symbol: str, price: Decimal, size: int, *, buy: bool) -> None:
        """A public trade happens: it is on the tape, in the candles, and it fills what it reaches."""
        now_ms = self.now_ms()
        market_ms = self.market.market_ms(now_ms)
        self._next_trade_id += self._rng.randint(1, 9)
        self.candles[symbol].add(price, size, market_ms // 1000)
        trade = wire.Trade(
            trade_id=self._next_trade_id,
            symbol=symbol,
            price=price,
            size=size,
            buy=buy,
            at_ms=market_ms,
        )
        self._tape[symbol].append(trade)
        self._broadcast.trade(trade)
        self.books.trade(symbol, price, now_ms)
        self._broadcast.settle(None)

    def past_trade(self, symbol: str, price: Decimal, size: int, at_ms: int) -> None:
        """A public trade of the past: it is in the candles and fills what it reaches, and nobody is told of it."""
        self.candles[symbol].add(price, size, at_ms // 1000)
        self.books.trade(symbol, price, at_ms)
        self._broadcast.settle(None)

    def hold(self, symbol: str) -> None:
        """The market leaves this symbol alone; `set_price` still moves it."""
        self._held.add(self._instrument(symbol).symbol)

    def release(self, symbol: str) -> None:
        """The market moves this symbol again."""
        self._held.discard(self._instrument(symbol).symbol)

    def change_instrument(self, symbol: str, **changes: Any) -> PaperInstrument:
        """A contract is another from now on: its tick, its contract size, its limits; what is held stays as it is."""
        now = self._instrument(symbol)
        for name in changes:
            if name not in CHANGEABLE:
                raise ValueError(f"unknown field {name!r}; there are {', '.join(CHANGEABLE)}")
        changed = self.instruments[symbol] = evolve(now, **changes)
        return changed

    # -- what happens to positions ------------------------------------------------------------

    def close_position_by_hand(
        self, symbol: str, side: Literal["long", "short"], size: int | None = None
    ) -> Order:
        """The owner closes a position elsewhere, at the last price; all of it unless told."""
        self._instrument(symbol)
        order = self.books.close_by_hand(symbol, Direction.named(side), size, self.now_ms())
        self._broadcast.settle(None)
        return order

    def amend_by_hand(
        self, client_order_id: str, *, price: Decimal | None = None, size: int | None = None
    ) -> Order:
        """The owner gives a resting order another price, another size, or both. Raises ValueError where that fails."""
        order = self.books.ledger.by_client_id(client_order_id)
        if order is None or not order.is_working:
            raise ValueError(f"no order {client_order_id!r} works")
        try:
            self.books.amend(order.order_id, price, size, self.now_ms())
        except Refusal as refusal:
            raise ValueError(str(refusal)) from None
        self._broadcast.settle(None)
        return self.books.orders[order.order_id]

    def cancel_by_hand(self, client_order_id: str) -> Order:
        """The owner cancels a working order elsewhere. Raises ValueError where there is none."""
        order = self.books.ledger.by_client_id(client_order_id)
        if order is None or not order.is_working:
            raise ValueError(f"no order {client_order_id!r} works")
        self.books.cancel(order.order_id, self.now_ms())
        self._broadcast.settle(None)
        return self.books.orders[order.order_id]

    def liquidate(
        self, symbol: str, side: Literal["long", "short"], size: int | None = None
    ) -> Order:
        """The exchange liquidates a position, or `size` contracts of it, at the last price."""
        self._instrument(symbol)
        order = self.books.liquidate(symbol, Direction.named(side), size, self.now_ms())
        self._broadcast.settle(None)
        return order

    # -- the machinery ------------------------------------------------------------------------

    async def serve_ws_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one connected stream as a WebSocket connection until it ends; the stream is closed on return."""
        await self._ws.serve(stream)

    def rest_transport(self) -> MemoryTransport:
        """An httpx transport to the REST app in this process, for `httpx.AsyncClient(transport=...)`."""
        return MemoryTransport(self.rest_app, self._nursery)

    def _instrument(self, symbol: str) -> PaperInstrument:
        if symbol not in self.instruments:
            known = ", ".join(self.instruments)
            raise ValueError(f"unknown symbol {symbol!r}; there are {known}")
        return self.instruments[symbol]

    def _snapshot(self, topic: str) -> object:
        """What a topic begins with, if anything."""
        if topic in private_topics(self.config):
            return self._broadcast.snapshot(topic)
        name, symbol = parts(topic)
        if name == "trade":
            past = list(self._tape[symbol])[-self.config.trades_on_subscribe or MOST_TRADES :]
            return wire.trades(past) if self.config.trades_on_subscribe and past else None
        if name in CHANNELS and self.config.bars_on_subscribe:
            bars = self.candles[symbol].latest(CHANNELS[name], self.config.bars_on_subscribe)
            return wire.klines(symbol, bars, self.config.kline_ts_offset_s)
        return self._feed.subscribed(topic)

    def _cancel_everything(self, symbol: str) -> None:
        """A dead-man timer ran out."""
        now_ms = self.now_ms()
        for order in self.books.ledger.working(symbol):
            self.books.cancel(order.order_id, now_ms)
        if self.config.cancel_all_after_plans:
            for plan in self.books.plans.waiting(symbol):
                self.books.plans.cancel(plan.plan_id)
            for one in self.books.pending.waiting(symbol):
                self.books.withdraw(one.order_id, now_ms)
        self._broadcast.settle(None)

    def start(self, nursery: trio.Nursery) -> None:
        """Start what runs while the exchange is open."""
        self._nursery = nursery
        nursery.start_soon(self.market.run, self)
        nursery.start_soon(self.hub.run)
        nursery.start_soon(self._deadman.run)
        nursery.start_soon(self._broadcast.tell_positions)
        nursery.start_soon(self._broadcast.tell_bars)
        nursery.start_soon(self._feed.tell_tickers)
        nursery.start_soon(self._feed.tell_books)
        nursery.start_soon(self._feed.tell_funding)

    def serve(self, nursery: trio.Nursery, ws: Port, rest: Port) -> None:
        """Start the servers that a client talks to."""
        host = self.config.host
        rest_server = HttpServer(self.rest_app)
        self.rest_app.hang_up = rest_server.hang_up
        nursery.start_soon(trio.serve_listeners, self.serve_ws_stream, ws.listeners)
        nursery.start_soon(rest_server.run, rest.listeners)
        self.public_ws_uri = f"ws://{host}:{ws.number}/api?protocol=1.1"
        self.private_ws_uri = f"ws://{host}:{ws.number}/user?protocol=1.1"
        self.rest_uri = f"http://{host}:{rest.number}"
