"""A stage for the whole engine: in memory, on a mock clock, with the paper exchange on the other end.

Nothing here opens a socket or waits for real: WebSockets run over in-memory streams, REST calls and callbacks over
in-process transports, and time is Trio's mock clock, so that a minute takes a millisecond and is the same every time.
"""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import trio
from attrs import define, field

from bitmart_engine import Engine, PlaceOrder, Settings, World, open_engine
from bitmart_engine.model.instruments import Instrument
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.model.positions import Protection
from bitmart_engine.paper import (
    ManualMarket,
    PaperConfig,
    PaperExchange,
    RequestRecord,
    open_paper_exchange,
)
from bitmart_engine.settings import IN_MEMORY

SUBMIT = "/contract/private/submit-order"
CANCEL = "/contract/private/cancel-order"
NO_CONTRACT = "NOTACONTRACT"
"""What the engine names in submits that can be no order."""
START_MS = 1_785_726_000_000
HOOK = "http://127.0.0.1:9/hook"
BTC = Instrument(
    symbol="BTCUSDT",
    tick_size=Decimal("0.1"),
    contract_size=Decimal("0.001"),
    min_size=1,
    max_size=1000,
    market_max_size=500,
    min_leverage=Decimal(1),
    max_leverage=Decimal(100),
)
"""A contract as the paper exchange has it."""


@define
class Receiver:
    """Takes callbacks, and keeps what it was sent. `answer` decides the status; None is a dropped connection."""

    requests: list[httpx.Request] = field(factory=list)
    answer: Callable[[httpx.Request], int | None] = lambda request: 200

    def events(self, url: str = HOOK) -> list[dict[str, Any]]:
        """The bodies that were sent to `url`, in order of arrival."""
        return [json.loads(each.content) for each in self.requests if each.extensions["url"] == url]

    def names(self, url: str = HOOK) -> list[str]:
        return [each["event"] for each in self.events(url)]

    async def take(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        request.extensions["url"] = str(request.url)
        self.requests.append(request)
        status = self.answer(request)
        if status is None:
            raise httpx.ReadError("connection dropped", request=request)
        return httpx.Response(status, stream=httpx.ByteStream(b"{}"))


@define
class Network(httpx.AsyncBaseTransport):
    """Every HTTP request of the engine: to the exchange, or to the receiver.

    `cut` makes the exchange unreachable, `slow_s` is how long every request is under way before it arrives.
    """

    paper: PaperExchange
    receiver: Receiver
    cut: bool = False
    slow_s: float = 0
    arrived: list[str] = field(factory=list)
    """The paths of what got through to the exchange."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await trio.sleep(self.slow_s)
        if request.url.host != "paper":
            return await self.receiver.take(request)
        if self.cut:
            raise httpx.ConnectError("network is unreachable", request=request)
        self.arrived.append(request.url.path)
        return await self.paper.rest_transport().handle_async_request(request)


@define
class Stage:
    """The engine, the exchange it trades on, and what it is connected by."""

    engine: Engine
    paper: PaperExchange
    network: Network
    receiver: Receiver
    dials: list[float]
    """When a WebSocket was dialled, on Trio's clock."""

    # What the market does

    @property
    def price(self) -> Decimal:
        return self.paper.last_price("BTCUSDT")

    def move(self, price: object, symbol: str = "BTCUSDT") -> None:
        """A trade at `price` happens."""
        self.paper.set_price(symbol, Decimal(str(price)))

    # What the user does

    async def place(self, id: str = "a", **changes: Any) -> EntryOrder:
        """Ask for ten contracts of BTCUSDT, long, from 64990 to 65010, unless told otherwise."""
        placed = await self.engine.place_order(entry(id, **changes))
        return placed.order

    async def bought(self, id: str = "a", **changes: Any) -> Protection:
        """An entry order that was filled, with its protection armed and its position pushed."""
        await self.place(id, **changes)
        symbol = self.order(id).symbol
        await self.until(lambda: self.prices_come(symbol))
        self.move(self.paper.last_price(symbol), symbol)
        await self.until(lambda: self.order(id).state.value in ("open", "filled"))
        self.move(self.paper.last_price(symbol), symbol)
        await self.until(lambda: self.order(id).state.value == "filled")
        side = self.order(id).request.side
        await self.until(lambda: self.held(symbol, side.value) > 0)
        return self.protection(id)

    async def open_by_hand(self, side: int = 1, size: int = 10, symbol: str = "BTCUSDT") -> None:
        """A market order that the engine knows nothing of, as another program would send it."""
        await order_by_hand(self.paper, symbol, side, size)

    # What can be seen

    def order(self, id: str = "a") -> EntryOrder:
        return self.engine.state.orders[id]

    def protection(self, id: str = "a") -> Protection:
        return self.engine.state.protections[id]

    def state(self, id: str = "a") -> str:
        return self.order(id).state.value

    def guarded(self, id: str = "a") -> str:
        return self.protection(id).state.value

    def held(self, symbol: str = "BTCUSDT", side: str = "long") -> int:
        """Contracts held, as the engine was told."""
        return sum(
            each.size
            for each in self.engine.positions()
            if (each.symbol, each.side.value) == (symbol, side)
        )

    def prices_come(self, symbol: str = "BTCUSDT") -> bool:
        """Whether the trades of a symbol are subscribed."""
        return any(
            f"futures/trade:{symbol}" in connection.topics
            for connection in self.paper.hub.connections
        )

    def sent(self, path: str = SUBMIT) -> list[dict[str, Any]]:
        """The bodies of the requests that arrived at the exchange, without probes."""
        return [each.body for each in meant(self.paper.requests) if each.path == path]

    def submits(self, *sides: int) -> list[dict[str, Any]]:
        return [body for body in self.sent(SUBMIT) if body["side"] in sides]

    async def until(self, condition: Callable[[], object], within: float = 60) -> None:
        """Wait for `condition`, for at most `within` seconds of the mock clock."""
        with trio.fail_after(within):
            while not condition():
                await trio.sleep(0.01)

    async def settle(self, seconds: float = 1) -> None:
        """Let mock time pass."""
        await trio.sleep(seconds)


def entry(id: str = "a", **changes: Any) -> PlaceOrder:
    """A request for ten contracts of BTCUSDT, long, from 64990 to 65010, unless told otherwise."""
    asked: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "long",
        "entry_zone_min": 64990,
        "entry_zone_max": 65010,
        "size": 10,
        "stop_loss": 64500,
        "take_profit": 66000,
        "callback_url": HOOK,
        **changes,
    }
    for name in ("entry_zone_min", "entry_zone_max", "stop_loss", "take_profit", "quantity"):
        if asked.get(name) is not None:
            asked[name] = Decimal(str(asked[name]))
    if "quantity" in asked:
        asked["size"] = None
    return PlaceOrder(id=id, **asked)


def meant(requests: Iterable[RequestRecord]) -> list[RequestRecord]:
    """The requests without those that can be no order, and ask only how old a timestamp may be."""
    return [each for each in requests if not each.body or each.body.get("symbol") != NO_CONTRACT]


async def order_by_hand(paper: PaperExchange, symbol: str, side: int, size: int) -> None:
    """A market order that no engine knows of, as another program would send it."""
    body = {"symbol": symbol, "side": side, "size": size, "type": "market"}
    answer = await ask_by_hand(paper, SUBMIT, body)
    assert answer["code"] == 1000, answer


async def ask_by_hand(paper: PaperExchange, path: str, content: dict[str, Any]) -> dict[str, Any]:
    """A signed request that no engine knows of, and what the exchange says to it."""
    config = paper.config
    body = json.dumps(content)
    timestamp = str(paper.now_ms())
    signed = f"{timestamp}#{config.api_memo}#{body}".encode()
    headers = {
        "X-BM-KEY": config.api_key,
        "X-BM-TIMESTAMP": timestamp,
        "X-BM-SIGN": hmac.new(config.api_secret.encode(), signed, "sha256").hexdigest(),
    }
    odd, paper.faults.oddities.answers = paper.faults.oddities.answers, []  # not for this answer
    try:
        async with httpx.AsyncClient(transport=paper.rest_transport()) as client:
            answer = await client.post(f"http://paper{path}", content=body, headers=headers)
    finally:
        paper.faults.oddities.answers[:0] = odd
    said: dict[str, Any] = answer.json()
    return said


async def in_line(function: Callable[..., Any], *arguments: Any) -> Any:
    """Runs what would block without a thread, for a mock clock does not wait for threads."""
    await trio.lowlevel.checkpoint()
    return function(*arguments)


@define
class Theatre:
    """What outlives an engine: the exchange, the network, the receiver, the clock. Engines come and go on it."""

    paper: PaperExchange
    network: Network
    receiver: Receiver
    world: World
    dials: list[float]
    settings: dict[str, Any]

    @asynccontextmanager
    async def engine(self, **changes: Any) -> AsyncIterator[Stage]:
        """An engine, from its start to its end."""
        chosen = Settings(
            **{
                "public_ws_uri": "ws://paper/api?protocol=1.1",
                "private_ws_uri": "ws://paper/user?protocol=1.1",
                "rest_uri": "http://paper",
                "api_key": "paper-key",
                "api_secret": "paper-secret",
                "api_memo": "paper",
                "mode": "paper",
                "state_dir": IN_MEMORY,
                **self.settings,
                **changes,
            }
        )
        async with open_engine(chosen, world=self.world) as engine:
            yield Stage(engine, self.paper, self.network, self.receiver, self.dials)


@asynccontextmanager
async def open_theatre(
    paper: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Theatre]:
    """An exchange and what leads to it; `paper` configures the exchange, the rest are settings of its engines."""
    epoch = trio.current_time()

    def now_ms() -> int:
        return START_MS + round((trio.current_time() - epoch) * 1000)

    async with (
        trio.open_nursery() as servers,
        open_paper_exchange(
            PaperConfig(**(paper or {})), market=ManualMarket(), now_ms=now_ms, serve_sockets=False
        ) as exchange,
    ):
        dials: list[float] = []
        receiver = Receiver()
        network = Network(exchange, receiver)

        async def dial(host: str, port: int, tls: bool) -> trio.abc.Stream:
            dials.append(trio.current_time())
            await trio.lowlevel.checkpoint()
            ours, theirs = trio.testing.memory_stream_pair()
            servers.start_soon(exchange.serve_ws_stream, theirs)
            return ours

        world = World(
            wall_ms=now_ms,
            dial=dial,
            http_transport=lambda: network,
            random=random.Random(7),
            run_blocking=in_line,
        )
        yield Theatre(exchange, network, receiver, world, dials, settings)
        servers.cancel_scope.cancel()


@asynccontextmanager
async def open_stage(paper: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Stage]:
    """One engine on an exchange of its own."""
    async with open_theatre(paper, **settings) as theatre, theatre.engine() as stage:
        yield stage
