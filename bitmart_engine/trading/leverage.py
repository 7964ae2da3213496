"""Leverage and margin mode of each symbol at the exchange: set before an order goes out, when it differs."""

from __future__ import annotations

from decimal import Decimal

import trio

from ..exchange.client import ExchangeClient
from ..exchange.errors import ExchangeError

__all__ = ["Leverage"]


class Leverage:
    """Remembers what each symbol is set to, so that an order that needs no change costs no request."""

    def __init__(self, exchange: ExchangeClient) -> None:
        self._exchange = exchange
        self._known: dict[str, tuple[Decimal, str]] = {}
        self._changing: dict[str, trio.Lock] = {}

    async def learn(self, symbol: str) -> None:
        """Read the present setting ahead of time. A failure changes nothing: it will be set when it is needed."""
        if symbol in self._known:
            return
        try:
            settings = await self._exchange.position_settings(symbol)
        except ExchangeError:
            return
        if settings.leverage is not None and settings.open_type is not None:
            self._known.setdefault(symbol, (settings.leverage, settings.open_type))

    async def ensure(self, symbol: str, leverage: Decimal, open_type: str) -> None:
        """Have the symbol set to `leverage` and `open_type`.

        Raises ExchangeError; `Refused` where the exchange does not allow it, as it does while a position is open.
        """
        wanted = (leverage, open_type)
        if self._known.get(symbol) == wanted:
            return
        async with self._changing.setdefault(symbol, trio.Lock()):
            if self._known.get(symbol) == wanted:
                return
            self.forget(symbol)
            await self._exchange.submit_leverage(symbol, leverage, open_type)
            self._known[symbol] = wanted

    def forget(self, symbol: str) -> None:
        """What was known of `symbol` proved wrong."""
        self._known.pop(symbol, None)
