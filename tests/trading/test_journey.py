"""An entry order's journey to the exchange, decision by decision: what was done and answered, and what is next."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.exchange.errors import Meaning
from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.lifecycle import EntryState
from bitmart_engine.model.orders import EntryOrder, Moment
from bitmart_engine.trading.entries.journey import Facts, Stage, after, next_step
from bitmart_engine.trading.entries.steps import (
    Absent,
    Accepted,
    Announced,
    CallUnknown,
    Contract,
    Crossed,
    Done,
    Found,
    GivenBack,
    IdTaken,
    LookUp,
    Lost,
    MeasureClock,
    NotSent,
    Opened,
    Persist,
    Read,
    ReadContract,
    ReadLeverage,
    Refused,
    Rejected,
    SetLeverage,
    Setting,
    Settled,
    Submit,
    Wait,
    WaitNews,
)
from bitmart_engine.trading.requests import checked_entry
from tests.support.stage import BTC, entry

ID, VALID_S, NOW_MS = "ea", 5.0, 1_000_000
LOST_MS = NOW_MS - 60_000
"""Long ago: whatever was taken by then shows."""
COARSER = evolve(BTC, tick_size=Decimal(1))
SENDING, LOOKING_UP, CONFIRMING = Stage.SENDING, Stage.LOOKING_UP, Stage.CONFIRMING
OTHER = OrderUpdate(
    order_id="99", client_order_id=ID, symbol="ETHUSDT", size=3, state=OrderState.CHECK, deal_size=0
)


def order(state=EntryState.SUBMITTING, **changes):
    """An order whose first attempt was intended a while ago; `lost_ms` says when its answer was lost."""
    lost_ms = changes.pop("lost_ms", LOST_MS)
    asked = {name: changes.pop(name) for name in ("leverage", "post_only") if name in changes}
    request, _ = checked_entry(entry(**asked), BTC)
    lost = state is EntryState.UNKNOWN
    return EntryOrder(
        **{
            "request": request,
            "accepted_ms": 1,
            "deadline_ms": NOW_MS + 300_000,
            "state": state,
            "client_order_id": ID,
            "price": Decimal(65000),
            "submitted_ms": LOST_MS - 1000,
            "history": (Moment("unknown", lost_ms),) if lost else (),
            **changes,
        }
    )


def facts(stage, step=None, answer=None, **changes):
    """Facts of which `step` was done last; what is no field of them is one of the order's."""
    mine = {
        name: changes.pop(name)
        for name in ("in_use", "measured", "rounds", "searched", "refusal")
        if name in changes
    }
    states = {SENDING: EntryState.SUBMITTING, LOOKING_UP: EntryState.UNKNOWN}
    changes.setdefault("state", states.get(stage, EntryState.OPEN))
    return Facts(
        order=order(**changes),
        attempt=ID,
        stage=stage,
        request_valid_s=VALID_S,
        step=step,
        answer=answer,
        **mine,
    )


def refused(meaning, **more):
    return Refused(meaning, "no", **more)


LEVERAGE = {"leverage": Decimal(10)}
SET = SetLeverage(Decimal(10), "isolated")
MOVED_ON = {"state": EntryState.OPEN}
REPLACED = {"client_order_id": "eb"}
INVALID = {"refusal": refused(Meaning.INVALID)}
NOT_THAT_LEVERAGE = {**LEVERAGE, "refusal": refused(Meaning.LEVERAGE)}
TWENTY = Setting((Decimal(20), "isolated"))

SENDINGS = {
    "an intent is persisted before anything else": (None, None, {}, Persist()),
    "persisted, it is sent": (Persist(), Accepted(), {}, Submit()),
    "the leverage is set before": (Persist(), Accepted(), LEVERAGE, SET),
    "what cannot be persisted is not sent": (
        *(Persist(), NotSent("disk full"), {}, Done(GivenBack("disk full", 1.0))),
    ),
    "with its leverage it is sent": (SET, Accepted(), LEVERAGE, Submit()),
    "a leverage that is not allowed rejects it": (
        *(SET, refused(Meaning.LEVERAGE), LEVERAGE),
        Done(Rejected("leverage", "leverage 10 isolated refused: no")),
    ),
    "a leverage may be refused for the moment": (
        *(SET, refused(Meaning.RATE), LEVERAGE, Done(GivenBack("no", 2.0))),
    ),
    "nor does a lost answer to that say anything": (
        *(SET, Lost("late"), LEVERAGE, Done(GivenBack("leverage not set: late", 1.0))),
    ),
    "nor one that was not asked": (
        *(SET, NotSent("down"), LEVERAGE, Done(GivenBack("leverage not set: down", 1.0))),
    ),
    "what is to be cancelled is not sent": (
        *(Persist(), Accepted(), {"cancel_asked": True}, Done(GivenBack(""))),
    ),
    "nor once the leverage is set": (
        *(SET, Accepted(), {**LEVERAGE, "cancel_asked": True}, Done(GivenBack(""))),
    ),
    "what the exchange has already is not sent": (Persist(), Accepted(), MOVED_ON, Done(Settled())),
    "nor is what was replaced": (SET, Accepted(), {**LEVERAGE, **REPLACED}, Done(Settled())),
    "taken": (Submit(), Accepted("77"), {}, Opened("77")),
    "taken, and the push was faster": (Submit(), Accepted("77"), MOVED_ON, Opened("77")),
    "taken, and replaced meanwhile": (Submit(), Accepted("77"), REPLACED, Done(Settled())),
    "a lost answer is no refusal": (Submit(), Lost("late"), {}, CallUnknown("late")),
    "a lost answer of what the stream told of": (Submit(), Lost("late"), MOVED_ON, Done(Settled())),
    "a lost answer of what was replaced": (Submit(), Lost("late"), REPLACED, Done(Settled())),
    "what never left is sent again": (Submit(), NotSent("down"), {}, Done(GivenBack("down", 1.0))),
    "too many requests": (Submit(), refused(Meaning.RATE), {}, Done(GivenBack("no", 2.0))),
    "maintenance": (Submit(), refused(Meaning.MAINTENANCE), {}, Done(GivenBack("no", 5.0))),
    "clock": (Submit(), refused(Meaning.CLOCK), {}, Done(GivenBack("no", 1.0))),
    "an id that is in use may be the order itself": (
        *(Submit(), refused(Meaning.DUPLICATE_ID), {}),
        CallUnknown("the exchange has this client order id already", in_use=True),
    ),
    "no funds": (Submit(), refused(Meaning.FUNDS), {}, Done(Rejected("funds", "no"))),
    "an invalid order may be one of another contract": (
        *(Submit(), refused(Meaning.INVALID), {}, ReadContract()),
    ),
    "so may one that is refused without a reason": (
        *(Submit(), refused(Meaning.OTHER), {}, ReadContract()),
    ),
    "or with one that is not known": (
        *(Submit(), refused(Meaning.FUNDS, unexplained=True), {}, ReadContract()),
    ),
    "a leverage that does not fit may have been changed": (
        *(Submit(), refused(Meaning.LEVERAGE), LEVERAGE, ReadLeverage()),
    ),
    "not where none was asked for": (
        *(Submit(), refused(Meaning.LEVERAGE), {}, Done(Rejected("leverage", "no"))),
    ),
    "a refusal of what the stream told of": (
        *(Submit(), refused(Meaning.FUNDS), MOVED_ON, Done(Settled())),
    ),
    "crossing": (
        *(Submit(), refused(Meaning.FUNDS, may_be_crossing=True), {}, Done(Crossed("no"))),
    ),
    "an order that may match does not cross": (
        *(Submit(), refused(Meaning.FUNDS, may_be_crossing=True), {"post_only": False}),
        Done(Rejected("funds", "no")),
    ),
    "the contract has changed": (
        *(ReadContract(), Contract(BTC, COARSER), INVALID),
        Done(GivenBack("the contract has changed: no")),
    ),
    "it had changed before it was read": (
        *(ReadContract(), Contract(COARSER, COARSER), {**INVALID, "price": Decimal("65000.5")}),
        Done(GivenBack("the contract has changed: no")),
    ),
    "it has not": (ReadContract(), Contract(BTC, BTC), INVALID, Done(Rejected("invalid", "no"))),
    "it is not known": (
        *(ReadContract(), Contract(BTC, None), INVALID, Done(Rejected("invalid", "no"))),
    ),
    "it has not, and the leverage may": (
        *(ReadContract(), Contract(BTC, BTC), NOT_THAT_LEVERAGE, ReadLeverage()),
    ),
    "it has not, and the order crosses": (
        *(ReadContract(), Contract(BTC, BTC)),
        *({"refusal": refused(Meaning.INVALID, may_be_crossing=True)}, Done(Crossed("no"))),
    ),
    "it has, and the stream told of the order": (
        *(ReadContract(), Contract(BTC, COARSER), {**INVALID, **MOVED_ON}, Done(Settled())),
    ),
    "it has not, and the stream told of the order": (
        *(ReadContract(), Contract(BTC, BTC), {**INVALID, **MOVED_ON}, Done(Settled("no"))),
    ),
    "the leverage was changed": (
        *(ReadLeverage(), TWENTY, NOT_THAT_LEVERAGE),
        Done(GivenBack("the leverage was changed: no")),
    ),
    "the leverage is what was asked for": (
        *(ReadLeverage(), Setting((Decimal(10), "isolated")), NOT_THAT_LEVERAGE),
        Done(Rejected("leverage", "no")),
    ),
    "the leverage could not be read": (
        *(ReadLeverage(), Setting(None), NOT_THAT_LEVERAGE, Done(Rejected("leverage", "no"))),
    ),
}

CALLED = CallUnknown("late")
EARLY = {"lost_ms": NOW_MS - 9_999}
"""The request may still be taken, or what was taken may not show."""
LOOK_UPS = {
    "a lost answer is looked up": (CALLED, None, {}, LookUp(conclusive=True)),
    "so is one of before a restart": (None, None, {}, LookUp(conclusive=True)),
    "too early to prove anything": (CALLED, None, EARLY, LookUp(conclusive=False)),
    "early enough once all shows": (
        *(CALLED, None, {"lost_ms": NOW_MS - 10_000}, LookUp(conclusive=True)),
    ),
    "what was refused is taken no more": (
        *(CALLED, None, {"lost_ms": NOW_MS - 5_000, "in_use": True}, LookUp(conclusive=True)),
    ),
    "but may not show yet": (
        *(CALLED, None, {"lost_ms": NOW_MS - 4_999, "in_use": True}, LookUp(conclusive=False)),
    ),
    "the stream was faster": (CALLED, None, MOVED_ON, Done(Settled())),
    "found": (LookUp(True), Found(), MOVED_ON, Done(Settled())),
    "absent": (
        *(LookUp(True), Absent(), {}),
        Done(GivenBack("looked up: the exchange never had it")),
    ),
    "absent, and the stream told of it": (LookUp(True), Absent(), MOVED_ON, Done(Settled())),
    "absent, and replaced": (LookUp(True), Absent(), REPLACED, Done(Settled())),
    "absent, in a journal that was not searched for": (
        *(LookUp(True), Absent(), {"searched": False, "rounds": 1}, WaitNews(ID, 0.25)),
    ),
    "not listed yet": (LookUp(False), Absent(), {"rounds": 1}, WaitNews(ID, 0.25)),
    "not listed still": (LookUp(False), Absent(), {"rounds": 3}, WaitNews(ID, 1.0)),
    "not listed for long": (LookUp(False), Absent(), {"rounds": 99}, WaitNews(ID, 5.0)),
    "a look-up that failed proves nothing": (
        *(LookUp(True), Lost("502"), {"rounds": 2}, WaitNews(ID, 0.5)),
    ),
    "nor does one that was refused": (
        *(LookUp(True), refused(Meaning.RATE), {"rounds": 1}, WaitNews(ID, 0.25)),
    ),
    "after news or a pause": (WaitNews(ID, 0.25), None, {}, LookUp(True)),
    "news that settles it": (WaitNews(ID, 0.25), None, MOVED_ON, Done(Settled())),
    "another order bears its id": (LookUp(True), Absent((OTHER,)), {}, MeasureClock()),
    "by a clock that was measured": (MeasureClock(), Accepted(), {"measured": True}, LookUp(True)),
    "by one that could not be": (MeasureClock(), Lost("502"), {}, Wait(1.0)),
    "which is tried again": (Wait(1.0), None, {}, LookUp(True)),
    "it is not ours": (
        *(LookUp(True), Absent((OTHER,)), {"measured": True}),
        Done(GivenBack("looked up: the exchange never had it")),
    ),
    "it is not ours, and ours may come": (
        *(LookUp(False), Absent((OTHER,)), {"measured": True, "rounds": 1}, WaitNews(ID, 0.25)),
    ),
    "the id is another order's": (
        *(LookUp(False), Absent((OTHER,)), {"measured": True, "in_use": True}),
        Done(IdTaken(OTHER)),
    ),
    "the id is that of an order of the past": (
        *(LookUp(True), Absent(), {"in_use": True}, Done(IdTaken(None))),
    ),
    "the id is in use, and the order may not show yet": (
        *(LookUp(False), Absent(), {"in_use": True, "rounds": 1}, WaitNews(ID, 0.25)),
    ),
    "the id is in use, and the stream told of the order": (
        *(LookUp(False), Absent((OTHER,))),
        *({"measured": True, "in_use": True, **MOVED_ON}, Done(Settled())),
    ),
}

CONFIRMATIONS = {
    "taken, the stream may say more": (Opened("77"), None, {}, WaitNews(ID, 0.25)),
    "so may it after a restart": (None, None, {}, WaitNews(ID, 0.25)),
    "it has": (WaitNews(ID, 0.25), None, {"announced": True}, Done(Settled())),
    "it has ended the attempt": (WaitNews(ID, 0.25), None, REPLACED, Done(Settled())),
    "it has not": (WaitNews(ID, 0.25), None, {}, Read()),
    "read": (
        *(Read(), Found(), {"update_time_ms": 5}, Done(Announced(submit_only=False))),
    ),
    "not readable yet": (Read(), Absent(), {"rounds": 2}, WaitNews(ID, 0.25)),
    "not readable": (Read(), Absent(), {"rounds": 3}, Done(Announced(submit_only=True))),
    "read, and replaced": (Read(), Found(), REPLACED, Done(Settled())),
}  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "step", "answer", "changes", "expected"),
    [
        pytest.param(stage, *row, id=f"{stage.value}: {name}")
        for stage, rows in (
            (SENDING, SENDINGS),
            (LOOKING_UP, LOOK_UPS),
            (CONFIRMING, CONFIRMATIONS),
        )
        for name, row in rows.items()
    ],
)
def test_what_was_done_and_answered_says_what_is_next(stage, step, answer, changes, expected):
    assert next_step(facts(stage, step, answer, **changes), NOW_MS) == expected


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        (EntryState.SUBMITTING, SENDING),
        (EntryState.UNKNOWN, LOOKING_UP),
        (EntryState.OPEN, CONFIRMING),
        (EntryState.PARTIALLY_FILLED, CONFIRMING),
    ],
)
def test_a_journey_begins_where_the_order_stands(state, stage):
    begun = Facts.begin(order(state), VALID_S)
    assert (begun.stage, begun.attempt) == (stage, ID)


def test_what_was_answered_is_kept_as_long_as_it_decides():
    no = refused(Meaning.INVALID)
    sent = facts(SENDING)
    assert after(sent, Submit(), no).refusal is no
    assert after(sent, Opened("77"), None).stage is CONFIRMING
    lost = after(sent, CallUnknown("in use", in_use=True), None)
    assert (lost.stage, lost.in_use) == (LOOKING_UP, True)
    assert not after(lost, MeasureClock(), Lost("502")).measured
    assert after(lost, MeasureClock(), Accepted()).measured
    assert after(after(lost, LookUp(False), Absent()), LookUp(False), Absent()).rounds == 2
    assert after(lost, WaitNews(ID, 1.0), None).rounds == 0


ANSWERS = {
    Persist: st.just(Accepted()) | st.just(NotSent("disk full")),
    SetLeverage: st.sampled_from([Accepted(), Lost("late"), NotSent("down")])
    | st.sampled_from(Meaning).map(refused),
    Submit: st.sampled_from([Accepted("77"), Lost("late"), NotSent("down")])
    | st.builds(Refused, st.sampled_from(Meaning), st.just("no"), st.booleans(), st.booleans()),
    ReadContract: st.builds(
        Contract, st.sampled_from([BTC, None]), st.sampled_from([BTC, COARSER, None])
    ),
    ReadLeverage: st.sampled_from([TWENTY, Setting(None)]),
    LookUp: st.sampled_from([Found(), Absent(), Absent((OTHER,)), Lost("502")]),
    MeasureClock: st.sampled_from([Accepted(), Lost("502")]),
    Read: st.sampled_from([Found(), Absent()]),
}
ENDS_THE_ATTEMPT = (GivenBack, Crossed, IdTaken, Rejected)


def driven(data, *, pushes):
    """A journey with any answers in any time: every step with its time and its answer."""
    now_ms, told = NOW_MS, []
    leverage = data.draw(st.sampled_from([None, Decimal(10)]), label="leverage")
    now = Facts.begin(order(leverage=leverage, cancel_asked=data.draw(st.booleans())), VALID_S)
    for _ in range(60):
        step = next_step(now, now_ms)
        began_ms = now_ms
        now_ms += data.draw(st.integers(0, 8_000), label="ms")
        answer = data.draw(ANSWERS.get(type(step), st.none()), label=str(step))
        told.append((step, began_ms, now_ms, answer))
        if isinstance(step, Done):
            return told
        standing = now.order
        if isinstance(step, CallUnknown):
            standing = evolve(
                standing, state=EntryState.UNKNOWN, history=(Moment("unknown", began_ms),)
            )
        if isinstance(step, Opened):
            standing = evolve(standing, state=EntryState.OPEN, exchange_order_id="77")
        if pushes and data.draw(st.integers(0, 9), label="push") == 0:
            standing = evolve(standing, state=EntryState.FILLED, announced=True)
        now = evolve(after(now, step, answer), order=standing)
    return told


@given(st.data())
def test_after_a_lost_answer_an_attempt_ends_only_once_absence_is_proved(data):
    told = driven(data, pushes=False)
    lost = [
        n
        for n, (step, _, _, answer) in enumerate(told)
        if isinstance(step, Submit) and isinstance(answer, Lost)
    ]
    last, *_ = told[-1]
    if not lost or not isinstance(last, Done):
        return
    assert isinstance(last.outcome, GivenBack | Settled), "it is not refused, and its id not spent"
    signed_by_ms = told[lost[0]][2]
    looked_up, began_ms, _, answer = told[-2]
    assert isinstance(looked_up, LookUp)
    if isinstance(last.outcome, GivenBack):
        assert isinstance(answer, Absent)
        assert began_ms >= signed_by_ms + (VALID_S + 5) * 1000


@given(st.data(), st.booleans())
def test_a_journey_submits_once_at_most_and_only_what_is_on_disk(data, pushes):
    told = driven(data, pushes=pushes)
    submits = [n for n, (step, *_) in enumerate(told) if isinstance(step, Submit)]
    assert len(submits) <= 1
    persisted = [
        n
        for n, (step, _, _, answer) in enumerate(told)
        if (step, answer) == (Persist(), Accepted())
    ]
    assert all(persisted and persisted[0] < n for n in submits)


@given(st.data())
def test_what_the_exchange_told_of_is_not_ended_by_its_journey(data):
    told = driven(data, pushes=True)
    last, *_ = told[-1]
    if isinstance(last, Done) and isinstance(last.outcome, ENDS_THE_ATTEMPT):
        taken = [
            step for step, _, _, answer in told if (type(step), answer) == (Submit, Accepted("77"))
        ]
        assert not taken


@given(st.data(), st.sampled_from(["filled", "replaced"]))
def test_a_journey_that_was_overtaken_ends_with_nothing_to_record(data, how):
    """Whatever is answered to the question that is under way when it happens."""
    rows = [
        (stage, *row[:3])
        for stage, rows in ((SENDING, SENDINGS), (LOOKING_UP, LOOK_UPS))
        for row in rows.values()
    ]
    stage, step, answer, changes = data.draw(st.sampled_from(rows))
    overtaken = MOVED_ON if how == "filled" else REPLACED
    decided = next_step(facts(stage, step, answer, **{**changes, **overtaken}), NOW_MS)
    match decided:
        case Done(outcome):
            assert isinstance(outcome, Settled)
        case _:
            assert not isinstance(decided, Submit | SetLeverage | CallUnknown)
