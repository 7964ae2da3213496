"""The memory of klines: what is kept, when a bar is closed, and how what was missed is filled in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.bars import recent
from bitmart_engine.model.errors import BadRequest, Unavailable
from bitmart_engine.model.events import Kline
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams import kline_topic, open_streams
from bitmart_engine.streams.backfill import PACE_S, Backfill
from bitmart_engine.streams.history import MOST_BARS, History
from tests.support.stage import open_stage

from .fake import WALL_START_MS, bar, settings, wall_ms

BTC = "BTCUSDT"
TOPIC = kline_topic(BTC, Timeframe.M1)
KLINES = "/contract/public/kline"
START_S = WALL_START_MS // 1000


def kline(minute: int, close: object = 100, **changes: object) -> Kline:
    price = Decimal(str(close))
    made = Kline(BTC, Timeframe.M1, minute * 60, price, price, price, price, Decimal(1))
    return evolve(made, **changes)


def told(bars: list[Kline]) -> list[tuple[int, int, bool, bool]]:
    """(minute, close, closed, backfilled) of each."""
    return [(b.open_time_s // 60, int(b.close), b.closed, b.backfilled) for b in bars]


# Memory


def test_a_bar_is_closed_and_told_once_more_when_a_later_one_starts():
    history = History()
    assert told(history.take(kline(1, 100))) == [(1, 100, False, False)]
    assert told(history.take(kline(1, 101))) == [(1, 101, False, False)]
    assert told(history.take(kline(2, 102))) == [(1, 101, True, False), (2, 102, False, False)]
    assert told(history.bars(BTC, Timeframe.M1)) == [(1, 101, True, False), (2, 102, False, False)]


def test_a_push_of_a_bar_that_is_over_is_closed_and_corrects_what_is_kept():
    history = History()
    history.take(kline(1, 100))
    history.take(kline(2, 102))
    assert told(history.take(kline(1, 99))) == [(1, 99, True, False)]
    assert told(history.bars(BTC, Timeframe.M1))[0] == (1, 99, True, False)
    assert history.newest(BTC, Timeframe.M1) == kline(2, 102)


def test_no_more_than_a_thousand_bars_of_a_channel_are_kept():
    history = History()
    for minute in range(MOST_BARS + 5):
        history.take(kline(minute))
    bars = history.bars(BTC, Timeframe.M1)
    assert (len(bars), bars[0].open_time_s) == (MOST_BARS, 5 * 60)
    history.precede(BTC, Timeframe.M1, [kline(0)])
    history.take(kline(2, 7))  # from before anything that is kept
    assert len(history.bars(BTC, Timeframe.M1)) == MOST_BARS
    assert len(history.bars(BTC, Timeframe.M1, 3)) == 3


def test_channels_are_kept_apart_and_forgotten():
    history = History()
    history.take(kline(1))
    history.take(evolve(kline(5), timeframe=Timeframe.M5))
    history.take(evolve(kline(9), symbol="ETHUSDT"))
    assert len(history) == 3
    history.forget(BTC, Timeframe.M1)
    history.forget(BTC, Timeframe.H1)
    assert history.newest(BTC, Timeframe.M1) is None
    assert history.bars(BTC, Timeframe.M1) == []
    assert len(history) == 2


def test_what_history_knows_better_is_news_and_what_was_told_whole_is_not():
    history = History()
    for minute in (1, 2, 5):
        history.take(kline(minute, 100))
    news = history.fill([kline(3, 103), kline(2, 102), kline(1, 100), kline(4, 104)])
    assert told(news) == [(2, 102, True, True), (3, 103, True, True), (4, 104, True, True)]
    assert [each.open_time_s // 60 for each in history.bars(BTC, Timeframe.M1)] == [1, 2, 3, 4, 5]
    assert history.fill([kline(3, 103), kline(2, 102)]) == []


def test_bars_after_the_running_one_close_it_as_it_was_seen():
    history = History()
    history.take(kline(1, 100))
    assert told(history.fill([kline(3, 103)])) == [(1, 100, True, False), (3, 103, True, True)]
    assert told(history.take(kline(4, 104))) == [(4, 104, False, False)]
    assert told(history.take(kline(3, 105))) == [(3, 105, True, False)]


def test_the_end_of_a_bar_that_history_tells_first_is_not_told_again_by_the_next_one():
    history = History()
    history.take(kline(1, 100))
    assert told(history.fill([kline(1, 101)])) == [(1, 101, True, True)]
    assert told(history.take(kline(1, 102))) == [(1, 102, True, False)]
    assert told(history.take(kline(2, 103))) == [(2, 103, False, False)]


def test_a_channel_of_which_nothing_is_known_missed_nothing():
    history = History()
    assert history.fill([kline(1)]) == []
    assert history.fill([]) == []
    history.take(kline(5))
    assert history.fill([kline(1)]) == []
    history.precede("ETHUSDT", Timeframe.M1, [kline(1)])
    assert len(history) == 1


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 12), min_size=1, max_size=4)), max_size=12
    )
)
def test_bars_are_kept_in_order_once_each_and_only_the_newest_runs(steps):
    history, closed = History(most=8), set()
    for live, minutes in steps:
        bars = [kline(minute) for minute in minutes]
        news = [each for one in bars for each in history.take(one)] if live else history.fill(bars)
        closed |= {each.open_time_s for each in news if each.closed}
        kept = history.bars(BTC, Timeframe.M1)
        opened = [each.open_time_s for each in kept]
        assert opened == sorted(set(opened))
        assert len(kept) <= 8
        assert all(each.closed for each in kept[:-1])
        assert {each.open_time_s for each in kept if each.closed} <= closed


# Filling in what was missed


class Archive:
    """The exchange's history: flat bars for every minute, unless it is out of order."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.broken = False
        self.slow_s = 0.0

    async def read(self, symbol: str, frame: Timeframe, since_s: int, until_s: int):
        self.asked.append((since_s, until_s))
        await trio.sleep(self.slow_s)
        if self.broken:
            return None
        first = -(-since_s // 60)
        return [kline(minute, minute % 1000) for minute in range(first, until_s // 60 + 1)]


def minute_now() -> int:
    return wall_ms() // 60_000


async def push(session, minute: int, close: str = "1") -> None:
    await session.push(TOPIC, {"items": [bar(close, ts=minute * 60)]})


def waiting(listener) -> list[Kline]:
    """Everything that waits to be read."""
    found = []
    with suppress(trio.WouldBlock):
        while True:
            found.append(listener.receive_nowait())
    return found


def heard(listener) -> list[tuple[int, bool, bool]]:
    """(minute, closed, backfilled) of everything that waits."""
    return [(each.open_time_s // 60, each.closed, each.backfilled) for each in waiting(listener)]


async def test_what_a_subscriber_missed_while_disconnected_is_filled_in_before_live_goes_on(
    exchange, counters, autojump_clock
):
    archive = Archive()
    async with open_streams(
        settings(), exchange.world, counters, read_bars=archive.read
    ) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("reader", [TOPIC])
            await trio.sleep(1)
            first = minute_now()
            await push(exchange.last, first)
            await trio.sleep(1)
            exchange.dial_error = OSError("unreachable")
            await exchange.last.drop()
            await trio.sleep(200)
            exchange.dial_error = None
            with trio.fail_after(61):
                while TOPIC not in exchange.last.topics or exchange.last.over.is_set():
                    await trio.sleep(0.1)
            await trio.sleep(0.1)
            now = minute_now()
            await push(exchange.last, now)
            await trio.sleep(1)
            missed = [(minute, True, True) for minute in range(first, now)]
            assert heard(klines) == [(first, False, False), *missed, (now, False, False)]
        assert len(streams.history.bars(BTC, Timeframe.M1)) == now - first + 1


async def test_a_hole_and_a_silence_are_filled_in_and_a_stream_that_goes_on_asks_for_nothing(
    exchange, counters, autojump_clock
):
    archive = Archive()
    async with open_streams(
        settings(stale_after_s=70), exchange.world, counters, read_bars=archive.read
    ) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("reader", [TOPIC])
            await trio.sleep(1)
            first = minute_now()
            await push(exchange.last, first)
            await trio.sleep(60)
            await push(exchange.last, first + 1)
            await trio.sleep(1)
            assert archive.asked == []
            await trio.sleep(60)
            await push(exchange.last, first + 3)  # the clock says + 2; the exchange knows better
            await trio.sleep(70)
            assert [each for each in heard(klines) if each[2]] == [
                (first + 1, True, True),
                (first + 2, True, True),
            ]
            await push(exchange.last, first + 4)  # silent for as long as the setting says
            await trio.sleep(90)
            assert heard(klines)[-1] == (first + 3, True, True)


async def test_a_failing_history_holds_nothing_back_and_is_asked_again(
    exchange, counters, autojump_clock
):
    archive = Archive()
    archive.broken = True
    async with open_streams(
        settings(), exchange.world, counters, read_bars=archive.read
    ) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("reader", [TOPIC])
            await trio.sleep(1)
            first = minute_now()
            await push(exchange.last, first)
            await trio.sleep(180)
            await push(exchange.last, first + 3)
            await trio.sleep(5)
            live = [(first, False, False), (first, True, False), (first + 3, False, False)]
            assert heard(klines) == live
            assert len(archive.asked) == 3
            archive.broken = False
            await trio.sleep(30)
            assert heard(klines) == [
                (minute, True, True) for minute in (first, first + 1, first + 2)
            ]


async def test_what_only_monitors_hold_is_not_filled_in(exchange, counters, autojump_clock):
    archive = Archive()
    async with open_streams(
        settings(), exchange.world, counters, read_bars=archive.read
    ) as streams:
        streams.hold("armed", [TOPIC])
        await trio.sleep(1)
        await push(exchange.last, minute_now())
        await trio.sleep(180)
        await push(exchange.last, minute_now())
        await trio.sleep(5)
        assert archive.asked == []
        streams.hold("view", [TOPIC])
        await trio.sleep(180)
        await push(exchange.last, minute_now())
        await trio.sleep(5)
        assert len(archive.asked) == 1
        streams.release("view")
        streams.release("armed")
        assert len(streams.history) == 0


async def test_without_a_history_a_gap_is_only_a_gap(exchange, counters, autojump_clock):
    async with open_streams(settings(), exchange.world, counters) as streams:
        with streams.bus.listen(Kline) as klines:
            streams.hold("reader", [TOPIC])
            await trio.sleep(1)
            first = minute_now()
            await push(exchange.last, first)
            await push(exchange.last, first + 3)
            await trio.sleep(5)
            assert [each[0] - first for each in heard(klines)] == [0, 0, 3]


async def backfilling(
    nursery: trio.Nursery, archive: Archive, wanted: Callable[[], bool] = lambda: True
):
    """A backfill on a history that knows one old bar, and what it publishes."""
    history: History = History()
    history.take(kline(minute_now() - 5000))
    published: list[Kline] = []
    backfill = Backfill(
        history, archive.read, published.append, lambda symbol, frame: wanted(), wall_ms
    )
    nursery.start_soon(backfill.run)
    return backfill, published


async def test_no_more_is_asked_for_than_is_kept(nursery, autojump_clock):
    archive = Archive()
    backfill, published = await backfilling(nursery, archive)
    backfill.ask(BTC, Timeframe.M1, 0)
    await trio.sleep(PACE_S)
    ((since_s, until_s),) = archive.asked
    assert MOST_BARS - 1 <= (until_s - since_s) / 60 <= MOST_BARS
    assert told(published[:1]) == [(minute_now() - 5000, 100, True, False)]  # as it was last seen
    assert len(published) == 1 + MOST_BARS


async def test_who_leaves_while_history_is_read_is_told_nothing(nursery, autojump_clock):
    archive = Archive()
    archive.slow_s = 5
    here = True
    backfill, published = await backfilling(nursery, archive, lambda: here)
    backfill.ask(BTC, Timeframe.M1, START_S - 600)
    backfill.ask("ETHUSDT", Timeframe.M1, START_S - 600)
    await trio.sleep(1)
    here = False
    await trio.sleep(60)
    assert len(archive.asked) == 1
    assert published == []


async def test_a_bar_that_is_not_over_is_not_asked_for(nursery, autojump_clock):
    archive = Archive()
    backfill, published = await backfilling(nursery, archive)
    backfill.ask(BTC, Timeframe.M1, minute_now() * 60)
    await trio.sleep(30)
    assert (archive.asked, published) == ([], [])


# The last klines


async def test_recent_klines_come_from_memory_and_are_filled_up_from_history(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.subscribe_klines("BTCUSDT", ["1m"])
        await stage.settle(1)
        for price in (65001, 65002, 65003):
            stage.move(price)
            await stage.settle(60)
        stage.move(65004)
        await stage.settle(1)
        before = stage.network.arrived.count(KLINES)
        four = await stage.engine.recent_klines("BTCUSDT", "1m", 4)
        assert [int(each.close) for each in four] == [65001, 65002, 65003, 65004]
        assert [each.closed for each in four] == [True, True, True, False]
        assert stage.network.arrived.count(KLINES) == before
        ten = await stage.engine.recent_klines("BTCUSDT", "1M", 10)
        assert ten[-4:-1] == [evolve(each, backfilled=True) for each in four[:-1]]
        assert ten[-1] == four[-1]
        opened = [each.open_time_s for each in ten]
        assert opened == list(range(opened[0], opened[0] + 600, 60))
        assert stage.network.arrived.count(KLINES) == before + 1
        assert await stage.engine.recent_klines("BTCUSDT", "1m", 10) is not None
        assert stage.network.arrived.count(KLINES) == before + 1


async def test_recent_klines_of_a_channel_that_nobody_streams_come_from_history(autojump_clock):
    async with open_stage() as stage:
        hours = await stage.engine.recent_klines("BTCUSDT", "4h", 5)
        assert [each.closed for each in hours] == [True, True, True, True, False]
        assert len(await stage.engine.recent_klines("BTCUSDT", "1m", 1000)) > 500


async def test_recent_klines_that_cannot_be_read_are_what_is_known_or_an_error(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.subscribe_klines("BTCUSDT", ["1m"])
        await stage.settle(1)
        stage.move(65001)
        await stage.settle(1)
        await stage.place(entry_zone_max=64995)  # so that the contract is known
        stage.network.cut = True
        assert len(await stage.engine.recent_klines("BTCUSDT", "1m", 4)) == 1
        with pytest.raises(Unavailable, match="klines of BTCUSDT could not be read"):
            await stage.engine.recent_klines("BTCUSDT", "5m", 4)
        assert stage.engine.dropped()["kline_history_read_failed"] == 2


@pytest.mark.parametrize(
    ("symbol", "timeframe", "limit"),
    [("BTCUSDT", "1m", 0), ("BTCUSDT", "1m", 1001), ("BTCUSDT", "3m", 5), ("NOSUCH", "1m", 5)],
)
async def test_recent_klines_that_cannot_be_are_refused(autojump_clock, symbol, timeframe, limit):
    async with open_stage() as stage:
        with pytest.raises(BadRequest):
            await stage.engine.recent_klines(symbol, timeframe, limit)


async def test_after_a_gap_history_says_what_the_stream_did_not(autojump_clock):
    history = History()
    history.take(kline(1, 100))
    history.take(kline(2, 102))

    async def read(symbol, timeframe, since_s, until_s):
        return [kline(minute, 900 + minute) for minute in range(1, 6)]

    bars = await recent(history, read, BTC, Timeframe.M1, 3, 5 * 60 + 10)
    assert told(bars) == [(3, 903, True, True), (4, 904, True, True), (5, 905, False, True)]
    bars = await recent(history, read, BTC, Timeframe.M1, 3, 2 * 60 + 10)
    assert told(bars) == [(1, 901, True, True), (2, 102, False, False)]


async def test_where_little_was_traded_it_is_looked_back_for_longer_and_not_for_ever():
    history, asked = History(), []

    async def read(symbol, timeframe, since_s, until_s):
        asked.append((since_s // 60, until_s // 60))
        return [kline(minute, 9) for minute in (700, 900) if since_s <= minute * 60 <= until_s]

    bars = await recent(history, read, BTC, Timeframe.M1, 2, 901 * 60)
    assert [bar.open_time_s // 60 for bar in bars] == [700, 900]
    assert asked == [(899, 901), (421, 899)]
    asked.clear()
    bars = await recent(history, read, BTC, Timeframe.M1, 130, 901 * 60)
    assert [bar.open_time_s // 60 for bar in bars] == [700, 900]
    assert asked == [(771, 901), (381, 771), (0, 381)]


async def test_an_engines_reader_gets_what_it_missed(autojump_clock):
    async with open_stage() as stage, stage.engine.klines("BTCUSDT", "1m") as klines:
        await stage.settle(1)
        stage.move(65001)
        await stage.settle(1)
        stage.paper.refuse_dials()
        stage.paper.drop_connections("public")
        for price in (65002, 65003, 65004):
            await stage.settle(60)
            stage.move(price)
        stage.paper.refuse_dials(False)
        await stage.settle(70)
        stage.move(65005)
        await stage.settle(1)
        seen = waiting(klines)
        assert [int(each.close) for each in seen if not each.backfilled] == [65001, 65005]
        filled_in = [(int(each.close), each.closed) for each in seen if each.backfilled]
        assert filled_in == [(price, True) for price in (65001, 65002, 65003, 65004)]
