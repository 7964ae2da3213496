"""The application's webhook for BitMart's own frames, and the book of orders that it keeps from them.

A frame is `{"group" or "channel", "data": [...]}`. Order events are normalized to a flat form and mapped to a row of
the book, inserted or updated by `order_id` or `client_order_id`; an older update never overwrites a newer one.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from .answers import Answer, answer, as_object, header
from .reading import Complaint, Reading

__all__ = ["Frames", "FuturesOrder", "OrderBook", "RawEvents", "normalized"]

TOKEN = "X-Webhook-Token"
ORDERS = "futures/order"
POSITIONS = "futures/position"


@frozen
class FuturesOrder:
    """A row of the application's book. Sizes in contracts, prices as they came."""

    order_id: str
    client_order_id: str | None
    symbol: str
    status: str
    side: int | None = None
    type: str | None = None
    price: str | None = None
    size: int | None = None
    filled_size: int | None = None
    open_type: str | None = None
    leverage: int | None = None
    updated_ms: int = 0


@frozen
class Frames:
    """A webhook body that was understood."""

    group: str
    data: tuple[Any, ...]


@define
class OrderBook:
    """Every order that the frames spoke of, by the exchange's id."""

    orders: dict[str, FuturesOrder] = field(factory=dict)

    def take(self, event: Mapping[str, Any]) -> None:
        """Insert or update the order of a normalized event."""
        state, filled = event["state"], _whole(event["deal_size"])
        ended = "filled" if filled else "cancelled"
        order = FuturesOrder(
            order_id=event["order_id"],
            client_order_id=event["client_order_id"] or None,
            symbol=event["symbol"].upper(),
            status=ended if state == 4 else "pending",
            side=event["side"],
            type=event["type"] and event["type"].lower(),
            price=event["price"],
            size=_whole(event["size"]),
            filled_size=filled,
            open_type=event["open_type"] and event["open_type"].lower(),
            leverage=_whole(event["leverage"]),
            updated_ms=event["update_time_ms"] or 0,
        )
        known = self.find(order.order_id) or self.find(order.client_order_id)
        if known is None or order.updated_ms >= known.updated_ms:
            kept = order if known is None else evolve(order, order_id=known.order_id)
            self.orders[kept.order_id] = kept

    def find(self, id: str | None) -> FuturesOrder | None:
        """The order with that exchange id or client order id."""
        if not id:
            return None
        if id in self.orders:
            return self.orders[id]
        return next((each for each in self.orders.values() if each.client_order_id == id), None)


@define
class RawEvents:
    """Takes frames. Without a token of its own it asks for none."""

    token: str = ""
    book: OrderBook = field(factory=OrderBook)
    heard: list[Frames] = field(factory=list)

    def take(self, headers: Mapping[str, str], body: bytes, now_ms: int) -> Answer:
        if self.token and not hmac.compare_digest(
            header(headers, TOKEN).encode(), self.token.encode()
        ):
            return answer(401, "Invalid webhook token")
        try:
            said = as_object(body)
        except ValueError:
            return answer(400, "Invalid JSON")
        group = said and (said.get("group") or said.get("channel"))
        if said is None or not isinstance(group, str) or not isinstance(said.get("data"), list):
            return answer(400, "Missing group or data")
        frames = Frames(group, tuple(said["data"]))
        self.heard.append(frames)
        return answer(200, heard=frames, complaints=self._use(frames))

    def _use(self, frames: Frames) -> tuple[Complaint, ...]:
        if frames.group != ORDERS:
            wrong = "" if frames.group == POSITIONS else f"is {frames.group!r}"
            return (Complaint("raw event", "group", wrong),) if wrong else ()
        complaints: list[Complaint] = []
        for event in frames.data:
            within = event.get("order") if isinstance(event, dict) else None
            if not isinstance(within, dict):
                complaints.append(Complaint("raw event", "order", "is no object"))
                continue
            reading = Reading("raw event order", within)
            reading.need("order_id")
            reading.need("symbol")
            if not reading.complaints:
                self.book.take(normalized(event))
            complaints += reading.complaints
        return tuple(complaints)


def normalized(event: Mapping[str, Any]) -> dict[str, Any]:
    """The documents' flat form of one order event. Everything but `order_id` and `symbol` may be missing there."""
    order = event["order"]
    return {
        "action": _whole(event.get("action")),
        "order_id": str(order["order_id"]),
        "client_order_id": str(order.get("client_order_id") or ""),
        "symbol": str(order["symbol"]),
        "side": _whole(order.get("side")),
        "type": _text(order.get("type")),
        "state": _whole(order.get("state")),
        "price": _text(order.get("price")),
        "size": _text(order.get("size")),
        "deal_avg_price": _text(order.get("deal_avg_price")),
        "deal_size": _text(order.get("deal_size")),
        "leverage": _text(order.get("leverage")),
        "open_type": _text(order.get("open_type")),
        "position_mode": order.get("position_mode"),
        "update_time_ms": _whole(order.get("update_time")),
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _whole(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None
