"""The public REST calls: instruments, candles, books, trades, rates, the clock. A query in, the reply's `data` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .candles import STEPS, Candles
from .codes import Refusal
from .config import PaperConfig
from .funding import FUNDING_MS, FUNDING_RATE, LOWER_LIMIT, UPPER_LIMIT, next_funding_ms
from .instruments import PaperInstrument, digits, wire_decimal
from .orderbook import accumulated, book
from .positions import MAINTENANCE_RATE, shown
from .validation import instrument_of
from .wire import Json, Trade, amount

Query = Mapping[str, Any]
MAX_BARS = 500
BOOK_DEPTH = 50
TRADES, MOST_TRADES = 50, 100
FUNDINGS = 100
NOTIONAL_CAP = "10000000"


class PublicDesk:
    """Answers what anybody may ask. `tape` has the last public trades of each symbol, oldest first."""

    def __init__(
        self,
        config: PaperConfig,
        instruments: Mapping[str, PaperInstrument],
        candles: Mapping[str, Candles],
        tape: Mapping[str, Sequence[Trade]],
        now_ms: Callable[[], int],
    ) -> None:
        self._config = config
        self._instruments = instruments
        self._candles = candles
        self._tape = tape
        self._now_ms = now_ms
        self.routes: dict[str, Callable[[Query], object]] = {
            "/system/time": self.time,
            "/system/service": self.service,
            "/contract/public/details": self.details,
            "/contract/public/kline": self.kline,
            "/contract/public/markprice-kline": self.mark_price_kline,
            "/contract/public/depth": self.depth,
            "/contract/public/market-trade": self.market_trade,
            "/contract/public/funding-rate": self.funding_rate,
            "/contract/public/funding-rate-v2": self.funding_rates,
            "/contract/public/funding-rate-history": self.funding_history,
            "/contract/public/leverage-bracket": self.leverage_bracket,
            "/contract/public/open-interest": self.open_interest,
        }

    def time(self, query: Query) -> Json:
        return {"server_time": self._now_ms()}

    def service(self, query: Query) -> Json:
        """No maintenance is planned, and the last one is over."""
        row = {
            "title": "Contract API Stop",
            "service_type": "contract",
            "status": "2",
            "start_time": 1_600_000_000_000,
            "end_time": 1_600_003_600_000,
        }
        return {"service": [row]}

    # -- instruments --------------------------------------------------------------------------

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
            "funding_time": next_funding_ms(self._now_ms()),
            "status": "Trading",
            "delist_time": 0,
        }

    def leverage_bracket(self, query: Query) -> Json:
        """One bracket for everything."""
        rules = [
            {
                "symbol": one.symbol,
                "brackets": [
                    {
                        "bracket": 1,
                        "initial_leverage": one.max_leverage,
                        "notional_cap": NOTIONAL_CAP,
                        "notional_floor": "0",
                        "maint_margin_ratio": wire_decimal(MAINTENANCE_RATE),
                        "cum": "0",
                    }
                ],
            }
            for one in self._asked_for(query)
        ]
        return {"rules": rules}

    # -- the market ---------------------------------------------------------------------------

    def kline(self, query: Query) -> list[Json]:
        """Bars that open between two seconds; the newest 500 of them, oldest first."""
        instrument = instrument_of(query, self._instruments)
        step = seconds(query, "step", default=1)
        if step not in STEPS:
            raise Refusal(40038)
        start_s, end_s = seconds(query, "start_time"), seconds(query, "end_time")
        bounds, candles = self._config.kline_bounds, self._candles[instrument.symbol]
        start_s += bounds not in ("both", "start")
        end_s -= bounds not in ("both", "end")
        if not self._config.kline_running_bar:
            end_s = min(end_s, candles.running(step).ts - 1)
        bars = candles.between(step, start_s, end_s, MAX_BARS)
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

    def mark_price_kline(self, query: Query) -> list[Json]:
        """The same bars: the mark price is the last price here."""
        return self.kline(query)

    def depth(self, query: Query) -> Json:
        """Fifty levels on each side."""
        instrument = instrument_of(query, self._instruments)
        last = self._candles[instrument.symbol].running(1).close
        levels = book(instrument, last, BOOK_DEPTH)
        return {
            "asks": accumulated(levels.asks),
            "bids": accumulated(levels.bids),
            "timestamp": self._now_ms(),
            "symbol": instrument.symbol,
        }

    def market_trade(self, query: Query) -> list[Json]:
        """The last public trades, the newest first. Times are in seconds, sizes in the base currency."""
        instrument = instrument_of(query, self._instruments)
        limit = seconds(query, "limit", default=TRADES)
        if not 1 <= limit <= MOST_TRADES:
            raise Refusal(40011)
        newest = list(self._tape[instrument.symbol])[::-1][:limit]
        return [
            {
                "symbol": one.symbol,
                "price": wire_decimal(one.price),
                "qty": wire_decimal(one.size * instrument.contract_size),
                "quote_qty": amount(instrument.notional(one.price, one.size)),
                "time": one.at_ms // 1000,
                "is_buyer_maker": not one.buy,
            }
            for one in newest
        ]

    def open_interest(self, query: Query) -> Json:
        """Nobody else holds anything here."""
        return {
            "timestamp": self._now_ms(),
            "symbol": instrument_of(query, self._instruments).symbol,
            "open_interest": "0",
            "open_interest_value": "0",
        }

    # -- funding ------------------------------------------------------------------------------

    def funding_rate(self, query: Query) -> Json:
        symbol = instrument_of(query, self._instruments).symbol
        return {"timestamp": self._now_ms(), **self._funding(symbol)}

    def funding_rates(self, query: Query) -> Json:
        """Of all symbols, or of the one that is asked for."""
        return {"list": [self._funding(one.symbol) for one in self._asked_for(query)]}

    def _funding(self, symbol: str) -> Json:
        return {
            "symbol": symbol,
            "rate_value": FUNDING_RATE,
            "expected_rate": FUNDING_RATE,
            "funding_time": next_funding_ms(self._now_ms()),
            "funding_upper_limit": UPPER_LIMIT,
            "funding_lower_limit": LOWER_LIMIT,
        }

    def funding_history(self, query: Query) -> Json:
        """The last settlements, the newest first; times are texts."""
        symbol = instrument_of(query, self._instruments).symbol
        limit = seconds(query, "limit", default=FUNDINGS)
        if not 1 <= limit <= FUNDINGS:
            raise Refusal(40011)
        last_ms = next_funding_ms(self._now_ms()) - FUNDING_MS
        rows = [
            {
                "symbol": symbol,
                "funding_rate": FUNDING_RATE,
                "funding_time": str(last_ms - ago * FUNDING_MS),
            }
            for ago in range(limit)
        ]
        return {"list": rows}

    def _asked_for(self, query: Query) -> list[PaperInstrument]:
        if query.get("symbol"):
            return [instrument_of(query, self._instruments)]
        return list(self._instruments.values())


def seconds(query: Query, name: str, default: int | None = None) -> int:
    """A whole number of the query (40011)."""
    text = query.get(name)
    if text is None and default is not None:
        return default
    number = digits(text)
    if number is None:
        raise Refusal(40038 if name == "step" else 40011)
    return number
