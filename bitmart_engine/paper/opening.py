"""Opening a paper exchange: its ports, the servers behind them, and everything that runs while it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from .admin import make_admin_app
from .clock import wall_clock
from .config import PaperConfig
from .exchange import PaperExchange
from .market import Market, RandomWalk
from .serving import HttpServer, listening

__all__ = ["open_paper_exchange"]

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def open_paper_exchange(
    config: PaperConfig | None = None,
    *,
    market: Market | None = None,
    now_ms: Callable[[], int] | None = None,
    serve_sockets: bool = True,
) -> AsyncIterator[PaperExchange]:
    """Open a paper exchange; it is closed, with everything it runs, when the block is left.

    Without a market, prices walk at random. `now_ms` is the world's clock, in ms since the epoch; the exchange's may be
    skewed. With `serve_sockets=False` no port is opened: use `rest_app` and `serve_ws_stream`.
    """
    config = config or PaperConfig()
    exchange = PaperExchange(config, market or RandomWalk(seed=config.seed), now_ms or wall_clock())
    async with AsyncExitStack() as stack:
        if serve_sockets:
            ws_and_rest = listening(config.host, config.ws_port, config.rest_port)
            ws, rest = await stack.enter_async_context(ws_and_rest)
            (admin,) = await stack.enter_async_context(listening(LOOPBACK, config.admin_port))
        nursery = await stack.enter_async_context(trio.open_nursery())
        exchange.start(nursery)
        if serve_sockets:
            exchange.serve(nursery, ws, rest)
            nursery.start_soon(HttpServer(make_admin_app(exchange)).run, admin.listeners)
            exchange.admin_uri = f"http://{LOOPBACK}:{admin.number}"
        try:
            yield exchange
        finally:
            nursery.cancel_scope.cancel()
