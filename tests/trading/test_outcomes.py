"""What is recorded and told of an order once it is decided what became of it; and what becomes of one intent at an
exchange that may take any request late: it is sent twice under two ids only if nothing can come of the first.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.exchange.errors import Meaning
from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder
from bitmart_engine.store.records import EntryAccepted, EntryIntended, EntryMoved, EntryObserved
from bitmart_engine.store.state import State
from bitmart_engine.trading.entries.entering import Circumstances, Send, at_price
from bitmart_engine.trading.entries.journey import Facts, after, next_step
from bitmart_engine.trading.entries.outcomes import (
    Announce,
    Count,
    EndProtection,
    SignalRefused,
    SignalWithdrawn,
    TellEnd,
    called_unknown,
    cancelled,
    concluded,
    crossed,
    expired,
    opened,
)
from bitmart_engine.trading.entries.steps import (
    Absent,
    Accepted,
    Announced,
    CallUnknown,
    Crossed,
    Done,
    Found,
    GivenBack,
    IdTaken,
    LookUp,
    Lost,
    NotSent,
    Opened,
    Refused,
    Rejected,
    Settled,
    Submit,
)
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

NOW_MS = 1_000_000
LATE = {"deadline_ms": NOW_MS}
ASKED = {"cancel_asked": True}
TIMEOUT = "the price was not in the zone in time"
THERE = OrderUpdate(
    order_id="99",
    client_order_id="ea",
    symbol="BTCUSDT",
    size=3,
    state=OrderState.CHECK,
    deal_size=0,
)
WAITING, REJECTED = EntryState.WAITING, EntryState.REJECTED


def order(state=EntryState.SUBMITTING, **changes):
    request, _ = checked_entry(entry(), BTC)
    standing = {
        "request": request,
        "accepted_ms": 1,
        "deadline_ms": NOW_MS + 1,
        "client_order_id": "ea",
        "exchange_order_id": "77",
    }
    return EntryOrder(**{**standing, "state": state, **changes})


def moved(to, reason, spent=False, taken=False):
    return EntryMoved("a", NOW_MS, to, reason, spent, taken)


def ended(to, reason, error="", spent=False):
    return (moved(to, error or reason, spent), EndProtection(0), TellEnd(to, reason, error))


def rejected(reason, error, *, signalled=True):
    signals = (SignalRefused(reason, error),) if signalled else ()
    return (*ended(REJECTED, reason, error, spent=True), *signals)


PAST = "client order id ea is that of an order of the past"
TAKEN = Count("client_order_id_taken", PAST)
CANCELLED = ended(EntryState.CANCELLED, "cancelled by the user")

CONCLUSIONS = {
    "taken": (Announced(True), {}, (Announce("77", True),)),
    "told already": (Announced(True), {"announced": True}, ()),
    "without an id there": (Announced(True), {"exchange_order_id": ""}, ()),
    "given back": (GivenBack("down"), {}, (moved(WAITING, "down"),)),
    "given back, and the user wants it no longer": (GivenBack("down"), ASKED, CANCELLED),
    "given back, and its time is up": (
        *(GivenBack("down"), LATE, ended(EntryState.EXPIRED, TIMEOUT)),
    ),
    "crossed": (Crossed("no"), {}, (moved(WAITING, "would have crossed: no", spent=True),)),
    "crossed for the second time, among ids that were taken": (
        *(Crossed("no"), {"spent": 4, "taken": 3}),
        (moved(WAITING, "would have crossed: no", spent=True),),
    ),
    "crossed too often": (
        *(Crossed("no"), {"spent": 2}, rejected("post_only_rejected", "refused 3 times: no")),
    ),
    "crossed, and its time is up": (
        *(Crossed("no"), LATE, ended(EntryState.EXPIRED, TIMEOUT, spent=True)),
    ),
    "its id is an order's of the past": (
        *(IdTaken(None), {}, (TAKEN, moved(WAITING, PAST, spent=True, taken=True))),
    ),
    "its ids are others' too often": (
        *(IdTaken(None), {"taken": 4, "spent": 4}),
        (TAKEN, *rejected("id_taken", f"5 ids are taken: {PAST}", signalled=False)),
    ),
    "refused": (Rejected("funds", "no"), {}, rejected("funds", "no")),
    "skipped": (
        *(Rejected("skipped", "late"), {"state": WAITING}),
        rejected("skipped", "late", signalled=False),
    ),
    "refused, and ended already": (Rejected("funds", "no"), {"state": EntryState.FILLED}, ()),
    "settled": (Settled(), {}, ()),
    "settled, though it was refused": (*(Settled("no"), {}, (Count("refused_order_seen", "no"),)),),
}


@pytest.mark.parametrize(
    ("outcome", "changes", "expected"), CONCLUSIONS.values(), ids=CONCLUSIONS.keys()
)
def test_how_a_journey_ended_says_what_is_recorded_and_told(outcome, changes, expected):
    assert concluded(order(**changes), outcome, NOW_MS) == expected


def test_whose_an_id_is_that_was_taken_is_told():
    count, _ = concluded(order(), IdTaken(THERE), NOW_MS)
    assert count.why == "client order id ea is that of BTCUSDT order 99"


def test_an_order_that_the_exchange_took_away_for_crossing_is_told_to_be_withdrawn_and_not_refused():
    told = SignalWithdrawn(THERE, "would have crossed: no")
    again = moved(WAITING, "would have crossed: no", spent=True)
    assert crossed(order(), "no", NOW_MS, THERE) == (told, again)
    last = crossed(order(EntryState.OPEN, spent=2), "no", NOW_MS, THERE)
    error = "refused 3 times: no"
    assert last == (told, *rejected("post_only_rejected", error, signalled=False))


@pytest.mark.parametrize("state", EntryState)
def test_only_what_was_not_heard_of_is_opened_or_unknown(state):
    news = opened(order(state), "78", NOW_MS)
    told = (EntryObserved("a", NOW_MS, EntryState.OPEN, "78", 0),)
    assert news == (told if state in (EntryState.SUBMITTING, EntryState.UNKNOWN) else ())
    lost = called_unknown(order(state), "late", NOW_MS)
    unknown = (moved(EntryState.UNKNOWN, "late"),)
    assert lost == (unknown if state is EntryState.SUBMITTING else ())


def test_an_order_that_ends_without_the_exchange_releases_its_protection_and_tells():
    assert cancelled(order(WAITING), NOW_MS) == CANCELLED
    assert expired(order(WAITING), NOW_MS) == ended(EntryState.EXPIRED, TIMEOUT)


# One intent, an exchange that takes requests late, and every answer that may be lost

VALID_MS, VISIBLE_MS = 5_000, 5_000


@define
class Exchange:
    """Takes a request at any time while its signature is young, shows it at any time within seconds after that."""

    data: st.DataObject
    requests: list[tuple[str, int, int]] = field(factory=list)
    """Client order ids of what it takes, when it takes them, and from when they are listed."""
    sent: list[str] = field(factory=list)

    def submit(self, id, now_ms):
        """What is answered at once; a request whose answer is lost may be taken later, or never."""
        self.sent.append(id)
        what = self.data.draw(st.sampled_from(["taken", "lost", "lost", "refused", "no"]), label=id)
        if what == "no":
            return NotSent("down")
        known = [each for each in self.requests if each[0] == id and each[1] <= now_ms]
        if what == "refused" and not known:
            return Refused(Meaning.FUNDS, "no", may_be_crossing=True)
        if known:
            return Refused(Meaning.DUPLICATE_ID, "known")
        late_ms = self.data.draw(st.integers(0, VALID_MS), label="late") if what == "lost" else 0
        hidden_ms = self.data.draw(st.integers(0, VISIBLE_MS), label="hidden")
        if what == "taken" or self.data.draw(st.booleans(), label="takes it"):
            self.requests.append((id, now_ms + late_ms, now_ms + late_ms + hidden_ms))
        return Accepted("77") if what == "taken" else Lost("late")

    def look_up(self, id, now_ms):
        if self.data.draw(st.integers(0, 4), label="fails") == 0:
            return Lost("502")
        listed = any(each[0] == id and each[2] <= now_ms for each in self.requests)
        return Found() if listed else Absent()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_an_intent_gives_one_order_at_most_whatever_is_lost_late_or_refused(data):
    state, exchange, now_ms = State(), Exchange(data), NOW_MS
    request, _ = checked_entry(entry(), BTC)
    state.apply(
        EntryAccepted(
            EntryOrder(request=request, accepted_ms=1, deadline_ms=NOW_MS + 10**9, engine_id="e")
        )
    )

    def take_in(effects):
        for each in effects:
            if isinstance(each, EntryMoved | EntryObserved):
                state.apply(each)

    for _ in range(6):
        out = at_price(state.orders["a"], Decimal(65000), Circumstances(instrument=BTC))
        if not isinstance(out, Send):
            break
        before = exchange.sent[-1] if exchange.sent else None
        if before not in (None, out.client_order_id):
            assert not [each for each in exchange.requests if each[0] == before], (
                "an id is given up only if nothing can come of it"
            )
        state.apply(EntryIntended("a", now_ms, out.client_order_id, out.price, out.size))
        facts = Facts.begin(state.orders["a"], VALID_MS / 1000)
        while not isinstance(step := next_step(facts, now_ms), Done):
            answer, began_ms = None, now_ms
            match step:
                case Submit():
                    answer = exchange.submit(out.client_order_id, now_ms)
                case LookUp():
                    answer = exchange.look_up(out.client_order_id, began_ms)
                case Opened(there):
                    take_in(opened(state.orders["a"], there, now_ms))
                case CallUnknown(why):
                    take_in(called_unknown(state.orders["a"], why, now_ms))
                case _:
                    answer = Accepted()
            now_ms += data.draw(st.integers(0, 4_000), label="ms")
            if isinstance(answer, Found):
                take_in((EntryObserved("a", now_ms, EntryState.OPEN, "77", 0, None, 5),))
            facts = evolve(after(facts, step, answer), order=state.orders["a"])
            if len(exchange.sent) > 100 or facts.rounds > 200:
                return
        take_in(concluded(state.orders["a"], step.outcome, now_ms))
    taken = [each[0] for each in exchange.requests]
    assert len(set(taken)) <= 1, "one intent, one order"
    assert len(taken) == len(set(taken)), "an id that was taken is not sent again"
