"""Tickers of charts (`BITMART:BTCUSDT.P`, `BTCUSDTPERP`), and the symbols of the exchange that they may mean.

Whether the exchange lists a symbol of the literal name is for `trading.instruments` to ask: that one is meant then.
"""

from __future__ import annotations

__all__ = ["meanings"]

EXCHANGE = "BITMART:"
PERPETUAL = (".P", "PERP")
"""How charts end the names of perpetual contracts."""


def meanings(ticker: str) -> tuple[str, ...]:
    """The symbols, in capitals, that a ticker may mean: the literal one first, then with less and less around it."""
    name = ticker.upper()
    found = [name]
    name = name.removeprefix(EXCHANGE)
    found.append(name)
    for ending in PERPETUAL:
        if name.endswith(ending):
            found.append(name.removesuffix(ending))
            break
    return tuple(dict.fromkeys([found[0], *filter(None, found)]))
