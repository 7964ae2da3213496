"""The small client that the cases are written with: raw frames, raw bodies, its own signing.

It shares no line with the engine. REST calls are spaced out so that no limit is passed, with the numbers that the
answers themselves carry; everything that waits is bounded.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection

from .case import Differs, NotEstablished, expect
from .venue import Venue

PRIVATE, PUBLIC = "/contract/private", "/contract/public"
ORDERS, POSITIONS, ASSET = "futures/order", "futures/position", "futures/asset:USDT"
PUSH_S = 15.0
"""How long a push may take."""
LAG_S = 10.0
"""How long a read may lag behind a write."""


@frozen
class Answer:
    """An HTTP answer. `body` is None where it is no JSON object."""

    status: int
    headers: httpx.Headers
    body: dict[str, Any] | None
    text: str

    @property
    def code(self) -> int | None:
        return None if self.body is None else self.body.get("code")

    @property
    def data(self) -> Any:
        return None if self.body is None else self.body.get("data")

    @property
    def short(self) -> str:
        """In a few words."""
        return f"HTTP {self.status}, {self.text[:200]}"


class Rest:
    """Calls, signed or not."""

    def __init__(self, venue: Venue, client: httpx.AsyncClient) -> None:
        self._venue = venue
        self._client = client
        self._full: dict[str, float] = {}

    async def get(self, path: str, *, key: str | None = "", **query: Any) -> Answer:
        """A read. `key` is ours unless another is given; None sends none."""
        headers = {} if key is None else {"X-BM-KEY": key or self._venue.api_key}
        return await self._send("GET", path, headers, params=query)

    async def post(self, path: str, body: Any, *, late_ms: int = 0, signature: str = "") -> Answer:
        """A signed write; `late_ms` is the age of its timestamp."""
        content = msgspec.json.encode(body)
        timestamp = str(self._venue.now_ms() - late_ms)
        headers = {
            "X-BM-KEY": self._venue.api_key,
            "X-BM-TIMESTAMP": timestamp,
            "X-BM-SIGN": signature or sign(self._venue, timestamp, content.decode()),
            "Content-Type": "application/json",
        }
        return await self._send("POST", path, headers, content=content)

    async def data(self, path: str, **query: Any) -> Any:
        """The data of a read that succeeds (Differs)."""
        answer = await self.get(path, **query)
        expect(answer.code == 1000, f"GET {path}: {answer.short}")
        return answer.data

    async def done(self, path: str, body: Any) -> Any:
        """The data of a write that succeeds (Differs)."""
        answer = await self.post(path, body)
        expect(answer.code == 1000, f"POST {path}: {answer.short}")
        return answer.data

    async def _send(self, method: str, path: str, headers: dict[str, str], **more: Any) -> Answer:
        await trio.sleep_until(self._full.pop(path, 0.0))
        await trio.sleep(self._venue.pause_s)
        headers["User-Agent"] = "bitmart-engine-conformance/1"
        response = await self._client.request(method, path, headers=headers, **more)
        used = response.headers.get("X-BM-RateLimit-Remaining", "")
        limit = response.headers.get("X-BM-RateLimit-Limit", "")
        if used.isdecimal() and limit.isdecimal() and int(used) >= int(limit):
            reset = response.headers.get("X-BM-RateLimit-Reset", "")
            self._full[path] = trio.current_time() + (int(reset) if reset.isdecimal() else 2) + 0.2
        try:
            body = msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        object_ = body if isinstance(body, dict) else None
        return Answer(response.status_code, response.headers, object_, response.text)


class Socket:
    """A WebSocket connection. Frames that were read past are kept for whoever asks for them later."""

    def __init__(self, venue: Venue, raw: WebSocketConnection) -> None:
        self._venue = venue
        self.raw = raw
        self.kept: list[dict[str, Any]] = []
        self.binary = 0

    async def say(self, frame: Any) -> None:
        text = frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()
        await self.raw.send_message(text)

    async def subscribe(self, *topics: str) -> None:
        """Subscribe, and wait for the acknowledgements (Differs)."""
        await self.say({"action": "subscribe", "args": topics})
        for topic in topics:
            ack = await self.hear(is_ack(topic))
            expect(ack["success"] is True, f"subscribing {topic}: {ack}")

    async def login(self, secret: str = "") -> dict[str, Any]:
        """The answer to a login."""
        stamp = str(self._venue.now_ms())
        signature = sign(self._venue, stamp, "bitmart.WebSocket", secret)
        args = [self._venue.api_key, stamp, signature, "web"]
        await self.say({"action": "access", "args": args})
        return await self.hear(lambda frame: frame.get("action") == "access")

    async def hear(
        self, wanted: Callable[[dict[str, Any]], bool], within_s: float = PUSH_S
    ) -> dict[str, Any]:
        """The first frame that is wanted, among those kept and those to come (Differs if none comes in time)."""
        for frame in self.kept:
            if wanted(frame):
                self.kept.remove(frame)
                return frame
        heard = 0
        with trio.move_on_after(within_s):
            while True:
                frame = await self._next()
                heard += 1
                if wanted(frame):
                    return frame
                self.kept.append(frame)
        raise Differs(f"nothing of it in {within_s:g} s, among {heard} frames")

    async def push(self, topic: str, within_s: float = PUSH_S) -> Any:
        """The data of the next push of a topic (Differs)."""
        return (await self.hear(is_push(topic), within_s))["data"]

    async def order_events(
        self, client_order_id: str, until: Callable[[dict[str, Any]], bool]
    ) -> list[dict[str, Any]]:
        """The events of one order, up to and with one that ends it (Differs)."""
        events: list[dict[str, Any]] = []
        for _ in range(50):
            for event in await self.push(ORDERS):
                if event["order"]["client_order_id"] == client_order_id:
                    events.append(event)
                    if until(event):
                        return events
        raise Differs(f"no such event among {len(events)}: {brief(events)}")

    async def _next(self) -> dict[str, Any]:
        try:
            message = await self.raw.get_message()
        except ConnectionClosed as closed:
            raise Differs(f"the connection was closed: {closed.reason}") from None
        if isinstance(message, bytes):
            self.binary += 1
            message = zlib.decompress(message, -zlib.MAX_WBITS).decode()
        if message.strip() == "pong":
            return {"text": "pong"}
        frame = msgspec.json.decode(message)
        expect(isinstance(frame, dict), f"a frame that is no object: {message[:200]}")
        return dict(frame)


class Desk:
    """What a case has in its hands: an account with nothing in the symbol, and ways to the exchange."""

    def __init__(self, venue: Venue, rest: Rest, run: str) -> None:
        venue.check()
        self.venue = venue
        self.symbol = venue.symbol
        self.rest = rest
        self._names = (f"conf{run}n{number}" for number in itertools.count(1))
        self._details: dict[str, Any] | None = None

    @asynccontextmanager
    async def socket(self, path: str = "/api") -> AsyncIterator[Socket]:
        """A connection, closed with the block."""
        async with self.venue.dial(path) as raw:
            yield Socket(self.venue, raw)

    @asynccontextmanager
    async def public(self, *topics: str) -> AsyncIterator[Socket]:
        async with self.socket() as socket:
            await socket.subscribe(*topics)
            yield socket

    @asynccontextmanager
    async def private(self, *topics: str) -> AsyncIterator[Socket]:
        async with self.socket("/user") as socket:
            answer = await socket.login()
            expect(answer.get("success") is True, f"login: {answer.get('error')}")
            await socket.subscribe(*topics)
            yield socket

    def new_name(self) -> str:
        """A client order id that was never used."""
        return next(self._names)

    # -- the market ---------------------------------------------------------------------------

    async def details(self) -> dict[str, Any]:
        """The symbol's row of `details`; read once."""
        if self._details is None:
            data = await self.rest.data(f"{PUBLIC}/details", symbol=self.symbol)
            self._details = data["symbols"][0]
        return self._details

    async def last(self) -> Decimal:
        """The last price now."""
        data = await self.rest.data(f"{PUBLIC}/details", symbol=self.symbol)
        return Decimal(data["symbols"][0]["last_price"])

    async def away(self, part: str) -> str:
        """A price so far from the last one, as a part of it, on the tick grid."""
        tick = Decimal((await self.details())["price_precision"])
        wanted = await self.last() * (1 + Decimal(part))
        return format((wanted / tick).to_integral_value() * tick, "f")

    async def least(self) -> int:
        """The smallest size, in contracts."""
        return int(Decimal((await self.details())["min_volume"]))

    # -- orders: the smallest there are ---------------------------------------------------------

    async def resting(self, **changes: Any) -> dict[str, Any]:
        """The body of an order to buy that rests a tenth below the market."""
        return {
            "symbol": self.symbol,
            "client_order_id": self.new_name(),
            "side": 1,
            "type": "limit",
            "price": await self.away("-0.1"),
            "size": await self.least(),
            "leverage": LEVERAGE,
            "open_type": "isolated",
            **changes,
        }

    async def market(self, **changes: Any) -> dict[str, Any]:
        """The body of an order that buys the least there is at the market."""
        body = await self.resting(type="market", **changes)
        del body["price"]
        return body

    def closing(self, size: int) -> dict[str, Any]:
        """The body of an order that sells so much of the long position at the market."""
        return {
            "symbol": self.symbol,
            "client_order_id": self.new_name(),
            "side": 3,
            "type": "market",
            "size": size,
        }

    async def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Submit an order that is taken: the data of the reply."""
        return dict(await self.rest.done(f"{PRIVATE}/submit-order", body))

    async def cancel(self, client_order_id: str) -> Answer:
        body = {"symbol": self.symbol, "client_order_id": client_order_id}
        return await self.rest.post(f"{PRIVATE}/cancel-order", body)

    async def held(self) -> dict[str, int]:
        """Contracts held, by side."""
        rows = await self.rest.data(f"{PRIVATE}/position-v2", symbol=self.symbol)
        return {
            row["position_side"]: abs(int(Decimal(row["current_amount"])))
            for row in rows
            if Decimal(row["current_amount"]) != 0
        }

    async def found(self, path: str, client_order_id: str) -> tuple[dict[str, Any], float]:
        """The row with a client order id in a list, and after how many seconds it was there (Differs)."""
        asked_at = trio.current_time()
        while trio.current_time() < asked_at + LAG_S:
            query = {"client_order_id": client_order_id} if "history" in path else {}
            rows = await self.rest.data(f"{PRIVATE}/{path}", symbol=self.symbol, **query)
            for row in rows or []:
                if row["client_order_id"] == client_order_id:
                    return row, trio.current_time() - asked_at
            await trio.sleep(0.3)
        raise Differs(f"{path} does not know {client_order_id} after {LAG_S:g} s")

    async def has_ended(self, client_order_id: str) -> dict[str, Any]:
        """The row of an order in the history."""
        return (await self.found("order-history", client_order_id))[0]

    # -- coming and going ---------------------------------------------------------------------

    async def check_empty(self) -> None:
        """NotEstablished unless the account has nothing in the symbol: what is there is somebody's."""
        orders = await self.rest.data(f"{PRIVATE}/get-open-orders", symbol=self.symbol)
        plans = await self.rest.data(f"{PRIVATE}/current-plan-order", symbol=self.symbol)
        held = await self.held()
        if orders or plans or held:
            what = f"{len(orders or [])} orders, {len(plans or [])} plan orders, held: {held}"
            raise NotEstablished(f"the account has something in {self.symbol}: {what}")

    async def clean_up(self) -> None:
        """Cancel and close what the cases left in the symbol; it was empty before (NotEstablished if it stays)."""
        for _ in range(5):
            await self.rest.post(f"{PRIVATE}/cancel-orders", {"symbol": self.symbol})
            await self.rest.post(f"{PRIVATE}/cancel-plan-order", {"symbol": self.symbol})
            for side, size in (await self.held()).items():
                close = self.closing(size)
                close["side"] = 2 if side == "short" else 3
                await self.rest.post(f"{PRIVATE}/submit-order", close)
            try:
                await self.check_empty()
            except NotEstablished:
                await trio.sleep(1)
            else:
                return
        await self.check_empty()


LEVERAGE = "5"


def sign(venue: Venue, timestamp: str, text: str, secret: str = "") -> str:
    """2.1: hex HMAC-SHA256 of `timestamp#memo#text`."""
    message = f"{timestamp}#{venue.api_memo}#{text}".encode()
    return hmac.new((secret or venue.api_secret).encode(), message, hashlib.sha256).hexdigest()


def is_ack(topic: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame.get("group") == topic and "success" in frame


def is_push(topic: str) -> Callable[[dict[str, Any]], bool]:
    """A push may carry a speed that was not asked for (3.6)."""
    return lambda frame: str(frame.get("group")).partition("@")[0] == topic and "data" in frame


def brief(events: list[dict[str, Any]]) -> str:
    """Order events as action/state/filled."""
    return " ".join(
        f"{one['action']}/{one['order']['state']}/{one['order']['deal_size']}" for one in events
    )
