"""Flows of requests: what the application may say, and what it is answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .endings import HERE, flat_again
from .play import SYMBOL, Play


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
    await flat_again(play)


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


async def floats_of_seventeen_digits(play: Play, run: str) -> None:
    """PHP writes 0.29 as 0.28999999999999998: that is 290 contracts, and 0.29 again in the callback."""
    id = f"float-{run}"
    reply = await play.place(id, more=HERE, quantity=0.29, stop_loss=Decimal("60000.070000000003"))
    assert reply.body["size"] == 290
    placed = await play.bought(id)
    assert placed["quantity"] == 0.29
    play.move(66001)
    await play.told(id, "closed")
    await flat_again(play)


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
