"""What goes wrong on purpose, over sockets and in memory."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import HandshakeError, open_websocket_url

from bitmart_engine.paper import LostReply

from .conftest import SUBMIT, Visiting

KLINE = "futures/klineBin1m:BTCUSDT"
ORDER = {"symbol": "BTCUSDT", "side": 1, "type": "market", "size": 1}
both = pytest.mark.parametrize("memory", [False, True])


@both
async def test_a_lost_reply_takes_the_order(visiting: Visiting, memory: bool) -> None:
    async with visiting(memory=memory) as visit, visit.private("futures/order") as listener:
        visit.exchange.lose_replies(SUBMIT, times=2)
        for taken in (1, 2):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await visit.owner.post(SUBMIT, ORDER)
            assert len(visit.books.orders) == taken
            await listener.hear_about("futures/order")
        await visit.owner.do(SUBMIT, ORDER)
        assert [record.status for record in visit.exchange.requests] == [None, None, 200]


@both
async def test_a_failure_does_not_take_the_order_unless_it_comes_after(
    visiting: Visiting, memory: bool
) -> None:
    async with visiting(memory=memory) as visit:
        visit.exchange.fail(SUBMIT)
        response = await visit.owner.post(SUBMIT, ORDER)
        assert (response.status_code, len(visit.books.orders)) == (500, 0)
        visit.exchange.fail(SUBMIT, status=503, body='{"code":30014}', after=True)
        response = await visit.owner.post(SUBMIT, ORDER)
        assert (response.status_code, response.json()) == (503, {"code": 30014})
        assert len(visit.books.orders) == 1
        assert (await visit.owner.post(SUBMIT, ORDER)).status_code == 200


async def test_a_late_reply_of_an_order_taken_at_once(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True) as visit, visit.private("futures/order") as listener:
        visit.exchange.delay(SUBMIT, 3, after=True)
        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.owner.do, SUBMIT, ORDER)
            await listener.hear_about("futures/order")
            assert trio.current_time() - start < 0.5
        assert trio.current_time() - start == pytest.approx(3, abs=0.1)


async def test_a_client_that_gives_up_waiting_does_not_untake_its_order(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.delay(SUBMIT, 8)
        with pytest.raises(httpx.ReadTimeout):
            await visit.owner.post(SUBMIT, ORDER)
        assert not visit.books.orders
        await trio.sleep(4)
        assert len(visit.books.orders) == 1


async def test_over_a_socket_too_an_order_is_taken_after_its_client_is_gone(
    visiting: Visiting,
) -> None:
    async with visiting() as visit:
        visit.exchange.delay(SUBMIT, 0.2)
        with trio.fail_after(30):
            async with trio.open_nursery() as client:
                client.start_soon(visit.owner.post, SUBMIT, ORDER)
                while not visit.exchange.requests:  # no event says that one has arrived
                    await trio.sleep(0.002)
                client.cancel_scope.cancel()
            while not visit.books.orders:  # nor that one was taken
                await trio.sleep(0.002)


async def test_faults_are_of_one_path_and_in_their_order(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.fail(SUBMIT, status=500)
        visit.exchange.fail(SUBMIT, status=502)
        assert (await visit.owner.get("/system/time")).status_code == 200
        statuses = [(await visit.owner.post(SUBMIT, ORDER)).status_code for _ in range(3)]
        assert statuses == [500, 502, 200]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"path": "submit"}, "path must be . or begin with /, not 'submit'"),
        ({"path": "/x", "times": 0}, "times must be 1 or more, not 0"),
        ({"path": "/x", "status": 42}, "status must be an HTTP status, not 42"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    visiting: Visiting, fields: dict[str, Any], problem: str
) -> None:
    async with visiting(memory=True) as visit:
        with pytest.raises(ValueError, match=problem):
            visit.exchange.fail(**fields)


@pytest.mark.parametrize(("which", "left"), [("public", 1), ("private", 2), ("all", 0)])
async def test_dropped_connections_end_without_a_word(
    visiting: Visiting, which: Any, left: int
) -> None:
    async with (
        visiting() as visit,
        visit.public(KLINE) as one,
        visit.public(KLINE) as two,
        visit.private() as three,
    ):
        assert visit.exchange.drop_connections(which) == 3 - left
        dropped = {"public": [one, two], "private": [three], "all": [one, two, three]}[which]
        for listener in dropped:
            assert await listener.is_closed() == 1006
        assert visit.exchange.connections == left
        for listener in {one, two, three} - set(dropped):
            assert await listener.hears_nothing()


@both
async def test_a_frozen_channel_is_silent_while_pings_are_answered(
    visiting: Visiting, memory: bool
) -> None:
    other = "futures/trade:BTCUSDT"
    async with visiting(memory=memory) as visit, visit.public(KLINE, other) as listener:
        visit.exchange.freeze("futures/klineBin1m", until="reconnect")
        visit.exchange.set_price("BTCUSDT", Decimal(65001))
        await listener.hear_about(other)
        assert await listener.hears_nothing()
        await listener.subscribe(KLINE)
        visit.exchange.set_price("BTCUSDT", Decimal(65002))
        await listener.hear_about(other)
        assert await listener.hears_nothing()
        async with visit.public(KLINE) as newcomer:
            visit.exchange.set_price("BTCUSDT", Decimal(65003))
            assert (await newcomer.hear_about(KLINE))["items"]
        visit.exchange.unfreeze()
        await listener.hear_about(other)
        visit.exchange.set_price("BTCUSDT", Decimal(65004))
        assert (await listener.hear_about(KLINE))["items"][0]["c"] == "65004"


async def test_a_freeze_can_be_cured_by_a_new_subscribe_frame(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit, visit.public(KLINE) as listener:
        visit.exchange.freeze("*")
        visit.exchange.set_price("BTCUSDT", Decimal(65001))
        assert await listener.hears_nothing()
        await listener.subscribe(KLINE)
        visit.exchange.set_price("BTCUSDT", Decimal(65002))
        assert (await listener.hear_about(KLINE))["items"][0]["c"] == "65002"


async def test_or_by_nothing_but_the_end_of_it(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.freeze(KLINE, until="forever")
        visit.exchange.freeze("futures/trade", until="forever")
        async with visit.public(KLINE) as listener:
            visit.exchange.set_price("BTCUSDT", Decimal(65001))
            assert await listener.hears_nothing()
            visit.exchange.unfreeze(KLINE)
            visit.exchange.set_price("BTCUSDT", Decimal(65002))
            assert await listener.hear_about(KLINE)
            assert len(visit.exchange.faults.frozen) == 1


async def test_logins_can_be_refused_for_some_times_or_until_switched_off(
    visiting: Visiting,
) -> None:
    async def succeeds(visit: Any) -> bool:
        async with visit.dial("/user") as listener:
            return bool((await listener.login(visit.exchange.now_ms()))["success"])

    async with visiting() as visit:
        visit.exchange.refuse_logins(times=1)
        assert [await succeeds(visit) for _ in range(2)] == [False, True]
        visit.exchange.refuse_logins()
        assert [await succeeds(visit) for _ in range(2)] == [False, False]
        visit.exchange.refuse_logins(False)
        assert await succeeds(visit)


async def test_clearing_ends_every_fault(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public(KLINE) as listener:
        exchange = visit.exchange
        exchange.fail("/system/time")
        exchange.freeze("*", until="forever")
        exchange.refuse_logins()
        exchange.refuse_dials(abruptly=True)
        exchange.clear_faults()
        exchange.set_price("BTCUSDT", Decimal(65001))
        assert await listener.hear_about(KLINE)
        assert await visit.owner.read("/system/time")
        async with visit.private():
            pass


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda e: e.freeze("kline"), "channel must be \\* or begin with futures/"),
        (lambda e: e.freeze("*", until="never"), "until must be"),
        (lambda e: e.drop_connections("some"), "which must be public, private or all"),
        (lambda e: e.set_price("NOUSDT", Decimal(1)), "unknown symbol 'NOUSDT'"),
        (lambda e: e.set_price("BTCUSDT", Decimal("1.05")), "not a positive multiple of 0.1"),
        (lambda e: e.set_price("BTCUSDT", Decimal(0)), "not a positive multiple"),
        (lambda e: e.set_price("BTCUSDT", Decimal("NaN")), "not a positive multiple"),
        (lambda e: e.set_price("BTCUSDT", "x"), "price 'x' is not a number"),
        (lambda e: e.hold("NOUSDT"), "unknown symbol"),
        (lambda e: e.release("NOUSDT"), "unknown symbol"),
        (lambda e: e.liquidate("BTCUSDT", "up"), "side must be long or short, not 'up'"),
        (lambda e: e.close_position_by_hand("BTCUSDT", "long"), "cannot close 0 contracts"),
    ],
)
async def test_a_control_that_makes_no_sense_is_refused(
    visiting: Visiting, call: Any, problem: str
) -> None:
    async with visiting(memory=True) as visit:
        with pytest.raises(ValueError, match=problem):
            call(visit.exchange)


@both
async def test_requests_are_recorded(visiting: Visiting, memory: bool) -> None:
    async with visiting(memory=memory) as visit:
        await visit.owner.get("/system/time", a="1")
        await visit.owner.post(SUBMIT, ORDER)
        await visit.owner.post(SUBMIT, "no json")
        time, submit, broken = visit.exchange.requests
        assert (time.method, time.path, time.query, time.body) == (
            "GET",
            "/system/time",
            {"a": "1"},
            None,
        )
        assert (submit.method, submit.path, submit.body, submit.status) == (
            "POST",
            SUBMIT,
            ORDER,
            200,
        )
        assert (broken.body, broken.status) == ("no json", 503)


async def test_a_closed_exchange_refuses_connections_in_memory_too(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        transport = visit.exchange.rest_transport()
    async with httpx.AsyncClient(transport=transport, base_url="http://paper") as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/system/time")


async def test_a_request_that_is_under_way_when_the_exchange_closes_ends(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    ended = []
    async with trio.open_nursery() as nursery:
        async with visiting(memory=True) as visit:
            visit.exchange.delay("/system/time", 100)
            client = httpx.AsyncClient(
                transport=visit.exchange.rest_transport(), base_url="http://paper", timeout=None
            )

            async def ask() -> None:
                with pytest.raises(httpx.TransportError):
                    await client.get("/system/time")
                ended.append(True)

            nursery.start_soon(ask)
            await trio.sleep(1)
        await trio.sleep(1)
    assert ended == [True]


async def test_the_app_can_be_called_by_any_asgi_client(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        transport = httpx.ASGITransport(app=visit.exchange.rest_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://paper") as client:
            assert (await client.get("/system/time")).json()["code"] == 1000
            visit.exchange.lose_replies("/system/time")
            with pytest.raises(LostReply, match="/system/time"):
                await client.get("/system/time")


async def test_what_is_not_http_is_not_answered(visiting: Visiting) -> None:
    async with visiting() as visit:
        uri = visit.exchange.rest_uri.replace("http", "ws")
        with pytest.raises(HandshakeError):
            async with open_websocket_url(uri):
                pass
        assert await visit.owner.read("/system/time")
