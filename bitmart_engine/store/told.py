"""What the application was told, and how it ended: out of the journal, which keeps it for as long as it keeps anything.

The state knows what is owed and what was given up; what was delivered is on disk only, and is read there when somebody
asks. So the history costs no memory and no start time, is as durable as a promise, and goes with `HISTORY_DAYS`.

Pure: which records are of interest, and what they add up to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

import msgspec
from attrs import evolve, frozen

from ..model.notifications import Notification
from .records import NotificationOwed, NotificationSettled, Record
from .state import State

__all__ = ["Telling", "concerns", "lane_texts", "tellings"]


@frozen
class Telling:
    """A notification that was owed, and how that ended; None while it has not, or where that is not known any more.

    One that was given up and owed again is two tellings of one id.
    """

    notification: Notification
    ended: NotificationSettled | None = None


def lane_texts(lanes: Collection[str]) -> list[str]:
    """What stands in the journal's text of a notification of one of these lanes."""
    texts = []
    for lane in lanes:
        with suppress(UnicodeEncodeError):  # no journal holds half of a surrogate pair
            texts.append('"lane":' + msgspec.json.encode(lane).decode())
    return texts


def concerns(record: Record, lanes: Collection[str], ids: set[str]) -> bool:
    """Whether `record` is of a notification of these lanes. `ids` are theirs; one that is new is added."""
    match record:
        case NotificationOwed(notification=Notification(id=id, lane=lane)) if lane in lanes:
            ids.add(id)
            return True
        case NotificationSettled(id=id):
            return id in ids
    return False


def tellings(records: Iterable[Record], lanes: Collection[str], state: State) -> list[Telling]:
    """The tellings of these lanes, in the order in which they were made.

    `records` are those of the journal, in order. What the journal has forgotten, and `state` has not, comes first.
    """
    made: list[Telling] = []
    latest: dict[str, int] = {}
    ids: set[str] = set()
    for record in records:
        if not concerns(record, lanes, ids):
            continue
        if isinstance(record, NotificationOwed):
            latest[record.notification.id] = len(made)
            made.append(Telling(record.notification))
        elif isinstance(record, NotificationSettled):
            place = latest[record.id]
            made[place] = evolve(made[place], ended=made[place].ended or record)
    return [*_forgotten(latest, lanes, state), *made]


def _forgotten(known: Collection[str], lanes: Collection[str], state: State) -> list[Telling]:
    """What is owed or dead, of these lanes, and not among what is known."""
    dead = [
        Telling(each.notification, NotificationSettled(id, False, each.at_ms, each.why))
        for id, each in state.dead.items()
    ]
    found = [*dead, *(Telling(each) for each in state.owed.values())]
    return [
        each
        for each in found
        if each.notification.lane in lanes and each.notification.id not in known
    ]
