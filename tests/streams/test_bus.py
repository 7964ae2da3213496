"""Fan-out."""

from __future__ import annotations

from decimal import Decimal

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bitmart_engine.counters import Counters
from bitmart_engine.model.events import Kline, PrivateReady, Trade
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.streams.bus import Bus, Lagged

ONE = Decimal(1)


def trade(number: int, symbol: str = "BTCUSDT") -> Trade:
    return Trade(symbol, number, ONE, ONE)


def kline(symbol: str, timeframe: Timeframe) -> Kline:
    return Kline(symbol, timeframe, 0, ONE, ONE, ONE, ONE, ONE)


def test_everybody_who_listens_gets_a_copy_of_what_was_asked_for(counters: Counters) -> None:
    bus = Bus(counters)
    with bus.listen(Trade) as trades, bus.listen(Trade, PrivateReady) as both:
        bus.publish(trade(1))
        bus.publish(PrivateReady(0.0))
        assert trades.receive_nowait() == trade(1)
        with pytest.raises(trio.WouldBlock):
            trades.receive_nowait()
        assert [both.receive_nowait(), both.receive_nowait()] == [trade(1), PrivateReady(0.0)]


def test_a_filter_lets_pass_its_symbol_and_timeframe_and_what_has_none(counters: Counters) -> None:
    bus = Bus(counters)
    with bus.listen(
        Kline, Trade, PrivateReady, symbol="BTCUSDT", timeframe=Timeframe.M5
    ) as listener:
        bus.publish(kline("BTCUSDT", Timeframe.M1))
        bus.publish(kline("ETHUSDT", Timeframe.M5))
        bus.publish(trade(1, "ETHUSDT"))
        for event in (kline("BTCUSDT", Timeframe.M5), trade(2), PrivateReady(1.0)):
            bus.publish(event)
            assert listener.receive_nowait() == event
        with pytest.raises(trio.WouldBlock):
            listener.receive_nowait()


async def test_a_listener_that_is_too_slow_loses_the_oldest_and_is_told_in_their_place(
    counters: Counters,
) -> None:
    bus = Bus(counters)
    with bus.listen(Trade, capacity=2) as listener:
        for number in range(5):
            bus.publish(trade(number))
        assert await listener.receive() == Lagged(3)
        assert [await listener.receive(), await listener.receive()] == [trade(3), trade(4)]
        for number in range(3):
            bus.publish(trade(number))
        assert listener.receive_nowait() == Lagged(1)
    assert counters.counts() == {"event_dropped_for_slow_listener": 4}


def test_a_listener_without_a_capacity_loses_nothing(counters: Counters) -> None:
    bus = Bus(counters)
    with bus.listen(Trade) as listener:
        for number in range(10_000):
            bus.publish(trade(number))
        assert [listener.receive_nowait() for _ in range(10_000)] == [
            trade(n) for n in range(10_000)
        ]


def test_a_listener_needs_room_for_one(counters: Counters) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Bus(counters).listen(Trade, capacity=0)


async def test_iteration_ends_when_the_bus_is_closed_after_what_was_queued(
    counters: Counters, autojump_clock: MockClock
) -> None:
    bus = Bus(counters)
    heard: list[object] = []

    async def read() -> None:
        with bus.listen(Trade) as listener:
            async for event in listener:
                heard.append(event)
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        for number in range(3):
            bus.publish(trade(number))
        bus.close()
        bus.close()
        bus.publish(trade(9))
    assert heard == [trade(0), trade(1), trade(2)]
    with bus.listen(Trade) as late:
        assert [event async for event in late] == []


async def test_nothing_is_heard_after_the_block(counters: Counters) -> None:
    bus = Bus(counters)
    with bus.listen(Trade) as listener:
        pass
    bus.publish(trade(1))
    with pytest.raises(trio.ClosedResourceError):
        await listener.receive()
    assert [event async for event in listener] == []


async def test_a_cancelled_receive_takes_nothing(
    counters: Counters, autojump_clock: MockClock
) -> None:
    bus = Bus(counters)
    with bus.listen(Trade, capacity=1) as listener:
        with trio.move_on_after(1) as scope:
            await listener.receive()
        assert scope.cancelled_caught
        bus.publish(trade(1))
        bus.publish(trade(2))
        with trio.CancelScope() as scope:
            scope.cancel()
            await listener.receive()
        assert [listener.receive_nowait(), listener.receive_nowait()] == [Lagged(1), trade(2)]
