"""Ticks from klines and trades, and the mailbox that merges them."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import Kline, Tick, Trade
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams.ticks import Range, TickMailbox, TickMaker

BTC = "BTCUSDT"


def kline(
    close: int, high: int, low: int, opened: int = 0, timeframe: Timeframe = Timeframe.M1
) -> Kline:
    prices = [Decimal(each) for each in (close, high, low, close)]
    return Kline(BTC, timeframe, opened, *prices, Decimal(1))


def trade(price: int) -> Trade:
    return Trade(BTC, 1, Decimal(price), Decimal(1))


def told(tick: Tick | None) -> tuple[int, int, int] | None:
    """(last, high, low)"""
    return None if tick is None else (int(tick.last), int(tick.high), int(tick.low))


@pytest.fixture
def maker() -> TickMaker:
    return TickMaker()


def test_a_trade_is_one_price(maker: TickMaker) -> None:
    price = Decimal("65000.1")
    assert maker.trade(Trade(BTC, 1, price, Decimal(1)), 7.0) == Tick(BTC, price, price, price, 7.0)


def test_a_price_read_elsewhere_is_one_price(maker: TickMaker) -> None:
    assert told(maker.observe(BTC, Decimal(5), 0)) == (5, 5, 5)


def test_the_first_bar_seen_tells_its_close_only(maker: TickMaker) -> None:
    assert told(maker.kline(kline(100, 110, 90), 0)) == (100, 100, 100)


def test_of_a_bar_that_history_tells_what_went_beyond_all_that_was_told_of_it_is_untold(
    maker: TickMaker,
) -> None:
    maker.kline(kline(100, 110, 90), 0)
    maker.trade(trade(85), 0)
    for minute in range(1, 4):
        maker.kline(kline(100, 101, 99, opened=60 * minute), 0)
    assert maker.untold(kline(100, 110, 85)) == Range()
    assert maker.untold(kline(100, 110, 84)) == Range(low=Decimal(84))
    assert maker.untold(kline(100, 111, 86)) == Range(high=Decimal(111))
    assert maker.untold(kline(100, 101, 98, opened=180)) == Range(low=Decimal(98))


def test_of_a_bar_that_the_stream_never_told_nothing_is_known_to_be_untold(
    maker: TickMaker,
) -> None:
    assert maker.untold(kline(100, 110, 90)) == Range()
    for minute in range(20):
        maker.kline(kline(100, 101, 99, opened=60 * minute), 0)
    assert maker.untold(kline(100, 110, 90)) == Range()


def test_the_same_bar_tells_what_is_new_in_its_extremes(maker: TickMaker) -> None:
    maker.kline(kline(100, 110, 90), 0)
    assert told(maker.kline(kline(101, 110, 90), 0)) == (101, 101, 101)
    assert told(maker.kline(kline(102, 112, 90), 0)) == (102, 112, 102)
    assert told(maker.kline(kline(103, 112, 80), 0)) == (103, 103, 80)


def test_all_of_a_newer_bar_is_new(maker: TickMaker) -> None:
    maker.kline(kline(100, 110, 90), 0)
    assert told(maker.kline(kline(101, 105, 95, opened=60), 0)) == (101, 105, 95)


def test_an_older_bar_tells_nothing(maker: TickMaker) -> None:
    maker.kline(kline(101, 105, 95, opened=60), 0)
    assert maker.kline(kline(100, 200, 1), 0) is None
    assert told(maker.kline(kline(101, 105, 95, opened=60), 0)) == (101, 101, 101)


def test_a_bar_that_contradicts_itself_still_makes_a_proper_tick(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    assert told(maker.kline(kline(120, 110, 130), 0)) == (120, 120, 120)


def test_what_a_trade_told_is_not_news_in_a_bar(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    maker.trade(trade(110), 0)
    assert told(maker.kline(kline(101, 110, 100), 0)) == (101, 101, 101)
    maker.trade(trade(90), 0)
    assert told(maker.kline(kline(102, 102, 90, opened=60), 0)) == (102, 102, 102)
    assert told(maker.kline(kline(103, 104, 80, opened=60), 0)) == (103, 104, 80)


def test_what_a_shorter_bar_told_is_not_news_in_a_longer_one(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    maker.kline(kline(100, 150, 50, timeframe=Timeframe.H1), 0)
    assert told(maker.kline(kline(100, 160, 100), 0)) == (100, 160, 100)
    assert told(maker.kline(kline(101, 160, 50, timeframe=Timeframe.H1), 0)) == (101, 101, 101)


def test_what_only_a_longer_bar_told_is_still_news_in_a_shorter_one(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    maker.kline(kline(100, 100, 100, timeframe=Timeframe.M5), 0)
    assert told(maker.kline(kline(100, 105, 100, timeframe=Timeframe.M5), 0)) == (100, 105, 100)
    assert told(maker.kline(kline(100, 104, 100, opened=60), 0)) == (100, 104, 100)


def test_a_longer_bar_takes_over_when_the_shorter_one_stops(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    maker.kline(kline(100, 100, 100, timeframe=Timeframe.M5), 0)
    assert told(maker.kline(kline(101, 130, 70, timeframe=Timeframe.M5), 9)) == (101, 130, 70)


def test_a_channel_that_was_forgotten_starts_afresh(maker: TickMaker) -> None:
    maker.kline(kline(100, 100, 100), 0)
    maker.forget(BTC, Timeframe.M1)
    maker.forget(BTC, Timeframe.M1)
    assert told(maker.kline(kline(101, 999, 1, opened=60), 0)) == (101, 101, 101)


@settings(deadline=None)
@given(
    paths=st.lists(
        st.lists(st.tuples(st.booleans(), st.integers(1, 100)), min_size=1, max_size=12),
        min_size=1,
        max_size=5,
    ),
    every=st.integers(1, 4),
    with_trades=st.booleans(),
)
def test_whatever_is_pushed_no_extreme_of_the_price_is_lost(
    paths: list[list[tuple[bool, int]]], every: int, with_trades: bool
) -> None:
    """Bars over random prices, pushed now and then and once more at their end: the ticks cover the path, no more."""
    maker, ticks = TickMaker(), []
    first = maker.kline(kline(50, 50, 50), 0)
    assert first is not None
    for minute, path in enumerate(paths, start=1):
        seen: list[int] = []
        for step, (trade_is_seen, price) in enumerate(path):
            seen.append(price)
            if with_trades and trade_is_seen:
                ticks.append(maker.trade(trade(price), 0))
            if step % every == 0 or step == len(path) - 1:
                tick = maker.kline(kline(price, max(seen), min(seen), opened=minute * 60), 0)
                assert tick is not None
                ticks.append(tick)
        assert int(max(tick.high for tick in ticks)) >= max(seen)
        assert int(min(tick.low for tick in ticks)) <= min(seen)
    every_price = [price for path in paths for _, price in path]
    assert {int(max(t.high for t in ticks)), int(min(t.low for t in ticks))} == {
        max(every_price),
        min(every_price),
    }
    assert all(tick.low <= tick.last <= tick.high for tick in ticks)


def tick(symbol: str, price: int) -> Tick:
    return Tick(symbol, Decimal(price), Decimal(price), Decimal(price), 0.0)


async def test_symbols_are_read_in_the_order_in_which_they_started_to_wait(
    counters: Counters,
) -> None:
    mailbox = TickMailbox(counters)
    for symbol, price in (("A", 1), ("B", 2), ("A", 3), ("C", 4)):
        mailbox.put_nowait(tick(symbol, price))
    assert len(mailbox) == 3
    merged = await mailbox.receive()
    assert (merged.symbol, told(merged)) == ("A", (3, 3, 1))
    assert (await mailbox.receive()).symbol == "B"
    assert mailbox.take_nowait("C") == tick("C", 4)
    assert mailbox.take_nowait("C") is None
    assert mailbox.merged == 1
    assert counters.counts() == {"ticks_merged": 1}


async def test_receive_waits_for_a_tick_and_a_cancelled_one_takes_none(
    autojump_clock: MockClock,
) -> None:
    mailbox = TickMailbox()
    with trio.move_on_after(1) as scope:
        await mailbox.receive()
    assert scope.cancelled_caught
    got: list[Tick] = []

    async def read() -> None:
        got.append(await mailbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        mailbox.put_nowait(tick("A", 1))
        mailbox.put_nowait(tick("A", 2))
        await wait_all_tasks_blocked()
        assert [told(each) for each in got] == [(2, 2, 1)]
        mailbox.put_nowait(tick("B", 3))
    assert told(got[1]) == (3, 3, 3)
    mailbox.put_nowait(tick("A", 4))
    with trio.CancelScope() as scope:
        scope.cancel()
        await mailbox.receive()
    assert len(mailbox) == 1


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("ABC"), st.integers(1, 1000)),
            st.sampled_from(["receive", "A", "B", "C"]),
        )
    )
)
def test_whoever_reads_the_mailbox_when_sees_every_extreme(
    script: list[tuple[str, int] | str],
) -> None:
    put: list[Tick] = []
    read: list[Tick] = []

    async def run() -> None:
        mailbox = TickMailbox()
        for step in [*script, *["receive"] * 3]:
            if isinstance(step, tuple):
                put.append(tick(*step))
                mailbox.put_nowait(put[-1])
            elif step == "receive":
                if len(mailbox):
                    read.append(await mailbox.receive())
            else:
                taken = mailbox.take_nowait(step)
                read.extend([taken] if taken else [])
        assert len(mailbox) == 0

    trio.run(run)
    for symbol in "ABC":
        of_put = [each for each in put if each.symbol == symbol]
        of_read = [each for each in read if each.symbol == symbol]
        assert bool(of_put) == bool(of_read)
        if of_put:
            assert max(t.high for t in of_read) == max(t.high for t in of_put)
            assert min(t.low for t in of_read) == min(t.low for t in of_put)
            assert of_read[-1].last == of_put[-1].last
