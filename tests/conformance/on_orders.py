"""Cases about orders: replies, pushes, look-ups, client order ids, cancels, refusals.

Orders that rest are the smallest there are, a tenth below the market, and are cancelled; orders that fill are the
smallest there are, and are closed.
"""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import OrderUpdate
from bitmart_engine.streams.normalize import events as engine_events
from bitmart_engine.streams.topics import parse

from . import shapes
from .case import Differs, NotEstablished, case, expect, expect_shape
from .desk import LAG_S, ORDERS, POSITIONS, PRIVATE, Desk, brief
from .shapes import misfits

SUBMIT = f"{PRIVATE}/submit-order"
GONE = (40035, 40036, 40037)
"""What may be said of an order that cannot be cancelled: there is none, or its status does not allow it."""


def ended(event: dict[str, Any]) -> bool:
    return bool(event["order"]["state"] == 4)


def cancelled(event: dict[str, Any]) -> bool:
    return bool(event["action"] == 3)


@case("5.4, 7 (1)", "exchange/order_client.py reads the id of a submit, whatever it is written as")
async def a_submit_is_answered_with_an_order_id_and_the_price(desk: Desk) -> str | None:
    body = await desk.resting()
    data = await desk.submit(body)
    expect("order_id" in data, f"data {data}")
    expect(str(data["order_id"]).isdecimal(), f"order_id {data['order_id']!r}")
    await desk.cancel(body["client_order_id"])
    return f"order_id {type(data['order_id']).__name__}, price {data.get('price')!r}"


@case("4.3, 7.2 (1)", "trading/entries/progress.py: an order is open when this says so")
async def an_order_that_rests_is_pushed_as_working(desk: Desk) -> str | None:
    body = await desk.resting()
    async with desk.private(ORDERS) as socket:
        await desk.submit(body)
        events = await socket.order_events(
            body["client_order_id"], lambda one: one["order"]["state"] == 2
        )
        order = events[-1]["order"]
        expect_shape(misfits(order, shapes.ORDER_EVENT))
        expect(events[-1]["action"] == 2, f"action {events[-1]['action']}")
        expect(order["deal_size"] == "0", f"deal_size {order['deal_size']}")
        expect(not events[-1]["order"].get("last_trade"), f"last_trade {order['last_trade']}")
        expect(int(order["size"]) == body["size"], f"size {order['size']}")
        data = msgspec.json.encode(events)
        made = engine_events(parse(ORDERS), data, Counters())
        expect(
            len(made) == len(events) and all(isinstance(one, OrderUpdate) for one in made),
            f"the engine read {made}",
        )
    await desk.cancel(body["client_order_id"])
    return brief(events)


@case(
    "5.4, 7.2 (4)",
    "trading/entries/progress.py: a cancel is a cancel when it is pushed, not when it is answered",
)
async def a_cancel_is_pushed_with_state_4_and_what_was_filled(desk: Desk) -> str | None:
    body = await desk.resting()
    async with desk.private(ORDERS) as socket:
        await desk.submit(body)
        answer = await desk.cancel(body["client_order_id"])
        expect(answer.code == 1000, answer.short)
        events = await socket.order_events(body["client_order_id"], cancelled)
    last = events[-1]["order"]
    expect(last["state"] == 4, f"state {last['state']} in the cancel event")
    expect(last["deal_size"] == "0", f"deal_size {last['deal_size']}")
    data = answer.body.get("data", "absent") if answer.body else None
    return f"{brief(events)}, the reply's data {data!r}"


@case(
    "4.3, 7.2 (5), 7 (12)",
    "trading/entries/progress.py: fills are the filled total, never added up",
)
async def a_market_order_ends_filled_and_deal_size_only_grows(desk: Desk) -> str | None:
    body = await desk.market()
    async with desk.private(ORDERS) as socket:
        data = await desk.submit(body)
        events = await socket.order_events(body["client_order_id"], ended)
    sizes = [int(one["order"]["deal_size"]) for one in events]
    expect(sizes == sorted(sizes), f"deal_size went {sizes}")
    expect(sizes[-1] == body["size"], f"it ended with {sizes[-1]} of {body['size']}")
    times = [one["order"]["update_time"] for one in events]
    expect(times == sorted(times), f"update_time went {times}")
    trades = [one["order"]["last_trade"] for one in events if one["order"].get("last_trade")]
    expect(trades, "no event has a last_trade")
    for trade in trades:
        expect_shape(misfits(trade, shapes.LAST_TRADE))
    order = events[-1]["order"]
    expect(order["deal_avg_price"] != "0", "no deal_avg_price")
    return (
        f"{brief(events)}; reply price {data.get('price')!r}, pushed price {order['price']!r},"
        f" fee {trades[-1]['fee']!r}"
    )


@case("7.2", "trading/entries/progress.py takes whichever comes first")
async def the_order_is_told_before_the_position(desk: Desk) -> str | None:
    body = await desk.market()
    async with desk.private(ORDERS, POSITIONS) as socket:
        await desk.submit(body)
        await socket.hear(lambda one: one.get("group") == POSITIONS and bool(one.get("data")))
        told = [one for one in socket.kept if one.get("group") == ORDERS and "data" in one]
    if not told:
        raise NotEstablished("the position came first, or twice")
    return f"{len(told)} order frames, then the position"


@case("7.2", "trading/entries/submission.py takes the push as the answer if it is faster")
async def the_push_comes_near_the_reply(desk: Desk) -> str | None:
    body = await desk.resting()
    at: dict[str, float] = {}
    async with desk.private(ORDERS) as socket, trio.open_nursery() as nursery:

        async def listen() -> None:
            await socket.order_events(body["client_order_id"], lambda one: True)
            at["push"] = trio.current_time()

        nursery.start_soon(listen)
        await desk.submit(body)
        at["reply"] = trio.current_time()
    await desk.cancel(body["client_order_id"])
    return f"the push {1000 * (at['push'] - at['reply']):+.0f} ms after the reply"


@case(
    "7 (20), 8.4",
    "trading/entries/tracking.py reads it three times 250 ms apart, then goes on more slowly",
)
async def an_order_can_be_read_by_its_id_soon_after_the_submit(desk: Desk) -> str | None:
    body = await desk.resting()
    order_id = str((await desk.submit(body))["order_id"])
    asked_at, refused = trio.current_time(), []
    while True:
        answer = await desk.rest.get(f"{PRIVATE}/order", symbol=desk.symbol, order_id=order_id)
        if answer.code == 1000:
            break
        refused.append(answer.code or answer.status)
        late = answer.code in (40035, 40037) or answer.status == 404
        expect(late, f"meanwhile: {answer.short}")
        expect(trio.current_time() < asked_at + LAG_S, f"not in {LAG_S:g} s: {answer.short}")
        await trio.sleep(0.25)
    expect_shape(misfits(answer.data, shapes.ORDER))
    expect(answer.data["order_id"] == order_id, f"order_id {answer.data['order_id']}")
    expect(answer.data["client_order_id"] == body["client_order_id"], "another client_order_id")
    await desk.cancel(body["client_order_id"])
    return f"after {trio.current_time() - asked_at:.1f} s, meanwhile {refused or 'nothing'}"


@case("5.3", "trading/entries/submission.py looks a lost submit up before it sends anything again")
async def a_working_order_is_found_by_its_client_order_id(desk: Desk) -> str | None:
    body = await desk.resting()
    await desk.submit(body)
    row, late_s = await desk.found("get-open-orders", body["client_order_id"])
    expect_shape(misfits(row, shapes.ORDER))
    expect(row["state"] == 2, f"state {row['state']}")
    await desk.cancel(body["client_order_id"])
    return f"after {late_s:.1f} s"


@case("5.3", "trading/entries/submission.py looks a lost submit up in the history, too")
async def an_ended_order_is_found_in_the_history_by_its_client_order_id(desk: Desk) -> str | None:
    body = await desk.resting()
    await desk.submit(body)
    await desk.cancel(body["client_order_id"])
    row, late_s = await desk.found("order-history", body["client_order_id"])
    expect_shape(misfits(row, shapes.ORDER))
    expect((row["state"], row["deal_size"]) == (4, "0"), f"{row['state']}, {row['deal_size']}")
    return f"after {late_s:.1f} s"


@case("5.3, 7 (30)", "exchange/order_client.py asks for what is dated in the future, too")
async def a_period_of_history_may_end_in_the_future(desk: Desk) -> str | None:
    body = await desk.resting()
    await desk.submit(body)
    await desk.cancel(body["client_order_id"])
    ended = await desk.has_ended(body["client_order_id"])
    made_s = int(ended["create_time"]) // 1000
    period = {"start_time": made_s - 60, "end_time": made_s + 86_400}
    for path, key in (("order-history", "client_order_id"), ("trades", "order_id")):
        rows = await desk.rest.data(f"{PRIVATE}/{path}", symbol=desk.symbol, **period)
        expect(isinstance(rows, list), f"{path}: {rows!r}")
        known = {row[key] for row in rows}
        expect(path == "trades" or ended[key] in known, f"{path}: {len(known)} others")
    return None


@case(
    "5.4, 6.3",
    "trading/entries/submission.py sends a lost submit again under the same id: at most one is taken",
)
async def a_client_order_id_is_taken_once(desk: Desk) -> str | None:
    body = await desk.resting()
    await desk.submit(body)
    again = await desk.rest.post(SUBMIT, body)
    expect(again.code == 40050, f"while it works: {again.short}")
    await desk.cancel(body["client_order_id"])
    await desk.has_ended(body["client_order_id"])
    again = await desk.rest.post(SUBMIT, body)
    expect(again.code == 40050, f"after it was cancelled: {again.short}")
    return f"HTTP {again.status}"


@case("5.4", "trading/identity.py makes ids of up to 32 letters and digits")
async def a_client_order_id_has_32_letters_and_digits_at_most(desk: Desk) -> str | None:
    name = desk.new_name()
    longest = name + "Z" * (32 - len(name))
    body = await desk.resting(client_order_id=longest)
    await desk.submit(body)
    expect((await desk.cancel(longest)).code == 1000, "it cannot be cancelled by that id")
    too_long = await desk.rest.post(SUBMIT, {**body, "client_order_id": longest + "Z"})
    expect(too_long.code == 40049, f"33 letters: {too_long.short}")
    dashed = await desk.rest.post(SUBMIT, {**body, "client_order_id": f"{name}-1"})
    expect(dashed.code == 40048, f"with a dash: {dashed.short}")
    return None


@case(
    "5.4, 6.3",
    "trading/entries/entries.py takes a cancel that comes too late for a reason to read the order",
)
async def a_second_cancel_says_that_there_is_nothing_to_cancel(desk: Desk) -> str | None:
    body = await desk.resting()
    await desk.submit(body)
    await desk.cancel(body["client_order_id"])
    await desk.has_ended(body["client_order_id"])
    again = await desk.cancel(body["client_order_id"])
    expect(again.code in GONE, again.short)
    unknown = await desk.cancel(desk.new_name())
    expect(unknown.code in GONE, f"an id that never was: {unknown.short}")
    return f"ended: {again.code}, never was: {unknown.code}"


@case("5.4, 7 (17)", "exchange/order_client.py never cancels without an id")
async def a_cancel_without_an_id_cancels_the_whole_symbol(desk: Desk) -> str | None:
    bodies = [await desk.resting() for _ in range(2)]
    for body in bodies:
        await desk.submit(body)
    await desk.rest.done(f"{PRIVATE}/cancel-order", {"symbol": desk.symbol})
    for body in bodies:
        await desk.has_ended(body["client_order_id"])
    return None


@case("6.3", "exchange/classify.py: an id that is unknown is no order, and no failure")
async def an_unknown_order_is_40035(desk: Desk) -> str | None:
    answer = await desk.rest.get(
        f"{PRIVATE}/order", symbol=desk.symbol, order_id="3000000000000001"
    )
    expect(answer.code in (40035, 40037), answer.short)
    return f"HTTP {answer.status}, {answer.code}"


@case("6.3", "exchange/classify.py: what is refused for its form is never sent again")
async def an_order_that_is_wrong_is_refused_with_its_code(desk: Desk) -> str | None:
    body = await desk.resting()
    for changed, codes in (
        ({"size": 0}, (40011, 40044)),
        ({"side": 9}, (40041, 40011)),
        ({"symbol": "NOSUCHUSDT"}, (40034, 40012)),
        ({"price": body["price"] + ("0" if "." in body["price"] else ".0") + "001"}, (40043,)),
        ({"leverage": "100000"}, (40029, 40040, 40012)),
    ):
        wrong = {**body, "client_order_id": desk.new_name(), **changed}
        answer = await desk.rest.post(SUBMIT, wrong)
        if answer.code == 1000:
            await desk.cancel(wrong["client_order_id"])
        expect(answer.code in codes, f"{changed}: {answer.short}")
    return None


@case("5.4, 8.3", "trading/entries/placing.py understands both forms of a maker-only refusal")
async def a_maker_only_order_that_would_match_is_refused(desk: Desk) -> str | None:
    body = await desk.resting(mode=4, price=await desk.away("0.01"))
    async with desk.private(ORDERS) as socket:
        answer = await desk.rest.post(SUBMIT, body)
        if answer.code != 1000:
            return f"by the reply: HTTP {answer.status}, {answer.code}"
        events = await socket.order_events(body["client_order_id"], ended)
    expect(events[-1]["order"]["deal_size"] == "0", f"it filled: {brief(events)}")
    return f"taken, then {brief(events)}"


@case("5.4", "trading/entries/placing.py sends entries as maker-only first")
async def a_maker_only_order_that_rests_is_taken(desk: Desk) -> str | None:
    body = await desk.resting(mode=4)
    await desk.submit(body)
    await desk.found("get-open-orders", body["client_order_id"])
    await desk.cancel(body["client_order_id"])
    return None


@case(
    "5.4, 8.3",
    "trading/entries/progress.py: state 4 with less than the size is an order that was cancelled",
)
async def an_order_that_cannot_fill_at_once_and_must_ends_at_once(desk: Desk) -> str | None:
    seen = []
    for name, mode in (("FOK", 2), ("IOC", 3)):
        body = await desk.resting(mode=mode)
        async with desk.private(ORDERS) as socket:
            answer = await desk.rest.post(SUBMIT, body)
            if answer.code != 1000:
                seen.append(f"{name}: refused with {answer.code}")
                continue
            events = await socket.order_events(body["client_order_id"], ended)
            expect(events[-1]["order"]["deal_size"] == "0", f"{name} filled: {brief(events)}")
            seen.append(f"{name}: {brief(events)}")
    return "; ".join(seen)


@case("5.3, 8.6", "trading/entries/entries.py books fills that were missed from here")
async def a_fill_is_found_by_its_orders_id(desk: Desk) -> str | None:
    body = await desk.market()
    order_id = str((await desk.submit(body))["order_id"])
    row = await desk.has_ended(body["client_order_id"])
    expect(int(row["deal_size"]) == body["size"], f"deal_size {row['deal_size']}")
    asked_at = trio.current_time()
    while trio.current_time() < asked_at + LAG_S:
        rows = await desk.rest.data(f"{PRIVATE}/trades", symbol=desk.symbol, order_id=order_id)
        if rows:
            break
        await trio.sleep(0.5)
    else:
        raise Differs(f"no trades of {order_id} in {LAG_S:g} s")
    for one in rows:
        expect_shape(misfits(one, shapes.FILL))
    expect(sum(int(one["vol"]) for one in rows) == body["size"], f"vol {[r['vol'] for r in rows]}")
    return f"paid_fees {rows[0]['paid_fees']}, {rows[0]['exec_type']}"


@case("5.4", "nothing yet: a second line of defence for an engine that dies")
async def the_dead_man_timer_is_started_and_stopped(desk: Desk) -> str | None:
    path = f"{PRIVATE}/cancel-all-after"
    data = await desk.rest.done(path, {"symbol": desk.symbol, "timeout": 60})
    expect_shape(misfits(data, {"result": shapes.flag, "set_time": shapes.whole}))
    expect(data["result"] is True, f"result {data['result']}")
    await desk.rest.done(path, {"symbol": desk.symbol, "timeout": 0})
    short = await desk.rest.post(path, {"symbol": desk.symbol, "timeout": 1})
    expect(short.code != 1000, "a timeout of 1 s was taken")
    return f"cancel_time {data.get('cancel_time')}, 1 s refused with {short.code}"
