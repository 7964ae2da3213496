"""What speaks for contracts having been closed: by whom, and how many. Without a task or a clock."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.exchange.rows import PlanOrder
from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.positions import Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.closes.losing import closed_by_others, others_before
from bitmart_engine.trading.closes.settling import Looks, innocent, joined
from bitmart_engine.trading.closes.sizing import Most
from bitmart_engine.trading.closes.unfilled import Readings, counted, weighed

STOP = Decimal(90)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def order(filled=0, side=LONG.closing, state=OrderState.FINISH, **more):
    return OrderUpdate(
        order_id="7",
        client_order_id="",
        symbol="BTCUSDT",
        state=state,
        side=side,
        size=10,
        deal_size=filled,
        **more,
    )


def covers(id="a", **more):
    known = {"symbol": "BTCUSDT", "side": LONG, "created_ms": 0, "covered": 10}
    return Protection(id=id, exchange_stop_loss=STOP, **(known | more))


def plan(size=10):
    return PlanOrder(
        order_id="p",
        client_order_id="",
        symbol="BTCUSDT",
        side=LONG.closing,
        kind="stop_loss",
        trigger_price=STOP,
        size=size,
    )


# What the position has lost


def test_others_have_closed_what_their_orders_closed_since_then():
    late, early = (order(3, update_time_ms=at) for at in (100, 99))
    opened, of_the_other_side = order(5, side=LONG.opening), order(5, side=SHORT.closing)
    seen = [late, early, evolve(opened, update_time_ms=100), of_the_other_side]
    assert closed_by_others(covers(), seen, since_ms=100) == 3
    assert closed_by_others(covers(), [order(3)], since_ms=100) == 0, "it may be from before"


@pytest.mark.parametrize(
    ("before", "now_known", "others"),
    [(None, None, 0), (5, None, 5), (5, 2, 2), (5, 9, 5), (None, 4, 0)],
)
def test_of_what_was_others_some_may_have_turned_out_to_be_ours(before, now_known, others):
    assert others_before(covers(others_held=before), now_known) == others


# Whose stop it was


def test_all_are_innocent_where_contracts_were_closed_and_theirs_are_all_held():
    alive = [covers("a"), covers("b")]
    assert innocent(order(3), alive, [], whole=True) == {"a", "b"}
    assert innocent(order(3), alive, [], whole=False) == set()
    assert innocent(order(0), alive, [], whole=True) == set(), "it has not closed anything yet"


def test_others_have_joined_with_what_their_orders_opened_since_it_was_made():
    made = order(3, create_time_ms=100)
    opened = [order(2, side=LONG.opening, update_time_ms=at) for at in (99, 100)]
    seen = [*opened, order(5, side=SHORT.opening, update_time_ms=100), order(4, update_time_ms=100)]
    assert joined(made, seen) == 2
    assert joined(order(3), seen) == 0, "it is not known when it was made"


def test_who_is_listed_still_is_innocent():
    assert innocent(order(3), [covers("a")], [plan()], whole=False) == {"a"}
    assert innocent(order(3), [covers("a"), covers("b")], [plan()], whole=False) == set()


LOOKED = [
    ("one look at who is innocent is not enough", [({"a"}, True)], False, {"a"}),
    ("two that agree are", [({"a"}, True), ({"a", "b"}, True)], True, {"a", "b"}),
    ("two that do not are not", [({"a"}, True), ({"b"}, True)], False, {"b"}),
    ("nobody is, as stops are listed", [(set(), True)], True, set()),
    ("an empty list may be an old one", [(set(), False)], False, set()),
    ("a second one is not looked into further", [(set(), False), (set(), False)], True, set()),
    ("nobody is any more", [({"a"}, True), (set(), True)], True, set()),
]


@pytest.mark.parametrize(
    ("looks", "certain", "seen"), [row[1:] for row in LOOKED], ids=[row[0] for row in LOOKED]
)
def test_what_contradicts_has_to_be_seen_twice(looks, certain, seen):
    known = Looks()
    for who, listed in looks:
        known = known.after(who, listed=listed)
    assert (known.certain, known.innocent) == (certain, seen)


def test_that_others_than_the_one_whose_it_seems_to_be_are_innocent_does_not_contradict():
    assert Looks().after({"b"}, listed=True, suspect="a").certain
    assert not Looks().after({"a", "b"}, listed=True, suspect="a").certain
    assert not Looks().after(set(), listed=False, suspect="a").certain, "it may be an old list"


# How a close ended


@pytest.mark.parametrize(
    ("told", "traded", "filled", "known"),
    [(4, 4, 0, 4), (0, 6, 0, 6), (4, 0, 7, 7), (4, 12, 0, 10)],
)
def test_the_most_that_anything_tells_has_filled_but_not_more_than_the_size(
    told, traded, filled, known
):
    update = counted(order(told, deal_size_known=False), traded, filled, size=10)
    assert (update.deal_size, update.deal_size_known) == (known, True)


WEIGHED = [
    ("nothing contradicts it", order(4), 4, 4, (4, True)),
    ("the position lost more, so its size is asked again", order(4), 4, 6, (4, False)),
    ("more is known than its trades tell", order(4), 3, 4, (4, False)),
    ("it does not say how much", order(0, deal_size_known=False), 0, 0, (0, False)),
    ("it has a price, and no size", order(0, deal_avg_price=STOP), 0, 0, (0, False)),
    (
        "it does not say, and the position does",
        order(0, deal_size_known=False),
        0,
        6,
        (6, False),
    ),
    ("which lost all of it", order(0, deal_size_known=False), 0, 12, (10, True)),
]


@pytest.mark.parametrize(
    ("told", "traded", "lost", "expected"),
    [row[1:] for row in WEIGHED],
    ids=[row[0] for row in WEIGHED],
)
def test_an_end_with_less_than_its_size_is_weighed_against_trades_and_position(
    told, traded, lost, expected
):
    known = counted(told, traded, 0, size=10)
    update, agrees = weighed(told, known, traded, lost, size=10)
    assert (update.deal_size, agrees) == expected


def test_a_contradicted_end_is_believed_after_four_reads_in_a_row():
    ended, working = order(4), order(4, state=OrderState.CHECK)
    readings = Readings()
    for update, settled in [
        *[(ended, False)] * 3,
        (working, True),
        *[(ended, False)] * 3,
        (ended, True),
    ]:
        readings = readings.after(update)
        assert readings.settle(update, agrees=False) is settled
    assert Readings().after(ended).settle(ended, agrees=True)


# What one order may have


def test_a_size_that_was_refused_is_halved_and_what_is_taken_doubles_it():
    assert Most().of(10) == 10
    assert Most().taken() == Most()
    assert Most().refused(9) == Most(4)
    assert Most(4).of(10) == 4
    assert Most(4).taken() == Most(8)
    assert Most(4).refused(1) == Most(1)
