"""What is done next about the stops that the exchange keeps: a table of what is known, without a task or a clock."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.exchange.errors import NotSent
from bitmart_engine.exchange.rows import PlanOrder
from bitmart_engine.model.lifecycle import ProtectionState
from bitmart_engine.model.positions import CloseReason, FiredOrder, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.closes.cancel_plan import Purpose, again, begin, learn, next_step
from bitmart_engine.trading.closes.cancel_steps import (
    AskPosition,
    AskWhetherShared,
    Cancelled,
    CancelPlan,
    CountLost,
    Done,
    Ending,
    Failed,
    FindFired,
    GiveUp,
    Held,
    LeftBehind,
    Listed,
    ListPlans,
    Looked,
    Lost,
    Shared,
    TakenAway,
    Vanished,
    Wait,
)

BEFORE, AFTER, UNWANTED = Purpose.BEFORE_CLOSE, Purpose.AFTER_CLOSE, Purpose.UNWANTED
STOP, TARGET = Decimal(90), Decimal(110)
LOST_ANSWER = NotSent("no route")


def plan(id, price=STOP, size=10, side=PositionSide.LONG.closing):
    return PlanOrder(
        order_id=id,
        client_order_id="",
        symbol="BTCUSDT",
        side=side,
        kind="stop_loss",
        trigger_price=price,
        size=size,
    )


def covers(**more):
    """A protection of ten contracts, whose stop the exchange keeps under an id that is not known."""
    known = {
        "id": "a",
        "symbol": "BTCUSDT",
        "side": PositionSide.LONG,
        "created_ms": 0,
        "stop_loss": STOP,
        "exchange_stop_loss": STOP,
        "state": ProtectionState.CLOSING,
        "covered": 10,
        "entry_id": "a",
    }
    return Protection(**(known | more))


KNOWN = covers(exchange_plans=("p",))
FIRED = FiredOrder(order_id="1", reason=CloseReason.EXCHANGE_STOP_LOSS)
TARGET_ACTED = CloseReason.EXCHANGE_TAKE_PROFIT
MOVED = covers(state=ProtectionState.ARMED, stop_loss=Decimal(80))
DROPPED = covers(
    state=ProtectionState.RELEASED, exchange_parts=("part",), exchange_take_profit=TARGET
)


def listed(*plans, others=()):
    return Listed(plans, frozenset(others), 10)


def play(purpose, protection, *answers, at=0.0):
    """What is known after `answers`, of which a number begins the next round then."""
    facts, now = begin(purpose, protection, at), at
    for answer in answers:
        if isinstance(answer, int | float):
            now = float(answer)
            facts = again(facts, protection, now)
        else:
            facts = learn(facts, answer)
    return facts, now


FOUND_NONE = Looked(fired=0)
LOOKED_INTO = Looked(fired=0, settling=True)
CUT_OFF = Looked(fired=0, failures=(LOST_ANSWER,))
NOT_SEEN = "neither listed nor seen to have acted"
WAIT_FOR_NEWS = Wait(0.25, for_news=True)
GONE = Done(none_kept=True)

TABLE = [
    # Before a close
    ("an id that is known is cancelled unlisted", BEFORE, KNOWN, [], CancelPlan("p")),
    ("an id that is not known is listed first", BEFORE, covers(), [], ListPlans()),
    ("what is listed is cancelled", BEFORE, covers(), [listed(plan("p"))], CancelPlan("p")),
    ("what was cancelled is gone", BEFORE, KNOWN, [Cancelled("p")], GONE),
    (
        "stops for a part are cancelled too",
        BEFORE,
        covers(exchange_plans=("p",), exchange_parts=("part",)),
        [Cancelled("p")],
        CancelPlan("part"),
    ),
    (
        "one for as many as have filled is another's where a part of them has acted",
        BEFORE,
        covers(fired=(evolve(FIRED, size=6, filled=6, final=True),), closed=6),
        [listed(plan("theirs"), plan("p", size=4))],
        CancelPlan("p"),
    ),
    (
        "a target that has acted leaves the stop for as many",
        BEFORE,
        covers(fired=(evolve(FIRED, reason=TARGET_ACTED, size=6, filled=6, final=True),), closed=6),
        [listed(plan("p"))],
        CancelPlan("p"),
    ),
    ("what is not there is looked for", BEFORE, KNOWN, [Vanished("p")], FindFired()),
    ("an empty list is no proof", BEFORE, covers(), [listed()], FindFired()),
    (
        "a stop that an order may have been made of is not given up while that is looked into",
        BEFORE,
        covers(),
        [listed(), FOUND_NONE, 3.0, listed(), LOOKED_INTO],
        WAIT_FOR_NEWS,
    ),
    (
        "for as long as an order may take to show",
        BEFORE,
        covers(),
        [listed(), FOUND_NONE, 15.0, listed(), LOOKED_INTO],
        CountLost(),
    ),
    (
        "a list for fewer contracts than are left is none either",
        BEFORE,
        covers(),
        [listed(plan("p", size=4)), Cancelled("p")],
        FindFired(),
    ),
    (
        "what was listed, and is not any more, is looked for",
        BEFORE,
        covers(),
        [listed(plan("p")), Failed(LOST_ANSWER), CUT_OFF, 1.0, listed()],
        FindFired(),
    ),
    ("a list that failed is followed by a look", BEFORE, covers(), [Failed(LOST_ANSWER)], FindFired()),
    ("a cancel that failed is as well", BEFORE, KNOWN, [Failed(LOST_ANSWER)], FindFired()),
    (
        "one cancel that failed does not keep the next from being sent",
        BEFORE,
        covers(exchange_plans=("p", "q"), exchange_take_profit=TARGET),
        [Failed(LOST_ANSWER)],
        CancelPlan("q"),
    ),
    (
        "what has acted since closes it",
        BEFORE,
        KNOWN,
        [Vanished("p"), Looked(fired=1)],
        Done(acted=True),
    ),
    (
        "what had acted before does not",
        BEFORE,
        evolve(KNOWN, fired=(FIRED,)),
        [Vanished("p"), Looked(fired=1)],
        WAIT_FOR_NEWS,
    ),
    ("an order may take a moment to show", BEFORE, KNOWN, [Vanished("p"), FOUND_NONE], WAIT_FOR_NEWS),
    (
        "after two seconds the position is counted",
        BEFORE,
        KNOWN,
        [Vanished("p"), FOUND_NONE, 2.0, FOUND_NONE],
        CountLost(),
    ),
    (
        "not before that",
        BEFORE,
        KNOWN,
        [Vanished("p"), FOUND_NONE, 1.9, FOUND_NONE],
        WAIT_FOR_NEWS,
    ),
    (
        "where it lost nothing, the close goes out beside the stop",
        BEFORE,
        KNOWN,
        [Vanished("p"), FOUND_NONE, 2.0, FOUND_NONE, Lost(0)],
        Done(beside=NOT_SEEN, none_kept=True),
    ),
    (
        "where it lost contracts, their order is looked for",
        BEFORE,
        KNOWN,
        [Vanished("p"), FOUND_NONE, 2.0, FOUND_NONE, Lost(4)],
        WAIT_FOR_NEWS,
    ),
    (
        "after fifteen seconds those count as closed by the stop",
        BEFORE,
        KNOWN,
        [Vanished("p"), FOUND_NONE, 15.0, FOUND_NONE, Lost(4)],
        Done(lost=4, none_kept=True),
    ),
    (
        "a look that was cut short does not count towards the two seconds",
        BEFORE,
        KNOWN,
        [Vanished("p"), CUT_OFF, 3.0, FOUND_NONE],
        WAIT_FOR_NEWS,
    ),
    (
        "what was answered is not asked again",
        BEFORE,
        covers(exchange_plans=("p", "q"), exchange_take_profit=TARGET),
        [Cancelled("p"), Failed(LOST_ANSWER), FOUND_NONE, 1.0],
        CancelPlan("q"),
    ),
    (
        "failures of ten seconds have the position asked",
        BEFORE,
        covers(),
        [Failed(LOST_ANSWER), FOUND_NONE, 10.0, Failed(LOST_ANSWER), FOUND_NONE],
        AskPosition(),
    ),
    (
        "where all is held, the close goes out beside the stop, which stays known",
        BEFORE,
        covers(),
        [10.0, Failed(LOST_ANSWER), FOUND_NONE, Held(True)],
        Done(beside="no route"),
    ),
    (
        "where it is not, it is tried again",
        BEFORE,
        covers(),
        [10.0, Failed(LOST_ANSWER), FOUND_NONE, Held(False)],
        WAIT_FOR_NEWS,
    ),
    (
        "after a minute it is a failure of the close",
        BEFORE,
        covers(),
        [60.0, Failed(LOST_ANSWER), FOUND_NONE, Held(False)],
        GiveUp(LOST_ANSWER),
    ),
    # After a close
    ("nothing is kept: nothing to do", AFTER, covers(exchange_stop_loss=None), [], Done()),
    ("an id that is known is cancelled", AFTER, KNOWN, [], CancelPlan("p")),
    ("who shares it is asked after the cancel", AFTER, KNOWN, [Cancelled("p")], AskWhetherShared()),
    ("what was cancelled is gone", AFTER, KNOWN, [Cancelled("p"), Shared(True)], GONE),
    ("what is not there is gone", AFTER, KNOWN, [Vanished("p"), Shared(True)], GONE),
    ("unlisted and held alone is gone", AFTER, covers(), [listed(), Shared(False)], GONE),
    ("unlisted and shared is looked for again", AFTER, covers(), [listed(), Shared(True)], Wait(0.25)),
    (
        "not more than three times",
        AFTER,
        covers(),
        [listed(), 1.0, listed(), 2.0, listed(), 3.0, listed(), Shared(True)],
        GONE,
    ),
    (
        "nor where an order of it is known",
        AFTER,
        covers(fired=(FIRED,)),
        [listed(), Shared(True)],
        GONE,
    ),
    (
        "the third failure does where nobody shares it",
        AFTER,
        KNOWN,
        [1.0, 2.0, Failed(LOST_ANSWER), Shared(False)],
        LeftBehind("no route"),
    ),
    (
        "where somebody does, it goes on, slower",
        AFTER,
        KNOWN,
        [1.0, 2.0, Failed(LOST_ANSWER), Shared(True)],
        Wait(1.0),
    ),
    (
        "for a minute",
        AFTER,
        KNOWN,
        [60.0, Failed(LOST_ANSWER), Shared(True)],
        LeftBehind("no route"),
    ),
    (
        "and then says what was not listed",
        AFTER,
        covers(),
        [60.0, listed(), Shared(True)],
        LeftBehind("not listed"),
    ),
    # What the user does not want
    ("all is wanted", UNWANTED, covers(state=ProtectionState.ARMED), [], Done()),
    ("whoever closes it sees to the rest", UNWANTED, evolve(MOVED, state=ProtectionState.CLOSING), [], Done()),
    ("it is listed though its id is known", UNWANTED, evolve(MOVED, exchange_plans=("p",)), [], ListPlans()),
    ("the stop that was moved away is cancelled", UNWANTED, MOVED, [listed(plan("p"))], CancelPlan("p")),
    (
        "then it is taken away",
        UNWANTED,
        MOVED,
        [listed(plan("p")), Cancelled("p")],
        TakenAway(frozenset({STOP}), frozenset({"p"})),
    ),
    (
        "also where it was not there",
        UNWANTED,
        MOVED,
        [listed(plan("p")), Vanished("p")],
        TakenAway(frozenset({STOP}), frozenset({"p"})),
    ),
    (
        "the target that is wanted stays",
        UNWANTED,
        evolve(MOVED, take_profit=TARGET, exchange_take_profit=TARGET),
        [listed(plan("t", TARGET), plan("p"))],
        CancelPlan("p"),
    ),
    (
        "of what the user dropped everything goes, stops for a part too",
        UNWANTED,
        DROPPED,
        [listed(plan("part", Decimal(70), 4), plan("p"), plan("t", TARGET)), Cancelled("p"), Cancelled("t")],
        CancelPlan("part"),
    ),
    ("what is not listed yet is looked for again", UNWANTED, MOVED, [listed()], Wait(0.25)),
    (
        "for two seconds",
        UNWANTED,
        MOVED,
        [listed(), 1.0, listed(), 2.0, listed()],
        TakenAway(frozenset({STOP}), frozenset()),
    ),
    (
        "where one of two is listed, the other is waited for",
        UNWANTED,
        evolve(DROPPED, exchange_parts=()),
        [listed(plan("p")), Cancelled("p"), 2.0, listed(plan("p")), Cancelled("p")],
        Wait(0.5),
    ),
    (
        "a failure cuts the round off",
        UNWANTED,
        evolve(DROPPED, exchange_parts=()),
        [listed(plan("p"), plan("t", TARGET)), Failed(LOST_ANSWER)],
        Wait(0.25),
    ),
    (
        "a failure does not say that nothing is listed",
        UNWANTED,
        MOVED,
        [Failed(LOST_ANSWER), 5.0, listed()],
        Wait(0.5),
    ),
    ("it is left behind after a minute", UNWANTED, MOVED, [60.0, Failed(LOST_ANSWER)], LeftBehind("no route")),
    (
        "with what went wrong last",
        UNWANTED,
        evolve(DROPPED, exchange_parts=()),
        [Failed(LOST_ANSWER), 60.0, listed(plan("p")), Cancelled("p")],
        LeftBehind("no route"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "protection", "answers", "step"),
    [row[1:] for row in TABLE],
    ids=[f"{row[1].value}: {row[0]}" for row in TABLE],
)
def test_what_is_known_says_what_is_done_next(purpose, protection, answers, step):
    facts, now = play(purpose, protection, *answers)
    assert next_step(facts, now) == step


def test_what_closes_a_whole_position_and_what_is_of_another_protection_is_never_cancelled():
    plans = [plan("whole", size=None), plan("other"), plan("elsewhere", Decimal(91)), plan("mine")]
    facts, now = play(BEFORE, covers(), listed(*plans, others=("other",)))
    assert next_step(facts, now) == CancelPlan("mine")
    assert next_step(learn(facts, Cancelled("mine")), now) == GONE


PLANS = st.builds(
    plan,
    st.sampled_from(["p", "q", "r", "part", "theirs", "strange"]),
    st.sampled_from([STOP, TARGET, Decimal(95)]),
    st.one_of(st.none(), st.integers(1, 12)),
    st.sampled_from([PositionSide.LONG.closing, PositionSide.SHORT.closing]),
)
PROTECTIONS = st.builds(
    covers,
    state=st.sampled_from([ProtectionState.CLOSING, ProtectionState.ARMED, ProtectionState.RELEASED]),
    exchange_stop_loss=st.sampled_from([None, STOP]),
    exchange_take_profit=st.sampled_from([None, TARGET]),
    exchange_plans=st.sampled_from([(), ("p",), ("p", "q")]),
    exchange_parts=st.sampled_from([(), ("part",)]),
    closed=st.integers(0, 10),
)  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(Purpose), PROTECTIONS, st.data())
def test_whatever_is_answered_it_ends_and_neither_cancels_what_is_anothers_nor_is_done_unlooked(
    purpose, protection, data
):
    now, facts = 0.0, begin(purpose, protection, 0.0)
    listed_at, looked, settled = {}, False, set()
    while not isinstance(step := next_step(facts, now), Ending):
        match step:
            case Wait(s):
                now += s + data.draw(st.sampled_from([0.0, 1.0, 9.0]))
                facts = again(facts, protection, now)
                continue
            case ListPlans():
                plans = data.draw(st.lists(PLANS, max_size=4, unique_by=lambda each: each.order_id))
                fine = Listed(tuple(plans), frozenset({"theirs"}), protection.covered)
                answer = data.draw(st.sampled_from([fine, Failed(LOST_ANSWER)]))
                if answer is fine:
                    listed_at |= {
                        each.order_id: each for each in plans if each.order_id != "theirs"
                    }
            case CancelPlan(id):
                assert id != "theirs"
                known = {*protection.exchange_plans, *protection.exchange_parts}
                assert id in known or listed_at[id].trigger_price in (STOP, TARGET)
                assert id in known or listed_at[id].side is protection.side.closing
                assert purpose is UNWANTED or id not in settled
                answer = data.draw(
                    st.sampled_from([Cancelled(id), Vanished(id), Failed(LOST_ANSWER)])
                )
                if not isinstance(answer, Failed):
                    settled.add(id)
            case FindFired():
                looked = True
                answer = data.draw(st.sampled_from([FOUND_NONE, CUT_OFF, Looked(fired=1)]))
            case CountLost():
                answer = Lost(data.draw(st.integers(0, 10)))
            case AskPosition():
                answer = Held(data.draw(st.booleans()))
            case AskWhetherShared():
                answer = Shared(data.draw(st.booleans()))
        facts = learn(facts, answer)
        assert now < 200.0, "it goes on for ever"
    if isinstance(step, GiveUp | LeftBehind):
        assert now >= 60.0 or purpose is AFTER
    levels = {protection.exchange_stop_loss, protection.exchange_take_profit} - {None}
    ids_known = len(protection.exchange_plans) == len(levels)
    if purpose is BEFORE and isinstance(step, Done) and not step.acted and not ids_known:
        for price in levels:
            there = [each.size for each in listed_at.values() if each.trigger_price == price]
            few = None not in there and sum(there) < protection.remaining
            assert looked or not few, "contracts may be closed that nobody looked for"
