"""What is owed goes out in order, is retried on schedule, and never waits for another order's receiver."""

import json
from contextlib import nullcontext
from itertools import pairwise

import httpx
import pytest
import structlog
import trio

from bitmart_engine.notify import OutboxStatistics

DAY = 86_400


async def test_a_notification_is_posted_as_it_is_and_settled(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("n1", url="http://app.test:8080/hook?order=1"))
        assert outbox.statistics() == OutboxStatistics(owed=1, in_flight=0, delivered=0, dead=0)
        await outbox.wait_idle()
        assert outbox.statistics() == OutboxStatistics(owed=0, in_flight=0, delivered=1, dead=0)
    (_, request), *more = box.receiver.got
    assert not more
    assert request.method == "POST"
    assert request.content == b'{"event":"placed"}'
    assert str(request.url) == "http://10.0.0.1:8080/hook?order=1"
    assert request.headers["Host"] == "app.test:8080"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == "n1"
    assert request.headers["User-Agent"].startswith("bitmart-engine/")
    assert box.settlements == [("n1", "delivered")]
    assert box.receiver.closed
    assert box.counters.counts() == {}


async def test_nothing_is_sent_before_the_journal_has_it(box, autojump_clock):
    async def slow():
        await trio.sleep(3)
        assert not box.receiver.got
        box.events.append("durable")

    box.durable = slow
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [3]
    assert box.events == ["durable", ("resolve", "app.test", 80), ("n1", "delivered")]


async def test_the_journal_is_waited_for_once_and_not_at_each_attempt(box, autojump_clock):
    box.receiver.answers["app.test"] = [503, 503, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.events.count("durable") == 1


async def test_a_journal_that_cannot_be_written_is_not_survived(box, autojump_clock):
    async def broken():
        raise OSError("disk full")

    box.durable = broken
    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="disk full")):
        async with box.open() as outbox:
            outbox.offer(box.note("n1"))
            await trio.sleep_forever()
    assert not box.receiver.got


async def test_attempts_come_after_0_5_15_45_120_and_then_every_120_seconds_for_a_day(
    box, autojump_clock
):
    box.receiver.answers["app.test"] = 500
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
        (letter,) = outbox.dead_letters()
        assert outbox.statistics() == OutboxStatistics(owed=0, in_flight=0, delivered=0, dead=1)
    times = box.receiver.times
    assert times[:7] == [0, 5, 20, 65, 185, 305, 425]
    assert {later - earlier for earlier, later in pairwise(times[4:])} == {120}
    assert DAY - 120 < times[-1] <= DAY
    assert letter[0].id == "n1"
    assert letter[1] == "not delivered within a day: HTTP 500"
    assert box.settlements == [("n1", "dead")]
    assert box.counters.counts() == {
        "notification_retried": len(times) - 1,
        "notification_given_up": 1,
    }


async def test_the_day_goes_on_across_restarts_and_there_is_always_one_attempt(box, autojump_clock):
    box.receiver.answers["app.test"] = 500
    async with box.open() as outbox:
        outbox.offer(box.note("old", lane="a", age_s=DAY - 60))
        outbox.offer(box.note("ancient", lane="b", age_s=3 * DAY))
        outbox.offer(box.note("of the future", lane="c", age_s=-3 * DAY))
        await outbox.wait_idle()
    assert [box.receiver.ids.count(each) for each in ("old", "ancient")] == [3, 1]
    assert box.receiver.times[-1] <= DAY


@pytest.mark.parametrize("status", [200, 201, 202, 204, 409, 203, 206])
async def test_a_success_is_delivered(box, status, autojump_clock):
    box.receiver.answers["app.test"] = status
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
        assert outbox.dead_letters() == []
    assert box.settlements == [("n1", "delivered")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 499, 301, 307, 304])
async def test_a_refusal_is_final_and_the_lane_goes_on(box, status, autojump_clock):
    box.receiver.answers["app.test"] = [status, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        outbox.offer(box.note("n2"))
        await outbox.wait_idle()
        assert [(each.id, why) for each, why in outbox.dead_letters()] == [("n1", f"HTTP {status}")]
    assert box.settlements == [("n1", "dead"), ("n2", "delivered")]
    assert len(box.receiver.got) == 2


@pytest.mark.parametrize(
    "failure",
    [
        500,
        408,
        429,
        502,
        503,
        599,
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.RemoteProtocolError("x"),
        OSError("x"),
    ],
)
async def test_a_fault_of_the_receiver_or_the_network_is_retried(box, failure, autojump_clock):
    box.receiver.answers["app.test"] = [failure, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [0, 5]
    assert box.settlements == [("n1", "delivered")]


@pytest.mark.parametrize("status", [429, 503, 408])
@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("30", 30),
        ("2", 5),
        ("Tue, 14 Nov 2023 22:14:00 GMT", 40),
        ("Tue, 14 Nov 2000 22:14:00 GMT", 5),
        ("9" * 400, 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("-5", 5),
        ("1e9", 5),
        ("\u0663\u0660", 5),
        ("soon", 5),
        ("", 5),
    ],
)
async def test_a_receiver_that_says_when_to_come_again_is_heeded(
    box, status, asked, at, autojump_clock
):
    async def busy(_request):
        headers = [(b"Retry-After", asked.encode())]
        return httpx.Response(status if trio.current_time() < at else 200, headers=headers)

    box.receiver.answers["app.test"] = busy
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [0, at]
    assert box.settlements == [("n1", "delivered")]


async def test_a_receiver_with_too_many_requests_is_left_alone_by_all_orders(box, autojump_clock):
    async def limited(_request):
        if trio.current_time() < 30:
            return httpx.Response(429, headers={"Retry-After": "30"})
        return httpx.Response(200)

    box.receiver.answers["app.test"] = limited
    async with box.open() as outbox:
        outbox.offer(box.note("n1", lane="a"))
        await trio.sleep(1)
        outbox.offer(box.note("n2", lane="b"))
        outbox.offer(box.note("n3", lane="c", url="http://other.test/"))
        await trio.sleep(1)
        assert box.settlements == [("n3", "delivered")]
        await outbox.wait_idle()
    assert sorted(box.receiver.times) == [0, 1, 30, 30]


async def test_a_wall_clock_that_jumps_changes_no_pause_and_gives_nothing_up(box, autojump_clock):
    box.receiver.answers["app.test"] = 500
    jumps = iter([0, 3 * DAY, -3 * DAY, DAY, 0])
    truth, jump = box.wall_ms, 0

    def wall_ms():
        return truth() + jump * 1000

    box.wall_ms = wall_ms
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        for jump in jumps:  # noqa: B007
            await trio.sleep(60)
        assert box.receiver.times == [0, 5, 20, 65, 185]
        assert outbox.statistics().owed == 1


async def test_a_name_that_does_not_resolve_is_retried(box, autojump_clock):
    box.names["app.test"] = OSError("no such name")
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await trio.sleep(10)
        box.names["app.test"] = ["10.0.0.9"]
        await outbox.wait_idle()
    assert box.receiver.times == [20]


async def test_a_lane_keeps_its_order_whatever_fails(box, autojump_clock):
    box.receiver.answers["app.test"] = [500, 500, 200, 404, 503, 200]
    async with box.open() as outbox:
        for id in ("n1", "n2", "n3"):
            outbox.offer(box.note(id))
        await outbox.wait_idle()
        outbox.offer(box.note("n4"))
        await outbox.wait_idle()
    assert box.receiver.ids == ["n1", "n1", "n1", "n2", "n3", "n3", "n4"]
    assert [id for id, _ in box.settlements] == ["n1", "n2", "n3", "n4"]


async def test_within_one_order_a_dead_address_does_not_delay_another(box, autojump_clock):
    box.receiver.answers["down.test"] = [500, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1", url="http://down.test/"))
        outbox.offer(box.note("n2", url="http://up.test/"))
        await outbox.wait_idle()
    assert sorted(box.receiver.ids[:2]) == ["n1", "n2"]
    assert box.receiver.ids[2] == "n1"


async def hang(_request):
    await trio.sleep_forever()


async def test_a_receiver_that_hangs_never_delays_another_lane(box, autojump_clock):
    box.receiver.answers["down.test"] = hang
    async with box.open() as outbox:
        for n in range(200):
            outbox.offer(box.note(f"down{n}", lane=f"down{n}", url="http://down.test/"))
        await trio.sleep(1)
        for n in range(20):
            outbox.offer(box.note(f"up{n}", lane=f"up{n}", url="http://up.test/"))
        await trio.sleep(0.001)
        assert outbox.statistics().delivered == 20
        assert outbox.statistics().in_flight == 4
        assert outbox.statistics().owed == 200


async def test_an_attempt_is_cut_at_the_timeout(box, autojump_clock):
    box.receiver.answers["app.test"] = [hang, 200]
    async with box.open(callback_timeout_s=1.5) as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [0, 6.5]


async def test_a_name_that_takes_for_ever_to_resolve_is_cut_at_the_timeout(box, autojump_clock):
    async def resolve(_host, _port):
        if trio.current_time() < 5:
            await trio.sleep_forever()
        return ["10.0.0.1"]

    box.resolve = resolve
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [10]


async def test_every_address_of_a_name_is_tried_before_giving_up(box, autojump_clock):
    box.names["app.test"] = ["::1", "10.0.0.2"]
    box.receiver.answers["app.test"] = [httpx.ConnectError("x"), 200]
    async with box.open(callback_timeout_s=3) as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    hosts = [request.url.host for _, request in box.receiver.got]
    assert hosts == ["::1", "10.0.0.2"]
    assert box.receiver.times == [0, 0]
    assert [each.extensions["timeout"]["connect"] for _, each in box.receiver.got] == [1.5, 1.5]


async def test_what_was_sent_is_not_sent_to_another_address_at_once(box, autojump_clock):
    box.names["app.test"] = ["10.0.0.1", "10.0.0.2"]
    box.receiver.answers["app.test"] = [httpx.ReadError("x"), 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.times == [0, 5]


async def test_a_fault_of_our_own_is_told_without_its_message_and_takes_nothing_down(
    box, autojump_clock
):
    box.names["app.test"] = KeyError("http://app.test/t0ken")
    with structlog.testing.capture_logs() as logs:
        async with box.open() as outbox:
            outbox.offer(box.note("n1"))
            await trio.sleep(1)
            assert outbox.waiting("n1").why == "unexpected KeyError"
            box.names.clear()
            await outbox.wait_idle()
    assert box.settlements == [("n1", "delivered")]
    assert box.counters.counts()["delivery_crashed"] == 1
    assert "t0ken" not in str(logs)


async def test_the_same_notification_is_not_owed_twice(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.receiver.ids == ["n1"]
    assert box.counters.counts() == {"notification_offered_twice": 1}


async def test_more_can_be_offered_while_one_is_settled(box, autojump_clock):
    async with box.open() as outbox:

        def settled(notification, ending):
            box.events.append((notification.id, ending.settlement.value))
            if notification.id == "n1":
                outbox.offer(box.note("n2"))

        outbox._settled = settled
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
        assert outbox.statistics().owed == 0
    assert box.settlements == [("n1", "delivered"), ("n2", "delivered")]


async def test_waiting_for_an_empty_outbox_returns_at_once(box):
    async with box.open() as outbox:
        await outbox.wait_idle()


async def test_on_the_way_out_what_is_owed_stays_owed(box, autojump_clock):
    box.receiver.answers["app.test"] = 500
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        outbox.offer(box.note("n2"))
        await trio.sleep(1)
    assert trio.current_time() == 1
    assert box.settlements == []
    assert outbox.statistics().owed == 2
    outbox.offer(box.note("n3"))
    outbox.offer(box.note("n4", lane="new"))
    assert outbox.statistics().owed == 4
    assert box.receiver.ids == ["n1"]


def answering_after(seconds, status=200):
    async def answer(_request):
        await trio.sleep(seconds)
        return httpx.Response(status)

    return answer


@pytest.mark.parametrize("how", ["leave", "cancel", "crash"])
async def test_on_the_way_out_an_attempt_gets_one_second(box, how, autojump_clock):
    box.receiver.answers["quick.test"] = answering_after(1.4)
    box.receiver.answers["slow.test"] = answering_after(1.6)
    box.receiver.answers["failing.test"] = answering_after(1.2, 500)
    expected = pytest.RaisesGroup(KeyError) if how == "crash" else nullcontext()
    with trio.CancelScope() as scope, expected:
        async with box.open() as outbox:
            for name in ("quick", "slow", "failing"):
                outbox.offer(box.note(name, lane=name, url=f"http://{name}.test/"))
                outbox.offer(box.note(f"after {name}", lane=name, url=f"http://{name}.test/"))
            await trio.sleep(0.5)
            if how == "cancel":
                scope.cancel()
                await trio.lowlevel.checkpoint()
            elif how == "crash":
                raise KeyError
    assert trio.current_time() == pytest.approx(1.5)
    assert box.settlements == [("quick", "delivered")]
    assert outbox.statistics().owed == 5
    assert len(box.receiver.got) == 3


async def test_on_the_way_out_what_waits_for_its_receiver_is_not_begun(box, autojump_clock):
    box.receiver.answers["app.test"] = answering_after(1)
    async with box.open() as outbox:
        for n in range(6):
            outbox.offer(box.note(f"n{n}", lane=f"l{n}"))
        await trio.sleep(0.5)
    assert len(box.receiver.got) == 4
    assert len(box.settlements) == 4


class Drip(httpx.AsyncByteStream):
    def __init__(self, chunk, pause, fault=None):
        self.chunk, self.pause, self.fault, self.sent = chunk, pause, fault, 0

    async def __aiter__(self):
        while True:
            self.sent += len(self.chunk)
            yield self.chunk
            await trio.sleep(self.pause)
            if self.fault:
                raise self.fault


@pytest.mark.parametrize("pause", [0.01, 0.15, 1000])
async def test_a_body_that_drips_for_ever_costs_nothing_of_the_answer(box, pause, autojump_clock):
    async def answer(_request):
        await trio.sleep(1.95)
        return httpx.Response(200, stream=Drip(b"x", pause))

    box.receiver.answers["app.test"] = answer
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.settlements == [("n1", "delivered")]
    assert trio.current_time() == pytest.approx(2.15)


async def test_a_large_or_broken_body_is_not_read_to_its_end(box, autojump_clock):
    large, broken = Drip(b"x" * 1000, 0), Drip(b"x", 0, httpx.ReadError("x"))
    streams = [large, broken]

    async def answer(_request):
        return httpx.Response(200, stream=streams.pop(0))

    box.receiver.answers["app.test"] = answer
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        outbox.offer(box.note("n2"))
        await outbox.wait_idle()
    assert large.sent <= 6000
    assert [each for _, each in box.settlements] == ["delivered", "delivered"]


async def test_only_the_latest_thousand_dead_letters_are_kept(box, autojump_clock):
    box.receiver.answers["app.test"] = 404
    async with box.open() as outbox:
        for n in range(1005):
            outbox.offer(box.note(f"n{n}", body=json.dumps(n).encode()))
        await outbox.wait_idle()
        letters = outbox.dead_letters()
        assert outbox.statistics().dead == 1005
    assert len(letters) == 1000
    assert letters[-1][0].id == "n1004"


async def test_a_url_that_never_was_one_is_a_dead_letter_and_no_crash(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("n1", url="http://[::1"))
        await outbox.wait_idle()
        assert outbox.statistics().dead == 1
    assert not box.receiver.got


@pytest.mark.parametrize(
    ("answers", "why", "answer"),
    [
        ([202], "", "HTTP 202"),
        ([500, OSError("gone"), 409], "", "HTTP 409"),
        ([404], "HTTP 404", "HTTP 404"),
        ([503], "not delivered within a day: HTTP 503", "HTTP 503"),
        ([httpx.ConnectError("no")], "not delivered within a day: no connection: ConnectError", ""),
    ],
)  # fmt: skip
async def test_how_it_ended_is_told_with_the_last_answer_and_the_attempts(
    box, autojump_clock, answers, why, answer
):
    box.receiver.answers["app.test"] = answers
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    ending = box.endings["n1"]
    assert (ending.attempts, ending.why, ending.answer) == (len(box.receiver.got), why, answer)
