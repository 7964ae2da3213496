"""Cases about positions: pushes, rows, closing, settings, and the stops that the exchange keeps.

Each opens the smallest position there is, long, and closes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import BalanceUpdate, PositionUpdate
from bitmart_engine.streams.normalize import events as engine_events
from bitmart_engine.streams.topics import parse

from . import shapes
from .case import Differs, NotEstablished, case, expect, expect_shape
from .desk import ASSET, LAG_S, ORDERS, POSITIONS, PRIVATE, Desk, brief
from .on_orders import SUBMIT, ended
from .shapes import misfits

PLANS = f"{PRIVATE}/current-plan-order"
REPEATED_S = 13.0
NOT_THERE = (40018, 40020, 40021)
TOO_MUCH = (40020, 25601)


@asynccontextmanager
async def holding(desk: Desk, **changes: Any) -> AsyncIterator[int]:
    """The smallest long position while the block lasts: its size."""
    body = await desk.market(**changes)
    await desk.submit(body)
    await desk.has_ended(body["client_order_id"])
    yield body["size"]
    await desk.clean_up()


async def plans(desk: Desk, count: int) -> list[dict[str, Any]]:
    """The plan orders of the symbol, once there are so many (Differs)."""
    asked_at = trio.current_time()
    while True:
        rows = await desk.rest.data(PLANS, symbol=desk.symbol, plan_type="profit_loss") or []
        if len(rows) == count:
            return list(rows)
        if trio.current_time() > asked_at + LAG_S:
            raise Differs(f"{len(rows)} plan orders, not {count}, after {LAG_S:g} s: {rows}")
        await trio.sleep(0.5)


@case("4.4, 7.2 (6)", "trading/account/positions.py: what is held is what was pushed last")
async def a_position_is_pushed_when_it_opens_and_with_0_when_it_closes(desk: Desk) -> str | None:
    body = await desk.market()
    async with desk.private(POSITIONS) as socket:
        await desk.submit(body)
        opened = await first_row(desk, socket.push)
        expect_shape(misfits(opened, shapes.POSITION_EVENT))
        expect(int(Decimal(opened["hold_volume"])) == body["size"], f"{opened['hold_volume']} held")
        expect(opened["position_type"] == 1, f"position_type {opened['position_type']} of a long")
        made = engine_events(parse(POSITIONS), msgspec.json.encode([opened]), Counters())
        expect(len(made) == 1 and isinstance(made[0], PositionUpdate), f"the engine read {made}")
        await desk.submit(desk.closing(body["size"]))
        try:
            for _ in range(10):
                closed = await first_row(desk, socket.push)
                if Decimal(closed["hold_volume"]) == 0:
                    return "0 was pushed"
        except Differs:
            pass
    raise Differs("nothing with hold_volume 0 was pushed")


async def first_row(desk: Desk, push: Any) -> dict[str, Any]:
    """The next row about the symbol."""
    for _ in range(20):
        for row in await push(POSITIONS):
            if row["symbol"] == desk.symbol:
                return dict(row)
    raise Differs(f"20 pushes, none about {desk.symbol}")


@case("4.4", "streams/connection.py takes a private connection that is silent for long for dead")
async def a_position_is_pushed_again_every_ten_seconds(desk: Desk) -> str | None:
    async with holding(desk), desk.private(POSITIONS) as socket:
        await socket.push(POSITIONS, REPEATED_S)
        at = trio.current_time()
        await socket.push(POSITIONS, REPEATED_S)
        return f"after {trio.current_time() - at:.1f} s"


@case("4.5", "trading/account/balance.py: what is available right now")
async def the_balance_is_pushed_when_it_changes(desk: Desk) -> str | None:
    body = await desk.resting()
    async with desk.private(ASSET) as socket:
        await desk.submit(body)
        data = await socket.push(ASSET)
        expect_shape(misfits(data, shapes.ASSET_EVENT))
        made = engine_events(parse(ASSET), msgspec.json.encode(data), Counters())
        expect(len(made) == 1 and isinstance(made[0], BalanceUpdate), f"the engine read {made}")
    await desk.cancel(body["client_order_id"])
    return None


@case("5.3", "trading/account/reconcile.py agrees with these rows after every start and reconnect")
async def a_position_held_is_listed_with_and_without_its_symbol(desk: Desk) -> str | None:
    async with holding(desk) as size:
        expect(await desk.held() in ({"long": size}, {"both": size}), f"{await desk.held()}")
        every = await desk.rest.data(f"{PRIVATE}/position-v2")
        rows = [row for row in every if row["symbol"] == desk.symbol]
        expect(rows, "not listed without its symbol")
        for row in rows:
            expect_shape(misfits(row, shapes.POSITION_V2))
        old = await desk.rest.data(f"{PRIVATE}/position", symbol=desk.symbol)
        expect(old, "not in the older list")
        expect_shape(misfits(old[0], shapes.POSITION))
    return None


@case("5.4, 6.3", "trading/closes/closing.py takes this for a position that is gone")
async def closing_what_is_not_held_is_refused(desk: Desk) -> str | None:
    answer = await desk.rest.post(SUBMIT, desk.closing(await desk.least()))
    expect(answer.code in NOT_THERE, answer.short)
    return f"HTTP {answer.status}, {answer.code}"


@case(
    "8.9",
    "trading/closes/closing.py never closes more than is held, and reads the position after a refusal",
)
async def closing_more_than_is_held_never_opens_the_other_side(desk: Desk) -> str | None:
    async with holding(desk) as size:
        answer = await desk.rest.post(SUBMIT, desk.closing(size * 2))
        await trio.sleep(1)
        left = await desk.held()
        expect(left in ({}, {"long": size}, {"both": size}), f"held afterwards: {left}")
        expect(answer.code in (1000, *TOO_MUCH), answer.short)
        return f"{'cut to size' if answer.code == 1000 else f'refused with {answer.code}'}"


@case("4.6", "trading/closes/closing.py: side 3 sells what side 1 bought")
async def side_3_closes_a_long(desk: Desk) -> str | None:
    async with holding(desk) as size, desk.private(ORDERS) as socket:
        body = desk.closing(size)
        await desk.submit(body)
        events = await socket.order_events(body["client_order_id"], ended)
        expect(events[-1]["order"]["deal_size"] == str(size), brief(events))
        asked_at = trio.current_time()
        while await desk.held():
            expect(trio.current_time() < asked_at + LAG_S, f"still held: {await desk.held()}")
            await trio.sleep(0.3)
    return None


@case(
    "5.4, 7 (19)", "trading/account/leverage.py reads the position's settings before it sets others"
)
async def leverage_stays_while_a_position_is_open(desk: Desk) -> str | None:
    async with holding(desk):
        body = {"symbol": desk.symbol, "leverage": "6", "open_type": "cross"}
        answer = await desk.rest.post(f"{PRIVATE}/submit-leverage", body)
        expect(answer.code in (40012, 40040), f"another margin mode: {answer.short}")
        return f"{answer.code}"


@case(
    "6.3",
    "trading/account/leverage.py: another mode than the account's is never set while anything is held",
)
async def the_position_mode_stays_while_a_position_is_open(desk: Desk) -> str | None:
    mode = (await desk.rest.data(f"{PRIVATE}/get-position-mode"))["position_mode"]
    other = "one_way_mode" if mode == "hedge_mode" else "hedge_mode"
    async with holding(desk):
        answer = await desk.rest.post(f"{PRIVATE}/set-position-mode", {"position_mode": other})
        expect(answer.code == 40059, answer.short)
        return f"HTTP {answer.status}"


@case(
    "5.3, 5.4",
    "trading/closes/cancel_exchange_stops.py finds the exchange's own stops here, and cancels them by id",
)
async def presets_are_plan_orders_once_their_order_is_filled(desk: Desk) -> str | None:
    presets = {
        "preset_stop_loss_price": await desk.away("-0.2"),
        "preset_take_profit_price": await desk.away("0.2"),
        "preset_stop_loss_price_type": 1,
        "preset_take_profit_price_type": 1,
    }
    async with holding(desk, **presets) as size:
        rows = {row["type"]: row for row in await plans(desk, 2)}
        expect(set(rows) == {"stop_loss", "take_profit"}, f"types {set(rows)}")
        for kind, row in rows.items():
            expect_shape(misfits(row, shapes.PLAN))
            wanted = Decimal(presets[f"preset_{kind}_price"])
            expect(Decimal(row["trigger_price"]) == wanted, f"trigger {row['trigger_price']}")
            expect(row["side"] == 3, f"side {row['side']}")
            expect(int(Decimal(row["size"])) == size, f"size {row['size']}")
        body = {"symbol": desk.symbol, "order_id": rows["stop_loss"]["order_id"]}
        await desk.rest.done(f"{PRIVATE}/cancel-plan-order", body)
        (left,) = await plans(desk, 1)
        expect(left["type"] == "take_profit", f"left: {left['type']}")
        await desk.submit(desk.closing(size))
        await plans(desk, 0)
    return f"plan_category {rows['stop_loss']['plan_category']}"


@case("5.4", "nothing yet: stops that are moved at the exchange, too")
async def a_stop_can_be_given_to_a_position_and_moved(desk: Desk) -> str | None:
    stop = {
        "symbol": desk.symbol,
        "type": "stop_loss",
        "side": 3,
        "trigger_price": await desk.away("-0.2"),
        "executive_price": "0",
        "price_type": 1,
        "plan_category": 2,
    }
    async with holding(desk):
        data = await desk.rest.done(f"{PRIVATE}/submit-tp-sl-order", stop)
        (row,) = await plans(desk, 1)
        expect(row["order_id"] == str(data["order_id"]), f"listed as {row['order_id']}")
        moved = {
            "symbol": desk.symbol,
            "order_id": str(data["order_id"]),
            "trigger_price": await desk.away("-0.25"),
            "executive_price": "0",
            "price_type": 1,
            "plan_category": 2,
        }
        await desk.rest.done(f"{PRIVATE}/modify-tp-sl-order", moved)
        (row,) = await plans(desk, 1)
        if Decimal(row["trigger_price"]) != Decimal(moved["trigger_price"]):
            raise NotEstablished(f"still at {row['trigger_price']}: it may be late")
    return f"order_id {type(data['order_id']).__name__}"
