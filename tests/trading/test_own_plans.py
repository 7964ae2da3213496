"""Which of the stops that the exchange lists are a protection's own, where several are alike."""

from __future__ import annotations

from attrs import evolve

from bitmart_engine.model.positions import CloseReason, FiredOrder
from bitmart_engine.trading.closes.own_plans import kept_for

from .test_cancel_plan import STOP, TARGET, covers, plan

FIRST_MS, SECOND_MS = 1_785_726_980_000, 1_785_726_992_000
"""When the order filled first, and further; with the second fill another order of the side filled, too."""
ACTED = FiredOrder(
    order_id="1", reason=CloseReason.EXCHANGE_TAKE_PROFIT, size=2, filled=2, final=True
)
PARTLY = covers(
    covered=11,
    closed=2,
    fired=(ACTED,),
    exchange_take_profit=TARGET,
    filled_there_ms=FIRST_MS,
    filled_further_ms=(SECOND_MS,),
)
"""Eleven contracts of two fills; the target of the first, of two contracts, has acted, and its stop went with it."""


def made(id, price, size, made_ms=SECOND_MS):
    return evolve(plan(id, price, size), create_time_ms=made_ms)


OTHERS = [made("other stop", STOP, 11), made("other target", TARGET, 11)]
OURS = [made("our stop", STOP, 9), made("our target", TARGET, 9)]


def test_of_stops_made_at_one_moment_the_one_for_just_what_is_left_is_ours():
    for plans in (OTHERS + OURS, OURS + OTHERS):
        assert [each.order_id for each in kept_for(PARTLY, 11, plans)] == ["our stop", "our target"]


def test_the_stop_of_what_has_acted_is_ours_too_where_it_is_still_there():
    left = made("first stop", STOP, 2, FIRST_MS)
    found = [each.order_id for each in kept_for(PARTLY, 11, [left, *OTHERS, *OURS])]
    assert sorted(found) == ["first stop", "our stop", "our target"]


def test_what_was_made_with_the_fill_is_ours_before_what_fits_better():
    ours, fits = made("ours", STOP, 4), made("fits", STOP, 9, SECOND_MS + 60_000)
    assert [each.order_id for each in kept_for(PARTLY, 11, [fits, ours])] == ["ours"]


def test_a_stop_made_nearer_to_our_fill_stays_for_the_other_protection_that_needs_all_of_it():
    """Twelve each at one price, three of ours closed by the target of our first fill, before both filled."""
    ours = evolve(PARTLY, covered=12, closed=3, fired=(evolve(ACTED, size=3, filled=3),))
    rival = covers(id="other", covered=12, exchange_take_profit=TARGET)
    plans = [
        made("their stop", STOP, 12),
        made("their target", TARGET, 12),
        made("our stop", STOP, 9, SECOND_MS - 1_300),
        made("our target", TARGET, 9, SECOND_MS - 1_300),
    ]
    found = kept_for(ours, 12, plans, rivals=[rival])
    assert [each.order_id for each in found] == ["our stop", "our target"]
    alone = kept_for(ours, 12, plans)
    assert [each.order_id for each in alone] == ["their stop", "our target"], "nobody else's"


def test_where_nothing_can_be_left_for_the_others_the_nearest_are_ours():
    rival = covers(id="other", covered=11, exchange_take_profit=TARGET)
    found = kept_for(PARTLY, 11, [made("one", STOP, 9)], rivals=[rival])
    assert [each.order_id for each in found] == ["one"]


def test_what_is_known_to_be_ours_is_not_given_away():
    ours = evolve(PARTLY, exchange_plans=("known",))
    rival = covers(id="other", covered=4, exchange_take_profit=TARGET)
    found = kept_for(
        ours, 11, [made("known", STOP, 4), made("far", STOP, 9, FIRST_MS)], rivals=[rival]
    )
    assert [each.order_id for each in found] == ["known"]
