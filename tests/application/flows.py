"""What an application does with the worker, one flow after the other, each from its first request to its last news.

A flow asserts what the application was told; that nothing was refused as malformed and nothing was missing is asserted
after it (`Play.check`). Flows use ids of their own and leave no position: one engine can play them in any order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import trio

from .bodies import Monitoring
from .play import SUBMIT, SYMBOL, Play
from .receivers import CALLBACKS, ORDER_SIGNALS, Limit

__all__ = ["EVERYWHERE", "IN_MEMORY_ONLY", "Flow"]

Flow = Callable[[Play, str], Awaitable[None]]
"""The second argument is put at the end of every id: a run may be repeated with one engine."""

BUY, SELL = 1, 4
"""Sides of market orders that open."""
HERE = {"exchange_protection": False}
"""Stop and target are the engine's alone."""
SHORT: dict[str, Any] = {"side": "SHORT", "stop_loss": 65500.0, "take_profit": 64000.0}


async def long_to_its_target(play: Play, run: str) -> None:
    """A long order is placed, filled, and closed at its target; callbacks and signals tell all of it."""
    id = f"long-{run}"
    await play.place(id, more=HERE, leverage=10, metadata={"plan": {"entry": "zone"}})
    placed = await play.bought(id)
    assert placed["entry_price"] == 65000
    assert placed["quantity"] == 0.01
    ours = placed["client_order_id"]
    entry = await play.signalled(ours, "ENTRY", "FILLED")
    assert (entry["side"], entry["position"]) == ("1", {"symbol": SYMBOL, "side": "LONG"})
    assert entry["plan"] == {"entry": "zone"}
    assert entry["leverage"] == "10"
    play.move(66001)
    closed = await play.told(id, "closed")
    assert (closed["position_id"], closed["reason"]) == (id, "take_profit")
    assert closed["closed_by"] == "engine"
    end = await _close_signal(play, ours, "TAKE_PROFIT")
    assert end["side"] == "3"
    assert play.application.callbacks.of(id) == ["placed", "filled", "closed"]
    await _back(play)


async def short_to_its_stop(play: Play, run: str) -> None:
    """A short order is placed, filled, and its stop closes it."""
    id = f"short-{run}"
    await play.place(id, more=HERE, **SHORT)
    placed = await play.bought(id)
    await play.signalled(placed["client_order_id"], "ENTRY", "FILLED")
    play.move(65501)
    closed = await play.told(id, "closed")
    assert (closed["reason"], closed["closed_by"]) == ("stop_loss", "engine")
    assert (await _close_signal(play, placed["client_order_id"], "STOP_LOSS"))["side"] == "2"
    await _back(play)


async def stopped_by_the_exchange(play: Play, run: str) -> None:
    """The exchange keeps the stop too, and its own acts: the application is told `stop_loss` all the same."""
    id = f"there-{run}"
    await play.place(id)
    placed = await play.bought(id)
    play.move(64400)
    closed = await play.told(id, "closed")
    assert (closed["reason"], closed["closed_by"]) == ("stop_loss", "exchange")
    await _close_signal(play, placed["client_order_id"], "STOP_LOSS")
    await _back(play)


async def refused_by_the_exchange(play: Play, run: str) -> None:
    """The exchange refuses the order: `failed` says why."""
    id = f"refused-{run}"
    await play.place(id)
    await play.watched()
    play.paper.refuse(SUBMIT, 42000)
    play.move(65000)
    failed = await play.told(id, "failed")
    assert "balance" in failed["error"].lower()
    assert play.application.callbacks.of(id) == ["failed"]
    await _back(play)


async def never_reached(play: Play, run: str) -> None:
    """The price never comes: `timeout`."""
    id = f"timeout-{run}"
    zone: dict[str, Any] = {
        "entry_zone_min": 64000.0,
        "entry_zone_max": 64100.0,
        "stop_loss": 63000.0,
    }
    await play.place(id, timeout_seconds=1, **zone)
    assert (await play.told(id, "timeout"))["order_id"] == id
    assert play.application.callbacks.of(id) == ["timeout"]


async def a_close_that_fails_at_first(play: Play, run: str) -> None:
    """The exchange refuses to close: `close_failed`, and `closed` in the end."""
    id = f"stuck-{run}"
    await play.place(id, more=HERE)
    await play.bought(id)
    play.paper.refuse(SUBMIT, 40015, times=2)
    play.move(64400)
    failed = await play.told(id, "close_failed")
    assert failed["reason"] == "stop_loss"
    assert (await play.told(id, "closed"))["reason"] == "stop_loss"
    await _back(play)


async def a_position_of_its_own(play: Play, run: str) -> None:
    """The application opens a position itself, has it monitored, and its target closes it."""
    id, ours = f"mine-{run}", f"APP{run}OPEN"
    order_id = await play.order_of_its_own(ours, BUY)
    await play.signalled(ours, "ENTRY", "FILLED")
    reply = await play.client.monitor(
        Monitoring(
            id=id, order_id=order_id, stop_loss=64000.0, take_profit=66000.0, callback_url=play.hook
        )
    )
    assert reply.ok, reply
    assert reply.body["position_id"] == id
    await play.guarded(id)
    play.move(66001)
    closed = await play.told(id, "closed")
    assert closed["reason"] == "take_profit"
    await _close_signal(play, ours, "TAKE_PROFIT")
    await _back(play)


async def an_order_of_its_own(play: Play, run: str) -> None:
    """The application sends a limit order to the exchange itself: it learns of it by signals, and when it is gone."""
    ours = f"APP{run}REST"
    limit = {"type": "limit", "price": "60000", "mode": 1}
    order_id = await play.order_of_its_own(ours, BUY, **limit)
    submitted = await play.signalled(ours, "ENTRY", "SUBMITTED")
    assert (submitted["order_id"], submitted["price"]) == (order_id, "60000")
    play.paper.cancel_by_hand(ours)
    await play.signalled(ours, "ENTRY", "CANCELLED")


async def under_its_own_id(play: Play, run: str) -> None:
    """An id that can be a client order id is the one at the exchange, so that the application finds its order there."""
    id = f"{run:0>12}ABCDEFGHIJKLMNOPQRST"
    assert len(id) == 32
    await play.place(id, more=HERE)
    placed = await play.bought(id)
    assert placed["client_order_id"] == id
    found = play.paper.books.ledger.by_client_id(id)
    assert found is not None
    assert str(found.order_id) == placed["exchange_order_id"]
    play.move(64400)
    await play.told(id, "closed")
    await _back(play)


async def asked_twice(play: Play, run: str) -> None:
    """The application repeats a request whose reply it lost: one order, and one of each callback."""
    id = f"twice-{run}"
    first = await play.place(id)
    again = await play.place(id)
    assert first.body["order_id"] == again.body["order_id"] == id
    await play.bought(id)
    play.move(64400)
    await play.told(id, "closed")
    assert play.application.callbacks.of(id).count("placed") == 1
    await _back(play)


async def refusals_and_replies(play: Play, run: str) -> None:
    """What is missing is named as the old worker named it, and replies have what the application reads."""
    for name in ("id", "symbol", "side", "entry_zone_min", "entry_zone_max", "quantity"):
        body = {
            "id": f"no-{run}",
            "symbol": SYMBOL,
            "side": "long",
            "entry_zone_min": 64990.0,
            "entry_zone_max": 65010.0,
            "quantity": 0.01,
        }
        del body[name]
        refused = await play.client.post("/api/place-order", body)
        assert refused.status == 400, refused
        # A size in contracts may stand in for the quantity, so that its absence has a sentence of its own.
        said = name if name == "quantity" else f"Missing required field: {name}"
        assert said in refused.error, refused
    id = f"said-{run}"
    reply = await play.place(id, entry_zone_min=60000.07, entry_zone_max=60100.0, stop_loss=59000.0)
    assert (reply.body["order_id"], reply.body["size"]) == (id, 10), reply
    assert Decimal(str(reply.body["quantity_base"])) == Decimal("0.01")
    assert isinstance(reply.body["message"], str)
    status = (await play.client.status()).body
    assert isinstance(status["pending_orders"], int)
    assert isinstance(status["monitored_positions"], int)
    assert id in status["orders"]
    assert isinstance(status["positions"], dict)
    missing = await play.client.post("/api/monitor-position", {"id": id, "order_id": "1"})
    assert (missing.status, missing.error) == (400, "Missing required field: symbol")


async def sides_in_all_words(play: Play, run: str) -> None:
    """`side` in any case, and the words of a later version."""
    longs = ("LONG", "Buy", "open_long", "buy_open_long", "1")
    shorts = ("Short", "SELL", "open_short", "sell_open_short", "4")
    zone: dict[str, Any] = {"entry_zone_min": 40000.0, "entry_zone_max": 40100.0}
    away: dict[str, Any] = {"stop_loss": None, "take_profit": None, "timeout_seconds": 1, **zone}
    ids = []
    for number, word in enumerate((*longs, *shorts)):
        ids.append(f"word-{number}-{run}")
        await play.place(ids[-1], side=word, **away)
    orders = (await play.client.status()).body["orders"]
    sides = [orders[id]["side"] for id in ids]
    assert sides == ["long"] * len(longs) + ["short"] * len(shorts)
    for id in ids:
        await play.told(id, "timeout")


async def klines_for_a_list(play: Play, run: str) -> None:
    """It subscribes symbol by symbol, with a list of timeframes or one, and is refused what does not exist."""
    symbols = ["BTCUSDT", "ETHUSDT"]
    for path in ("/klines/subscribe", "/subscribe", "/klines/unsubscribe", "/unsubscribe"):
        for tfs in (["1m", "5m"], "15m"):
            replies = await play.client.subscribe(symbols, tfs, path)
            assert [reply.ok for reply in replies] == [True, True]
    refused = await play.client.subscribe(["NOSUCHUSDT", "BTCUSDT"], "1m")
    assert [reply.status for reply in refused] == [400]


async def balance_and_book(play: Play, run: str) -> None:
    """The application's balance and its own book of orders are the exchange's."""
    books, raw = play.paper.books, play.application.raw.book

    def same() -> bool:
        known = {order_id: order.status for order_id, order in raw.orders.items()}
        return bool(known) and all(
            known.get(str(order.order_id)) in (None, _status(order))
            for order in books.orders.values()
        )

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
    await _close_signal(play, placed["client_order_id"], "STOP_LOSS")
    await play.until(lambda: play.engine.outbox().owed == 0)
    play.application.slow_s = 0
    assert play.application.callbacks.of(id) == ["placed", "filled", "closed"]
    await _back(play)


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
    await _back(play)


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
    await _back(play)


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


EVERYWHERE: tuple[Flow, ...] = (
    long_to_its_target,
    short_to_its_stop,
    stopped_by_the_exchange,
    refused_by_the_exchange,
    never_reached,
    a_close_that_fails_at_first,
    a_position_of_its_own,
    an_order_of_its_own,
    under_its_own_id,
    asked_twice,
    refusals_and_replies,
    sides_in_all_words,
    klines_for_a_list,
    balance_and_book,
    a_slow_receiver,
    a_dead_receiver,
    a_receiver_that_crashes_once,
)
"""Those that are played over sockets too."""
IN_MEMORY_ONLY: tuple[Flow, ...] = (a_limited_receiver,)
"""Those that take minutes."""


async def _close_signal(play: Play, parent: str, kind: str) -> Any:
    """Return when the signals of a close of what `parent` opened say that it is filled; the body."""
    heard = play.application.orders.heard

    def found() -> list[Any]:
        return [
            each.body
            for each in heard
            if (each.kind, each.status) == (kind, "FILLED")
            and each.body.get("parent_client_order_id") == parent
        ]

    await play.until(found, lambda: f"no {kind} FILLED whose parent is {parent}")
    return found()[0]


async def _back(play: Play) -> None:
    """Everything is flat and told; the price is where the flows begin."""
    await play.until(lambda: not any(each.size for each in play.paper.books.positions.values()))
    await play.until(lambda: play.engine.outbox().in_flight == 0)
    play.move(65100)
    await trio.sleep(0.05)


def _status(order: Any) -> str:
    if order.is_working:
        return "pending"
    return "filled" if order.deal_size else "cancelled"
