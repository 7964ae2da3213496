"""What an update, a price in a zone and a claimed end mean for an order: plain decisions, row by row."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.model.events import Fill, OrderState, OrderUpdate
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.store.records import EntryObserved
from bitmart_engine.trading.entries.endings import (
    Absent,
    Believe,
    Done,
    Facts,
    Failed,
    Found,
    Pause,
    ReadOrder,
    ReadTrades,
    Traded,
    after,
    next_step,
)
from bitmart_engine.trading.entries.entering import Circumstances, Send, at_price, beyond_level
from bitmart_engine.trading.entries.outcomes import (
    Announce,
    Cover,
    EndProtection,
    SignalProgress,
    SignalWithdrawn,
    Tell,
)
from bitmart_engine.trading.entries.progress import Meaning, Unaccounted, believed, meaning_of
from bitmart_engine.trading.entries.steps import Rejected
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

NOW_MS = 1_000_000
LAST = Decimal(65000)
COARSER = evolve(BTC, tick_size=Decimal(1000))


def order(state=EntryState.OPEN, **changes):
    asked = {name: changes.pop(name) for name in ("type", "post_only") if name in changes}
    request, _ = checked_entry(entry(**asked), BTC)
    standing = {
        "request": request,
        "accepted_ms": 1,
        "deadline_ms": NOW_MS + 1,
        "client_order_id": "ea",
        "exchange_order_id": "77",
        "submitted_ms": NOW_MS - 60_000,
        "announced": True,
        "update_time_ms": 5,
    }
    return EntryOrder(**{**standing, "state": state, **changes})


def update(deal, state=OrderState.FINISH, **more):
    told = {
        "order_id": "77",
        "client_order_id": "ea",
        "symbol": "BTCUSDT",
        "size": 10,
        "state": state,
        "deal_size": deal,
        "deal_avg_price": LAST if deal else None,
        "update_time_ms": 2000,
    }
    return OrderUpdate(**{**told, **more})


WAITS = {"state": EntryState.WAITING, "client_order_id": "", "exchange_order_id": ""}
GROWN = Unaccounted(0, 4)
MEANINGS = {
    "of another symbol": (update(0, symbol="ETHUSDT"), {}, {}, Meaning.FOREIGN),
    "of another order under its id": (update(0, order_id="78"), {}, {}, Meaning.FOREIGN),
    "an earlier attempt": (update(0, client_order_id="e0"), {}, {}, Meaning.PAST),
    "a fill of an earlier attempt": (update(3, client_order_id="e0"), {}, {}, Meaning.PAST_FILL),
    "a fill of it while it waits": (update(3), WAITS, {}, Meaning.FOUND),
    "one that is known": (update(3), {**WAITS, "filled": 3}, {}, Meaning.PAST_FILL),
    "it works": (update(0, OrderState.CHECK), {}, {"pushed": True}, Meaning.CERTAIN),
    "it filled": (update(10), {}, {"pushed": True}, Meaning.CERTAIN),
    "an end that was pushed": (update(3), {}, {"pushed": True}, Meaning.CLAIM),
    "an end that was read": (update(3), {}, {}, Meaning.CERTAIN),
    "one that what is held contradicts": (update(0), {}, {"held": GROWN}, Meaning.CLAIM),
    "held since before it": (update(0), {}, {"held": Unaccounted(4, 4)}, Meaning.CERTAIN),
    "one that says nothing of fills": (update(0, deal_size_known=False), {}, {}, Meaning.CLAIM),
    "one with the price of a fill": (update(0, deal_avg_price=LAST), {}, {}, Meaning.CLAIM),
    "an end once more": (
        *(update(0), {"state": EntryState.CANCELLED}, {"pushed": True}, Meaning.CERTAIN),
    ),
}


@pytest.mark.parametrize(("told", "changes", "how", "meaning"), MEANINGS.values(), ids=MEANINGS)
def test_what_an_update_means_is_decided_by_what_is_known_of_the_order(told, changes, how, meaning):
    how = {"held": Unaccounted(), "pushed": False, **how}
    assert meaning_of(order(**changes), told, clock_ahead_ms=0, **how) is meaning


def test_progress_is_recorded_with_all_that_follows_from_it_in_order():
    told = update(10)
    effects = believed(order(announced=False), told, NOW_MS)
    record = EntryObserved("a", NOW_MS, EntryState.FILLED, "77", 10, LAST, 2000)
    fill = {"exchange_order_id": "77", "filled_size": 10, "average_price": LAST}
    assert effects == (
        record,
        Announce("77", False, LAST),
        Cover(10, 2000),
        Tell("filled", fill),
        SignalProgress(record, told),
        EndProtection(10),
    )
    assert believed(order(EntryState.FILLED, filled=10), told, NOW_MS) == ()


@pytest.mark.parametrize(
    ("told", "changes", "kinds"),
    [
        (update(3, OrderState.CHECK), {}, (Cover, Tell, SignalProgress)),
        (update(3), {}, (Cover, Tell, Tell, SignalProgress, EndProtection)),
        (update(0), {}, (Tell, SignalProgress, EndProtection)),
        (update(3), {"state": EntryState.CANCELLED}, (Cover, Tell, SignalProgress, EndProtection)),
        (update(0, OrderState.CHECK), {"update_time_ms": 0}, (SignalProgress,)),
    ],
)
def test_only_what_is_new_is_covered_and_told(told, changes, kinds):
    record, *follows = believed(order(**changes), told, NOW_MS)
    assert isinstance(record, EntryObserved)
    assert tuple(type(each) for each in follows) == kinds


def test_a_cancel_that_follows_at_once_is_a_crossing():
    told = update(0, create_time_ms=1999)
    withdrawn, *_ = believed(order(), told, NOW_MS)
    assert isinstance(withdrawn, SignalWithdrawn)


AT_PRICES = {
    "it goes out at the price": ({}, LAST, {}, LAST),
    "a tick less eager for every crossing": ({"spent": 3, "taken": 1}, LAST, {}, Decimal("64999.8")),
    "in its zone": ({}, Decimal("70000"), {}, None),
    "a market order has no price": ({"type": "market"}, LAST, {}, None),
    "nothing is opened now": ({}, LAST, {"may_open": False}, "waits"),
    "the contract is not known": ({}, LAST, {"instrument": None}, "waits"),
    "a position is closing there": ({}, LAST, {"exchange_may_close": True}, "waits"),
    "the exchange may have it": ({}, LAST, {"searched": False}, "waits"),
    "it is out": ({"state": EntryState.SUBMITTING}, LAST, {}, "waits"),
    "the stop was passed": ({}, Decimal(60000), {}, "skipped"),
    "and the exchange may have it": ({}, Decimal(60000), {"searched": False}, "waits"),
    "a market order whose zone was left": ({"type": "market"}, Decimal(65400), {}, "waits"),
    "no price of the grid is in the zone now": ({}, LAST, {"instrument": COARSER}, "contract_changed"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "last", "now", "becomes"), AT_PRICES.values(), ids=AT_PRICES)
def test_a_price_in_the_zone_sends_what_may_go_out(changes, last, now, becomes):
    standing = order(**{"state": EntryState.WAITING, "client_order_id": "", **changes})
    if becomes is None and standing.request.type.value == "limit":
        becomes, last = standing.request.zone_max, standing.request.zone_max + 1
    if becomes == "contract_changed":
        request = evolve(standing.request, zone_min=Decimal(64990), zone_max=Decimal(64999))
        standing = evolve(standing, request=request)
    decided = at_price(standing, last, Circumstances(**{"instrument": BTC, **now}))
    match decided:
        case Send(client_order_id, price, size):
            assert (price, size, bool(client_order_id)) == (becomes, 10, True)
        case Rejected(reason):
            assert reason == becomes
        case None:
            assert becomes == "waits"


def test_an_attempt_that_was_not_answered_with_no_keeps_its_id():
    waits = order(**{**WAITS, "client_order_id": "ea"})
    out = at_price(waits, LAST, Circumstances(instrument=BTC))
    assert isinstance(out, Send)
    assert out.client_order_id == "ea"


def test_what_has_passed_its_level_ends_only_where_the_exchange_was_asked():
    now = Circumstances(instrument=BTC)
    assert beyond_level(order(**WAITS), "late", now) == Rejected("skipped", "late")
    assert beyond_level(order(**WAITS), "late", evolve(now, searched=False)) is None
    assert beyond_level(order(), "late", now) is None


CLAIM, WORKS, GONE = update(0), update(0, OrderState.CHECK), {"state": EntryState.FILLED}
KNOWN = evolve(CLAIM, deal_size_known=True)
YOUNG = {"submitted_ms": NOW_MS - 4_999}
ENDINGS = {
    "a claim is read": (None, None, {}, {}, ReadOrder()),
    "unless something else told": (None, None, GONE, {}, Done()),
    "confirmed": (ReadOrder(), Found(CLAIM), {}, {}, Done(CLAIM)),
    "filled after all": (ReadOrder(), Found(update(10)), {}, {"held": GROWN}, Done(update(10))),
    "it works still": (ReadOrder(), Found(WORKS), {}, {"agreed": 2}, Believe(WORKS)),
    "which is looked at again": (Believe(WORKS), None, {}, {}, Pause(0.25, 0)),
    "confirmed, and contradicted": (
        *(ReadOrder(), Found(CLAIM), {}, {"held": GROWN}, ReadTrades(CLAIM)),
    ),
    "read, and told otherwise": (ReadOrder(), Found(CLAIM), GONE, {}, Done()),
    "not listed yet": (ReadOrder(), Absent(), YOUNG, {"agreed": 1}, Pause(0.25, 1)),
    "not listed yet, and told otherwise": (ReadOrder(), Absent(), {**YOUNG, **GONE}, {}, Done()),
    "not listed": (ReadOrder(), Absent(), {}, {}, ReadTrades(CLAIM)),
    "trades tell of more": (
        *(ReadTrades(CLAIM), Traded(4), {}, {}),
        Done(evolve(CLAIM, deal_size=4, deal_size_known=True)),
    ),
    "trades tell the same": (ReadTrades(CLAIM), Traded(0), {}, {"pauses": 2}, Pause(1.0, 1)),
    "as often as it takes": (ReadTrades(CLAIM), Traded(0), {}, {"agreed": 3}, Done(KNOWN)),
    "trades tell, and so did something else": (ReadTrades(CLAIM), Traded(4), GONE, {}, Done()),
    "a read that failed proves nothing": (
        *(ReadOrder(), Failed(), {}, {"agreed": 2, "pauses": 99}, Pause(5.0, 2)),
    ),
    "nor do trades that were not read": (ReadTrades(CLAIM), Failed(), {}, {}, Pause(0.25, 0)),
    "failed, and told otherwise": (ReadOrder(), Failed(), GONE, {}, Done()),
    "after a pause": (Pause(0.25, 1), None, {}, {}, ReadOrder()),
    "after a pause, replaced": (Pause(0.25, 1), None, {"client_order_id": "eb"}, {}, Done()),
}  # fmt: skip


@pytest.mark.parametrize(
    ("step", "answer", "changes", "known", "expected"), ENDINGS.values(), ids=ENDINGS
)
def test_a_claimed_end_is_read_until_it_is_certain(step, answer, changes, known, expected):
    known = {"held": Unaccounted(), **known}
    facts = Facts(claim=CLAIM, order=order(**changes), step=step, answer=answer, **known)
    assert next_step(facts, NOW_MS) == expected


def test_an_order_that_is_not_kept_any_more_is_nobodys_claim():
    assert next_step(Facts(claim=CLAIM, order=None, held=Unaccounted()), NOW_MS) == Done()


def test_reads_that_agree_are_counted_until_one_says_that_the_order_works():
    facts = Facts(claim=CLAIM, order=order(), held=Unaccounted())
    facts = after(facts, Pause(0.25, 2), None)
    assert (facts.agreed, facts.pauses) == (2, 1)
    assert after(facts, Believe(WORKS), None).agreed == 0


@pytest.mark.parametrize(
    ("told", "since_ms"),
    [
        (update(3, OrderState.CHECK, last_fill=Fill(1, LAST, 3)), 0),
        (update(10, last_fill=Fill(2, LAST, 7)), 1_500),
        (update(10), 1_500),
    ],
    ids=["its first fill", "a later fill", "read over REST"],
)
def test_what_filled_unheard_may_have_filled_since_the_order_was_sent(told, since_ms):
    effects = believed(order(intended_there_ms=1_500), told, NOW_MS)
    [covers] = [each for each in effects if isinstance(each, Cover)]
    assert covers.since_ms == since_ms
