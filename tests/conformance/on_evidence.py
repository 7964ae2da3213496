"""Cases about what the engine weighs before it believes something: times, ids, repeated reads, forms of an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import trio

from .case import Differs, NotEstablished, case, expect
from .desk import ORDERS, POSITIONS, Desk, brief
from .on_orders import ended
from .on_positions import holding, plans
from .on_streams import QUIET_S

APART_MS = 5_000
"""How far an order's own times may be from the exchange's clock."""
OLD_S = 10.0
"""A trade this old is one from before the subscription."""
READS = 10


async def exchange_ms(desk: Desk) -> int:
    return int((await desk.rest.data("/system/time"))["server_time"])


@case("5.3", "trading/entries/submission.py: an order made before ours was asked for is not ours")
async def an_order_says_when_it_was_made_by_the_exchanges_clock(desk: Desk) -> str | None:
    body = await desk.resting()
    before = await exchange_ms(desk)
    await desk.submit(body)
    after = await exchange_ms(desk)
    row, _ = await desk.found("get-open-orders", body["client_order_id"])
    await desk.cancel(body["client_order_id"])
    ended_row = await desk.has_ended(body["client_order_id"])
    made = int(row["create_time"])
    expect(before - APART_MS <= made <= after + APART_MS, f"{made}, sent {before} to {after}")
    expect(int(ended_row["create_time"]) == made, f"in the history {ended_row['create_time']}")
    return f"{made - before} ms after the clock was read"


@case(
    "5.3",
    "trading/closes/attribution.py: a stop made before an order's first fill is not that order's",
)
async def a_stop_says_that_it_was_made_after_its_order(desk: Desk) -> str | None:
    stop = {
        "preset_stop_loss_price": await desk.away("-0.2"),
        "preset_stop_loss_price_type": 1,
    }
    before = await exchange_ms(desk)
    async with holding(desk, **stop):
        (plan,) = await plans(desk, 1)
        made = int(plan["create_time"])
        after = await exchange_ms(desk)
    expect(before - APART_MS <= made <= after + APART_MS, f"{made}, between {before} and {after}")
    return f"{made - before} ms after the clock was read"


@case("4.4, 5.3", "trading/account/reconcile.py believes no list that is empty only once")
async def a_position_held_is_in_every_one_of_ten_reads(desk: Desk) -> str | None:
    async with holding(desk) as size:
        seen = []
        for _ in range(READS):
            seen.append(sum((await desk.held()).values()))
            await trio.sleep(1)
    expect(seen[-1] == size, f"{seen} held")
    return f"{sum(each != size for each in seen)} of {READS} said otherwise"


@case(
    "4.3", "trading/entries/progress.py reads an order whose last push does not say what was filled"
)
async def the_last_push_of_an_order_says_what_its_row_says(desk: Desk) -> str | None:
    body = await desk.market()
    async with desk.private(ORDERS) as socket:
        await desk.submit(body)
        events = await socket.order_events(body["client_order_id"], ended)
    row = await desk.has_ended(body["client_order_id"])
    pushed = events[-1]["order"]["deal_size"]
    expect(pushed == row["deal_size"], f"pushed {pushed!r}, row {row['deal_size']!r}")
    return brief(events)


@case("4.2", "streams/normalize.py: a trade from before the subscription moves nothing")
async def a_trade_has_an_id_and_the_time_at_which_it_was_made(desk: Desk) -> str | None:
    topic = f"futures/trade:{desk.symbol}"
    now_ms = await exchange_ms(desk)
    rows: list[dict[str, Any]] = []
    async with desk.public(topic) as socket:
        try:
            for _ in range(2):
                rows += await socket.push(topic, QUIET_S)
        except Differs as quiet:
            raise NotEstablished(f"no trade: {quiet}") from None
    ids = [int(row["trade_id"]) for row in rows]
    expect(len(set(ids)) == len(ids), f"ids {ids}")
    made = [datetime.fromisoformat(row["created_at"][:19]).replace(tzinfo=UTC) for row in rows]
    ages_s = [now_ms / 1000 - each.timestamp() for each in made]
    expect(ages_s[-1] < OLD_S, f"the newest was made {ages_s[-1]:.0f} s before it was told")
    old = sum(each > OLD_S for each in ages_s)
    return (
        f"{old} of {len(rows)} from before, ids {'grow' if ids == sorted(ids) else 'do not grow'}"
    )


@case("5.2", "trading/closes/closing.py closes in parts of at most this; 0 is taken for unknown")
async def a_market_order_may_have_one_contract_at_least(desk: Desk) -> str | None:
    most = Decimal((await desk.details())["market_max_volume"])
    if most < 1:
        raise NotEstablished(f"market_max_volume is {most}")
    return f"{most} contracts"


@case(
    "4.3, 4.4", "trading/closes/attribution.py: which of two channels tells first decides nothing"
)
async def both_channels_tell_of_a_close(desk: Desk) -> str | None:
    async with holding(desk) as size, desk.private(ORDERS, POSITIONS) as socket:
        body = desk.closing(size)
        await desk.submit(body)
        began = trio.current_time()
        await socket.order_events(body["client_order_id"], ended)
        orders_s = trio.current_time() - began
        while True:
            rows = [row for row in await socket.push(POSITIONS) if row["symbol"] == desk.symbol]
            if rows and Decimal(rows[0]["hold_volume"]) == 0:
                return (
                    f"order after {orders_s:.2f} s, position by {trio.current_time() - began:.2f} s"
                )
