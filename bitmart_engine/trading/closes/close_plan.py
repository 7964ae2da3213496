"""A close, from the trigger until the position is gone: what is known of it, and so what to do next. Pure.

A close is a series of attempts, each of which begins anew with what the journal says:

1. Find. A closing order whose answer was lost is looked up before anything is sent again.
2. Await. The exchange's own stop at the same price gets 0.3 s to say that it acts, unless all that is held is ours,
   which is read where that is not known by now; what acts is waited for to its end.
3. Cancel. Where others share the position, the exchange's stops are cancelled: the later of the two would close theirs.
4. Send. The size is what the protection covers and no more than is held. Nothing is sent only where it is certain that
   nothing is held. What was sent and is not known of goes out under the same id, which the exchange takes once.
5. Follow. What has not filled of the entry order is withdrawn, and the closing order waited for to its end.
6. Leave nothing. What is left goes out in another order; an entry that may fill still is waited for.
7. Confirm. Of a monitored position, whose size may have been known wrongly, what is held is counted.
8. Take away what the exchange still keeps for it. Then the protection has ended.

An attempt that fails is made again, at once and then ever slower up to 5 s, for as long as it takes.

`next_step` says what to do, `close_progress` takes in the answer. Nothing here waits, asks or reads a clock: times are
seconds on one clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Set

from attrs import frozen

from ...exchange.errors import Refused
from ...model.lifecycle import ProtectionState
from ...model.positions import Protection
from ..backoff import Backoff
from .close_progress import Progress, Stage
from .close_steps import (
    Again,
    AskAgain,
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
    FindClose,
    FindFired,
    LearnHeld,
    LearnShared,
    Pause,
    ReadClose,
    ReadFired,
    ReadHeld,
    ReadRefused,
    Send,
    SettleClose,
    SettleFired,
    Step,
    Stop,
    TakeAway,
    WithdrawRest,
)

__all__ = ["CloseFailed", "Facts", "next_step"]

RETRIES = Backoff(0.1, 5.0)
NEWS = Backoff(1.5, 5.0)
"""How long the stream may take to tell of a close before it is asked for."""
QUICKER_WITHIN_S = 0.3
"""How long the exchange gets to say that its own stop, at the same price, has closed the contracts already."""
ASK_AGAIN_S = 0.5
"""How long until positions are read again that are said to be flat."""
HELD_STILL_AFTER_S = 1.5
"""How long after a close a read that shows contracts still may be from before it."""
COUNTS = (ASK_AGAIN_S, HELD_STILL_AFTER_S, 0.0)
"""How often it is counted what is left of a monitored position, and how long is waited after each."""
ENTRY_WITHIN_S = 1.0
NO_POSITION = (40018, 40021)
"""Refusals that say that there is no position. 40020 may come of any call that is suspended (fact sheet 6.3)."""
REPORT_EVERY_S = 60.0
"""How often the application is told of a close that does not get through; of the first failure at once."""


class CloseFailed(Exception):
    """A closing order ended without closing anything."""


@frozen(kw_only=True)
class Facts:
    """What is known of a close at one moment."""

    progress: Progress
    protection: Protection
    held: int | None = None
    """Contracts of the whole side; None where that is not known."""
    largest: int | None = None
    """Contracts that one order may have, where that is known."""
    young: bool = False
    """Whether what is covered may be too new to be listed."""
    told_flat: bool = False
    """Whether a push, or a refusal, says that nothing is held."""
    explained: bool = False
    """Whether orders have closed all that was held."""
    gone: bool = False
    """Whether nothing is held, as surely as the evidence asks for."""
    all_acted: bool = False
    """Whether the exchange is held to have closed all of it, though no order shows that."""
    fires_there: bool = False
    """Whether the exchange keeps a stop that the price has reached."""
    alone: bool | None = False
    """Whether all that is held of the side is this protection's, and nothing may add to it; None: it was."""
    entry_open: bool = False
    """Whether its entry order may fill still."""
    claims: Set[str] = frozenset()
    """The orders that are said to have ended with less than their size, by the exchange's ids."""


def next_step(facts: Facts, now: float) -> Step:
    """What is to be done next for a close by what is known of it."""
    match facts.progress.stage:
        case Stage.FIND:
            return _find(facts)
        case Stage.AWAIT:
            return _await(facts)
        case Stage.CANCEL:
            return _cancel(facts)
        case Stage.SEND:
            return _send(facts)
        case Stage.LOST:
            return _lost(facts, now)
        case Stage.REFUSED:
            return _refused(facts, now)
        case Stage.SENT:
            return WithdrawRest()
        case Stage.FOLLOW:
            return _follow(facts, now)
        case Stage.CONFIRM:
            return _confirm(facts)
        case Stage.COUNTED:
            return _counted(facts)
        case Stage.COVERED:
            return Again() if facts.protection.remaining else TakeAway()
        case Stage.TAKE_AWAY:
            return TakeAway()
        case Stage.SETTLE:
            return AwaitSettled()
        case Stage.END:
            return End()
        case Stage.FAILED:
            assert facts.progress.failure is not None, "something has failed"
            return _fail(facts.progress.failure, facts, now)
        case Stage.PAUSE:
            return Pause(RETRIES.after(facts.progress.failures - 1))


def _find(facts: Facts) -> Step:
    if facts.protection.state is not ProtectionState.CLOSING:
        return Stop()
    return FindClose() if _is_unknown(facts.protection) else _await(facts)


def _is_unknown(protection: Protection) -> bool:
    """Whether a closing order was sent of whose end nothing is known."""
    return protection.close is not None and not protection.close.final


def _await(facts: Facts) -> Step:
    """What the exchange closes itself is not closed again. Where all that is held is ours, both may try: the later of
    the two finds nothing."""
    protection, progress = facts.protection, facts.progress
    working = tuple(each.order_id for each in protection.fired if not each.final)
    if progress.unheard:
        return ReadFired(working)
    acts_too = protection.close is None and not protection.fired and facts.fires_there
    if acts_too and not facts.alone and not progress.stop_awaited:
        learns = facts.alone is None and not progress.learnt
        return LearnHeld(QUICKER_WITHIN_S) if learns else AwaitStop(QUICKER_WITHIN_S)
    for order_id in working:
        if order_id in facts.claims and order_id not in progress.settled:
            return SettleFired(order_id)
    return AwaitFired(NEWS.after(progress.waits + 1)) if working else _cancel(facts)


def _cancel(facts: Facts) -> Step:
    """Of a position that nobody shares, a stop and a close together take no more than there is."""
    if facts.progress.shared:
        return CancelStops()
    if facts.protection.kept_at_exchange and facts.protection.remaining:
        return LearnShared()
    return _send(facts)


def _send(facts: Facts) -> Step:
    """What was filled a moment ago may not be listed at all, and an answer may list nothing though all is held: then a
    refusal of the close has to say that nothing is held."""
    left, held, progress = facts.protection.remaining, facts.held, facts.progress
    if facts.all_acted or not left:
        return _leave_nothing(facts)
    if held is not None and held < left and not progress.read:
        return ReadHeld()
    if progress.doubting or (held == 0 and not facts.young):
        gone = _is_gone(facts)
        if not isinstance(gone, bool):
            return gone
        if gone:
            return _leave_nothing(facts)
    elif held:
        left = min(left, held)
    return Send(progress.most.of(left if facts.largest is None else min(left, facts.largest)), held)


def _is_gone(facts: Facts) -> bool | Step:
    """Whether nothing is held: asked again until that is certain.

    False at once where only answers say so that anything contradicts: a close that is sent for nothing does no harm.
    """
    protection, progress = facts.protection, facts.progress
    if progress.gone is not None:
        return progress.gone
    if progress.fired_sought:
        return AskAgain(ASK_AGAIN_S) if protection.remaining else True
    if facts.gone:
        return True
    if not (facts.told_flat or facts.explained):
        return False
    return FindFired() if protection.kept_at_exchange else AskAgain(ASK_AGAIN_S)


def _lost(facts: Facts, now: float) -> Step:
    """The answer was lost, or the exchange has an order under this id."""
    failure = facts.progress.failure
    assert failure is not None, "a failure led here"
    return FindClose() if _is_unknown(facts.protection) else _fail(failure, facts, now)


def _refused(facts: Facts, now: float) -> Step:
    """The exchange says that there is nothing to close, or less: 40020 and the like are not believed alone.

    Its own stop, at the same price, may have come first: it gets the time now that it was not given before.
    """
    protection, refusal = facts.protection, facts.progress.failure
    assert isinstance(refusal, Refused), "a refusal led here"
    if facts.fires_there and not facts.progress.stop_awaited:
        return AwaitStop(QUICKER_WITHIN_S)
    if not protection.remaining:
        return _leave_nothing(facts)
    if any(not each.final for each in protection.fired):
        return Again()
    if not facts.progress.read:
        return ReadRefused(refusal.code in NO_POSITION)
    gone = _is_gone(facts) if facts.progress.doubting or facts.held == 0 else False
    if not isinstance(gone, bool):
        return gone
    return _leave_nothing(facts) if gone else _fail(refusal, facts, now)


def _follow(facts: Facts, now: float) -> Step:
    sent, progress = facts.protection.close, facts.progress
    assert sent is not None, "a closing order was sent"
    if progress.unheard:
        return ReadClose()
    if not sent.final:
        claimed = sent.exchange_order_id in facts.claims
        return SettleClose() if claimed else AwaitClose(NEWS.after(progress.waits + 1))
    if not sent.filled:
        failure = CloseFailed("the exchange ended the closing order without filling it")
        return _fail(failure, facts, now)
    return Again() if facts.protection.remaining else _leave_nothing(facts)


def _leave_nothing(facts: Facts) -> Step:
    """Nothing may fill any more under the protection either."""
    return AwaitEntry(ENTRY_WITHIN_S) if facts.entry_open else _confirm(facts)


def _confirm(facts: Facts) -> Step:
    """What is left of a monitored position is covered, and so closed, too.

    What was known of its size when the engine closed it may have been too little. One that was told flat is gone: what
    is held after that is another position. One answer that lists nothing is not enough.
    """
    protection, progress = facts.protection, facts.progress
    if progress.counts == len(COUNTS):
        return Cover(progress.left) if progress.left > 0 else TakeAway()
    part, ours = protection.size, protection.close
    if protection.entry_id is not None or (part is not None and protection.closed >= part):
        return TakeAway()
    flat = (facts.told_flat or facts.gone) and facts.held == 0
    return TakeAway() if ours is None or not ours.filled or flat else CountLeft()


def _counted(facts: Facts) -> Step:
    """Right after a close a read may be from before it, so what is left has to be told several times."""
    progress = facts.progress
    if progress.left <= 0 and facts.held:
        return TakeAway()
    return Pause(COUNTS[progress.counts - 1])


def _fail(failure: Exception, facts: Facts, now: float) -> Step:
    told_at = facts.progress.told_at
    return Fail(failure, tell=told_at is None or now - told_at >= REPORT_EVERY_S)
