"""Stories for the journal: what an order goes through from the promise to the last callback, unit by unit."""

from __future__ import annotations

from decimal import Decimal

from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.model.notifications import Notification
from bitmart_engine.model.orders import EntryOrder, EntryRequest
from bitmart_engine.model.positions import Close, CloseReason, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.store.records import (
    CloseIntended,
    CloseObserved,
    EntryAccepted,
    EntryAnnounced,
    EntryIntended,
    EntryObserved,
    NotificationOwed,
    NotificationSettled,
    ProtectionCovers,
    ProtectionMoved,
    ProtectionOpened,
    Record,
)

START_MS = 1_785_726_000_000
HOOK = "http://127.0.0.1:9/hook"

Unit = tuple[Record, ...]


def entry(id: str, at_ms: int = START_MS) -> EntryOrder:
    """Ten contracts, long, with a stop and a target."""
    return EntryOrder(
        request=EntryRequest(
            id=id,
            symbol="BTCUSDT",
            side=PositionSide.LONG,
            zone_min=Decimal("64990.0"),
            zone_max=Decimal("65010.0"),
            size=10,
            quantity=Decimal("0.010"),
            stop_loss=Decimal("64500.0"),
            take_profit=Decimal("66000.0"),
            timeout_seconds=Decimal(300),
            callback_url=HOOK,
            metadata={"bot": "grid", "leg": 3},
        ),
        accepted_ms=at_ms,
        deadline_ms=at_ms + 300_000,
    )


def protection(id: str, at_ms: int = START_MS) -> Protection:
    """The one that covers the fills of the order of the same id."""
    return Protection(
        id=id,
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        created_ms=at_ms,
        stop_loss=Decimal("64500.0"),
        take_profit=Decimal("66000.0"),
        entry_id=id,
        callback_url=HOOK,
        metadata={"bot": "grid", "leg": 3},
    )


def notification(id: str, lane: str, at_ms: int = START_MS, kind: str = "placed") -> Notification:
    body = b'{"event":"%s","id":"%s","price":"65000.1"}' % (kind.encode(), lane.encode())
    return Notification(id=id, lane=lane, url=HOOK, kind=kind, body=body, created_ms=at_ms)


def whole_story(id: str, at_ms: int = START_MS) -> list[Unit]:
    """Accepted, submitted, filled, protected, stopped out, and everything told: 18 records in 11 units."""
    order_id, close_id = f"e{id}".replace("-", ""), f"c{id}".replace("-", "")
    told = [notification(f"{id}:{n}", id, at_ms, f"event{n}") for n in range(3)]
    price = Decimal("65000.1")
    return [
        (EntryAccepted(entry(id, at_ms)), ProtectionOpened(protection(id, at_ms))),
        (EntryIntended(id, at_ms + 1, order_id, price),),
        (EntryObserved(id, at_ms + 2, EntryState.OPEN, f"77{id}", update_time_ms=at_ms),),
        (EntryAnnounced(id, False), NotificationOwed(told[0])),
        (NotificationSettled(told[0].id, True),),
        (
            EntryObserved(id, at_ms + 3, EntryState.FILLED, f"77{id}", 10, price, at_ms + 3),
            ProtectionCovers(id, 10),
            ProtectionMoved(id, at_ms + 3, ProtectionState.ARMED),
            NotificationOwed(told[1]),
        ),
        (NotificationSettled(told[1].id, True),),
        (
            ProtectionMoved(id, at_ms + 4, ProtectionState.CLOSING, "stop", CloseReason.STOP_LOSS),
            CloseIntended(
                id, Close(attempt=1, client_order_id=close_id, size=10, intended_ms=at_ms + 4)
            ),
        ),
        (CloseObserved(id, close_id, f"78{id}", 10, Decimal("64499.9"), True),),
        (
            ProtectionMoved(id, at_ms + 5, ProtectionState.CLOSED, close_price=Decimal("64499.9")),
            NotificationOwed(told[2]),
        ),
        (NotificationSettled(told[2].id, True),),
    ]
