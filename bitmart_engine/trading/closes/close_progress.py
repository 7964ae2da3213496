"""How far a close is, as far as the journal does not say so, and what an answer changes of that. Pure."""

from __future__ import annotations

from enum import Enum

from attrs import Factory, evolve, frozen

from ...exchange.errors import ExchangeError, Meaning, Refused
from .close_steps import (
    Acted,
    Again,
    Answer,
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
    Step,
    TakeAway,
    Taken,
    WithdrawRest,
)
from .sizing import Most

__all__ = ["Progress", "Stage", "learn"]


class Stage(Enum):
    """How far an attempt is."""

    FIND = "find"
    AWAIT = "await"
    CANCEL = "cancel"
    SEND = "send"
    LOST = "lost"
    REFUSED = "refused"
    SENT = "sent"
    FOLLOW = "follow"
    CONFIRM = "confirm"
    COUNTED = "counted"
    COVERED = "covered"
    TAKE_AWAY = "take away"
    SETTLE = "settle"
    END = "end"
    FAILED = "failed"
    PAUSE = "pause"


@frozen(kw_only=True)
class Progress:
    """How far a close is, as far as the journal does not say so."""

    # Of the whole close
    failures: int = 0
    told_at: float | None = None
    """When the application was told of a failure last."""
    most: Most = Factory(Most)

    # Of this attempt
    stage: Stage = Stage.FIND
    failure: Exception | None = None
    """Why a closing order was not taken, or may not have been, or the attempt has failed."""
    stop_awaited: bool = False
    learnt: bool = False
    """Whether what is held was asked for since the close began."""
    waits: int = 0
    """How often news was waited for of the order that is followed."""
    unheard: bool = False
    """Whether there was none in time."""
    settled: frozenset[str] = frozenset()
    """The orders of the exchange's stops whose end was settled since."""
    shared: bool | None = None
    read: bool = False
    """Whether what is held was read."""
    doubting: bool = False
    """Whether it is being asked if anything is held at all."""
    fired_sought: bool = False
    """Whether it was looked for what the exchange's stops have closed, since what is held was read last."""
    gone: bool | None = None
    """Whether it turned out that nothing of it is held, as something else is; None: that is not known."""
    before: int | None = None
    """What was held before the closing order was sent, where that is known."""
    counts: int = 0
    """How often it was counted what is left of a monitored position."""
    left: int = 0
    """How much that was the last time."""

    def anew(self) -> Progress:
        """That of the next attempt."""
        return Progress(failures=self.failures, told_at=self.told_at, most=self.most)


def learn(progress: Progress, step: Step, answer: Answer, now: float) -> Progress:
    """How far a close is once `step`, which was begun at `now`, was answered."""
    match step, answer:
        case _, Failed(failure):
            return evolve(progress, stage=Stage.FAILED, failure=failure)
        case Fail(), _:
            return _failed(progress, step, answer, now)
        case FindClose(), Found(True):
            if progress.stage is Stage.LOST:
                return _taken(progress)
            return evolve(progress, stage=Stage.SENT)
        case FindClose(), _:
            lost = progress.stage is Stage.LOST
            return evolve(progress, stage=Stage.FAILED if lost else Stage.AWAIT)
        case AwaitStop(), _:
            refused = progress.stage is Stage.REFUSED
            stage = Stage.REFUSED if refused else Stage.AWAIT
            return evolve(progress, stage=stage, stop_awaited=True)
        case LearnHeld(), _:
            return evolve(progress, stage=Stage.AWAIT, learnt=True)
        case SettleFired(order_id), _:
            settled = progress.settled | {order_id}
            return evolve(progress, stage=Stage.AWAIT, settled=settled)
        case AwaitFired(), News(False):
            return evolve(progress, stage=Stage.AWAIT, unheard=True)
        case ((AwaitFired() | ReadFired()), _):
            return evolve(_waited(progress), stage=Stage.AWAIT, settled=frozenset())
        case LearnShared(), Shared(yes):
            return evolve(progress, stage=Stage.CANCEL if yes else Stage.SEND, shared=yes)
        case CancelStops(), Acted(True):
            return progress.anew()
        case CancelStops(), _:
            return evolve(progress, stage=Stage.SEND)
        case ReadHeld(), _:
            return evolve(progress, stage=Stage.SEND, read=True)
        case ReadRefused(), _:
            return evolve(progress, read=True)
        case FindFired(), _:
            return evolve(_doubted(progress), fired_sought=True)
        case AskAgain(), Asked(gone):
            return evolve(_doubted(progress), fired_sought=False, gone=gone)
        case Send(held=held), Taken():
            return _taken(evolve(progress, before=held))
        case Send(held=held), LostAnswer(failure):
            return evolve(progress, stage=Stage.LOST, failure=failure, before=held)
        case Send(), NotTaken(failure):
            return _not_taken(progress, failure)
        case WithdrawRest(), _:
            return evolve(progress, stage=Stage.FOLLOW, waits=0)
        case AwaitClose(), News(False):
            return evolve(progress, unheard=True)
        case ((AwaitClose() | ReadClose() | SettleClose()), _):
            return _waited(progress)
        case ((AwaitEntry() | Again()), _):
            return progress.anew()
        case CountLeft(), Left(contracts):
            counts = progress.counts + 1
            return evolve(progress, stage=Stage.COUNTED, counts=counts, left=contracts)
        case Pause(), _:
            paused = progress.stage is Stage.PAUSE
            return progress.anew() if paused else evolve(progress, stage=Stage.CONFIRM)
        case Cover(), _:
            return evolve(progress, stage=Stage.COVERED)
        case TakeAway(), _:
            return evolve(progress, stage=Stage.SETTLE)
        case AwaitSettled(), _:
            return evolve(progress, stage=Stage.END)
    raise AssertionError(f"{answer} does not answer {step}")


def _waited(progress: Progress) -> Progress:
    return evolve(progress, waits=progress.waits + 1, unheard=False)


def _doubted(progress: Progress) -> Progress:
    """It is asked whether anything is held, before a close is sent or after one was refused."""
    refused = progress.stage is Stage.REFUSED
    return evolve(progress, doubting=True, stage=Stage.REFUSED if refused else Stage.SEND)


def _taken(progress: Progress) -> Progress:
    return evolve(progress, stage=Stage.SENT, most=progress.most.taken())


def _not_taken(progress: Progress, failure: ExchangeError) -> Progress:
    """Where it was refused for what is held, that is read, and doubted anew."""
    if not isinstance(failure, Refused) or failure.meaning is not Meaning.POSITION_GONE:
        return evolve(progress, stage=Stage.FAILED, failure=failure)
    return evolve(
        progress,
        stage=Stage.REFUSED,
        failure=failure,
        read=False,
        doubting=False,
        fired_sought=False,
        gone=None,
    )


def _failed(progress: Progress, fail: Fail, answer: Answer, now: float) -> Progress:
    """The next attempt comes at once after the first failure, and after a pause else."""
    failures = progress.failures + 1
    most = progress.most
    if isinstance(answer, Refusing) and answer.size is not None:
        most = most.refused(answer.size)
    progress = evolve(progress.anew(), failures=failures, most=most)
    if fail.tell:
        progress = evolve(progress, told_at=now)
    return evolve(progress, stage=Stage.PAUSE) if failures > 1 else progress
