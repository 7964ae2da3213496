"""Leverage and margin mode of each symbol at the exchange: set before an order goes out, when it differs.

The owner may change them by hand at any time. So what is remembered is trusted for a minute; for symbols with entries
that need it, it is read again in the background, so that an order rarely waits for that.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import trio

from ...exchange.client import ExchangeClient
from ...exchange.errors import ExchangeError

__all__ = ["Leverage"]

TRUSTED_S = 60.0
"""How long what was read or set is taken for what is set."""
LEARN_WITHIN_S = 2.0
"""How long an order waits for that: its turn to ask may be far. After it the leverage is set, whatever it is."""
JUST_READ_S = 2.0
"""Within that nothing is read again: many orders are accepted at once."""


class Leverage:
    """Remembers what each symbol is set to, so that an order that needs no change costs no request."""

    def __init__(self, exchange: ExchangeClient) -> None:
        self._exchange = exchange
        self._known: dict[str, tuple[Decimal, str]] = {}
        self._known_at: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}
        self._changing: dict[str, trio.Lock] = {}

    def known(self, symbol: str) -> tuple[Decimal, str] | None:
        """The leverage and the margin mode that were read or set last; None where that is not known."""
        return self._known.get(symbol)

    async def learn(self, symbol: str) -> None:
        """Read the present setting. A failure changes nothing: it will be read or set when it is needed."""
        now = trio.current_time()
        if now - self._asked_at.get(symbol, -TRUSTED_S) < JUST_READ_S:
            return
        self._asked_at[symbol] = now
        before = self._known_at.get(symbol)
        try:
            settings = await self._exchange.position_settings(symbol)
        except ExchangeError:
            return
        if settings.leverage is None or settings.open_type is None:
            return
        if self._known_at.get(symbol) == before:  # it was not set meanwhile
            self._keep(symbol, (settings.leverage, settings.open_type))

    async def keep_fresh(self, symbols: Callable[[], list[str]]) -> None:
        """Read again what `symbols` says will be needed, each within a minute, for ever. Runs as a task."""
        while True:
            needed = symbols()
            for symbol in needed:
                await trio.sleep(TRUSTED_S / 2 / len(needed))
                await self.learn(symbol)
            if not needed:
                await trio.sleep(TRUSTED_S / 2)

    async def ensure(self, symbol: str, leverage: Decimal, open_type: str) -> None:
        """Have the symbol set to `leverage` and `open_type`.

        Raises ExchangeError; `Refused` where the exchange does not allow it, as it does while a position is open.
        """
        wanted = (leverage, open_type)
        if self._is(symbol, wanted):
            return
        async with self._changing.setdefault(symbol, trio.Lock()):
            if self._known.get(symbol) == wanted and not self._is(symbol, wanted):
                with trio.move_on_after(LEARN_WITHIN_S):
                    await self.learn(symbol)
            if self._is(symbol, wanted):
                return
            self.forget(symbol)
            await self._exchange.submit_leverage(symbol, leverage, open_type)
            self._keep(symbol, wanted)

    def forget(self, symbol: str) -> None:
        """What was known of `symbol` proved wrong."""
        self._known.pop(symbol, None)
        self._asked_at.pop(symbol, None)

    def _is(self, symbol: str, wanted: tuple[Decimal, str]) -> bool:
        age_s = trio.current_time() - self._known_at.get(symbol, 0.0)
        return self._known.get(symbol) == wanted and age_s < TRUSTED_S

    def _keep(self, symbol: str, setting: tuple[Decimal, str]) -> None:
        self._known[symbol] = setting
        self._known_at[symbol] = trio.current_time()
