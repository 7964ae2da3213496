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
