"""What the application writes into its requests: JSON as PHP encodes its objects.

Numbers are floats of 17 digits, what it has none of is null, and metadata without entries is an empty array.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from attrs import field, frozen

__all__ = ["Monitoring", "Order", "encoded"]


def encoded(value: Any) -> str:
    """JSON with floats as `65000.0` and `0.28999999999999998`, and decimals digit by digit."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        digits = f"{value:.17g}"
        return digits if "." in digits or "e" in digits else f"{digits}.0"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{encoded(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encoded, value)) + "]"
    return json.dumps(value)


@frozen(kw_only=True)
class Order:
    """An order that the application asks for."""

    id: str
    symbol: str = "BTCUSDT"
    side: str = "long"
    entry_zone_min: float = 64990.0
    entry_zone_max: float = 65010.0
    quantity: float = 0.01
    leverage: int | None = None
    stop_loss: float | Decimal | None = None
    take_profit: float | Decimal | None = None
    timeout_seconds: int | None = None
    callback_url: str | None = None
    metadata: dict[str, Any] = field(factory=dict)

    def body(self) -> dict[str, Any]:
        """As it is sent to `/api/place-order`."""
        return {
            "id": self.id,
            "symbol": self.symbol,
            "side": self.side,
            "entry_zone_min": self.entry_zone_min,
            "entry_zone_max": self.entry_zone_max,
            "quantity": self.quantity,
            "leverage": self.leverage,
            "stop_loss": self.stop_loss,
            "take_profit": self.take_profit,
            "timeout_seconds": self.timeout_seconds,
            "callback_url": self.callback_url,
            "metadata": self.metadata or [],
        }


@frozen(kw_only=True)
class Monitoring:
    """A position that the application wants guarded."""

    id: str
    order_id: str
    symbol: str = "BTCUSDT"
    stop_loss: float | Decimal | None = None
    take_profit: float | Decimal | None = None
    callback_url: str | None = None

    def body(self) -> dict[str, Any]:
        """As it is sent to `/api/monitor-position`."""
        return {
            "id": self.id,
            "symbol": self.symbol,
            "order_id": self.order_id,
            "stop_loss": self.stop_loss,
            "take_profit": self.take_profit,
            "callback_url": self.callback_url,
        }
