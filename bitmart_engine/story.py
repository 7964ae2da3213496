"""What happened to one order or position, in words: the records of the journal, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import assert_never

from .model.decimals import plain
from .model.orders import EntryOrder
from .model.positions import Protection
from .store import Written
from .store import records as r

__all__ = ["story"]


def story(written: Iterable[Written]) -> Iterator[str]:
    """A line for each record: the time in UTC by the engine's clock, and what happened. Oldest first."""
    for each in written:
        at = datetime.fromtimestamp(each.at_ms / 1000, UTC)
        yield f"{at:%Y-%m-%d %H:%M:%S}.{each.at_ms % 1000:03}Z  {in_words(each.record)}"


def in_words(record: r.Record) -> str:
    """What a record says."""
    match record:
        case r.EntryAccepted(order):
            return _accepted(order)
        case r.EntryIntended():
            at = "at the market" if record.price is None else f"at {plain(record.price)}"
            size = "" if record.size is None else f"{record.size} contracts "
            return f"submit: {size}{at}, client order id {record.client_order_id}"
        case r.EntryObserved():
            filled = f", {_filled(record.filled, record.average_price)}" if record.filled else ""
            told = f"the exchange says {record.to.value}{filled}, order {record.exchange_order_id}"
            return told + _because(record.reason)
        case r.EntryMoved():
            return f"order {record.to.value}" + _because(record.reason)
        case r.EntryAnnounced():
            return "placed: the application is told"
        case r.EntryCancelAsked():
            return "cancel asked"
        case r.EntryForgotten() | r.ProtectionForgotten():
            return "not accepted: the promise could not be kept on disk"
        case r.ProtectionOpened(protection):
            return _promised(protection)
        case r.ProtectionCovers():
            return f"protection covers {record.covered} contracts"
        case r.ProtectionLevelled():
            return f"levels moved: {_levels(record.stop_loss, record.take_profit)}"
        case r.ProtectionKept():
            kept = _levels(record.stop_loss, record.take_profit)
            parts = f", and {len(record.parts)} for a part" if record.parts else ""
            return f"the exchange keeps {kept}{parts}"
        case r.ProtectionMoved():
            price = "" if record.close_price is None else f" at {plain(record.close_price)}"
            return f"protection {record.to.value}{price}" + _because(record.reason)
        case r.CloseIntended(close=close):
            again = f", attempt {close.attempt}" if close.attempt > 1 else ""
            return f"close: {close.size} contracts, client order id {close.client_order_id}{again}"
        case r.CloseObserved():
            ended = "closing order ended" if record.final else "closing order"
            return f"{ended}: {_filled(record.filled, record.average_price)}"
        case r.FiredObserved(order=fired):
            what = f"the exchange's own {fired.reason.value.replace('_', ' ')} acted"
            return f"{what}: {_filled(fired.filled, fired.average_price)}, order {fired.order_id}"
        case r.NotificationOwed(notification):
            return f"callback {notification.kind} owed, key {notification.id}"
        case r.NotificationSettled():
            times = f" after {record.attempts} attempts" if record.attempts > 1 else ""
            if record.delivered:
                answer = f" ({record.answer})" if record.answer else ""
                return f"callback delivered{times}{answer}, key {record.id}"
            return f"callback given up{times}, key {record.id}" + _because(record.why)
        case r.EntrySigned():
            return "signed with a later timestamp"
        case r.EntriesHalted() | r.EntriesPaused() | r.FuturesOrderSeen() | r.ViewChanged():
            return type(record).__name__
        case _:
            assert_never(record)


def _accepted(order: EntryOrder) -> str:
    asked = order.request
    zone = f"zone {plain(asked.zone_min)} to {plain(asked.zone_max)}"
    what = f"{asked.type.value} {asked.side.value}, {asked.size} contracts of {asked.symbol}"
    wait = f"for {plain(asked.timeout_seconds)} s"
    levels = f", {_levels(asked.stop_loss, asked.take_profit)}" if asked.protected else ""
    return f"accepted: {what}, {zone}, {wait}{levels}"


def _promised(protection: Protection) -> str:
    of = (
        f"the fills of order {protection.entry_id}"
        if protection.entry_id is not None
        else f"the {protection.side.value} position of {protection.symbol}"
    )
    levels = _levels(protection.stop_loss, protection.take_profit)
    return f"protection promised over {of}: {levels}"


def _levels(stop: Decimal | None, target: Decimal | None) -> str:
    named = [("stop", stop), ("target", target)]
    return (
        ", ".join(f"{name} {plain(at)}" for name, at in named if at is not None)
        or "no stop and no target"
    )


def _filled(contracts: int, price: Decimal | None) -> str:
    return f"{contracts} filled" + ("" if price is None or not contracts else f" at {plain(price)}")


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
