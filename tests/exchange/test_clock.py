"""The exchange's clock: how far it is ahead, and what happens while nobody knows."""

import pytest
import structlog
import trio
import trio.testing

from bitmart_engine.counters import Counters
from bitmart_engine.exchange import NotSent, Refused, SubmitOrder, Urgency
from bitmart_engine.exchange.clock import MEASURE_EVERY_S, ExchangeClock
from bitmart_engine.model.sides import OrderSide

TIME = "/system/time"
SUBMIT = "/contract/private/submit-order"
SKEWED = "exchange_clock_skewed"
CLOSING = SubmitOrder(
    symbol="BTCUSDT",
    side=OrderSide.SELL_CLOSE_LONG,
    size=1,
    client_order_id="a1",
    type="market",
)


class Far:
    """A clock behind a slow network: each answer is (on the way there, on the way back) or a failure."""

    def __init__(self, ahead_ms, *ways):
        self.ahead_ms = ahead_ms
        self.ways = list(ways)
        self.asked = []
        self.counters = Counters()
        self.clock = ExchangeClock(self.wall_ms, self.ask, self.counters)

    def wall_ms(self):
        return round(trio.current_time() * 1000)

    async def ask(self, urgency):
        self.asked.append(trio.current_time())
        way = self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]
        if isinstance(way, Exception):
            await trio.lowlevel.checkpoint()
            raise way
        await trio.sleep(way[0])
        theirs = self.wall_ms() + self.ahead_ms
        await trio.sleep(way[1])
        return theirs, sum(way)


async def test_the_fastest_of_three_answers_counts(autojump_clock):
    far = Far(70_000, (1.0, 0.1), (0.02, 0.01), (0.1, 1.0))
    assert await far.clock.measure() == pytest.approx(70_000, abs=5)
    assert far.clock.now_ms() == pytest.approx(far.wall_ms() + 70_000, abs=5)
    assert len(far.asked) == 3


async def test_before_it_is_measured_our_own_clock_has_to_do(autojump_clock):
    far = Far(70_000, (0, 0))
    assert far.clock.offset_ms is None
    assert far.clock.now_ms() == far.wall_ms()


async def test_a_measurement_that_fails_changes_nothing(autojump_clock):
    far = Far(300, (0, 0))
    await far.clock.measure()
    far.ways = [NotSent("no connection")]
    with pytest.raises(NotSent):
        await far.clock.measure()
    assert far.clock.offset_ms == 300


async def test_a_measurement_that_fails_halfway_counts_for_what_it_found(autojump_clock):
    far = Far(300, (0, 0), NotSent("no connection"))
    assert await far.clock.measure() == 300
    assert len(far.asked) == 2


async def test_it_is_measured_at_once_and_hourly_and_after_failures_ever_more_slowly(
    autojump_clock,
):
    failures = [NotSent("no connection")] * 3
    far = Far(0, *failures, *[(0, 0)] * 3, *failures[:1], (0, 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(far.clock.keep)
        await trio.sleep(2 * MEASURE_EVERY_S)
        nursery.cancel_scope.cancel()
    assert sorted(set(far.asked)) == [0, 1, 3, 7, 7 + MEASURE_EVERY_S, 8 + MEASURE_EVERY_S]
    assert far.counters.counts() == {"exchange_clock_read_failed": 4}


@pytest.mark.parametrize(("ahead_ms", "warned"), [(500, 0), (501, 1), (-500, 0), (-501, 1)])
async def test_a_skew_over_half_a_second_is_one_warning_and_counted(
    autojump_clock, ahead_ms, warned
):
    far = Far(ahead_ms, (0, 0))
    with structlog.testing.capture_logs() as logs:
        await far.clock.measure()
        await far.clock.measure()
    lines = [each for each in logs if each["log_level"] == "warning"]
    assert [each["event"] for each in lines] == [SKEWED] * warned
    assert far.counters.counts().get(SKEWED, 0) == 2 * warned
    assert all(each["ahead_ms"] == -ahead_ms for each in lines)


async def test_for_many_refusals_at_once_the_clock_is_asked_once(autojump_clock):
    far = Far(300, (0.1, 0.1))
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(far.clock.measure_again, 0, Urgency.CLOSE)
    assert len(far.asked) == 1
    assert far.clock.offset_ms == 300


async def test_a_slow_answer_is_not_enough_for_a_request_that_waits(autojump_clock):
    far = Far(300, (2.0, 0.0), (0.1, 0.1))
    await far.clock.measure_again(0, Urgency.CLOSE)
    assert len(far.asked) == 2
    assert far.clock.offset_ms == 300


async def test_for_many_refusals_at_once_a_clock_that_cannot_be_read_fails_once(autojump_clock):
    far = Far(300, NotSent("no connection"))
    failed = 0

    async def again():
        nonlocal failed
        with pytest.raises(NotSent):
            await far.clock.measure_again(0, Urgency.CLOSE)
        failed += 1

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(again)
    assert failed == 50
    assert len(far.asked) == 1


# In the client


async def test_the_client_measures_by_itself_and_signs_by_the_exchanges_clock(fake, autojump_clock):
    fake.says(TIME, {"server_time": fake.now_ms - 3000})
    fake.says(SUBMIT, {"order_id": 7})
    async with fake.client() as client:
        assert client.clock_offset_ms == -3000
        assert client.now_ms() == fake.now_ms - 3000
        assert client.statistics().clock_offset_ms == -3000
        await client.submit_order(CLOSING)
        assert int(fake.requests[-1].headers["X-BM-TIMESTAMP"]) == fake.now_ms - 3000

        fake.answers.pop(TIME)
        fake.says(TIME, {"server_time": fake.now_ms})
        await trio.sleep(MEASURE_EVERY_S + 60)
        assert client.clock_offset_ms == 0
        fake.answers.pop(TIME)
        fake.says(TIME, {"server_time": fake.now_ms + 100})
        assert await client.measure_clock() == 100


async def test_no_write_waits_for_the_first_measurement(fake, autojump_clock):
    async def late(_request):
        await trio.sleep_forever()

    fake.does(TIME, late)
    fake.says(SUBMIT, {"order_id": 7})
    async with fake.client() as client:
        await client.submit_order(CLOSING)
        assert client.clock_offset_ms is None
        assert trio.current_time() == 0


async def test_what_a_refused_close_waits_for_is_as_urgent_as_the_close(fake, autojump_clock):
    fake.says(TIME, {"server_time": fake.now_ms})
    async with fake.client() as client:
        fake.answers.pop(TIME)
        fake.says(TIME, {"server_time": fake.now_ms + 90_000})
        fake.says(SUBMIT, code=30007, status=401, message="timestamp")
        fake.says(SUBMIT, {"order_id": 7})
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(client.server_time_ms)
            await trio.testing.wait_all_tasks_blocked()
            assert client.statistics().endpoints[TIME].waiting == 13
            await client.submit_order(CLOSING)
            assert client.statistics().endpoints[TIME].waiting > 0
    sent = [each for each in fake.requests if each.url.path == SUBMIT]
    assert int(sent[-1].headers["X-BM-TIMESTAMP"]) == fake.now_ms + 90_000


async def test_a_write_that_was_signed_before_the_clock_was_measured_is_sent_again_without_asking(
    fake, client
):
    fake.says(TIME, {"server_time": fake.now_ms + 90_000})

    async def refuse(_request):
        await client.measure_clock()
        fake.answers.pop(SUBMIT)
        fake.says(SUBMIT, code=30007, status=401, message="timestamp")
        fake.says(SUBMIT, {"order_id": 7})
        return await fake.handle_async_request(_request)

    fake.does(SUBMIT, refuse)
    assert await client.submit_order(CLOSING) == "7"
    assert fake.paths.count(TIME) == 3
    assert int(fake.requests[-1].headers["X-BM-TIMESTAMP"]) == fake.now_ms + 90_000


async def test_a_clock_that_lies_leads_to_a_refusal_and_no_third_try(fake, client):
    fake.says(TIME, {"server_time": fake.now_ms - 10**9})
    fake.says(SUBMIT, code=40039, status=400, message="timestamp")
    with pytest.raises(Refused):
        await client.submit_order(CLOSING)
    assert fake.paths == [SUBMIT, TIME, SUBMIT]


async def test_a_clock_that_was_set_back_has_dated_what_is_past_later_than_it_shows(autojump_clock):
    far = Far(0, (0, 0))
    await far.clock.measure()
    await trio.sleep(1000)
    far.ahead_ms = -120_000
    await far.clock.measure()
    at_ms = far.wall_ms()
    assert far.clock.now_ms() == at_ms - 120_000
    await trio.sleep(60)
    assert far.clock.latest_ms(at_ms - 10_000) == at_ms - 10_000  # the clock showed our time then
    assert far.clock.latest_ms(at_ms + 30_000) == at_ms
    assert far.clock.latest_ms(at_ms + 200_000) == at_ms + 80_000
    assert far.clock.earliest_ms(at_ms - 10_000) == at_ms - 130_000  # it may have been at once
    assert far.clock.earliest_ms(at_ms + 1) == at_ms + 1


async def test_a_clock_that_was_set_forward_and_back_has_dated_the_time_between_late(
    autojump_clock,
):
    far = Far(0, (0, 0))
    await far.clock.measure()
    await trio.sleep(100)
    far.ahead_ms = 900_000
    await far.clock.measure()
    await trio.sleep(100)
    far.ahead_ms = 0
    await far.clock.measure()
    at_ms = far.wall_ms()
    assert far.clock.latest_ms(at_ms + 300_000) == at_ms + 900_000


async def test_times_that_a_clock_shows_again_after_it_was_set_back_are_dated_twice(autojump_clock):
    far = Far(0, (0, 0))
    await far.clock.measure()
    await trio.sleep(10)
    far.ahead_ms = -120_000
    await far.clock.measure()
    at_ms = far.wall_ms()
    assert far.clock.dated_twice(at_ms - 129_000)  # it may have been set back at once
    assert far.clock.dated_twice(at_ms - 1)
    assert not far.clock.dated_twice(at_ms)
    assert not far.clock.dated_twice(at_ms - 130_000)


async def test_measurements_that_differ_by_little_are_of_one_clock(autojump_clock):
    far = Far(0, (0, 0))
    await far.clock.measure()
    far.ahead_ms = -900
    await far.clock.measure()
    at_ms = far.wall_ms()
    assert far.clock.latest_ms(at_ms) == at_ms - 900
    assert not far.clock.dated_twice(at_ms - 500)
    assert "exchange_clock_set_back" not in far.counters.counts()


@pytest.mark.parametrize("measured_first", [False, True])
async def test_a_clock_that_was_set_back_while_no_engine_ran_has_dated_the_time_between_late(
    autojump_clock, measured_first
):
    far = Far(-15_000, (0, 0))
    await trio.sleep(1000)
    accepted_ms = far.wall_ms() - 60_000
    if measured_first:
        await far.clock.measure()
        far.clock.recall(accepted_ms, 15)
    else:
        far.clock.recall(accepted_ms, 15)
        assert far.clock.offset_ms is None, "what was known before is not known now"
        await far.clock.measure()
    at_ms = far.wall_ms()
    assert far.clock.now_ms() == at_ms - 15_000
    assert far.clock.latest_ms(accepted_ms) == accepted_ms + 15
    assert far.clock.earliest_ms(accepted_ms) == accepted_ms - 15_015
    assert far.counters.counts()["exchange_clock_set_back"] == 1


async def test_a_clock_that_goes_as_it_did_before_the_start_was_not_set_back(autojump_clock):
    far = Far(300, (0, 0))
    far.clock.recall(-60_000, 400)
    await far.clock.measure()
    assert far.clock.earliest_ms(-60_000) == -60_000
    assert "exchange_clock_set_back" not in far.counters.counts()
