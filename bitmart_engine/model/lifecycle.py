"""The two lifecycles of the engine, as tables: an entry order's, and a protection's.

An *entry order* waits for the price to enter its zone. Then the engine submits it. From there on only the exchange
knows what becomes of it: the engine records what it is told, and where it was told nothing, it says `unknown` and keeps
asking. A maker-only order that would have crossed goes back to `waiting` while its zone is still worth watching.

A *protection* is the stop-loss and take-profit over a position, or over the part of it that an order filled. It waits
for the fill, is armed by it, and fires a close. It leaves the scene in two ways only: `closed`, on evidence that the
position is gone, or `released`, because the user said so. A close that fails leaves it `closing`; a fill that shows up
after the end arms it again, and so do its contracts if they turn out to be held still.

Every state and every allowed move stands in the tables below; `move` is the only way to change a state. An illegal move
raises `IllegalMove` and changes nothing. The diagrams of README.md here are generated from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

__all__ = [
    "ENTRY_MOVES",
    "PROTECTION_MOVES",
    "EntryState",
    "IllegalMove",
    "ProtectionState",
    "mermaid",
    "move",
]


class EntryState(Enum):
    """Where an entry order stands."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """Whether the order has ended, as far as anybody knows."""
        return self in FINAL_ENTRY_STATES

    @property
    def at_exchange(self) -> bool:
        """Whether the exchange may hold an order for it now."""
        return self in (
            EntryState.SUBMITTING,
            EntryState.OPEN,
            EntryState.PARTIALLY_FILLED,
            EntryState.UNKNOWN,
        )


class ProtectionState(Enum):
    """Where a protection stands."""

    PENDING_FILL = "pending_fill"
    ARMED = "armed"
    CLOSING = "closing"
    CLOSED = "closed"
    RELEASED = "released"

    @property
    def final(self) -> bool:
        """Whether there is nothing left to protect."""
        return self in (ProtectionState.CLOSED, ProtectionState.RELEASED)


FINAL_ENTRY_STATES = frozenset(
    {EntryState.FILLED, EntryState.CANCELLED, EntryState.EXPIRED, EntryState.REJECTED}
)

ENTRY_MOVES: Mapping[EntryState, Mapping[EntryState, str]] = {
    EntryState.WAITING: {
        EntryState.SUBMITTING: "price in the zone",
        EntryState.EXPIRED: "timeout",
        EntryState.CANCELLED: "user cancels",
        EntryState.OPEN: "turned up after all",
        EntryState.PARTIALLY_FILLED: "turned up partly filled",
        EntryState.FILLED: "turned up filled",
        EntryState.REJECTED: "turned up refused for crossing, too often",
    },
    EntryState.SUBMITTING: {
        EntryState.OPEN: "accepted",
        EntryState.PARTIALLY_FILLED: "first fill",
        EntryState.FILLED: "filled at once",
        EntryState.UNKNOWN: "answer lost",
        EntryState.WAITING: "not taken, zone still watched",
        EntryState.REJECTED: "refused",
        EntryState.CANCELLED: "cancelled there",
        EntryState.EXPIRED: "not taken, time is up",
    },
    EntryState.UNKNOWN: {
        EntryState.SUBMITTING: "found in a later attempt",
        EntryState.OPEN: "found working",
        EntryState.PARTIALLY_FILLED: "found partly filled",
        EntryState.FILLED: "found filled",
        EntryState.CANCELLED: "found cancelled, or proved absent",
        EntryState.WAITING: "proved absent",
        EntryState.REJECTED: "found refused for crossing, too often",
        EntryState.EXPIRED: "proved absent, time is up",
    },
    EntryState.OPEN: {
        EntryState.PARTIALLY_FILLED: "first fill",
        EntryState.FILLED: "filled",
        EntryState.CANCELLED: "cancelled",
        EntryState.WAITING: "maker-only, cancelled for crossing",
        EntryState.REJECTED: "maker-only, crossed too often",
        EntryState.EXPIRED: "maker-only, crossed, time is up",
    },
    EntryState.PARTIALLY_FILLED: {
        EntryState.FILLED: "last fill",
        EntryState.CANCELLED: "rest cancelled",
    },
    EntryState.CANCELLED: {
        EntryState.FILLED: "late fill",
    },
    EntryState.EXPIRED: {
        EntryState.CANCELLED: "late fill, rest cancelled",
        EntryState.FILLED: "late fill",
    },
    EntryState.FILLED: {},
    EntryState.REJECTED: {
        EntryState.CANCELLED: "late fill, rest cancelled",
        EntryState.FILLED: "late fill",
    },
}

PROTECTION_MOVES: Mapping[ProtectionState, Mapping[ProtectionState, str]] = {
    ProtectionState.PENDING_FILL: {
        ProtectionState.ARMED: "first fill, or the position shows up",
        ProtectionState.RELEASED: "order ended unfilled, or dropped by the user",
    },
    ProtectionState.ARMED: {
        ProtectionState.CLOSING: "stop, target, or user closes",
        ProtectionState.CLOSED: "position gone otherwise",
        ProtectionState.RELEASED: "dropped by the user",
    },
    ProtectionState.CLOSING: {
        ProtectionState.CLOSED: "position gone",
    },
    ProtectionState.CLOSED: {
        ProtectionState.ARMED: "late fill, or still held after all",
    },
    ProtectionState.RELEASED: {
        ProtectionState.ARMED: "late fill of an order that had ended",
    },
}

State = TypeVar("State", bound=Enum)


class IllegalMove(RuntimeError):
    """A state was asked to become another one that its table does not allow. Nothing was changed."""

    def __init__(self, now: Enum, to: Enum) -> None:
        super().__init__(f"{type(now).__name__}: {now.value} does not become {to.value}")
        self.now = now
        self.to = to


def move(table: Mapping[State, Mapping[State, str]], now: State, to: State) -> State:
    """`to`, if `table` allows the move from `now`; staying put is always allowed. Raises `IllegalMove`."""
    if now is not to and to not in table[now]:
        raise IllegalMove(now, to)
    return to


def mermaid(table: Mapping[State, Mapping[State, str]]) -> str:
    """A Mermaid state diagram of `table`. The first state is where things begin."""
    states = list(table)
    lines = ["stateDiagram-v2", f"    [*] --> {states[0].value}"]
    for state, moves in table.items():
        lines += [f"    {state.value} --> {to.value}: {why}" for to, why in moves.items()]
        if not moves:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)
