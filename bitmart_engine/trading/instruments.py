"""The instruments as the exchange describes them, remembered for a while."""

from __future__ import annotations

from math import inf

import trio

from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError, Meaning, Refused
from ..model.errors import BadRequest, Unavailable
from ..model.identifiers import LONGEST_SYMBOL, is_identifier
from ..model.instruments import Instrument

__all__ = ["Instruments"]

REFRESH_AFTER_S = 3600.0
"""Tick and contract sizes change rarely, and an order that no longer fits is refused with a clear code."""
ASKED_ALONE = 3
"""So many symbols are asked for one by one. Whoever needs more gets them all in one request: the exchange answers six
of these in a second, and hundreds of symbols would wait in line for minutes."""


class Instruments:
    """Looks an instrument up at the exchange once an hour at most."""

    def __init__(self, exchange: ExchangeClient) -> None:
        self._exchange = exchange
        self._known: dict[str, tuple[float, Instrument]] = {}
        self._all_asked_at = -inf
        self._asking_all = trio.Lock()

    def known(self, symbol: str) -> Instrument | None:
        """The instrument, if it was looked up before, however long ago."""
        entry = self._known.get(symbol)
        return entry[1] if entry else None

    async def get(self, symbol: str) -> Instrument:
        """The instrument called `symbol`.

        Raises BadRequest for a symbol that the exchange does not have or trade, and Unavailable where it could not be
        asked and never was.
        """
        if not is_identifier(symbol, LONGEST_SYMBOL):
            raise BadRequest(f"must be 1 to {LONGEST_SYMBOL} printable characters", "$.symbol")
        entry = self._known.get(symbol)
        if entry is not None and trio.current_time() - entry[0] < REFRESH_AFTER_S:
            return entry[1]
        try:
            if len(self._known) >= ASKED_ALONE:
                await self._ask_all()
                entry = self._known.get(symbol)
                if entry is not None and trio.current_time() - entry[0] < REFRESH_AFTER_S:
                    return entry[1]
            found = await self._exchange.instruments(symbol)
        except Refused as refusal:
            if refusal.meaning is Meaning.INSTRUMENT:
                raise BadRequest(f"unknown symbol {symbol!r}", "$.symbol") from None
            return self._remembered(symbol, refusal)
        except ExchangeError as failure:
            return self._remembered(symbol, failure)
        for instrument in found:
            if instrument.symbol == symbol:
                if not instrument.trading:
                    raise BadRequest(f"{symbol} is not trading at the exchange", "$.symbol")
                self._known[symbol] = (trio.current_time(), instrument)
                return instrument
        raise BadRequest(f"unknown symbol {symbol!r}", "$.symbol")

    async def _ask_all(self) -> None:
        """Look up all that trade, unless that was done lately; one request however many ask for it at once."""
        async with self._asking_all:
            if trio.current_time() - self._all_asked_at < REFRESH_AFTER_S:
                return
            found = await self._exchange.instruments()
            now = self._all_asked_at = trio.current_time()
            self._known.update((each.symbol, (now, each)) for each in found if each.trading)

    def _remembered(self, symbol: str, failure: ExchangeError) -> Instrument:
        instrument = self.known(symbol)
        if instrument is None:
            raise Unavailable(
                f"the exchange could not be asked about {symbol}: {failure}"
            ) from None
        return instrument
