"""Who goes next, and what the client does when it is told to ask less."""

from contextlib import suppress
from decimal import Decimal

import httpx
import pytest
import structlog
import trio
import trio.testing

from bitmart_engine.counters import Counters
from bitmart_engine.exchange import NotSent, OutcomeUnknown, Refused, SubmitOrder, Urgency
from bitmart_engine.exchange.turns import Turns
from bitmart_engine.model.sides import OrderSide

CLOSE, CANCEL, READ, OPEN = Urgency
SUBMIT = "/contract/private/submit-order"
CANCEL_PATH = "/contract/private/cancel-order"
MODE = "/contract/private/get-position-mode"
PATH = "/contract/private/set-position-mode"  # two in two seconds
WINDOW_S = 2.05


def order(side=OrderSide.BUY_OPEN_LONG, id="a1"):
    return SubmitOrder(
        symbol="BTCUSDT", side=side, size=1, client_order_id=id, price=Decimal("65000")
    )


def answer(status=200, body=None, **headers):
    content = body or b'{"code":1000,"message":"Ok","data":{"order_id":7}}'
    names = {name.replace("_", "-"): str(value) for name, value in headers.items()}

    async def reply(_request):
        return httpx.Response(status, content=content, headers=names)

    return reply


# The line


@pytest.mark.parametrize("urgency", [CLOSE, CANCEL, READ])
async def test_when_nobody_waits_a_turn_costs_no_checkpoint(urgency):
    turns = Turns(Counters())
    with trio.testing.assert_no_checkpoints():
        place = await turns.enter(PATH, urgency)
    with place:
        assert turns.statistics()[PATH].used == 1


async def test_what_opens_lets_the_closes_of_the_same_instant_go_first(autojump_clock):
    for _ in range(20):
        turns = Turns(Counters())
        went = []
        async with trio.open_nursery() as nursery:
            for number in range(24):
                nursery.start_soon(go, turns, OPEN, f"open-{number}", went, SUBMIT)
                nursery.start_soon(go, turns, CLOSE, f"close-{number}", went, SUBMIT)
        assert all(name.startswith("close") for name in went[:24])


async def go(turns, urgency, name, went, path=PATH, hold_s=0.0):
    with await turns.enter(path, urgency):
        went.append(name)
        await trio.sleep(hold_s)


async def test_the_most_urgent_goes_first_and_among_equals_the_earliest(autojump_clock):
    turns = Turns(Counters())
    went = []
    async with trio.open_nursery() as nursery:
        for number in range(2):
            await go(turns, READ, f"sent-{number}", went)
        for number in range(2):
            for urgency in (OPEN, READ, CANCEL, CLOSE):
                nursery.start_soon(go, turns, urgency, f"{urgency.name}-{number}", went)
                await trio.testing.wait_all_tasks_blocked()
        assert turns.statistics()[PATH].waiting == 8
        began = trio.current_time()
    assert went[2:] == [f"{urgency.name}-{number}" for urgency in Urgency for number in range(2)]
    assert trio.current_time() - began == pytest.approx(4 * WINDOW_S)
    assert (turns.statistics()[PATH].waiting, turns.statistics()[PATH].delayed) == (0, 8)


async def test_a_line_of_reads_does_not_hold_up_a_close_that_has_room(autojump_clock):
    turns = Turns(Counters())
    path, went = "/contract/private/position-v2", []
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(go, turns, READ, f"read-{number}", went, path)
        await trio.testing.wait_all_tasks_blocked()
        assert len(went) == 4
        with trio.testing.assert_checkpoints():
            await go(turns, CLOSE, "close", went, path)
        assert trio.current_time() == 0
        assert turns.statistics()[path].waiting == 2
    assert went[4] == "close"


async def test_who_is_cancelled_leaves_the_line_and_holds_up_nobody(autojump_clock):
    turns = Turns(Counters())
    went = []
    async with trio.open_nursery() as nursery:
        for number in range(2):
            await go(turns, READ, f"sent-{number}", went)
        scope = trio.CancelScope()

        async def give_up():
            with scope:
                await go(turns, CLOSE, "never", went)

        nursery.start_soon(give_up)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(go, turns, OPEN, "last", went)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert turns.statistics()[PATH].waiting == 1
    assert went == ["sent-0", "sent-1", "last"]
    assert trio.current_time() == pytest.approx(WINDOW_S)


async def test_who_waits_goes_once_what_is_in_flight_has_ended_and_left_the_window(autojump_clock):
    turns = Turns(Counters())
    went = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(go, turns, READ, "slow", went, PATH, 3)
        nursery.start_soon(go, turns, READ, "slow", went, PATH, 3)
        await trio.testing.wait_all_tasks_blocked()
        await go(turns, READ, "late", went)
    assert trio.current_time() == pytest.approx(3 + WINDOW_S)


async def test_what_never_left_makes_room_at_once(autojump_clock):
    turns = Turns(Counters())
    went = []

    async def unsent():
        with suppress(NotSent), await turns.enter(PATH, READ):
            await trio.sleep(1)
            raise NotSent("no connection")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(unsent)
        nursery.start_soon(unsent)
        await trio.testing.wait_all_tasks_blocked()
        await go(turns, READ, "next", went)
        assert trio.current_time() == 1


async def test_endpoints_do_not_wait_for_each_other(autojump_clock):
    turns = Turns(Counters())
    for number in range(2):
        await go(turns, READ, str(number), [])
    await go(turns, READ, "other", [], MODE)
    assert trio.current_time() == 0


async def test_a_path_that_nobody_listed_is_asked_carefully(autojump_clock):
    turns = Turns(Counters())
    with await turns.enter("/new", READ):
        assert turns.statistics()["/new"].limit == 2


# The client


async def test_an_order_is_as_urgent_as_what_it_does(fake, client, autojump_clock):
    fake.says(SUBMIT, {"order_id": 7})
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(client.submit_order, order(id=f"open{number}"))
        await trio.testing.wait_all_tasks_blocked()
        assert len(fake.requests) == 18
        for number in range(10):
            closing = order(OrderSide.SELL_CLOSE_LONG, id=f"close{number}")
            nursery.start_soon(client.submit_order, closing)
        await trio.testing.wait_all_tasks_blocked()
        assert len(fake.requests) == 24
        endpoint = client.statistics().endpoints[SUBMIT]
        assert (endpoint.used, endpoint.limit, endpoint.waiting) == (24, 24, 16)
        nursery.start_soon(lambda: client.submit_order(order(id="urgent"), urgency=CLOSE))
    sides = [each.content.count(b'"side":3') for each in fake.requests]
    assert sides[18:24] == [1] * 6
    assert sum(sides[24:28]) == 4
    assert b"urgent" in fake.requests[28].content


async def test_a_write_is_signed_when_its_turn_has_come(fake, client, autojump_clock):
    fake.says(CANCEL_PATH)
    client._calls.turns._lines.clear()
    async with trio.open_nursery() as nursery:
        for _ in range(41):
            nursery.start_soon(lambda: client.cancel_order("BTCUSDT", order_id="1"))
        await trio.testing.wait_all_tasks_blocked()
        fake.now_ms += 2000
    first, last = fake.requests[0], fake.requests[-1]
    assert int(last.headers["X-BM-TIMESTAMP"]) - int(first.headers["X-BM-TIMESTAMP"]) == 2000


async def test_an_order_that_is_not_wanted_any_more_when_its_turn_comes_is_not_sent(
    fake, client, autojump_clock
):
    fake.says(SUBMIT, {"order_id": 7})
    for number in range(18):
        await client.submit_order(order(id=f"first{number}"))
    wanted = True
    async with trio.open_nursery() as nursery:

        async def submit():
            with pytest.raises(NotSent, match="no longer wanted"):
                await client.submit_order(order(), still_wanted=lambda: wanted)

        nursery.start_soon(submit)
        await trio.testing.wait_all_tasks_blocked()
        wanted = False
    assert len(fake.requests) == 18
    assert client.statistics().endpoints[SUBMIT].used == 0


async def test_the_headers_of_an_answer_correct_the_limit(fake, client, autojump_clock):
    headers = {
        "X_BM_RateLimit_Limit": 4,
        "X_BM_RateLimit_Remaining": 1,
        "X_BM_RateLimit_Reset": 3,
        "X_BM_RateLimit_Mode": "KEY",
    }
    fake.does(CANCEL_PATH, answer(**headers))
    fake.says(CANCEL_PATH)
    await client.cancel_order("BTCUSDT", order_id="1")
    endpoint = client.statistics().endpoints[CANCEL_PATH]
    assert (endpoint.limit, endpoint.window_s, endpoint.counted_by) == (4, 3, "KEY")
    for _ in range(4):
        await client.cancel_order("BTCUSDT", order_id="1")
    assert trio.current_time() == pytest.approx(3.05)


REFUSED = b'{"code":30013,"message":"Request too many requests","data":null}'
SHUT_OUT = b'{"code":30017,"message":"Your account request is temporarily rejected","data":null}'


@pytest.mark.parametrize(
    ("status", "body", "failure", "pause_s"),
    [
        (429, REFUSED, Refused, 2.05),
        (429, b"<html>", Refused, 2.05),
        (200, REFUSED, Refused, 2.05),
        (400, b'{"code":40013,"message":"too frequent"}', Refused, 2.05),
        (418, SHUT_OUT, Refused, 60),
        (400, SHUT_OUT, Refused, 60),
        (418, b"<html>", OutcomeUnknown, 60),
    ],
)
async def test_an_endpoint_that_was_asked_too_often_pauses_and_says_so(
    fake, client, autojump_clock, status, body, failure, pause_s
):
    fake.does(SUBMIT, answer(status, body))
    fake.says(SUBMIT, {"order_id": 7})
    with structlog.testing.capture_logs() as logs, pytest.raises(failure):
        await client.submit_order(order())
    endpoint = client.statistics().endpoints[SUBMIT]
    assert endpoint.pauses == 1
    assert endpoint.paused_for_s == pytest.approx(pause_s)
    counted = "rate_ban_paused" if pause_s == 60 else "rate_limit_paused"
    assert client._counters.counts()[counted] == 1
    assert any(each["event"] == counted and each["path"] == SUBMIT for each in logs)

    await client.submit_order(order())
    assert trio.current_time() == pytest.approx(pause_s)
    assert client.statistics().endpoints[SUBMIT].paused_for_s == 0


async def test_an_answer_that_never_comes_pauses_nothing(fake, client, autojump_clock):
    fake.does(MODE, httpx.ReadError("lost"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await client.position_mode()
    assert client.statistics().endpoints[MODE].pauses == 0
    assert client.statistics().endpoints[MODE].used == 2
