"""Which orders are watched follows from the records of what became of them."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.events import Tick
from bitmart_engine.model.lifecycle import ENTRY_MOVES, EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.store import State, Store
from bitmart_engine.store.records import (
    EntryAccepted,
    EntryForgotten,
    EntryIntended,
    EntryMoved,
    EntryObserved,
)
from bitmart_engine.trading.entries.waiting import WaitingIndex, rests_until_ms
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry, open_stage

DEADLINE_MS, NOW_MS = 300_000, 1_000
SPENT = EntryMoved("a", NOW_MS, EntryState.WAITING, "crossed", spent=True)
INTENDED = EntryIntended("a", NOW_MS, "ea", Decimal(65000))


class Journal:
    """A store without a disk."""

    def __init__(self):
        self.state, self._observers = State(), []

    def observe(self, observer):
        self._observers.append(observer)

    def record(self, record):
        self.state.apply(record)
        for observer in self._observers:
            observer(record)


class Prices:
    def __init__(self):
        self.needed, self.rechecked = set(), 0

    def need(self, symbol, reason):
        self.needed.add((symbol, *reason))

    def unneed(self, symbol, reason):
        self.needed.discard((symbol, *reason))

    def recheck(self, symbol):
        self.rechecked += 1


class Index(WaitingIndex):
    """An index with stand-ins for what it needs."""

    def __init__(self, offset_ms=None):
        self.journal, self.prices = Journal(), Prices()
        self.working = SimpleNamespace(ours={})
        super().__init__(
            exchange=SimpleNamespace(clock_offset_ms=offset_ms, now_ms=lambda: NOW_MS + offset_ms),
            prices=self.prices,
            store=self.journal,
            working=self.working,
            now_ms=lambda: NOW_MS,
            overdue=lambda id, now_ms: None,
        )

    def accept(self, **changes):
        request, _ = checked_entry(entry(**changes), BTC)
        taken = EntryOrder(request=request, accepted_ms=1, deadline_ms=DEADLINE_MS)
        self.journal.record(EntryAccepted(taken))
        return self

    def told(self, *records):
        for each in records:
            self.journal.record(each)
        return self

    def due(self):
        timers = self.deadlines._timers
        return sorted((at, key[0]) for at, _, key in timers._heap if key in timers)

    def there(self):
        return set().union(*self.working.ours.values())


def observed(to, filled=0):
    return EntryObserved("a", NOW_MS, to, "77", filled)


def tick(price, **more):
    return Tick(
        symbol="BTCUSDT", last=Decimal(price), high=Decimal(price), low=Decimal(price), at=0, **more
    )


@pytest.mark.parametrize(
    ("records", "watched", "there", "priced"),
    [
        ((), True, False, True),
        ((INTENDED,), False, True, True),
        ((INTENDED, EntryMoved("a", NOW_MS, EntryState.UNKNOWN)), False, True, True),
        ((INTENDED, EntryMoved("a", NOW_MS, EntryState.WAITING)), True, False, True),
        ((INTENDED, observed(EntryState.OPEN)), False, True, True),
        ((INTENDED, observed(EntryState.OPEN), SPENT), True, False, True),
        ((INTENDED, observed(EntryState.PARTIALLY_FILLED, 4)), False, True, True),
        ((INTENDED, observed(EntryState.FILLED, 10)), False, False, False),
        ((INTENDED, observed(EntryState.CANCELLED)), False, False, False),
        ((INTENDED, EntryMoved("a", NOW_MS, EntryState.REJECTED)), False, False, False),
        ((EntryMoved("a", NOW_MS, EntryState.EXPIRED),), False, False, False),
        ((EntryMoved("a", NOW_MS, EntryState.CANCELLED),), False, False, False),
        ((observed(EntryState.OPEN),), False, True, True),
        ((EntryForgotten("a"),), True, False, False),
    ],
)
def test_an_order_is_watched_while_it_waits_and_priced_until_it_has_ended(
    records, watched, there, priced
):
    index = Index().accept().told(*records)
    if records == (EntryForgotten("a"),):
        index = Index()
        with index.resting("a"):
            index.accept().told(*records)
        watched = False
    assert (len(index) == 1, index.there() == {"a"}) == (watched, there)
    assert bool(index.prices.needed) is priced


@given(st.data())
def test_whatever_is_recorded_only_orders_that_wait_are_watched(data):
    index = Index().accept()
    for _ in range(data.draw(st.integers(0, 12))):
        moves = sorted(ENTRY_MOVES[index.journal.state.orders["a"].state], key=lambda s: s.value)
        if not moves:
            break
        to = data.draw(st.sampled_from(moves))
        index.told(INTENDED if to is EntryState.SUBMITTING else EntryMoved("a", NOW_MS, to))
        state = index.journal.state.orders["a"].state
        assert (len(index) == 1) is (state is EntryState.WAITING)
        assert (index.there() == {"a"}) is state.at_exchange
        assert bool(index.prices.needed) is not state.final


@pytest.mark.parametrize(
    "records",
    [(INTENDED, observed(EntryState.FILLED, 10)), (EntryMoved("a", NOW_MS, EntryState.CANCELLED),)],
)
def test_an_order_that_has_ended_has_no_deadline(records):
    index = Index().accept()
    assert index.due() == [(DEADLINE_MS, "a")]
    assert index.told(*records).due() == []


def test_an_order_that_rests_is_watched_only_afterwards():
    index = Index()
    with index.resting("a"):
        index.accept()
        assert (len(index), index.due(), index.prices.rechecked) == (0, [], 0)
        with index.resting("a"):
            pass
        assert len(index) == 0, "somebody else wants it to rest still"
    assert (len(index), index.due(), index.prices.rechecked) == (1, [(DEADLINE_MS, "a")], 1)


def test_what_was_cancelled_while_it_rested_is_not_watched():
    index = Index().accept().told(INTENDED)
    with index.resting("a"):
        index.told(EntryMoved("a", NOW_MS, EntryState.WAITING))
        index.told(EntryMoved("a", NOW_MS, EntryState.CANCELLED))
    assert len(index) == 0


def test_what_was_entered_is_watched_again_only_if_it_waits_still():
    index = Index().accept()
    assert index.touched(tick(65000)).entered == ["a"]
    assert index.touched(tick(65000)).entered == []
    index.watch_again("a")
    assert index.touched(tick(65000)).entered == ["a"]
    index.told(INTENDED)
    index.watch_again("a")
    assert len(index) == 0


def test_levels_that_are_passed_are_told_and_watched_again_with_their_order():
    index = Index().accept()
    index.touched(tick(65500))
    index.watch_again("a")
    passed = index.touched(tick(64000)).passed
    assert [id for id, _ in passed] == ["a"]
    index.watch_again("a")
    assert [id for id, _ in index.touched(tick(63999)).passed] == ["a"]


def test_no_price_from_before_an_order_was_taken_enters_its_zone():
    index = Index(offset_ms=50_000).accept()
    taken_there_ms = 50_001
    before_ms = taken_there_ms - 40_000
    old = tick(65000, last_ms=before_ms, oldest_ms=before_ms)
    assert index.touched(old).entered == []
    assert index.touched(tick(65000, last_ms=taken_there_ms)).entered == ["a"]


def test_an_order_that_goes_out_or_is_found_to_be_out_is_told_when_it_has_rested_long_enough():
    index = Index().accept(resting_timeout_seconds=Decimal(20)).told(INTENDED)
    assert index.due() == [(NOW_MS + 20_000, "a"), (DEADLINE_MS, "a")]
    order = index.journal.state.orders["a"]
    assert rests_until_ms(order) == NOW_MS + 20_000
    assert rests_until_ms(evolve(order, submitted_ms=None)) is None
    again = Index()
    again.journal.state.orders["a"] = order
    again.resume(order)
    assert (again.due(), again.there(), len(again)) == ([(NOW_MS + 20_000, "a")], {"a"}, 0)


def test_an_order_of_the_journal_that_waits_has_all_the_time_it_needs_until_it_was_looked_for():
    index = Index()
    request, _ = checked_entry(entry(), BTC)
    order = EntryOrder(request=request, accepted_ms=1, deadline_ms=1)
    index.journal.state.orders["a"] = order
    index.resume(order)
    assert (len(index), index.due()) == (1, [])


async def test_an_order_whose_request_was_given_up_while_it_was_promised_is_watched_all_the_same(
    autojump_clock, monkeypatch
):
    durable, stuck = Store.durable, True

    async def slow(self):
        if stuck:
            await trio.sleep_forever()
        await durable(self)

    async with open_stage() as stage:
        await stage.place(
            "first", symbol="BTCUSDT", entry_zone_min=1, entry_zone_max=2, stop_loss=None
        )
        await stage.until(stage.prices_come)
        monkeypatch.setattr(Store, "durable", slow)
        with trio.move_on_after(1):
            await stage.place("a")
        stuck = False
        assert stage.state() == "waiting"
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open", within=5)
