"""Where the cases can be run: BitMart's demo hosts, or a paper exchange. Nowhere else, whatever one asks for.

The hosts are constants here and come from no argument, no environment and no redirect. A client is given a venue only
after `check` has seen every address of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio
import trio.testing
from attrs import field, frozen
from trio_websocket import WebSocketConnection, open_websocket_url, wrap_client_stream

from bitmart_engine.paper import PaperExchange

DEMO_REST: Final = "https://demo-api-cloud-v2.bitmart.com"
DEMO_WS: Final = "wss://openapi-wsdemo-v2.bitmart.com"
DEMO_HOSTS: Final = frozenset({"demo-api-cloud-v2.bitmart.com", "openapi-wsdemo-v2.bitmart.com"})
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
IN_MEMORY: Final = "paper.invalid"

KEYS = ("BITMART_API_KEY", "BITMART_API_SECRET", "BITMART_API_MEMO")
LARGEST_MESSAGE = 1 << 22
CONNECT_S = 15

Dial = Callable[[str], AbstractAsyncContextManager[WebSocketConnection]]


class NotAllowed(Exception):
    """The cases place orders: they are not run there, or not without keys."""


@frozen(kw_only=True)
class Venue:
    """One exchange, and how to reach it. `dial` takes `/api` or `/user`; `now_ms` is the clock to sign with."""

    name: str
    rest_uri: str
    ws_uri: str
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    api_memo: str = field(repr=False)
    http: Callable[[], httpx.AsyncClient]
    dial: Dial
    now_ms: Callable[[], int]
    symbol: str = "BTCUSDT"
    pause_s: float = 0.1
    """How long to wait before every request."""

    def check(self) -> None:
        """Refuse any address that is neither one of BitMart's demo hosts nor on this machine (NotAllowed)."""
        for uri in (self.rest_uri, self.ws_uri):
            parts = urlsplit(uri)
            demo = parts.hostname in DEMO_HOSTS and parts.scheme in ("https", "wss")
            if not demo and parts.hostname not in LOOPBACK | {IN_MEMORY}:
                raise NotAllowed(f"{uri} is not one of BitMart's demo hosts, nor on this machine")


def _client(base: str) -> httpx.AsyncClient:
    """No proxy from the environment, no redirect to anywhere."""
    return httpx.AsyncClient(
        base_url=base, timeout=CONNECT_S, follow_redirects=False, trust_env=False
    )


def _dialling(base: str) -> Dial:
    @asynccontextmanager
    async def dial(path: str) -> AsyncIterator[WebSocketConnection]:
        async with open_websocket_url(
            f"{base}{path}?protocol=1.1",
            connect_timeout=CONNECT_S,
            disconnect_timeout=2,
            max_message_size=LARGEST_MESSAGE,
        ) as socket:
            yield socket

    return dial


def demo(environment: Mapping[str, str] = os.environ) -> Venue:
    """BitMart's demo hosts, with the keys of the environment (NotAllowed without them)."""
    missing = [name for name in KEYS if not environment.get(name)]
    if missing:
        raise NotAllowed(
            f"{', '.join(missing)} not set: the demo hosts take the keys of an account"
        )
    key, secret, memo = (environment[name] for name in KEYS)
    venue = Venue(
        name="BitMart's demo hosts",
        rest_uri=DEMO_REST,
        ws_uri=DEMO_WS,
        api_key=key,
        api_secret=secret,
        api_memo=memo,
        http=lambda: _client(DEMO_REST),
        dial=_dialling(DEMO_WS),
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    venue.check()
    return venue


def over_sockets(exchange: PaperExchange) -> Venue:
    """A paper exchange on this machine."""
    ws_uri = exchange.public_ws_uri.partition("/api")[0]
    return Venue(
        name="the paper exchange, over sockets",
        rest_uri=exchange.rest_uri,
        ws_uri=ws_uri,
        **_keys(exchange),
        http=lambda: _client(exchange.rest_uri),
        dial=_dialling(ws_uri),
        now_ms=exchange.now_ms,
        pause_s=0,
    )


def in_memory(exchange: PaperExchange, servers: trio.Nursery) -> Venue:
    """A paper exchange in this process; what serves a connection runs in `servers`."""

    @asynccontextmanager
    async def dial(path: str) -> AsyncIterator[WebSocketConnection]:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            servers.start_soon(exchange.serve_ws_stream, theirs)
            yield await wrap_client_stream(
                nursery,
                ours,
                IN_MEMORY,
                f"{path}?protocol=1.1",
                max_message_size=LARGEST_MESSAGE,
            )
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(ours)

    uri = f"http://{IN_MEMORY}"
    return Venue(
        name="the paper exchange, in memory",
        rest_uri=uri,
        ws_uri=f"ws://{IN_MEMORY}",
        **_keys(exchange),
        http=lambda: httpx.AsyncClient(base_url=uri, transport=exchange.rest_transport()),
        dial=dial,
        now_ms=exchange.now_ms,
    )


def _keys(exchange: PaperExchange) -> dict[str, str]:
    config = exchange.config
    return {
        "api_key": config.api_key,
        "api_secret": config.api_secret,
        "api_memo": config.api_memo,
    }
