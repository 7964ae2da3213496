"""The instruments as the exchange describes them, remembered for a minute.

Tick sizes, contract sizes and limits change while orders wait and positions are held. What is armed is read again in
the background once a minute, so that no order waits for it; whoever was refused reads again at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf

import trio

from ...exchange.budget import Urgency
from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError, Meaning, Refused
from ...model.errors import BadRequest, Unavailable
from ...model.identifiers import LONGEST_SYMBOL, is_identifier
from ...model.instruments import Instrument
from ...model.tickers import meanings

__all__ = ["FRESH_S", "Instruments"]

FRESH_S = 60.0
"""How long what was read is taken for what is."""
WAIT_S = 2.0
"""How long a new reading is waited for where there is an old one."""
ASK_WITHIN_S = 5.0
"""How long it is waited for where there is none: whoever asks is told within seconds that the exchange does not."""
ASKED_ALONE = 3
"""So many symbols are asked for one by one. Whoever needs more gets them all in one request: the exchange answers six
of these in a second, and hundreds of symbols would wait in line for minutes."""
KEPT_ALONE = 30
"""So many armed symbols are read again one by one, spread over a minute; more, in one request for all."""


class Instruments:
    """Looks an instrument up at the exchange once a minute at most, unless it is asked to read again."""

    def __init__(self, exchange: ExchangeClient) -> None:
        self._exchange = exchange
        self._known: dict[str, tuple[float, Instrument]] = {}
        self._meant: dict[str, tuple[float, str]] = {}
        """For tickers that are no symbols: when that was found, and the symbol that is meant."""
        self._all_asked_at = -inf
        self._asking_all = trio.Lock()

    def known(self, symbol: str) -> Instrument | None:
        """The instrument, if it was looked up before, however long ago."""
        entry = self._known.get(symbol)
        return entry[1] if entry else None

    def all_known(self) -> list[Instrument]:
        """Those that were looked up before, by symbol."""
        return [instrument for _, (_, instrument) in sorted(self._known.items())]

    async def get(self, symbol: str) -> Instrument:
        """The instrument called `symbol`, at most a minute old where the exchange answers within 2 s.

        Raises BadRequest for a symbol that the exchange does not have or trade, and Unavailable where it could not be
        asked within 5 s and never was.
        """
        if not is_identifier(symbol, LONGEST_SYMBOL):
            raise BadRequest(f"must be 1 to {LONGEST_SYMBOL} printable characters", "$.symbol")
        instrument = self._fresh(symbol)
        if instrument is None:
            remembered = self.known(symbol)
            with trio.move_on_after(ASK_WITHIN_S if remembered is None else WAIT_S):
                return _traded(await self._looked_up(symbol))
            if remembered is None:
                why = f"no answer within {ASK_WITHIN_S:g} s"
                raise Unavailable(f"the exchange could not be asked about {symbol}: {why}")
            instrument = remembered
        return _traded(instrument)

    async def meant_by(self, ticker: str) -> Instrument:
        """The instrument that a user means: of that literal name, or else without what charts put around it.

        A ticker whose literal name was ever listed means nothing else. Raises as `get` does.
        """
        found_at, symbol = self._meant.get(ticker, (-inf, ticker))
        if trio.current_time() - found_at < FRESH_S:
            return await self.get(symbol)
        names = meanings(ticker)
        for name in names:
            try:
                instrument = await self.get(name)
            except BadRequest:
                if name == ticker == names[-1] or self.known(name) is not None:
                    raise
            else:
                if name != ticker:
                    self._meant[ticker] = (trio.current_time(), name)
                return instrument
        raise BadRequest(f"unknown symbol {ticker[:LONGEST_SYMBOL]!r}", "$.symbol")

    async def refresh(self, symbol: str, urgency: Urgency = Urgency.READ) -> Instrument | None:
        """Read the instrument again now. Where that fails, what was known of it, which may be nothing.

        Never raises: for whoever was refused for what may have changed.
        """
        try:
            found = await self._exchange.instruments(symbol, urgency=urgency)
        except ExchangeError:
            return self.known(symbol)
        return self._keep(symbol, found) or self.known(symbol)

    async def keep_fresh(self, symbols: Callable[[], list[str]]) -> None:
        """Read again what `symbols` says is armed, each once a minute, for ever. Runs as a task."""
        while True:
            armed = symbols()
            if len(armed) > KEPT_ALONE:
                with suppress(ExchangeError):  # what is remembered is read again in a minute
                    await self._ask_all()
                armed = []
            for symbol in armed:
                if self._age_s(symbol) > FRESH_S / 2:
                    await self.refresh(symbol)
                await trio.sleep(FRESH_S / 2 / len(armed))
            if not armed:
                await trio.sleep(FRESH_S / 2)

    async def _looked_up(self, symbol: str) -> Instrument:
        try:
            if len(self._known) >= ASKED_ALONE:
                await self._ask_all()
                instrument = self._fresh(symbol)
                if instrument is not None:
                    return instrument
            found = await self._exchange.instruments(symbol)
        except Refused as refusal:
            if refusal.meaning is Meaning.INSTRUMENT:
                raise BadRequest(f"unknown symbol {symbol!r}", "$.symbol") from None
            return self._remembered(symbol, refusal)
        except ExchangeError as failure:
            return self._remembered(symbol, failure)
        instrument = self._keep(symbol, found)
        if instrument is None:
            raise BadRequest(f"unknown symbol {symbol!r}", "$.symbol")
        return instrument

    async def _ask_all(self) -> None:
        """Look up all that trade, unless that was done lately; one request however many ask for it at once."""
        async with self._asking_all:
            if trio.current_time() - self._all_asked_at < FRESH_S:
                return
            found = await self._exchange.instruments()
            now = self._all_asked_at = trio.current_time()
            self._known.update((each.symbol, (now, each)) for each in found if each.trading)

    def _keep(self, symbol: str, found: list[Instrument]) -> Instrument | None:
        for instrument in found:
            if instrument.symbol == symbol:
                self._known[symbol] = (trio.current_time(), instrument)
                return instrument
        return None

    def _age_s(self, symbol: str) -> float:
        entry = self._known.get(symbol)
        return inf if entry is None else trio.current_time() - entry[0]

    def _fresh(self, symbol: str) -> Instrument | None:
        return self.known(symbol) if self._age_s(symbol) < FRESH_S else None

    def _remembered(self, symbol: str, failure: ExchangeError) -> Instrument:
        instrument = self.known(symbol)
        if instrument is None:
            raise Unavailable(
                f"the exchange could not be asked about {symbol}: {failure}"
            ) from None
        return instrument


def _traded(instrument: Instrument) -> Instrument:
    if not instrument.trading:
        raise BadRequest(f"{instrument.symbol} is not trading at the exchange", "$.symbol")
    return instrument
