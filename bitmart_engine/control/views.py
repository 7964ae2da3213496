"""What is shown of orders, positions, connections: JSON-ready, decimals as plain strings, times in unix ms."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ..exchange import ExchangeStatistics
from ..exchange.clock import SKEW_WARNED_MS
from ..model.decimals import plain
from ..model.events import OrderUpdate, PositionUpdate, Tick
from ..model.notifications import Notification
from ..model.orders import EntryOrder, Moment
from ..model.positions import Close, Protection
from ..model.urls import shown_url
from ..notify.outbox import Waiting
from ..streams.statistics import ConnectionStatistics
from ..trading.account.balance import KnownBalance
from ..trading.account.reconcile import Findings

__all__ = [
    "View",
    "balance_view",
    "connection_view",
    "exchange_view",
    "findings_view",
    "foreign_order_view",
    "held_view",
    "notification_view",
    "order_view",
    "price_view",
    "protection_view",
    "text",
]

View = dict[str, object]


def text(value: Decimal | None) -> str | None:
    """A decimal as it is shown."""
    return None if value is None else plain(value)


def order_view(order: EntryOrder) -> View:
    """An entry order: what was asked for, how far it has come, and how it got there."""
    asked = order.request
    return {
        "id": asked.id,
        "symbol": asked.symbol,
        "side": asked.side.value,
        "state": order.state.value,
        "reason": order.reason,
        "entry_zone_min": text(asked.zone_min),
        "entry_zone_max": text(asked.zone_max),
        "entry_zone_tolerance_percent": text(asked.entry_zone_tolerance_percent),
        "size": order.size,
        "quantity": text(asked.quantity),
        "filled_size": order.filled,
        "price": text(order.price),
        "average_price": text(order.average_price),
        "stop_loss": text(asked.stop_loss),
        "take_profit": text(asked.take_profit),
        "leverage": text(asked.leverage),
        "type": asked.type.value,
        "post_only": asked.post_only,
        "open_type": asked.open_type,
        "exchange_protection": asked.exchange_protection,
        "timeout_seconds": text(asked.timeout_seconds),
        "resting_timeout_seconds": text(asked.resting_timeout_seconds),
        "enter_anyway": asked.enter_anyway,
        "client_order_id": order.client_order_id or None,
        "exchange_order_id": order.exchange_order_id or None,
        "submit_only": order.submit_only,
        "cancel_asked": order.cancel_asked,
        "callback_url": _shown(asked.callback_url),
        "metadata": asked.metadata,
        "accepted_ms": order.accepted_ms,
        "deadline_ms": order.deadline_ms,
        "submitted_ms": order.submitted_ms,
        "history": _history(order.history),
    }


def protection_view(protection: Protection) -> View:
    """A position that is guarded, or will be: sizes in contracts."""
    asked = protection.request
    return {
        "id": protection.id,
        "symbol": protection.symbol,
        "side": protection.side.value,
        "state": protection.state.value,
        "reason": protection.reason,
        "stop_loss": text(protection.stop_loss),
        "take_profit": text(protection.take_profit),
        "exchange_stop_loss": text(protection.exchange_stop_loss),
        "exchange_take_profit": text(protection.exchange_take_profit),
        "order_id": protection.entry_id or (asked.order_id if asked else None),
        "size": protection.size,
        "covered": protection.covered,
        "closed": protection.closed,
        "remaining": protection.remaining,
        "closing_for": protection.closing_for.value if protection.closing_for else None,
        "close": _close(protection.close),
        "close_price": text(protection.close_price),
        "callback_url": _shown(protection.callback_url),
        "metadata": protection.metadata,
        "created_ms": protection.created_ms,
        "history": _history(protection.history),
    }


def held_view(position: PositionUpdate, covered: int) -> View:
    """A position as the exchange holds it, of whomever it is, and how many contracts of it protections cover."""
    return {
        "symbol": position.symbol,
        "side": position.side.value,
        "size": position.size,
        "covered": covered,
        "entry_price": text(position.entry_price),
        "liquidation_price": text(position.liquidation_price),
        "update_time_ms": position.update_time_ms,
    }


def balance_view(known: KnownBalance | None) -> View | None:
    """The account, in units of its currency, and how and when it was last heard of; None until then."""
    if known is None:
        return None
    balance = known.balance
    return {
        "currency": balance.currency,
        "available": text(balance.available),
        "frozen": text(balance.frozen),
        "position_deposit": text(balance.position_deposit),
        "source": known.source,
        "at_ms": known.at_ms,
    }


def connection_view(connection: ConnectionStatistics) -> View:
    """One WebSocket connection. `since` is unix ms."""
    age_s = connection.last_message_age_s
    return {
        "name": connection.name,
        "state": connection.state,
        "since": connection.since_ms,
        "reconnects": connection.reconnects,
        "last_error": connection.last_error,
        "channels": connection.channels,
        "last_message_age_s": None if age_s is None else round(age_s, 3),
    }


def price_view(tick: Tick, age_s: float, stale: bool) -> View:
    """The last price of a symbol."""
    return {"last": text(tick.last), "age_s": round(age_s, 3), "stale": stale}


def findings_view(found: Findings | None) -> View | None:
    """What a comparison with the exchange found; None before there was one."""
    if found is None:
        return None
    return {
        "at_ms": found.at_ms,
        "adopted": found.adopted,
        "filled_while_away": found.filled_while_away,
        "closed_while_away": found.closed_while_away,
        "unknown": found.unknown,
        "foreign_orders": found.foreign_orders,
        "foreign_positions": found.foreign_positions,
    }


def foreign_order_view(order: OrderUpdate) -> View:
    """A working order at the exchange that is not the engine's. Sizes in contracts."""
    return {
        "order_id": order.order_id,
        "symbol": order.symbol,
        "side": order.side.name.lower() if order.side else None,
        "type": order.type,
        "price": text(order.price),
        "size": order.size,
        "filled_size": order.deal_size,
    }


def exchange_view(exchange: ExchangeStatistics) -> View:
    """How far the clocks are apart, and how much of each request limit is used, of those that were asked."""
    offset_ms = exchange.clock_offset_ms
    return {
        "clock_offset_ms": offset_ms,
        "clock_skewed": offset_ms is not None and abs(offset_ms) > SKEW_WARNED_MS,
        "endpoints": {
            path: {
                "used": each.used,
                "limit": each.limit,
                "window_s": each.window_s,
                "waiting": each.waiting,
                "paused_for_s": round(each.paused_for_s, 3),
            }
            for path, each in exchange.endpoints.items()
        },
    }


def notification_view(
    notification: Notification,
    *,
    state: str,
    at_ms: int | None = None,
    why: str | None = None,
    waiting: Waiting | None = None,
) -> View:
    """A callback that is owed, or was given up at `at_ms`, and why. `lane` is the order, or position, it speaks of.

    `attempts` are those since the engine started.
    """
    return {
        "id": notification.id,
        "state": state,
        "lane": notification.lane,
        "kind": notification.kind,
        "url": shown_url(notification.url),
        "created_ms": notification.created_ms,
        "at_ms": at_ms,
        "why": waiting.why if waiting else why,
        "attempts": waiting.attempts if waiting else None,
        "next_attempt_ms": waiting.next_attempt_ms if waiting else None,
    }


def _shown(url: str | None) -> str | None:
    """Without the password that one of an older journal may have."""
    return None if url is None else shown_url(url)


def _close(close: Close | None) -> View | None:
    if close is None:
        return None
    return {
        "attempt": close.attempt,
        "client_order_id": close.client_order_id,
        "exchange_order_id": close.exchange_order_id or None,
        "size": close.size,
        "filled_size": close.filled,
        "average_price": text(close.average_price),
        "intended_ms": close.intended_ms,
        "final": close.final,
    }


def _history(moments: Iterable[Moment]) -> list[View]:
    return [{"state": each.state, "at_ms": each.at_ms, "reason": each.reason} for each in moments]
