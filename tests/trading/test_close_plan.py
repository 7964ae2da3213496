"""What is done next for a close: a table of what is known, without a task or a clock."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.exchange.errors import Meaning, NotSent, OutcomeUnknown, Refused
from bitmart_engine.model.lifecycle import ProtectionState
from bitmart_engine.model.positions import Close, CloseReason, FiredOrder, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.closes.close_plan import CloseFailed, Facts, next_step
from bitmart_engine.trading.closes.close_progress import Progress, Stage, learn
from bitmart_engine.trading.closes.close_steps import (
    Acted,
    Again,
    AskAgain,
    Asked,
    AwaitClose,
    AwaitEntry,
    AwaitFired,
    AwaitSettled,
    AwaitStop,
    CancelStops,
    CountLeft,
    Cover,
    End,
    Fail,
    Failed,
    FindClose,
    FindFired,
    Found,
    LearnHeld,
    LearnShared,
    Left,
    LostAnswer,
    News,
    NotTaken,
    Pause,
    ReadClose,
    ReadFired,
    ReadHeld,
    ReadRefused,
    Refusing,
    Send,
    SettleClose,
    SettleFired,
    Shared,
    Stop,
    TakeAway,
    Taken,
    WithdrawRest,
)
from bitmart_engine.trading.closes.sizing import Most

NOT_SENT, LOST = NotSent("no route"), OutcomeUnknown("no answer", "/submit-order")
GONE = Refused(40018, "no position", 400, Meaning.POSITION_GONE, "/submit-order")
SMALLER = Refused(40020, "suspended", 400, Meaning.POSITION_GONE, "/submit-order")
FUNDS = Refused(42000, "no funds", 400, Meaning.FUNDS, "/submit-order")


def covers(**more):
    known = {
        "id": "a",
        "symbol": "BTCUSDT",
        "side": PositionSide.LONG,
        "created_ms": 0,
        "state": ProtectionState.CLOSING,
        "covered": 10,
        "entry_id": "a",
    }
    return Protection(**(known | more))


def sent(**more):
    known = {"attempt": 1, "client_order_id": "c1", "size": 10, "intended_ms": 0}
    return Close(**(known | {"exchange_order_id": "7"} | more))


def fired(order_id="s", **more):
    return FiredOrder(order_id=order_id, reason=CloseReason.EXCHANGE_STOP_LOSS, **more)


def at(stage, **more):
    return Progress(stage=stage, **more)


KEPT = covers(exchange_stop_loss=Decimal(90))
HALF = covers(close=sent(filled=5, final=True), closed=5)
CLOSED = covers(close=sent(filled=10, final=True), closed=10)
MONITORED = evolve(CLOSED, entry_id=None)
DOUBT = {"held": 0, "told_flat": True}
AWAIT, CANCEL, SEND, REFUSED = Stage.AWAIT, Stage.CANCEL, Stage.SEND, Stage.REFUSED
FOLLOW, CONFIRM, COUNTED = Stage.FOLLOW, Stage.CONFIRM, Stage.COUNTED

TABLE = [
    # Find
    ("nothing is being closed", covers(state=ProtectionState.ARMED), {}, Progress(), Stop()),
    ("a close that is not known of is sought", covers(close=sent()), {}, Progress(), FindClose()),
    ("one that has ended is not", HALF, {"held": 5}, Progress(), Send(5, 5)),
    # Await
    ("the exchange's own is given a moment", KEPT, {"fires_there": True}, Progress(), AwaitStop(0.3)),
    ("once", KEPT, {"fires_there": True}, at(AWAIT, stop_awaited=True), LearnShared()),
    ("not beside a close", evolve(KEPT, close=HALF.close), {"fires_there": True}, Progress(), LearnShared()),
    ("not where all is ours", KEPT, {"fires_there": True, "alone": True}, Progress(), LearnShared()),
    ("it is read whether all is", KEPT, {"fires_there": True, "alone": None}, Progress(), LearnHeld(0.3)),
    ("once", KEPT, {"fires_there": True, "alone": None}, at(AWAIT, learnt=True), AwaitStop(0.3)),
    ("what acts is waited for", covers(fired=(fired(),)), {}, Progress(), AwaitFired(1.5)),
    ("ever longer", covers(fired=(fired(),)), {}, at(AWAIT, waits=2), AwaitFired(5.0)),
    (
        "where nothing is heard, all that act are read",
        covers(fired=(fired("s"), fired("t"), fired("u", final=True))),
        {"claims": {"s"}},
        at(AWAIT, unheard=True),
        ReadFired(("s", "t")),
    ),
    ("an end that is claimed is settled", covers(fired=(fired(),)), {"claims": {"s"}}, Progress(), SettleFired("s")),
    (
        "and then waited for",
        covers(fired=(fired(),)),
        {"claims": {"s"}},
        at(AWAIT, settled=frozenset("s")),
        AwaitFired(1.5),
    ),
    (
        "what has acted in full leaves nothing",
        covers(fired=(fired(final=True),), closed=10), {}, Progress(), TakeAway(),
    ),
    # Cancel
    ("who shares it is asked where a stop is kept", KEPT, {}, Progress(), LearnShared()),
    ("what others share is not closed beside a stop", KEPT, {}, at(CANCEL, shared=True), CancelStops()),
    ("nothing is left: nothing is cancelled", evolve(KEPT, closed=10), {}, Progress(), TakeAway()),
    # Send
    ("all that is covered", covers(), {"held": 20}, Progress(), Send(10, 20)),
    ("also where it is not known what is held", covers(), {}, Progress(), Send(10, None)),
    ("less is held: it is read", covers(), {"held": 4}, Progress(), ReadHeld()),
    ("no more than is held", covers(), {"held": 4}, at(SEND, read=True), Send(4, 4)),
    ("no more than one order may have", covers(), {"held": 10, "largest": 3}, Progress(), Send(3, 10)),
    ("nor than was refused", covers(), {"held": 10, "largest": 9}, Progress(most=Most(2)), Send(2, 10)),
    ("the exchange is held to have closed it all", covers(), {"all_acted": True}, Progress(), TakeAway()),
    (
        "what is too new to be listed is closed",
        covers(), {"held": 0, "young": True, "gone": True}, at(SEND, read=True), Send(10, 0),
    ),
    ("only answers say that nothing is held", covers(), {"held": 0}, at(SEND, read=True), Send(10, 0)),
    ("it is certain that nothing is held", covers(), {"held": 0, "gone": True}, at(SEND, read=True), TakeAway()),
    ("a push says so: it is asked again", covers(), DOUBT, at(SEND, read=True), AskAgain(0.5)),
    (
        "orders have closed all: it is asked again",
        covers(), {"held": 0, "explained": True}, at(SEND, read=True), AskAgain(0.5),
    ),
    ("where a stop is kept, its order is sought before", KEPT, DOUBT, at(SEND, read=True, shared=False), FindFired()),
    ("not twice in a row", KEPT, DOUBT, at(SEND, read=True, doubting=True, fired_sought=True), AskAgain(0.5)),
    ("others are held by now", covers(), {"held": 3}, at(SEND, read=True, doubting=True, gone=True), TakeAway()),
    ("it is held after all", covers(), {"held": 10}, at(SEND, read=True, doubting=True, gone=False), Send(10, 10)),
    ("its answer was lost", covers(close=sent()), {}, at(Stage.LOST, failure=LOST), FindClose()),
    ("and its end was heard", CLOSED, {}, at(Stage.LOST, failure=LOST), Fail(LOST, tell=True)),
    ("refused as nothing is held", covers(), {}, at(REFUSED, failure=GONE), ReadRefused(none=True)),
    ("refused perhaps as nothing is held", covers(), {}, at(REFUSED, failure=SMALLER), ReadRefused(none=False)),
    ("the exchange's own may have been first", KEPT, {"fires_there": True}, at(REFUSED, failure=GONE), AwaitStop(0.3)),
    (
        "it says nothing: it is read",
        KEPT, {"fires_there": True}, at(REFUSED, failure=GONE, stop_awaited=True), ReadRefused(none=True),
    ),
    ("it was: it is waited for", covers(fired=(fired(),)), {}, at(REFUSED, failure=GONE), Again()),
    ("it has closed all", covers(fired=(fired(final=True),), closed=10), {}, at(REFUSED, failure=GONE), TakeAway()),
    ("it is held", covers(), {"held": 10}, at(REFUSED, failure=GONE, read=True), Fail(GONE, tell=True)),
    ("nothing is known to be held", covers(), {}, at(REFUSED, failure=GONE, read=True), Fail(GONE, tell=True)),
    (
        "nothing is held, certainly",
        covers(), {"held": 0, "gone": True}, at(REFUSED, failure=GONE, read=True), TakeAway(),
    ),
    ("nothing is held, perhaps", covers(), DOUBT, at(REFUSED, failure=GONE, read=True), AskAgain(0.5)),
    (
        "its own stop has closed it",
        evolve(KEPT, closed=10), DOUBT,
        at(REFUSED, failure=GONE, read=True, doubting=True, fired_sought=True), TakeAway(),
    ),
    (
        "it is held after all",
        covers(), {"held": 4}, at(REFUSED, failure=GONE, read=True, doubting=True, gone=False), Fail(GONE, tell=True),
    ),
    # Follow
    ("the rest of the entry is withdrawn", covers(close=sent()), {}, at(Stage.SENT), WithdrawRest()),
    ("it is waited for", covers(close=sent()), {}, at(FOLLOW), AwaitClose(1.5)),
    ("ever longer", covers(close=sent()), {}, at(FOLLOW, waits=1), AwaitClose(3.0)),
    ("nothing was heard", covers(close=sent()), {"claims": {"7"}}, at(FOLLOW, unheard=True), ReadClose()),
    ("an end that is claimed is settled", covers(close=sent()), {"claims": {"7"}}, at(FOLLOW), SettleClose()),
    ("it has closed all", CLOSED, {}, at(FOLLOW), TakeAway()),
    ("something is left", HALF, {}, at(FOLLOW), Again()),
    # Leave nothing
    ("an entry may fill still", CLOSED, {"entry_open": True}, at(FOLLOW), AwaitEntry(1.0)),
    ("also where nothing was sent", covers(closed=10), {"entry_open": True}, Progress(), AwaitEntry(1.0)),
    # Confirm
    ("a monitored position is counted", MONITORED, {"held": 0}, at(FOLLOW), CountLeft()),
    ("not where that was told to be flat", MONITORED, DOUBT, at(FOLLOW), TakeAway()),
    ("nor where it is certain", MONITORED, {"held": 0, "gone": True}, at(FOLLOW), TakeAway()),
    ("told to be flat, and held", MONITORED, DOUBT | {"held": 3}, at(FOLLOW), CountLeft()),
    ("a part of it, which is closed, is not", evolve(MONITORED, size=10), {"held": 5}, at(FOLLOW), TakeAway()),
    ("nor what no close of ours has closed", evolve(MONITORED, close=None), {}, Progress(), TakeAway()),
    ("others hold what is held", MONITORED, {"held": 5}, at(COUNTED, counts=1, left=0), TakeAway()),
    ("nothing is listed once", MONITORED, {"held": 0}, at(COUNTED, counts=1, left=0), Pause(0.5)),
    ("something is left", MONITORED, {"held": 5}, at(COUNTED, counts=2, left=5), Pause(1.5)),
    ("it is counted again", MONITORED, {"held": 5}, at(CONFIRM, counts=2, left=5), CountLeft()),
    ("still", MONITORED, {"held": 5}, at(COUNTED, counts=3, left=5), Pause(0.0)),
    ("what is left is covered", MONITORED, {"held": 5}, at(CONFIRM, counts=3, left=5), Cover(5)),
    ("nothing is left", MONITORED, {"held": 0}, at(CONFIRM, counts=3, left=0), TakeAway()),
    ("what is covered is closed", evolve(MONITORED, covered=15), {"held": 5}, at(Stage.COVERED), Again()),
    ("nothing more was wanted", MONITORED, {"held": 5}, at(Stage.COVERED), TakeAway()),
    # Take away
    ("what is kept still is taken away", CLOSED, {}, at(Stage.TAKE_AWAY), TakeAway()),
    ("why it ended is waited for", CLOSED, {}, at(Stage.SETTLE), AwaitSettled()),
    ("it has ended", CLOSED, {}, at(Stage.END), End()),
    # Failures
    ("the first is told", covers(), {}, at(Stage.FAILED, failure=NOT_SENT), Fail(NOT_SENT, tell=True)),
    (
        "the next within a minute is not",
        covers(), {}, at(Stage.FAILED, failure=NOT_SENT, told_at=41.0), Fail(NOT_SENT, tell=False),
    ),
    ("after a minute it is", covers(), {}, at(Stage.FAILED, failure=NOT_SENT, told_at=40.0), Fail(NOT_SENT, tell=True)),
    ("the second is followed by a pause", covers(), {}, at(Stage.PAUSE, failures=2), Pause(0.1)),
    ("the later by longer ones", covers(), {}, at(Stage.PAUSE, failures=4), Pause(0.4)),
    ("of five seconds at most", covers(), {}, at(Stage.PAUSE, failures=40), Pause(5.0)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("protection", "known", "progress", "step"),
    [row[1:] for row in TABLE],
    ids=[f"{type(row[4]).__name__}: {row[0]}" for row in TABLE],
)
def test_what_is_known_says_what_is_done_next(protection, known, progress, step):
    facts = Facts(progress=progress, protection=protection, **known)
    assert next_step(facts, now=100.0) == step


def test_a_closing_order_that_filled_nothing_is_a_failure():
    nothing = covers(close=sent(final=True))
    step = next_step(Facts(progress=at(FOLLOW), protection=nothing), now=0.0)
    assert isinstance(step, Fail)
    assert isinstance(step.failure, CloseFailed)


SENT = Send(10, 20)
ANSWERS = [
    ("a failure", at(SEND), SENT, Failed(LOST), at(Stage.FAILED, failure=LOST)),
    ("one that was found is followed", Progress(), FindClose(), Found(True), at(Stage.SENT)),
    ("one that was not may act there", Progress(), FindClose(), Found(False), at(AWAIT)),
    ("a moment has passed", Progress(), AwaitStop(0.3), News(False), at(AWAIT, stop_awaited=True)),
    (
        "a moment has passed after a refusal",
        at(REFUSED, failure=GONE), AwaitStop(0.3), News(True), at(REFUSED, failure=GONE, stop_awaited=True),
    ),
    ("what is held was asked for", Progress(), LearnHeld(0.3), None, at(AWAIT, learnt=True)),
    ("an end is settled", Progress(), SettleFired("s"), None, at(AWAIT, settled=frozenset("s"))),
    ("no news", Progress(), AwaitFired(1.5), News(False), at(AWAIT, unheard=True)),
    ("news", at(AWAIT, settled=frozenset("s")), AwaitFired(1.5), News(True), at(AWAIT, waits=1)),
    ("what acts was read", at(AWAIT, unheard=True), ReadFired(("s",)), None, at(AWAIT, waits=1)),
    ("it is shared", at(AWAIT), LearnShared(), Shared(True), at(CANCEL, shared=True)),
    ("it is not", at(AWAIT), LearnShared(), Shared(False), at(SEND, shared=False)),
    ("its stops are cancelled", at(CANCEL, shared=True), CancelStops(), Acted(False), at(SEND, shared=True)),
    ("they have acted", at(CANCEL, shared=True, failures=1), CancelStops(), Acted(True), Progress(failures=1)),
    ("it was read", Progress(), ReadHeld(), None, at(SEND, read=True)),
    ("its order was sought", at(SEND), FindFired(), None, at(SEND, doubting=True, fired_sought=True)),
    ("nothing is held still", at(SEND, fired_sought=True), AskAgain(0.5), Asked(None), at(SEND, doubting=True)),
    (
        "a doubt after a refusal stays one",
        at(REFUSED), AskAgain(0.5), Asked(False), at(REFUSED, doubting=True, gone=False),
    ),
    ("a close was taken", Progress(most=Most(2)), SENT, Taken(), at(Stage.SENT, before=20, most=Most(4))),
    ("its answer was lost", Progress(), SENT, LostAnswer(LOST), at(Stage.LOST, failure=LOST, before=20)),
    (
        "and it was found",
        at(Stage.LOST, before=20, most=Most(2)), FindClose(), Found(True), at(Stage.SENT, before=20, most=Most(4)),
    ),
    ("or was not", at(Stage.LOST, failure=LOST), FindClose(), Found(False), at(Stage.FAILED, failure=LOST)),
    ("it was not sent", Progress(), SENT, NotTaken(NOT_SENT), at(Stage.FAILED, failure=NOT_SENT)),
    ("it was refused", Progress(), SENT, NotTaken(FUNDS), at(Stage.FAILED, failure=FUNDS)),
    (
        "for what is held",
        at(SEND, read=True, doubting=True, gone=False), SENT, NotTaken(GONE), at(REFUSED, failure=GONE),
    ),
    ("that was read", at(REFUSED, failure=GONE), ReadRefused(True), None, at(REFUSED, failure=GONE, read=True)),
    ("it is followed", at(Stage.SENT, waits=3, before=20), WithdrawRest(), None, at(FOLLOW, before=20)),
    ("it is unheard", at(FOLLOW), AwaitClose(1.5), News(False), at(FOLLOW, unheard=True)),
    ("it was read", at(FOLLOW, unheard=True), ReadClose(), None, at(FOLLOW, waits=1)),
    ("its end was settled", at(FOLLOW), SettleClose(), None, at(FOLLOW, waits=1)),
    ("an entry was waited for", at(FOLLOW, before=20, failures=1), AwaitEntry(1.0), None, Progress(failures=1)),
    ("something is left", at(FOLLOW, before=20, failures=1), Again(), None, Progress(failures=1)),
    ("it was counted", at(FOLLOW), CountLeft(), Left(5), at(COUNTED, counts=1, left=5)),
    ("a pause between counts", at(COUNTED, counts=1, left=5), Pause(0.5), None, at(CONFIRM, counts=1, left=5)),
    ("it is covered", at(CONFIRM, counts=3, left=5), Cover(5), None, at(Stage.COVERED, counts=3, left=5)),
    ("all is taken away", at(FOLLOW), TakeAway(), None, at(Stage.SETTLE)),
    ("why it ended is known", at(Stage.SETTLE), AwaitSettled(), None, at(Stage.END)),
    (
        "a first failure",
        at(Stage.FAILED, failure=LOST), Fail(LOST, True), Refusing(None), Progress(failures=1, told_at=8.0),
    ),
    (
        "a second",
        at(Stage.FAILED, failures=1, told_at=1.0), Fail(LOST, False), Refusing(9),
        at(Stage.PAUSE, failures=2, told_at=1.0, most=Most(4)),
    ),
    ("a pause after it", at(Stage.PAUSE, failures=2), Pause(0.1), None, Progress(failures=2)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "step", "answer", "after"),
    [row[1:] for row in ANSWERS],
    ids=[f"{type(row[2]).__name__}: {row[0]}" for row in ANSWERS],
)
def test_an_answer_says_how_far_a_close_is(before, step, answer, after):
    assert learn(before, step, answer, now=8.0) == after


def test_an_answer_to_another_step_is_no_answer():
    with pytest.raises(AssertionError, match="does not answer"):
        learn(Progress(), CountLeft(), News(True), now=0.0)


KNOWN = st.fixed_dictionaries(
    {
        "held": st.sampled_from([None, 0, 3, 10, 20]),
        "alone": st.sampled_from([None, False, True]),
        "largest": st.sampled_from([None, 1, 4, 100]),
        "claims": st.sampled_from([frozenset(), frozenset({"7"}), frozenset({"s"})]),
        **{
            name: st.booleans()
            for name in (
                "young",
                "told_flat",
                "explained",
                "gone",
                "fires_there",
                "entry_open",
            )
        },
    }
)
ANSWER = {
    FindClose: st.builds(Found, st.booleans()),
    AwaitStop: st.builds(News, st.booleans()),
    AwaitFired: st.builds(News, st.booleans()),
    AwaitClose: st.builds(News, st.booleans()),
    LearnShared: st.builds(Shared, st.booleans()),
    CancelStops: st.builds(Acted, st.booleans()),
    AskAgain: st.builds(Asked, st.sampled_from([None, True, False])),
    Send: st.sampled_from(
        [Taken(), LostAnswer(LOST), NotTaken(NOT_SENT), NotTaken(GONE), NotTaken(FUNDS)]
    ),
    CountLeft: st.builds(Left, st.integers(-3, 5)),
    Fail: st.builds(Refusing, st.sampled_from([None, 1, 9])),
}


@settings(max_examples=100)
@given(
    st.sampled_from([covers(), KEPT, evolve(KEPT, fired=(fired(),)), covers(entry_id=None)]),
    st.data(),
)
def test_whatever_is_answered_no_more_is_sent_than_is_left_and_nothing_that_is_unknown_is_forgotten(
    protection, data
):
    progress, failures = Progress(), 0
    surely_gone = shared = cancelled = sought = False
    for _ in range(data.draw(st.integers(5, 40))):
        facts = Facts(progress=progress, protection=protection, **data.draw(KNOWN))
        step = next_step(facts, now=0.0)
        surely_gone = surely_gone or facts.gone
        if isinstance(step, End):
            assert not protection.remaining or surely_gone
            return
        assert not isinstance(step, Stop)
        fails = isinstance(step, FindClose | Send | AwaitClose) and data.draw(st.booleans())
        answer = data.draw(ANSWER.get(type(step), st.none()))
        answer = Failed(LOST) if fails else answer
        surely_gone = surely_gone or answer == Asked(True)
        match step:
            case Send(size):
                assert 1 <= size <= protection.remaining
                assert cancelled or not shared, "a stop of the exchange may act beside the close"
                before = protection.close
                assert before is None or before.final or sought, "it may be at the exchange"
                attempt = 1 if before is None else before.attempt + before.final
                ended = isinstance(answer, NotTaken)
                order = sent(attempt=attempt, size=size, final=ended)
                protection = evolve(protection, close=order)
            case AwaitClose() | ReadClose() | SettleClose() if data.draw(st.booleans()):
                filled = data.draw(st.integers(0, protection.close.size))
                order = evolve(protection.close, filled=filled, final=True)
                protection = evolve(protection, close=order, closed=protection.closed + filled)
            case AwaitFired() | ReadFired() | SettleFired():
                if data.draw(st.booleans()):
                    protection = evolve(protection, fired=(fired(final=True),))
            case Cover(size):
                protection = evolve(protection, covered=protection.closed + size)
            case Fail():
                failures += 1
            case Pause() if progress.stage is Stage.PAUSE:
                assert failures > 1
        sought = sought or (isinstance(answer, Found) and not answer.yes)
        if isinstance(answer, Shared):
            shared = answer.yes
        if isinstance(answer, Acted):
            cancelled = not answer.yes
        progress = learn(progress, step, answer, now=0.0)
        if progress.stage in (Stage.FIND, Stage.PAUSE):
            shared = cancelled = sought = surely_gone = False
