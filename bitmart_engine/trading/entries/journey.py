"""An entry order's journey to the exchange: what to do next, from what was done last and what was answered.

    Persist -> SetLeverage -> Submit -> Opened -> WaitNews, Read -> Done(Announced)
                                |
                                +-> CallUnknown -> LookUp, ProveDead until found, or proved absent

Pure: `next_step` takes the facts and the time, `after` adds an answer to the facts. `submission` performs the steps.

What is not known is asked until it is known. A lost answer leads to look-ups and to nothing else. A look-up proves
absence only if it began when the request could not be taken any more, and whatever was taken by then would show: a
request may be under way for long, and the exchange takes it as long as its signature is young enough. That is so for
`request_valid_s`, or until the exchange was seen to refuse its timestamp (`exchange/window`). A journey that
was overtaken, by a push or by a later attempt, sends and decides nothing more.
"""

from __future__ import annotations

from enum import Enum

from attrs import evolve, frozen

from ...exchange.errors import Meaning
from ...exchange.window import BELIEVED_S, LATER_MS
from ...model.decimals import plain
from ...model.events import OrderUpdate
from ...model.lifecycle import EntryState
from ...model.orders import EntryOrder
from ..requests import is_outdated
from .steps import (
    Absent,
    Accepted,
    Announced,
    Answer,
    CallUnknown,
    Contract,
    Crossed,
    Dead,
    Done,
    Found,
    GivenBack,
    IdTaken,
    LookUp,
    Lost,
    MeasureClock,
    NotSent,
    Opened,
    Outcome,
    Persist,
    ProveDead,
    Read,
    ReadContract,
    ReadLeverage,
    Refused,
    Rejected,
    SetLeverage,
    Setting,
    Settled,
    Step,
    Submit,
    Wait,
    WaitNews,
)

__all__ = ["Facts", "Stage", "after", "next_step"]

TRY_AGAIN = {
    Meaning.RATE: 2.0,
    Meaning.MAINTENANCE: 5.0,
    Meaning.CLOCK: 1.0,
}
"""Refusals that say nothing of the order itself, with the pause in seconds before the zone is watched again."""
NETWORK_PAUSE_S = 1.0
READS_AFTER_SUBMIT = 3
READ_PAUSE_S = 0.25
"""The order may not be readable for some hundred ms after it was taken."""
MEASURE_AGAIN_S = 1.0
VISIBLE_WITHIN_S = 5.0
"""How long an order that was taken may not show in look-ups. The exchange documents no lag."""
ASK_AGAIN_S = 0.5
"""Between two questions whether a submit is dead; each pause is twice as long as the one before."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
"""Between look-ups: each pause is twice as long as the one before."""


class Stage(Enum):
    """How far a journey is."""

    SENDING = "sending"
    LOOKING_UP = "looking up"
    CONFIRMING = "confirming"


@frozen(kw_only=True)
class Facts:
    """What is known of a journey. `begin` it with an order whose submit was intended, or that the exchange may have."""

    order: EntryOrder
    """As it stands now."""
    attempt: str
    """The client order id that the journey is of."""
    stage: Stage
    request_valid_s: float
    """How long the exchange takes a request after it was signed."""
    submit_valid_s: float = 0.0
    """How long it should take a submit, for that was signed to die so soon; 0: its death is not asked for."""
    searched: bool = True
    """Whether the exchange was searched for every attempt of the order, if it is one of the journal's."""
    step: Step | None = None
    answer: Answer | None = None
    """What was done last, and what came of it."""
    refusal: Refused | None = None
    """Why the submit was refused."""
    in_use: bool = False
    """Whether the exchange refused the client order id as one it knows: if it knows none of ours, it is another's."""
    measured: bool = False
    """Whether the exchange's clock was measured since the answer was lost."""
    rounds: int = 0
    """How often the order was looked up, or read after its submit."""
    dead_ms: int | None = None
    """When the exchange was last seen to refuse the submit's timestamp; None if it was not, or not lately."""
    asked_dead: int = 0
    """How often it was asked whether it does."""
    asked_dead_ms: int = 0
    """When it was last asked."""

    @classmethod
    def begin(cls, order: EntryOrder, request_valid_s: float, submit_valid_s: float = 0.0) -> Facts:
        """The facts of a journey that begins with the order as it stands, also after a restart."""
        begins = {EntryState.SUBMITTING: Stage.SENDING, EntryState.UNKNOWN: Stage.LOOKING_UP}
        return cls(
            order=order,
            attempt=order.client_order_id,
            stage=begins.get(order.state, Stage.CONFIRMING),
            request_valid_s=request_valid_s,
            submit_valid_s=submit_valid_s,
        )

    @property
    def is_latest(self) -> bool:
        """Whether no later attempt has replaced this one."""
        return self.order.client_order_id == self.attempt

    @property
    def is_undecided(self) -> bool:
        """Whether nothing else decided on this attempt: a push may end one before its answer arrives."""
        state = EntryState.UNKNOWN if self.stage is Stage.LOOKING_UP else EntryState.SUBMITTING
        return self.order.state is state and self.is_latest


def after(facts: Facts, step: Step, answer: Answer | None, now_ms: int = 0) -> Facts:
    """The facts once `step` was performed and `answer` came of it."""
    facts = evolve(facts, step=step, answer=answer)
    match step, answer:
        case Submit(), Refused() as refusal:
            return evolve(facts, refusal=refusal)
        case Opened(), _:
            return evolve(facts, stage=Stage.CONFIRMING)
        case CallUnknown(in_use=in_use), _:
            return evolve(facts, stage=Stage.LOOKING_UP, in_use=in_use)
        case MeasureClock(), Accepted():
            return evolve(facts, measured=True)
        case ProveDead(), _:
            dead_ms = answer.at_ms if isinstance(answer, Dead) else None
            asked = facts.asked_dead + 1
            return evolve(facts, dead_ms=dead_ms, asked_dead=asked, asked_dead_ms=now_ms)
        case ((LookUp() | Read()), _):
            return evolve(facts, rounds=facts.rounds + 1)
    return facts


def next_step(facts: Facts, now_ms: int) -> Step:
    """What the journey needs next. `Done` is the last, and says what is to be recorded of the order."""
    match facts.stage:
        case Stage.SENDING:
            return _send(facts)
        case Stage.LOOKING_UP:
            return _look_up(facts, now_ms)
        case Stage.CONFIRMING:
            return _confirm(facts)


# Sending


def _send(facts: Facts) -> Step:
    request = facts.order.request
    match facts.step, facts.answer:
        case Submit(), Accepted(exchange_order_id):
            return Opened(exchange_order_id) if facts.is_latest else Done(Settled())
        case ((ReadContract() | ReadLeverage()), answer):
            return _learnt(facts, answer)
        case None, _:
            return Persist()
    if not facts.is_undecided:
        return Done(Settled())
    match facts.step, facts.answer:
        case Persist(), Accepted() if request.leverage is not None:
            return SetLeverage(request.leverage, request.open_type)
        case ((Persist() | SetLeverage()), Accepted()):
            return Done(GivenBack("")) if facts.order.cancel_asked else Submit()
        case _, Refused(meaning, why) if meaning in TRY_AGAIN:
            return Done(GivenBack(why, TRY_AGAIN[meaning]))
        case SetLeverage(leverage, open_type), Refused(why=why):
            error = f"leverage {plain(leverage)} {open_type} refused: {why}"
            return Done(Rejected("leverage", error))
        case SetLeverage(), (Lost(why) | NotSent(why)):
            return Done(GivenBack(f"leverage not set: {why}", NETWORK_PAUSE_S))
        case Submit(), Lost(why):
            return CallUnknown(why)
        case _, NotSent(why):
            return Done(GivenBack(why, NETWORK_PAUSE_S))
        case Submit(), Refused() as refusal:
            return _refused(facts, refusal)
    raise AssertionError(f"{facts.step} is not answered by {facts.answer}")


def _refused(facts: Facts, refusal: Refused) -> Step:
    """The submit was refused, and not because of the moment. It may have been for something that has changed."""
    if refusal.meaning is Meaning.DUPLICATE_ID:
        return CallUnknown("the exchange has this client order id already", in_use=True)
    if refusal.meaning in (Meaning.INVALID, Meaning.OTHER) or refusal.unexplained:
        return ReadContract()
    return _refused_as_it_is(facts, refusal)


def _refused_as_it_is(facts: Facts, refusal: Refused) -> Step:
    """The contract is what it was."""
    if refusal.meaning is Meaning.LEVERAGE and facts.order.request.leverage is not None:
        return ReadLeverage()
    return Done(_refused_for_good(facts, refusal))


def _learnt(facts: Facts, answer: Answer | None) -> Step:
    """It was read what the order may have been refused for."""
    refusal, request = facts.refusal, facts.order.request
    assert refusal is not None, "only then is it read"
    match answer:
        case Contract(before, now):
            if now is None or (now == before and not is_outdated(facts.order, now)):
                return _refused_as_it_is(facts, refusal)
            changed = "the contract has changed"
        case Setting(now):
            if now is None or now == (request.leverage, request.open_type):
                return Done(_refused_for_good(facts, refusal))
            changed = "the leverage was changed"
        case _:
            raise AssertionError(f"{facts.step} is not answered by {facts.answer}")
    return Done(GivenBack(f"{changed}: {refusal.why}") if facts.is_undecided else Settled())


def _refused_for_good(facts: Facts, refusal: Refused) -> Outcome:
    """The refusal is about the order itself."""
    if not facts.is_undecided:
        return Settled(refusal.why)
    if facts.order.request.maker_only and refusal.may_be_crossing:
        return Crossed(refusal.why)
    return Rejected(refusal.meaning.name.lower(), refusal.why)


# Looking up


def _look_up(facts: Facts, now_ms: int) -> Step:
    match facts.step, facts.answer:
        case LookUp(), Found():
            return Done(Settled())
        case LookUp(), Absent(others) if others and not facts.measured:
            return MeasureClock()
        case LookUp(conclusive), Absent(others) if (conclusive and facts.searched) or (
            facts.in_use and others
        ):
            return Done(_absent(facts, others))
        case LookUp(), _:
            pause_s = min(_growing(FIRST_PAUSE_S, facts.rounds), _something_due_s(facts, now_ms))
            return WaitNews(facts.attempt, pause_s)
        case MeasureClock(), Lost():
            return Wait(MEASURE_AGAIN_S)
    if not facts.is_undecided:
        return Done(Settled())
    due_ms = _death_due_ms(facts)
    if due_ms is not None and now_ms >= due_ms:
        return ProveDead(facts.order.signed_ms)
    return LookUp(conclusive=now_ms >= _shown_by_ms(facts))


def _absent(facts: Facts, others: tuple[OrderUpdate, ...]) -> Outcome:
    """The exchange has nothing of this attempt, and will have nothing."""
    if not facts.is_undecided:
        return Settled()
    if facts.in_use:
        return IdTaken(others[0] if others else None)
    return GivenBack("looked up: the exchange never had it")


def _shown_by_ms(facts: Facts) -> int:
    """When the exchange shows the order, if it took a request at all: it was signed before the answer was lost.

    One that was refused will not be taken any more, nor one that is dead: only what was taken before may not show yet.
    """
    history = reversed(facts.order.history)
    lost_ms = next(
        (each.at_ms for each in history if each.state == EntryState.UNKNOWN.value),
        facts.order.submitted_ms or 0,
    )
    valid_s = 0 if facts.in_use else facts.request_valid_s
    by_age_ms = lost_ms + round((valid_s + VISIBLE_WITHIN_S) * 1000)
    if facts.dead_ms is None:
        return by_age_ms
    return min(by_age_ms, facts.dead_ms + round(VISIBLE_WITHIN_S * 1000))


def _death_due_ms(facts: Facts) -> int | None:
    """When to ask whether the submit is dead; None: there is no need, or no timestamp to ask for."""
    order = facts.order
    if not facts.submit_valid_s or not order.signed_ms or facts.in_use:
        return None
    if facts.dead_ms is not None:
        return facts.dead_ms + round(BELIEVED_S * 1000)
    if not facts.asked_dead:
        valid_ms = round(facts.submit_valid_s * 1000) + LATER_MS
        return (order.submitted_ms or 0) + valid_ms
    return facts.asked_dead_ms + round(_growing(ASK_AGAIN_S, facts.asked_dead) * 1000)


def _something_due_s(facts: Facts, now_ms: int) -> float:
    """How long until there is more to ask than whether the order is listed."""
    due = [_death_due_ms(facts), _shown_by_ms(facts)]
    ahead = [each - now_ms for each in due if each is not None and each > now_ms]
    return min(ahead, default=round(LONGEST_PAUSE_S * 1000)) / 1000


def _growing(first_s: float, times: int) -> float:
    """A pause that doubles."""
    return min(first_s * 2.0 ** min(times - 1, 10), LONGEST_PAUSE_S)


# Confirming


def _confirm(facts: Facts) -> Step:
    """Let the stream or a read say more than the submit's answer, then tell `placed` with what is known."""
    order = facts.order
    match facts.step, facts.answer:
        case WaitNews(), _:
            heard = order.announced or not facts.is_latest
            return Done(Settled()) if heard else Read()
        case Read(), answer if isinstance(answer, Found) or facts.rounds >= READS_AFTER_SUBMIT:
            told = Announced(submit_only=not order.update_time_ms)
            return Done(told if facts.is_latest else Settled())
    return WaitNews(facts.attempt, READ_PAUSE_S)
