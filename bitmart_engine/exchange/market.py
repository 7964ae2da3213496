"""What BitMart's REST API tells anybody, with or without an account: the time, the contracts, prices and bars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ..counters import Counters
from ..model.events import Kline, PastTrade
from ..model.instruments import Instrument
from ..model.timeframes import Timeframe
from .budget import Urgency
from .calls import Calls
from .classify import DETAILS
from .errors import OutcomeUnknown
from .rows import LeftOut, instrument_of, kline_of, past_trade_of, read_rows
from .wire import Unreadable, fields_of, listed_in, needed_decimal, reading, shown

__all__ = ["MarketClient"]

KLINE = "/contract/public/kline"
MOST_BARS = 500
"""In one answer. Source: fact sheet 5.2, since 2024-10-29."""
MOST_KLINE_REQUESTS = 20
MARKET_TRADE = "/contract/public/market-trade"
MOST_TRADES = 100
"""In one answer (fact sheet 5.2)."""


class MarketClient:
    """The public half of `ExchangeClient`; whose rules are its own, too."""

    def __init__(self, calls: Calls, counters: Counters) -> None:
        self._calls = calls
        self._counters = counters

    async def server_time_ms(self, *, urgency: Urgency = Urgency.READ) -> int:
        """The exchange's clock, Unix time in ms."""
        return await self._calls.server_time_ms(urgency=urgency)

    async def instruments(
        self, symbol: str | None = None, *, urgency: Urgency = Urgency.READ
    ) -> list[Instrument]:
        """All contracts, or the one called `symbol`. An unknown one is Refused, with Meaning.INSTRUMENT.

        Delisted ones are there with `trading` False. Coin-margined ones and rows that cannot be read are left out,
        and counted; an answer about one symbol that has no row of it which can be read says nothing of it.
        """
        found, told = [], symbol is None
        for row in await self._details(symbol, urgency):
            name = shown(row.get("symbol"))
            try:
                found.append(instrument_of(row))
            except LeftOut as reason:
                self._counters.add(str(reason), symbol=name)
                told = told or row.get("symbol") == symbol
            except Unreadable as reason:
                self._counters.add("contract_unreadable", symbol=name, why=reason)
        if not told and all(each.symbol != symbol for each in found):
            raise OutcomeUnknown(f"no contract {symbol} that can be read", DETAILS)
        return found

    async def last_price(self, symbol: str, *, urgency: Urgency = Urgency.READ) -> Decimal:
        """The price of the last trade, in the quote currency; about 2 s old at most (fact sheet 5.2)."""
        for row in await self._details(symbol, urgency):
            if row.get("symbol") == symbol:
                with reading(DETAILS):
                    price = needed_decimal(row, "last_price")
                if price > 0:
                    return price
        raise OutcomeUnknown(f"no last_price for {symbol}", DETAILS)

    async def klines(
        self,
        symbol: str,
        timeframe: Timeframe,
        start_s: int,
        end_s: int,
        *,
        urgency: Urgency = Urgency.READ,
    ) -> list[Kline]:
        """The bars that open from `start_s` to `end_s` (Unix time in s), oldest first; the running one may be last.

        One request for each 500 bars. Raises ValueError for a range that is empty or longer than 20 requests.
        """
        span = (MOST_BARS - 1) * timeframe.seconds
        if end_s < start_s or end_s - start_s > span * MOST_KLINE_REQUESTS:
            raise ValueError(f"{start_s} to {end_s} is empty or too long for {timeframe.value}")
        bars: dict[int, Kline] = {}
        while True:
            until = min(end_s, start_s + span)
            data = await self._calls.get(
                KLINE,
                {
                    "symbol": symbol,
                    "step": str(timeframe.seconds // 60),
                    "start_time": str(start_s),
                    "end_time": str(until),
                },
                urgency=urgency,
            )
            for bar in read_rows(
                KLINE, data, lambda row: kline_of(symbol, timeframe, fields_of(row))
            ):
                bars[bar.open_time_s] = bar
            if until == end_s:
                return [bars[at] for at in sorted(bars)]
            start_s = until  # once more, since whether either end is included is not established

    async def past_trades(self, symbol: str, *, urgency: Urgency = Urgency.READ) -> list[PastTrade]:
        """The last public trades, at most 100: of a busy symbol those of a few seconds. None older can be asked for."""
        data = await self._calls.get(
            MARKET_TRADE, {"symbol": symbol, "limit": str(MOST_TRADES)}, urgency=urgency
        )
        return read_rows(MARKET_TRADE, data, lambda row: past_trade_of(symbol, fields_of(row)))

    async def _details(self, symbol: str | None, urgency: Urgency) -> list[dict[str, Any]]:
        params = {"symbol": symbol} if symbol else None
        data = await self._calls.get(DETAILS, params, urgency=urgency)
        with reading(DETAILS):
            listed = listed_in(data, "symbols")
        rows = []
        for raw in listed:
            try:
                rows.append(fields_of(raw))
            except Unreadable as reason:
                self._counters.add("contract_unreadable", symbol=symbol, why=reason)
        return rows
