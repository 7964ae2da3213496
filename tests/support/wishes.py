"""What an application may ask for: entry orders made up at random, around a price."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

__all__ = [
    "GUARDED_HERE",
    "GUARDED_THERE",
    "MONITORED",
    "OF_ANOTHER_SCRIPT",
    "UNGUARDED",
    "digits",
    "wish",
    "with_levels",
]

GUARDED_HERE, GUARDED_THERE, MONITORED, UNGUARDED = "BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT"
"""Each symbol has a purpose: on the first the engine alone keeps the stops, on the second the exchange keeps them too,
on the third positions are opened by hand and monitored, and the last is traded without any protection."""
OF_ANOTHER_SCRIPT = "龙USDT"
"""The exchange lists such, too. Where it is traded, it is as the first."""


def wish(
    id: str,
    symbol: str,
    side: str,
    zone: tuple[Decimal, Decimal],
    timeouts: Sequence[float],
    callback_url: str,
    rng: random.Random,
) -> dict[str, Any]:
    """The body of a request to place an order, without levels."""
    return {
        "id": id,
        "symbol": symbol,
        "side": side,
        "entry_zone_min": digits(zone[0]),
        "entry_zone_max": digits(zone[1]),
        "size": rng.randint(1, 12),
        "type": rng.choice(("limit", "limit", "market")),
        "post_only": rng.random() < 0.7,
        "timeout_seconds": rng.choice(timeouts),
        "exchange_protection": symbol == GUARDED_THERE,
        "callback_url": callback_url,
        "metadata": {"run": id},
    }


def with_levels(
    body: dict[str, Any], below: Decimal, above: Decimal, *, stop: bool, target: bool
) -> None:
    """Add a stop, a target, or both, on the sides of the price where they belong."""
    levels = digits(below), digits(above)
    stop_loss, take_profit = levels if body["side"] == "long" else levels[::-1]
    if stop:
        body["stop_loss"] = stop_loss
    if target:
        body["take_profit"] = take_profit


def digits(price: Decimal) -> str:
    """As it is sent."""
    return f"{price:.9f}"
