"""The public REST calls: instruments, candles, the clock. Synchronous: a query in, the reply's `data` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .candles import STEPS, Candles
from .codes import Refusal
from .instruments import PaperConfig, PaperInstrument, digits, wire_decimal
from .positions import shown
from .validation import instrument_of
from .wire import Json

Query = Mapping[str, Any]
MAX_BARS = 500
FUNDING_RATE = "0.0001"
FUNDING_MS = 8 * 3600 * 1000


class PublicDesk:
    """Answers what anybody may ask."""

    def __init__(
        self, config: PaperConfig, candles: Mapping[str, Candles], now_ms: Callable[[], int]
    ) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in config.symbols}
        self._candles = candles
        self._now_ms = now_ms
        self.routes: dict[str, Callable[[Query], object]] = {
            "/system/time": self.time,
            "/contract/public/details": self.details,
            "/contract/public/kline": self.kline,
        }

    def time(self, query: Query) -> Json:
        return {"server_time": self._now_ms()}

    def details(self, query: Query) -> Json:
        """All instruments, or the one that is asked for."""
        symbol = query.get("symbol")
        if not symbol:
            return {"symbols": [self._details(one) for one in self._instruments.values()]}
        if symbol not in self._instruments:
            raise Refusal(40012, "SYMBOL_NOT_EXIST")
        return {"symbols": [self._details(self._instruments[symbol])]}

    def _details(self, instrument: PaperInstrument) -> Json:
        candles = self._candles[instrument.symbol]
        day = candles.day()
        price = wire_decimal(day.close)
        now_ms = self._now_ms()
        turnover = shown(instrument.notional(day.close, day.volume))
        return {
            "symbol": instrument.symbol,
            "product_type": 1,
            "open_timestamp": 1_600_000_000_000,
            "expire_timestamp": 0,
            "settle_timestamp": 0,
            "base_currency": instrument.base,
            "quote_currency": instrument.quote,
            "last_price": price,
            "volume_24h": str(day.volume),
            "turnover_24h": wire_decimal(turnover),
            "index_price": price,
            "index_name": instrument.symbol,
            "contract_size": wire_decimal(instrument.contract_size),
            "min_leverage": str(instrument.min_leverage),
            "max_leverage": str(instrument.max_leverage),
            "price_precision": wire_decimal(instrument.tick_size),
            "vol_precision": "1",
            "max_volume": str(instrument.max_size),
            "market_max_volume": str(instrument.market_max_size),
            "min_volume": str(instrument.min_size),
            "funding_rate": FUNDING_RATE,
            "expected_funding_rate": FUNDING_RATE,
            "open_interest": "0",
            "open_interest_value": "0",
            "high_24h": wire_decimal(day.high),
            "low_24h": wire_decimal(day.low),
            "change_24h": wire_decimal(shown(day.close / day.open - 1)),
            "funding_interval_hours": 8,
            "funding_time": now_ms - now_ms % FUNDING_MS + FUNDING_MS,
            "status": "Trading",
            "delist_time": 0,
        }

    def kline(self, query: Query) -> list[Json]:
        """Bars that open between two seconds, both included; the newest 500 of them, oldest first."""
        instrument = instrument_of(query, self._instruments)
        step = seconds(query, "step", default=1)
        if step not in STEPS:
            raise Refusal(40038)
        start_s, end_s = seconds(query, "start_time"), seconds(query, "end_time")
        bars = self._candles[instrument.symbol].between(step, start_s, end_s, MAX_BARS)
        return [
            {
                "timestamp": bar.ts,
                "open_price": wire_decimal(bar.open),
                "high_price": wire_decimal(bar.high),
                "low_price": wire_decimal(bar.low),
                "close_price": wire_decimal(bar.close),
                "volume": str(bar.volume),
            }
            for bar in bars
        ]


def seconds(query: Query, name: str, default: int | None = None) -> int:
    """A whole number of the query (40011)."""
    text = query.get(name)
    if text is None and default is not None:
        return default
    number = digits(text)
    if number is None:
        raise Refusal(40038 if name == "step" else 40011)
    return number
