"""Flows of an order: from the request to its end, whatever that is."""

from __future__ import annotations

from typing import Any

from .bodies import Monitoring
from .endings import HERE, close_signal, flat_again
from .play import SUBMIT, SYMBOL, Play

BUY = 1
"""The side of an order that opens a long."""
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
    end = await close_signal(play, ours, "TAKE_PROFIT")
    assert end["side"] == "3"
    assert play.application.callbacks.of(id) == ["placed", "filled", "closed"]
    await flat_again(play)


async def short_to_its_stop(play: Play, run: str) -> None:
    """A short order is placed, filled, and its stop closes it."""
    id = f"short-{run}"
    await play.place(id, more=HERE, **SHORT)
    placed = await play.bought(id)
    await play.signalled(placed["client_order_id"], "ENTRY", "FILLED")
    play.move(65501)
    closed = await play.told(id, "closed")
    assert (closed["reason"], closed["closed_by"]) == ("stop_loss", "engine")
    assert (await close_signal(play, placed["client_order_id"], "STOP_LOSS"))["side"] == "2"
    await flat_again(play)


async def stopped_by_the_exchange(play: Play, run: str) -> None:
    """The exchange keeps the stop too, and its own acts: the application is told `stop_loss` all the same."""
    id = f"there-{run}"
    await play.place(id)
    placed = await play.bought(id)
    play.move(64400)
    closed = await play.told(id, "closed")
    assert (closed["reason"], closed["closed_by"]) == ("stop_loss", "exchange")
    await close_signal(play, placed["client_order_id"], "STOP_LOSS")
    await flat_again(play)


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
    await flat_again(play)


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
    await flat_again(play)


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
    await close_signal(play, ours, "TAKE_PROFIT")
    await flat_again(play)


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
    await flat_again(play)
