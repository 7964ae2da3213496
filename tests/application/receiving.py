"""Flows of an application that listens badly, and of what it keeps of all that it hears."""

from __future__ import annotations

import json
from typing import Any

from .endings import HERE, close_signal, flat_again
from .play import SYMBOL, Play
from .receivers import BALANCE_SIGNALS, CALLBACKS, ORDER_SIGNALS, RAW_EVENTS, Limit, Visit

BUY, SELL, CLOSE = 1, 4, 3
"""Sides of orders that open a long, open a short, and close a long."""


async def balance_and_book(play: Play, run: str) -> None:
    """The application's balance and its own book of orders are the exchange's."""
    books, raw = play.paper.books, play.application.raw.book

    def same() -> bool:
        known = {order_id: order.status for order_id, order in raw.orders.items()}
        return known == {str(each.order_id): _status(each) for each in books.orders.values()}

    ours = f"APP{run}BOOK"
    await play.order_of_its_own(ours, SELL)
    await play.until(lambda: raw.find(ours) is not None)
    play.paper.close_position_by_hand(SYMBOL, "short")
    await play.until(same, lambda: f"{raw.orders} is not {books.orders}")
    await play.until(lambda: play.application.balances.heard, lambda: "no balance signal came")


async def a_slow_receiver(play: Play, run: str) -> None:
    """It takes 3 s for every answer: nothing comes twice, and nothing is lost."""
    id = f"slow-{run}"
    play.application.slow_s = 3
    await play.place(id, more=HERE)
    placed = await play.bought(id)
    play.move(64400)
    await play.told(id, "closed")
    await close_signal(play, placed["client_order_id"], "STOP_LOSS")
    play.application.slow_s = 0
    await play.until(lambda: play.engine.outbox().owed == 0)
    assert play.application.callbacks.of(id) == ["placed", "filled", "closed"]
    await flat_again(play)


async def a_dead_receiver(play: Play, run: str) -> None:
    """It is dead while everything happens, and is told all of it, in order, once it is back."""
    id = f"dead-{run}"
    await play.place(id, more=HERE)
    await play.watched()
    await play.site.stop()
    play.move(65000)
    await play.until(lambda: list(play.paper.books.ledger.working(SYMBOL)))
    play.move(65000)
    await play.until(lambda: play.paper.books.positions)
    await play.guarded(id)
    await play.site.start()
    play.move(64400)
    await play.told(id, "closed")
    assert play.application.callbacks.of(id) == ["placed", "filled", "closed"]
    await play.until(lambda: play.engine.outbox().owed == 0)
    await flat_again(play)


async def a_receiver_that_crashes_once(play: Play, run: str) -> None:
    """It has written a callback down and then fails: the callback comes again, and only that one."""
    id = f"crash-{run}"
    seen: list[str] = []

    def use(callback: Any) -> None:
        seen.append(callback.status)
        if seen == ["placed"]:
            raise RuntimeError("the database was away")

    play.application.callbacks.use = use
    await play.place(id, more=HERE)
    await play.bought(id)
    play.move(64400)
    await play.told(id, "closed")
    play.application.callbacks.use = lambda callback: None
    assert seen == ["placed", "placed", "filled", "closed"]
    await flat_again(play)


async def answers_that_are_lost(play: Play, run: str) -> None:
    """What it took and did not acknowledge comes again: signed anew, with one more try, and 409 is well."""
    ours = f"APP{run}LOST"
    await play.order_of_its_own(ours, BUY)
    await play.signalled(ours, "ENTRY", "FILLED")
    await play.until(lambda: play.engine.outbox().owed == 0)
    before = len(play.application.visits)
    play.application.losing = {ORDER_SIGNALS: 1, BALANCE_SIGNALS: 1, RAW_EVENTS: 1}
    await play.order_of_its_own(f"APP{run}OVER", CLOSE)
    await play.until(lambda: not any(play.application.losing.values()))
    await play.until(lambda: play.engine.outbox().owed == 0)
    tries: dict[str, list[Visit]] = {}
    for visit in play.application.visits[before:]:
        tries.setdefault(visit.headers["idempotency-key"], []).append(visit)
    again = [each for each in tries.values() if len(each) > 1]
    assert len(again) == 3
    for first, *others in again:
        for number, visit in enumerate(others, 1):
            assert visit.answer.status < 500 or number < len(others)
            assert visit.at_ms > first.at_ms
            if visit.path in (ORDER_SIGNALS, BALANCE_SIGNALS):
                assert json.loads(visit.body)["retry_count"] == number
                assert _without_tries(visit) == _without_tries(first)


async def a_limited_receiver(play: Play, run: str) -> None:
    """It takes 50 a minute: what is beyond that comes later, and nothing is lost."""
    play.application.limits = {ORDER_SIGNALS: Limit(), CALLBACKS: Limit(tells=True)}
    ids = [f"many-{number}-{run}" for number in range(70)]
    zone: dict[str, Any] = {
        "entry_zone_min": 64000.0,
        "entry_zone_max": 64100.0,
        "stop_loss": 63000.0,
    }
    for number, id in enumerate(ids):
        await play.place(id, timeout_seconds=1, **zone)
        await play.order_of_its_own(f"APP{run}MANY{number}", BUY if number % 2 else SELL, size=1)
    for id in ids:
        await play.told(id, "timeout")
    for number in range(len(ids)):
        await play.signalled(f"APP{run}MANY{number}", "ENTRY", "FILLED")
    assert play.application.answered(429)
    play.application.limits = {}
    play.paper.close_position_by_hand(SYMBOL, "long")
    play.paper.close_position_by_hand(SYMBOL, "short")
    await play.until(lambda: play.engine.outbox().owed == 0)


def _status(order: Any) -> str:
    if order.is_working:
        return "pending"
    return "filled" if order.deal_size else "cancelled"


def _without_tries(visit: Visit) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(visit.body)
    return {name: value for name, value in body.items() if name != "retry_count"}
