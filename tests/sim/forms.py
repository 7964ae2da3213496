"""A request as an application of the old worker sends it: the same request in other words.

Prices are binary floats, what is not wanted is null, an empty array of PHP stands for empty metadata, and a side is
said in any of the words that were ever taken.
"""

from __future__ import annotations

import random
from typing import Any

__all__ = ["as_the_application_sends"]

PRICES = ("entry_zone_min", "entry_zone_max", "stop_loss", "take_profit")
OPTIONAL = ("leverage", "stop_loss", "take_profit")
SIDES = {
    "long": ("long", "LONG", "Long", "buy", "BUY", "open_long", "buy_open_long", "1"),
    "short": ("short", "SHORT", "sell", "Sell", "SELL", "open_short", "sell_open_short", "4"),
}


def as_the_application_sends(body: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """`body` in its words."""
    sent = {**body, **{name: float(body[name]) for name in PRICES if name in body}}
    sent["side"] = rng.choice(SIDES[body["side"]])
    for name in OPTIONAL:
        sent.setdefault(name, None)
    if not body.get("metadata", True):
        sent["metadata"] = []
    return sent
