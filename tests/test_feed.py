from __future__ import annotations

from decimal import Decimal

import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.engine import open_engine
from bitmart_engine.feed import KEPT, Feed, Gap, Happening, Told, Withdrawn
from bitmart_engine.model.events import BalanceUpdate, Kline, Trade
from bitmart_engine.model.orders import EntryOrder, EntryRequest
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.settings import IN_MEMORY, Settings
from bitmart_engine.store import MemoryJournal, Store
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryCancelAsked,
    EntryForgotten,
    ProtectionForgotten,
    ProtectionLevelled,
    ProtectionOpened,
    ViewChanged,
)

ONE = Decimal(1)


def kline(number: int = 0, symbol: str = "BTCUSDT") -> Kline:
    return Kline(symbol, Timeframe.M1, 60 * number, ONE, ONE, ONE, ONE, ONE)


ORDER = EntryOrder(
    request=EntryRequest(
        id="o1",
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        zone_min=ONE,
        zone_max=ONE,
        size=1,
        quantity=ONE,
        timeout_seconds=ONE,
    ),
    accepted_ms=1,
    deadline_ms=2,
)
PROTECTION = Protection(id="p1", symbol="BTCUSDT", side=PositionSide.LONG, created_ms=1)


@pytest.fixture
def store() -> Store:
    return Store(MemoryJournal())


@pytest.fixture
def feed(store: Store) -> Feed:
    made = Feed(store.state, lambda: 1_700_000_000_000, Counters())
    store.observe(made.recorded)
    return made


async def test_ids_only_grow_also_from_one_run_to_the_next(feed: Feed, store: Store) -> None:
    with feed.read() as reader:
        feed.heard(kline(1))
        feed.heard(kline(2))
        ids = [told.id for told in await reader.some(10) if isinstance(told, Told)]
    assert ids == [1_700_000_000_000_001, 1_700_000_000_000_002]
    later = Feed(store.state, lambda: 1_700_000_000_001, Counters())
    assert later.latest > ids[-1]


async def test_what_could_not_be_promised_is_taken_back(feed: Feed, store: Store) -> None:
    with feed.read() as reader:
        store.record(EntryAccepted(ORDER), ProtectionOpened(PROTECTION))
        store.record(EntryForgotten("o1"), ProtectionForgotten("p1"))
        told = [each for each in await reader.some(10) if isinstance(each, Told)]
    assert [(each.type, type(each.what)) for each in told] == [
        (Happening.ENTRY, EntryOrder),
        (Happening.PROTECTION, Protection),
        (Happening.ENTRY, Withdrawn),
        (Happening.PROTECTION, Withdrawn),
    ]
    assert {each.symbol for each in told} == {"BTCUSDT"}


async def test_one_decision_is_told_once(feed: Feed, store: Store) -> None:
    with feed.read() as reader:
        store.record(EntryAccepted(ORDER), EntryCancelAsked("o1", 5))
        store.record(ViewChanged(("futures/order",), True))
        store.record(ProtectionOpened(PROTECTION))
        store.record(ProtectionLevelled("p1", 5, ONE, None))
        assert [each.type.value for each in await reader.some(9) if isinstance(each, Told)] == [
            "entry",
            "protection",
            "protection",
        ]


async def test_what_was_never_told_is_not_taken_back(feed: Feed, store: Store) -> None:
    store.record(EntryAccepted(ORDER))
    for number in range(KEPT + 1):
        store.record(EntryCancelAsked("o1", number))
    feed._kept[Happening.ENTRY].events.clear()
    with feed.read() as reader:
        store.record(EntryForgotten("o1"))
        feed.close()
        assert await reader.some(1) == []


async def test_a_slow_reader_is_told_how_much_it_missed(feed: Feed) -> None:
    with feed.read(capacity=2) as reader:
        for number in range(5):
            feed.heard(kline(number))
        gap, *rest = await reader.some(10)
        assert gap == Gap(3)
        assert [each.what for each in rest if isinstance(each, Told)] == [kline(3), kline(4)]


async def test_the_past_comes_first_and_in_pieces(feed: Feed) -> None:
    began = feed.latest
    for number in range(5):
        feed.heard(kline(number))
    with feed.read(after=began + 1) as reader:
        feed.heard(kline(5))
        seen: list[int] = []
        while len(seen) < 5:
            some = await reader.some(2)
            assert len(some) <= 2
            seen += [told.id - began for told in some if isinstance(told, Told)]
        assert seen == [2, 3, 4, 5, 6]


async def test_a_balance_has_no_symbol_and_passes_the_filter_for_one(feed: Feed) -> None:
    with feed.read(symbol="BTCUSDT") as reader:
        feed.heard(BalanceUpdate(currency="USDT", available=ONE))
        feed.heard(kline(1, "ETHUSDT"))
        [told] = await reader.some(10)
        assert isinstance(told, Told)
        assert (told.type, told.symbol) == (Happening.BALANCE, None)


async def test_klines_push_no_order_out(feed: Feed, store: Store) -> None:
    began = feed.latest
    store.record(EntryAccepted(ORDER))
    for number in range(3 * KEPT):
        feed.heard(kline(number))
    with feed.read((Happening.ENTRY,), after=began) as reader:
        [told] = await reader.some(10)
        assert isinstance(told, Told)
        assert told.what == store.state.orders["o1"]
    with feed.read((Happening.KLINE,), after=began + 1) as reader:
        assert (await reader.some(1)) == [Gap(2 * KEPT)]


async def test_an_embedded_reader_may_be_an_async_block_or_a_plain_one() -> None:
    settings = Settings(
        state_dir=IN_MEMORY, public_ws_uri="ws://127.0.0.1:9", rest_uri="http://127.0.0.1:9"
    )
    async with open_engine(settings) as engine:
        bus = engine._streams.bus
        async with engine.events(Kline, symbol="BTCUSDT") as events:
            with engine.events(Trade) as trades:
                bus.publish(kline(1, "ETHUSDT"))
                bus.publish(kline(2))
                assert await events.receive() == kline(2)
                with pytest.raises(trio.WouldBlock):
                    trades.receive_nowait()
        bus.publish(kline(3))
        assert [each async for each in events] == []
