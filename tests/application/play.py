"""An engine on a paper exchange with the application at its other end: in memory on a mock clock, or over sockets.

This is the one place that knows both the engine and the stand-in. A `Play` moves the market, asks through the
application's client, and waits for what the application hears; it never looks into the engine for what it asserts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Protocol

import httpx
import trio
from attrs import define, field

from bitmart_engine import Engine, Settings, open_engine
from bitmart_engine.control import make_app, serve_control
from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange
from bitmart_engine.paper.memory import answer_of
from bitmart_engine.settings import IN_MEMORY
from tests.support.stage import SUBMIT, ask_by_hand, open_theatre

from .bodies import Order
from .client import Client, Reply, open_client
from .memory import Door
from .receivers import CALLBACKS, RAW_EVENTS, SECRET, Application
from .web import Site, open_site

__all__ = ["SUBMIT", "Play", "play_in_memory", "play_over_sockets"]

TOKEN = "control-token"
WEBHOOK_TOKEN = "webhook-token"
SYMBOL = "BTCUSDT"
PEER = ("127.0.0.1", 50_000)


class Reachable(Protocol):
    """The application's place in the network, which can be dead for a while."""

    async def stop(self) -> None: ...
    async def start(self) -> None: ...


@define
class _InMemory:
    application: Application

    async def stop(self) -> None:
        self.application.dead = True

    async def start(self) -> None:
        self.application.dead = False


@define(eq=False)
class Play:
    """What a flow works with."""

    engine: Engine
    paper: PaperExchange
    application: Application
    client: Client
    site: Reachable
    address: str
    """Of the application."""
    patience_s: float
    replies: list[Reply] = field(factory=list)

    @property
    def hook(self) -> str:
        """Where callbacks are to go."""
        return f"{self.address}{CALLBACKS}"

    # What the application does

    async def place(self, id: str, *, more: Mapping[str, Any] | None = None, **order: Any) -> Reply:
        """Place ten contracts, long, from 64990 to 65010, with a stop and a target, unless told otherwise."""
        asked: dict[str, Any] = {
            "stop_loss": 64500.0,
            "take_profit": 66000.0,
            "callback_url": self.hook,
            **order,
        }
        reply = await self.client.place(Order(id=id, **asked), **(more or {}))
        assert reply.ok, reply
        return reply

    async def order_of_its_own(self, client_order_id: str, side: int, **more: Any) -> str:
        """The application's own order over REST, and the id that the exchange gives it. Market unless told."""
        asked = {
            "symbol": SYMBOL,
            "client_order_id": client_order_id,
            "side": side,
            "type": "market",
            "size": 10,
            **more,
        }
        answer = await ask_by_hand(self.paper, SUBMIT, asked)
        assert answer["code"] == 1000, answer
        return str(answer["data"]["order_id"])

    # What the market does

    def move(self, price: object) -> None:
        """A trade at `price` happens."""
        self.paper.set_price(SYMBOL, Decimal(str(price)))

    async def watched(self) -> None:
        """Return when the engine sees every trade."""
        await self.until(lambda: f"futures/trade:{SYMBOL}" in self.paper.subscriptions)

    async def enter(self, id: str, price: object = 65000) -> Mapping[str, Any]:
        """The price enters the zone of an order; what `placed` says."""
        await self.watched()
        self.move(price)
        await self.told(id, "placed")
        return self.application.callbacks.latest(id, "placed")

    async def bought(self, id: str, price: object = 65000) -> Mapping[str, Any]:
        """The order is placed, filled and guarded; what `placed` says."""
        said = await self.enter(id, price)
        self.move(price)
        await self.told(id, "filled")
        await self.guarded(id)
        return said

    # What the application sees

    async def told(self, id: str, status: str) -> Mapping[str, Any]:
        """Return when the application was told `status` about `id`; the callback."""
        await self.until(
            lambda: status in self.application.callbacks.of(id),
            lambda: f"{id} was told {self.application.callbacks.of(id)}, without {status!r}",
        )
        return self.application.callbacks.latest(id, status)

    async def signalled(self, client_order_id: str, kind: str, status: str) -> Mapping[str, Any]:
        """Return when that order signal came; its body."""
        heard = self.application.orders.heard

        def found() -> list[Mapping[str, Any]]:
            wanted = (client_order_id, kind, status)
            return [s.body for s in heard if (s.client_order_id, s.kind, s.status) == wanted]

        await self.until(
            found,
            lambda: (
                f"{client_order_id} was signalled {self.application.orders.of(client_order_id)},"
                f" without {kind} {status}"
            ),
        )
        return found()[0]

    async def guarded(self, id: str) -> None:
        """Return when the engine says that the position is monitored."""
        state = ""

        async def armed() -> bool:
            nonlocal state
            positions = (await self.client.status()).body["positions"]
            state = positions.get(id, {}).get("state", "unknown")
            return bool(state == "armed")

        with trio.move_on_after(self.patience_s):
            while not await armed():
                await trio.sleep(0.01)
            return
        raise AssertionError(f"the position {id} is {state}, not armed")

    async def until(
        self, condition: Callable[[], object], why: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait for `condition`. Raises AssertionError when the patience is at its end."""
        with trio.move_on_after(self.patience_s):
            while not condition():
                await trio.sleep(0.01)
            return
        raise AssertionError(f"it never came to pass; {why()}; {self.state_of_affairs()}")

    def state_of_affairs(self) -> str:
        """For whoever reads a failure."""
        app = self.application
        bad = [f"{v.path} {v.answer.status} {v.answer.body!r}" for v in app.visits][-5:]
        return (
            f"callbacks {[(c.id, c.status) for c in app.callbacks.taken]}, last answers {bad}, "
            f"complaints {[str(each) for each in app.complaints]}, owed {self.engine.outbox()}"
        )

    def check(self) -> None:
        """The application refused nothing, lacked nothing, and nothing was given up. Raises AssertionError."""
        for status in (400, 401):
            refused = self.application.answered(status)
            assert not refused, [(v.path, v.body, v.answer.body) for v in refused]
        complaints = sorted({str(each) for each in self.application.complaints})
        assert not complaints, "\n".join(complaints)
        dead = [f"{each.notification.url}: {each.why}" for each in self.engine.state.dead.values()]
        assert not dead, dead


@asynccontextmanager
async def play_in_memory(
    application: Application | None = None, **settings: Any
) -> AsyncIterator[Play]:
    """On a mock clock: needs the autojump clock. `settings` of the engine are added to those of the contract."""
    application = application or Application(webhook_token=WEBHOOK_TOKEN)
    address = "http://127.0.0.1:9"
    async with open_theatre(**_settings(address, settings)) as theatre:
        theatre.network.receiver = Door(application, theatre.paper.now_ms)  # type: ignore[assignment]  # it takes
        async with theatre.engine() as stage:
            control = make_app(stage.engine)

            async def ask(request: httpx.Request) -> httpx.Response:
                return await answer_of(control, request, await request.aread(), PEER)

            worker = _with_password("http://127.0.0.1:8089", stage.engine)
            async with open_client(worker, httpx.MockTransport(ask)) as client:
                play = Play(
                    stage.engine,
                    theatre.paper,
                    application,
                    client,
                    _InMemory(application),
                    address,
                    300,
                )
                application.callbacks.quantities = client.quantities
                await play.until(lambda: not stage.engine.not_ready())
                yield play


@asynccontextmanager
async def play_over_sockets(
    application: Application | None = None, **settings: Any
) -> AsyncIterator[Play]:
    """Everything on loopback ports: the exchange, the engine's control API, the application."""
    application = application or Application(webhook_token=WEBHOOK_TOKEN)
    async with (
        open_paper_exchange(market=ManualMarket()) as exchange,
        open_site(application) as site,
    ):
        chosen = Settings(
            **{
                "public_ws_uri": exchange.public_ws_uri,
                "private_ws_uri": exchange.private_ws_uri,
                "rest_uri": exchange.rest_uri,
                "api_key": exchange.config.api_key,
                "api_secret": exchange.config.api_secret,
                "api_memo": exchange.config.api_memo,
                "control_address": "127.0.0.1:0",
                "mode": "paper",
                "state_dir": IN_MEMORY,
                **_settings(site.address, settings),
            }
        )
        async with open_engine(chosen) as engine, trio.open_nursery() as nursery:
            worker = _with_password(await nursery.start(serve_control, engine), engine)
            async with open_client(worker) as client:
                play = Play(engine, exchange, application, client, site, site.address, 60)
                application.callbacks.quantities = client.quantities
                await play.until(lambda: not engine.not_ready())
                yield play
            engine.stop()


def _settings(address: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's settings for this application."""
    return {
        "control_token": TOKEN,
        "trading_app_base_uri": address,
        "trading_app_shared_secret": SECRET,
        "trading_app_request_timeout": 5,
        "raw_events_uri": f"{address}{RAW_EVENTS}",
        "raw_events_token": WEBHOOK_TOKEN,
        **more,
    }


def _with_password(address: str, engine: Engine) -> str:
    """The worker's address as the application has it in its one variable."""
    token = engine.settings.control_token
    return address.replace("http://", f"http://worker:{token}@") if token else address


_: type[Reachable] = Site
