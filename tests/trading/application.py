"""The application on the other side of the signals, with the checks of its contract and no code of the engine."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
from attrs import define, field

BASE = "http://127.0.0.1:9"
ORDERS = f"{BASE}/api/ws-worker/orders"
BALANCE = f"{BASE}/api/ws-worker/balance"
SECRET = "shared"
SIGNALS = {"trading_app_base_uri": f"{BASE}/", "trading_app_shared_secret": SECRET}
OLDEST_MS = 60_000

ORDER_NEEDS = (
    "kind",
    "status",
    "client_order_id",
    "symbol",
    "side",
    "type",
    "price",
    "size",
    "submitted_at",
)
BALANCE_NEEDS = (
    "asset",
    "available_balance",
    "frozen_balance",
    "equity",
    "timestamp",
    "trace_id",
)
ORDER_TEXTS = (*ORDER_NEEDS, "order_id", "parent_client_order_id", "leverage", "trace_id")
BALANCE_TEXTS = (*BALANCE_NEEDS, "unrealized_pnl", "position_deposit", "bonus")


@define
class Application:
    """Answers as the application does: 401, 400, 409 for what it has, 202. `faults` has what it found wrong."""

    now_ms: Callable[[], int]
    orders: list[dict[str, Any]] = field(factory=list)
    """Every order signal that was sent, in order, those it has already included."""
    balances: list[dict[str, Any]] = field(factory=list)
    faults: list[str] = field(factory=list)
    taken: set[tuple[str, str]] = field(factory=set)

    def __call__(self, request: httpx.Request) -> int:
        url = request.extensions["url"]
        if url not in (ORDERS, BALANCE):
            return 200
        if not self._is_signed(request):
            self.faults.append("not signed, or too old")
            return 401
        body = json.loads(request.content)
        faults = order_faults(body) if url == ORDERS else balance_faults(body)
        self.faults += [f"{each}: {body}" for each in faults]
        if faults:
            return 400
        if url == BALANCE:
            self.balances.append(body)
            return 202
        self.orders.append(body)
        key = (body["client_order_id"], body["kind"])
        if key in self.taken:
            return 409
        self.taken.add(key)
        return 202

    def of(self, client_order_id: str) -> list[dict[str, Any]]:
        """The signals of one order."""
        return [each for each in self.orders if each["client_order_id"] == client_order_id]

    def news(self) -> list[tuple[str, str]]:
        """Kind and status of every order signal."""
        return [(each["kind"], each["status"]) for each in self.orders]

    def _is_signed(self, request: httpx.Request) -> bool:
        timestamp = request.headers.get("X-WS-Worker-Timestamp", "")
        text = timestamp.encode() + b"\n" + request.content
        signed = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        return (
            timestamp.isdigit()
            and abs(self.now_ms() - int(timestamp)) <= OLDEST_MS
            and hmac.compare_digest(signed, request.headers.get("X-WS-Worker-Signature", ""))
        )


def order_faults(body: dict[str, Any]) -> list[str]:
    """What the application would find wrong with an order signal."""
    faults = _common_faults(body, ORDER_NEEDS, ORDER_TEXTS)
    if body.get("kind") not in ("ENTRY", "STOP_LOSS", "TAKE_PROFIT"):
        faults.append("unknown kind")
    words = ("SUBMITTED", "CANCELLED", "REJECTED", "FILLED", "PARTIALLY_FILLED")
    if body.get("status") not in words:
        faults.append("unknown status")
    if body.get("side") not in ("1", "2", "3", "4"):
        faults.append("unknown side")
    if body.get("kind") != "ENTRY" and not body.get("parent_client_order_id"):
        faults.append("no parent")
    if not _is_moment(body.get("submitted_at")):
        faults.append("submitted_at is no ISO 8601 with an offset")
    if body.get("context", {}).get("source") != "bitmart_ws_worker":
        faults.append("no source")
    if body.get("position", {}).get("side") not in ("LONG", "SHORT"):
        faults.append("no position")
    return faults


def balance_faults(body: dict[str, Any]) -> list[str]:
    """What the application would find wrong with a balance signal."""
    faults = _common_faults(body, BALANCE_NEEDS, BALANCE_TEXTS)
    if not _is_moment(body.get("timestamp")):
        faults.append("timestamp is no ISO 8601 with an offset")
    return faults


def _common_faults(
    body: dict[str, Any], needs: tuple[str, ...], texts: tuple[str, ...]
) -> list[str]:
    faults = [f"{key} is missing" for key in needs if body.get(key) in (None, "")]
    faults += [f"{key} is null" for key in body if body[key] is None]
    faults += [f"{key} is no text" for key in texts if not isinstance(body.get(key, ""), str)]
    if body.get("payload_version") != "1.0" or not isinstance(body.get("retry_count"), int):
        faults.append("no payload_version or retry_count")
    if not body.get("trace_id"):
        faults.append("no trace_id")
    return faults


def _is_moment(text: object) -> bool:
    try:
        return datetime.fromisoformat(str(text)).utcoffset() is not None
    except ValueError:
        return False
