"""BitMart's REST API as typed methods: what the engine asks of the exchange, and nothing about why.

Every method is one request (`find_order`, `klines` and `positions` may be more) and either succeeds or raises an
`ExchangeError`. The client never retries, never remembers an order or a position, and never turns a query that failed
into an answer. Each method checkpoints. Cancelling a write leaves its outcome unknown.

A request waits until its endpoint has room for it. `urgency` says who goes first when there is not enough: what it is
by default follows from what is asked, and whoever closes a position passes `Urgency.CLOSE` for all that it needs.

What needs no account is in `market`, and what is about its orders in `order_client`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, final

import msgspec
import trio
from attrs import frozen

from ..counters import Counters
from ..housekeeping import supervised
from ..latency import Latencies
from ..model.decimals import plain
from ..model.events import PositionUpdate
from ..model.sides import PositionSide
from ..settings import SettingError, Settings
from ..world import World
from .budget import Urgency
from .calls import Calls
from .limits import KEPT_FOR_CLOSES
from .order_client import OrderClient
from .rows import (
    Balance,
    Listed,
    PositionSettings,
    balance_of,
    positions_of,
    read_rows,
    settings_of,
)
from .transport import KeptConnections
from .turns import EndpointStatistics, HeldBack
from .wire import fields_of, needed, reading, text_of

__all__ = ["ExchangeClient", "ExchangeStatistics", "open_exchange"]

POSITIONS = "/contract/private/position-v2"
ASSETS = "/contract/private/assets-detail"
LEVERAGE = "/contract/private/submit-leverage"
GET_MODE = "/contract/private/get-position-mode"
SET_MODE = "/contract/private/set-position-mode"


@frozen(kw_only=True)
class ExchangeStatistics:
    """How the requests to the exchange stand."""

    endpoints: Mapping[str, EndpointStatistics]
    """By path, those that were asked at least once."""
    clock_offset_ms: int | None
    """How far the exchange's clock is ahead of ours; None before it was measured."""
    request_window_s: float | None = None
    """How old a signed submit may surely be; None while that is not known."""


@final
class ExchangeClient(OrderClient):
    """BitMart's REST API over one transport: the market, and an account.

    Made by `open_exchange`. Safe to use from many tasks at once.
    """

    # The exchange's clock, and how much we ask of it

    def now_ms(self) -> int:
        """The exchange's time, Unix time in ms: our wall clock put right by what was measured last."""
        return self._calls.clock.now_ms()

    def there_ms(self) -> int:
        """The exchange's time, Unix ms, as far as its clock was measured; 0 where it was not."""
        return 0 if self.clock_offset_ms is None else self.now_ms()

    @property
    def clock_offset_ms(self) -> int | None:
        """How far the exchange's clock is ahead of ours; None before it was measured."""
        return self._calls.clock.offset_ms

    def latest_ms(self, at_ms: int) -> int:
        """The latest time that the exchange can have written on what was made until `at_ms`, our time: its clock may
        have been set back since. Unix ms."""
        return self._calls.clock.latest_ms(at_ms)

    def earliest_ms(self, there_ms: int) -> int:
        """The earliest time that the exchange can have written since its clock showed `there_ms`. Unix ms."""
        return self._calls.clock.earliest_ms(there_ms)

    def dated_twice(self, there_ms: int) -> bool:
        """Whether the exchange's clock shows this time, Unix ms, a second time after it was set back."""
        return self._calls.clock.dated_twice(there_ms)

    def recall_clock(self, at_ms: int, offset_ms: int) -> None:
        """How far the exchange's clock was ahead at a time of ours, before this process. Does not block."""
        self._calls.clock.recall(at_ms, offset_ms)

    def doubt_clock(self) -> None:
        """A refused login, say, may come of a wrong offset: have it measured soon. Does not block."""
        self._calls.clock.doubt()

    async def measure_clock(self) -> int:
        """Measure that offset now, by three requests; also done at start, hourly, and when a timestamp is refused."""
        return await self._calls.clock.measure()

    # How old a submit may be

    @property
    def request_window_s(self) -> float | None:
        """How old a signed submit may surely be, as it was measured; None while that is not known."""
        return self._calls.window.taken_s

    def submit_timestamp_ms(self) -> int:
        """What a submit that leaves now is signed with so that it dies soon, by the exchange's clock. Unix ms; 0: the
        present time, and nothing of it is kept."""
        return self._calls.window.timestamp_ms()

    async def is_dead(self, signed_ms: int) -> bool:
        """Whether a submit that was signed with this timestamp can no longer be taken. False: that is not known."""
        return await self._calls.window.is_dead(signed_ms)

    def doubt_window(self) -> None:
        """A new session may be with another machine: have the window measured soon. Does not block."""
        self._calls.window.doubt()

    # The rest

    def key_taken_at(self) -> float:
        """When, by Trio's clock, the exchange last answered a private read, so knew the key; -inf before."""
        return self._calls.key_taken_at

    def observe_held_back(self, observer: Callable[[HeldBack], None]) -> None:
        """Have `observer` called, synchronously, with every close that waits for its turn, and why."""
        self._calls.turns.observe(observer)

    def held_back(self) -> list[str]:
        """What keeps closes waiting for longer than 3 s now, by endpoint: pauses, and headers that may be wrong."""
        return [
            f"{path}: {each.held_back}"
            for path, each in self._calls.turns.statistics().items()
            if path in KEPT_FOR_CLOSES and each.held_back
        ]

    def statistics(self) -> ExchangeStatistics:
        """How many requests count at each endpoint now, how many wait, and whether it is paused."""
        return ExchangeStatistics(
            endpoints=self._calls.turns.statistics(),
            clock_offset_ms=self.clock_offset_ms,
            request_window_s=self.request_window_s,
        )

    # Positions and the account

    async def positions(
        self, symbol: str | None = None, *, urgency: Urgency = Urgency.READ
    ) -> Listed[PositionUpdate]:
        """What is held: every side with contracts; for one `symbol` both its sides, a flat one with size 0.

        Of all symbols, those that do not concern us and could not be read are `left_out`: of these nothing is known.
        """
        rows = await self._position_rows(symbol, urgency)
        updates = [each for _, sides in rows for each in sides]
        if symbol is None:
            held = Listed(each for each in updates if each.size)
            held.left_out = rows.left_out
            return held
        sides = {each.side: each for each in sorted(updates, key=lambda each: each.size)}
        return Listed(
            sides.get(side) or PositionUpdate(symbol=symbol, side=side, size=0)
            for side in PositionSide
        )

    async def position_settings(
        self, symbol: str, *, urgency: Urgency = Urgency.READ
    ) -> PositionSettings:
        """The leverage, the margin mode and the position mode of `symbol`, and what is held on each side."""
        rows = await self._position_rows(symbol, urgency)
        with reading(POSITIONS):
            return settings_of(symbol, [row for row, _ in rows])

    async def submit_leverage(
        self,
        symbol: str,
        leverage: Decimal,
        open_type: str,
        *,
        urgency: Urgency = Urgency.OPEN,
    ) -> None:
        """Set the leverage and the margin mode (`isolated` or `cross`) of `symbol`."""
        body = {"symbol": symbol, "leverage": plain(leverage), "open_type": open_type}
        await self._calls.post(LEVERAGE, msgspec.json.encode(body), urgency=urgency)

    async def position_mode(self, *, urgency: Urgency = Urgency.READ) -> str:
        """`hedge_mode` or `one_way_mode`, of the whole account."""
        data = await self._private(GET_MODE, urgency)
        with reading(GET_MODE):
            return text_of(needed(fields_of(data), "position_mode"))

    async def set_position_mode(self, mode: str, *, urgency: Urgency = Urgency.OPEN) -> None:
        """Set the position mode of the whole account. Refused while any position or order is open."""
        body = msgspec.json.encode({"position_mode": mode})
        await self._calls.post(SET_MODE, body, urgency=urgency)

    async def balance(self, currency: str = "USDT", *, urgency: Urgency = Urgency.READ) -> Balance:
        """The futures account in `currency`; all zero where the account does not list it."""
        rows = read_rows(ASSETS, await self._private(ASSETS, urgency), fields_of)
        with reading(ASSETS):
            return balance_of(currency, rows)

    # How the above are asked

    async def _position_rows(
        self, symbol: str | None, urgency: Urgency
    ) -> Listed[tuple[dict[str, Any], list[PositionUpdate]]]:
        """The rows of one symbol, or all. BitMart answers a symbol with rows of zeros when it is flat: where it
        answers with none, the whole account is asked before anything is called flat.
        """
        answer = await self._private(POSITIONS, urgency, symbol=symbol)
        rows = self._read_rows(POSITIONS, answer, positions_of, symbol)
        if symbol is None:
            return rows
        if not rows:
            answer = await self._private(POSITIONS, urgency)
            rows = self._read_rows(POSITIONS, answer, positions_of, symbol)
        return Listed((row, sides) for row, sides in rows if sides[0].symbol == symbol)


@asynccontextmanager
async def open_exchange(
    settings: Settings,
    world: World,
    counters: Counters,
    latencies: Latencies | None = None,
    *,
    concerns: Callable[[str], bool] = lambda symbol: True,
) -> AsyncIterator[ExchangeClient]:
    """The exchange at `settings.rest_uri`, for as long as the block lasts.

    `concerns` says of a symbol whether we have something in it: of others, a row that cannot be read is left out.
    By itself it only asks for the exchange's time, at once and every hour, and measures how old a submit may be, at
    once and every day; nothing waits for that. Without credentials only the public methods work. Raises SettingError
    for a key that no header can carry; what the block itself raises comes in an ExceptionGroup. How long requests take
    is measured in `latencies`.
    """
    if not (settings.api_key.isascii() and settings.api_key.isprintable()):
        raise SettingError("BITMART_API_KEY", "***", "must be printable ASCII")
    make = world.http_transport or partial(KeptConnections, world.dial)
    async with make() as transport, trio.open_nursery() as nursery:
        calls = Calls(settings, world, counters, transport, latencies)
        nursery.start_soon(supervised, calls.clock.keep, "clock", counters)
        if settings.submit_valid_s and not settings.missing_credentials:
            nursery.start_soon(supervised, calls.window.keep, "submit_window", counters)
        yield ExchangeClient(calls, counters, concerns)
        nursery.cancel_scope.cancel()
