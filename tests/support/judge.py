"""The judge: the exchange's books, the journal and what was received, compared.

It shares no code with the engine. It reads the journal's rows as the JSON they are, and knows what each kind of record
says; everything else it takes from the other side of the wire.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen

__all__ = ["Evidence", "ExchangeOrder", "Row", "Violation", "judge", "lane_of", "read_journal"]

ENDED = ("filled", "cancelled", "expired", "rejected")
LATE_MS = 2_000
"""How long after its deadline an order may still be sent by a process that has to share its processor."""
SEEN_LATE_MS = 60_000
"""How long after it was decided something may be on disk, whose disk may be full for a while."""
STORY = re.compile(
    r"(timeout|failed|cancelled|placed( placed)*"
    r"( partially_filled)*( filled| cancelled| failed| timeout)?)?( late)*"
)
"""What may be told of an entry order, in this order. The end of its position is looked at apart.

A maker-only order that the exchange took, and took away again for it would have crossed, is placed again.
"""
ENDS_TOLD = ("filled", "cancelled", "timeout", "failed")
ENTRY_EVENTS = ("placed", "partially_filled", "filled", "cancelled", "timeout", "failed")


@frozen
class Row:
    """One record of the journal."""

    seq: int
    kind: str
    body: Mapping[str, Any]
    seen_ms: int = 0
    """When it was first seen on disk, by a clock that is right; 0 where nobody looked."""


@frozen(kw_only=True)
class ExchangeOrder:
    """One order in the exchange's books. `filled` and `size` are contracts."""

    client_order_id: str
    symbol: str
    opens: bool
    long: bool
    size: int
    filled: int
    working: bool = False
    preset_of: str = ""
    """Of a stop or target that the exchange kept: the client order id of the order that brought it along."""


@define(kw_only=True)
class Evidence:
    """All that is known of a run when everything has settled."""

    placed: Mapping[str, Mapping[str, Any]] = Factory(dict)
    """The bodies of the accepted entry orders."""
    monitored: Mapping[str, Mapping[str, Any]] = Factory(dict)
    cancelled: frozenset[str] = frozenset()
    levels: Mapping[str, Mapping[str, str | None]] = Factory(dict)
    closing: frozenset[str] = frozenset()
    """What the engine said it is closing."""

    orders: Sequence[ExchangeOrder] = ()
    held: Mapping[tuple[str, str], int] = Factory(dict)
    """Contracts by symbol and side."""
    own: Mapping[tuple[str, str], int] = Factory(dict)
    """Of these the most that may be the account owner's own: nothing was promised for them, and nothing closes them."""

    foreign: frozenset[str] = frozenset()
    """The client order ids of what others than the engine have sent: another program, or a life that is forgotten."""
    amended: Mapping[str, frozenset[int]] = Factory(dict)
    """By client order id, the sizes that the owner has given an order at the exchange, by hand."""
    tried: Mapping[str, frozenset[str]] = Factory(dict)
    """Of orders, client order ids that an older life has used for them, and that a restored journal may not know."""
    excused: frozenset[str] = frozenset()
    """Protections of a restored journal that were closed after it was written: what is held may look like theirs."""
    unwritten: frozenset[str] = frozenset()
    """The client order ids of closes that went out while the disk took nothing: a stop does not wait for a disk."""
    reduced: frozenset[tuple[str, str]] = frozenset()
    """Symbol and side of positions that somebody else closed a part of: that part was somebody's order's."""

    shown_orders: Mapping[str, Mapping[str, Any]] = Factory(dict)
    """What the control API shows, by id."""
    shown_positions: Mapping[str, Mapping[str, Any]] = Factory(dict)
    owed: int = 0

    journal: Sequence[Row] = ()
    received: Sequence[tuple[str, Mapping[str, Any], int]] = ()
    """Idempotency key, body, and the status that was answered."""
    redirected: frozenset[str] = frozenset()
    """Idempotency keys of what was answered with a redirect."""
    given_up: frozenset[str] = frozenset()
    """Idempotency keys of what the engine says that it has given up."""

    unguarded: str = ""
    """The symbol that is traded without protection."""
    now_ms: int = 0
    true_now_ms: int | None = None
    """The time by a clock that is right, where others were not: then deadlines are measured by when things were seen on
    disk, and not by what the engine's clock said."""
    over: bool = True
    """Whether nothing is wished for any more: then everything has to have ended."""
    flushed: bool = False
    """Whether prices have been where every stop and every target is: then nothing guarded may be left."""


@frozen
class Violation:
    """A promise that was broken, and of whom."""

    promise: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.subject}: {self.detail}"


def read_journal(path: Path) -> list[Row]:
    """Every record of a journal that nobody writes any more."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT seq, kind, body FROM journal ORDER BY seq").fetchall()
    finally:
        connection.close()
    return [Row(seq, kind, json.loads(body)) for seq, kind, body in rows]


def lane_of(owed: Mapping[str, Any]) -> str:
    """What is told in order: all of one order to one receiver. Signals of it have another than callbacks."""
    lane, kind = str(owed["lane"]), str(owed["kind"])
    return f"{lane} {kind}" if kind.endswith("signal") else lane


def judge(evidence: Evidence) -> list[Violation]:
    """Every broken promise that the evidence shows."""
    return list(_Judge(evidence).all())


class _Judge:
    def __init__(self, evidence: Evidence) -> None:
        self.e = evidence
        self.intents: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.closes: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        self.opened: dict[str, Mapping[str, Any]] = {}
        self.entry_of: dict[str, str | None] = {}
        self.covered: Counter[str] = Counter()
        self.state: dict[str, str] = {}
        self.filled: Counter[str] = Counter()
        self.late: set[str] = set()
        """The orders that were filled after they had ended, as far as anybody could know."""
        self.guard_state: dict[str, str] = {}
        self.times_closed: Counter[str] = Counter()
        self.notifications: list[tuple[str, str, str]] = []
        for row in evidence.journal:
            self._read(row.kind, row.body)
        self.by_client_id: dict[str, list[ExchangeOrder]] = defaultdict(list)
        for order in evidence.orders:
            self.by_client_id[order.client_order_id].append(order)

    def _read(self, kind: str, body: Mapping[str, Any]) -> None:
        match kind:
            case "EntryAccepted":
                self.state[body["order"]["request"]["id"]] = "waiting"
            case "EntryIntended":
                self.intents[body["id"]].append(body)
                self.state[body["id"]] = "submitting"
            case "EntryObserved":
                self.state[body["id"]] = body["to"]
                self.filled[body["id"]] = body["filled"]
                if body.get("reason") == "late fill":
                    self.late.add(body["id"])
            case "EntryMoved":
                self.state[body["id"]] = body["to"]
            case "EntryForgotten":
                self.state.pop(body["id"], None)
            case "ProtectionOpened":
                made = body["protection"]
                self.opened[made["id"]] = made
                self.entry_of[made["id"]] = made["entry_id"]
                self.guard_state[made["id"]] = "pending_fill"
            case "ProtectionCovers":
                self.covered[body["id"]] = body["covered"]
            case "ProtectionMoved":
                self.guard_state[body["id"]] = body["to"]
                self.times_closed[body["id"]] += body["to"] == "closed"
            case "CloseIntended":
                self.closes[body["id"]][body["close"]["client_order_id"]] = body["close"]
            case "NotificationOwed":
                owed = body["notification"]
                self.notifications.append((lane_of(owed), owed["id"], owed["kind"]))

    def all(self) -> Iterator[Violation]:
        yield from self._at_most_once()
        yield from self._books_and_journal_agree()
        yield from self._accepted_is_kept()
        yield from self._deadlines()
        yield from self._never_naked()
        yield from self._closes()
        yield from self._delivered()
        yield from self._told()

    # One intent, one order

    def _orders_of(self, id: str) -> list[ExchangeOrder]:
        ids = dict.fromkeys(each["client_order_id"] for each in self.intents[id])
        ids |= dict.fromkeys(sorted(self.e.tried.get(id, ())))
        return [order for each in ids for order in self.by_client_id[each]]

    def _entry_filled(self, id: str) -> int:
        return sum(each.filled for each in self._orders_of(id))

    def _closed_by_presets(self, id: str) -> int:
        ids = {each["client_order_id"] for each in self.intents[id]} | self.e.tried.get(id, set())
        return sum(each.filled for each in self.e.orders if each.preset_of in ids)

    def _at_most_once(self) -> Iterator[Violation]:
        promise = "one intent, one order"
        for client_id, orders in self.by_client_id.items():
            if client_id and len(orders) > 1:
                yield Violation(promise, client_id, f"{len(orders)} orders have this id")
        for id in self.intents:
            orders = self._orders_of(id)
            alive = [each for each in orders if each.filled or each.working]
            if len(alive) > 1:
                yield Violation(promise, id, f"{len(alive)} orders were taken: {alive}")
        intended = {each["client_order_id"] for made in self.intents.values() for each in made}
        intended |= {client_id for made in self.closes.values() for client_id in made}
        intended |= self.e.unwritten | self.e.foreign | set().union(*self.e.tried.values())
        for client_id in self.by_client_id:
            if client_id and not client_id.startswith("PLAN") and client_id not in intended:
                yield Violation("intent before order", client_id, "nothing was journalled of it")

    def _books_and_journal_agree(self) -> Iterator[Violation]:
        promise = "the journal says what the exchange says"
        for id, state in self.state.items():
            orders, filled = self._orders_of(id), self._entry_filled(id)
            if self.filled[id] != filled:
                yield Violation(promise, id, f"{self.filled[id]} filled, but {filled} there")
            working = any(each.working for each in orders)
            if working != (state in ("open", "partially_filled")):
                yield Violation(promise, id, f"{state}, but there {orders}")
            whole = bool(orders) and filled == max(each.size for each in orders)
            body = self.e.placed.get(id)
            made_smaller = body is not None and any(
                each.client_order_id in self.e.amended and each.size < body["size"]
                for each in orders
            )  # then it has ended with less than was asked for, as one that was cancelled
            ends = ("filled", "cancelled") if made_smaller else ("filled",)
            if (state not in ends) if whole else (state == "filled"):
                yield Violation(promise, id, f"{state}, but there {orders}")
            for order in orders if body is not None else ():
                assert body is not None
                meant = (body["symbol"], body["side"] == "long", True, body["size"])
                amended = order.size in self.e.amended.get(order.client_order_id, ())
                size = body["size"] if amended else order.size
                if (order.symbol, order.long, order.opens, size) != meant:
                    yield Violation("what was asked for", id, f"{meant}, but {order}")

    # Accepted is kept

    def _accepted_is_kept(self) -> Iterator[Violation]:
        for id, body in self.e.placed.items():
            shown = self.e.shown_orders.get(id)
            if shown is None or id not in self.state:
                yield Violation("accepted is durable", id, "it is not there any more")
                continue
            if shown["state"] != self.state[id]:
                detail = f"shown {shown['state']}, journalled {self.state[id]}"
                yield Violation("state is what was journalled", id, detail)
            if shown["state"] == "unknown":
                yield Violation("unknown nowhere at the end", id, shown["reason"])
            elif self.e.over and shown["state"] not in ENDED:
                yield Violation("everything ends", id, shown["state"])
            if shown["size"] != body["size"] or shown["metadata"] != body["metadata"]:
                yield Violation("accepted is durable", id, f"{shown} is not {body}")
            if body["symbol"] != self.e.unguarded and id not in self.opened:
                yield Violation("accepted is durable", id, "its protection is not there")
        for id in self.e.monitored:
            if id not in self.e.shown_positions:
                yield Violation("accepted is durable", id, "it is not there any more")
        for id in self.e.cancelled:
            if self.state.get(id) != "cancelled" and id not in self.late:
                yield Violation("cancelled stays cancelled", id, str(self.state.get(id)))
        for id, levels in self.e.levels.items():
            shown = self.e.shown_positions[id]
            for name, level in levels.items():
                if shown[name] != level:
                    detail = f"{name} was moved to {level} and is {shown[name]}"
                    yield Violation("accepted is durable", id, detail)
        for id in self.e.closing:
            if self.guard_state.get(id) != "closed":
                yield Violation("a close goes on", id, str(self.guard_state.get(id)))

    def _deadlines(self) -> Iterator[Violation]:
        promise = "no deadline is forgotten"
        if self.e.true_now_ms is not None:
            yield from self._deadlines_by_a_right_clock(promise, self.e.true_now_ms)
            return
        for row in self.e.journal:
            id = row.body.get("id", "")
            shown = self.e.shown_orders.get(id)
            if shown is None:
                continue
            sent = row.kind == "EntryIntended" and not self._was_found(row)
            if sent and row.body["at_ms"] > shown["deadline_ms"] + LATE_MS:
                yield Violation(promise, id, "it was sent after its deadline")
            expired = row.kind == "EntryMoved" and row.body["to"] == "expired"
            if expired and row.body["at_ms"] < shown["deadline_ms"]:
                yield Violation(promise, id, "it was expired before its deadline")
        for id, shown in self.e.shown_orders.items():
            if shown["state"] == "waiting" and shown["deadline_ms"] < self.e.now_ms:
                yield Violation(promise, id, "it still waits")

    def _was_found(self, row: Row) -> bool:
        """Whether an intent is written down of an order that an older life had sent, and that was found."""
        return row.body["client_order_id"] in self.e.tried.get(row.body["id"], ())

    def _deadlines_by_a_right_clock(self, promise: str, now_ms: int) -> Iterator[Violation]:
        deadlines: dict[str, float] = {}
        for row in self.e.journal:
            if row.kind == "EntryAccepted":
                request = row.body["order"]["request"]
                wait_ms = float(request["timeout_seconds"]) * 1000
                deadlines.setdefault(request["id"], row.seen_ms + wait_ms)
            deadline_ms = deadlines.get(row.body.get("id", ""))
            if deadline_ms is None:
                continue
            sent = row.kind == "EntryIntended" and not self._was_found(row)
            if sent and row.seen_ms > deadline_ms + SEEN_LATE_MS:
                yield Violation(promise, row.body["id"], "it was sent after its deadline")
            expired = row.kind == "EntryMoved" and row.body["to"] == "expired"
            if expired and row.seen_ms < deadline_ms - SEEN_LATE_MS:
                early_s = (deadline_ms - row.seen_ms) / 1000
                detail = f"it was expired {early_s:.1f} s before its deadline"
                yield Violation(promise, row.body["id"], detail)
        for id, shown in self.e.shown_orders.items():
            late = deadlines.get(id, now_ms) + SEEN_LATE_MS < now_ms
            if shown["state"] == "waiting" and late:
                yield Violation(promise, id, "it still waits")

    # Never naked

    def _never_naked(self) -> Iterator[Violation]:
        promise = "never naked"
        guards: dict[str, list[str]] = defaultdict(list)
        for guard, entry in self.entry_of.items():
            if entry is not None:
                guards[entry].append(guard)
        for entry, its in guards.items():
            filled = self._entry_filled(entry)
            if not filled:
                continue
            states = [self.guard_state[each] for each in its]
            if not {"armed", "closing", "closed"} & set(states):
                yield Violation(promise, entry, f"{filled} filled, its protection is {states}")
            elif max(self.covered[each] for each in its) < filled and "closed" not in states:
                made = self.opened[its[0]]
                if (made.get("symbol"), made.get("side")) in self.e.reduced:
                    continue  # whose part it was that is gone, nobody can tell
                covered = [self.covered[each] for each in its]
                yield Violation(promise, entry, f"{filled} filled, {covered} covered")
        for guard, entry in self.entry_of.items():
            waits = entry is not None and self.guard_state[guard] == "pending_fill"
            if waits and self.state.get(str(entry)) in ENDED:
                yield Violation("everything ends", guard, "it waits for a fill of what has ended")
        covered_by: Counter[tuple[str, str]] = Counter()
        for shown in self.e.shown_positions.values():
            if shown["state"] in ("armed", "closing"):
                covered_by[shown["symbol"], shown["side"]] += shown["remaining"]
        for key, held in self.e.held.items():
            if key[0] == self.e.unguarded:
                continue
            ours = held - self.e.own.get(key, 0)
            if ours > covered_by[key]:
                detail = f"{held} held, {ours} of them ours, {covered_by[key]} covered"
                yield Violation(promise, " ".join(key), detail)
            if self.e.flushed and ours > 0:
                yield Violation("every stop is watched", " ".join(key), f"{held} still held")
        for id, shown in self.e.shown_positions.items():
            if shown["state"] == "closing" or (self.e.flushed and shown["state"] == "armed"):
                yield Violation("every stop is watched", id, f"still {shown['state']}")

    # No close of what is somebody else's

    def _closed_beyond(self, guard: str) -> int:
        """How much more was closed than filled for all protections with the same side, stop and target from the first.

        Where two are alike nobody can tell whose stop it was that acted at the exchange: what one has lost too much of,
        the other has too much of.
        """
        alike = [each for each in self.opened if self._levels(each) == self._levels(guard)]
        beyond = 0
        for each in alike:
            entry = self.entry_of[each]
            if entry is not None:
                ids = self.closes.get(each, {})
                beyond += sum(order.filled for id in ids for order in self.by_client_id[id])
                beyond += self._closed_by_presets(entry) - self._entry_filled(entry)
        return beyond

    def _levels(self, guard: str) -> tuple[Any, ...]:
        made = self.opened[guard]
        return tuple(made.get(name) for name in ("symbol", "side", "stop_loss", "take_profit"))

    def _closes(self) -> Iterator[Violation]:
        promise = "nothing is closed twice"
        for guard, closes in self.closes.items():
            if guard in self.e.excused:
                continue
            entry = self.entry_of[guard]
            closed = sum(
                order.filled for client_id in closes for order in self.by_client_id[client_id]
            )
            if entry is not None:
                closed += self._closed_by_presets(entry)
            most = self._entry_filled(entry) if entry is not None else self.covered[guard]
            if closed > most and (entry is None or self._closed_beyond(guard) > 0):
                yield Violation(promise, guard, f"{closed} closed of {most}")
            for close in closes.values():
                if close["size"] > most:
                    yield Violation(promise, guard, f"a close of {close['size']} of {most}")
        opened: Counter[tuple[str, bool]] = Counter()
        for order in self.e.orders:
            opened[order.symbol, order.long] += order.filled if order.opens else -order.filled
        for (symbol, long), left in opened.items():
            if left != self.e.held.get((symbol, "long" if long else "short"), 0):
                yield Violation("the books add up", symbol, f"{left} left of {'long' * long}")

    # What was told

    def _delivered(self) -> Iterator[Violation]:
        promise = "no owed notification is missing"
        taken = {key for key, _, status in self.e.received if 200 <= status < 300 or status == 409}
        taken |= self.e.redirected & self.e.given_up  # nobody follows one, and it is said
        for lane, key, kind in self.notifications:
            if key not in taken:
                yield Violation(promise, lane, f"{kind} was never taken")
        if self.e.owed:
            yield Violation(promise, "outbox", f"{self.e.owed} still owed")
        bodies: dict[str, Mapping[str, Any]] = {}
        arrived: dict[str, list[str]] = defaultdict(list)
        lanes = {key: lane for lane, key, _ in self.notifications}
        for key, body, _ in self.e.received:
            if key not in lanes:
                yield Violation("journalled before it is told", key, str(dict(body)))
            elif key not in bodies:
                bodies[key] = body
                arrived[lanes[key]].append(key)
            elif bodies[key] != body:
                yield Violation("one key, one content", key, f"{bodies[key]} and {body}")
        owed: dict[str, list[str]] = defaultdict(list)
        for lane, key, _ in self.notifications:
            owed[lane].append(key)
        for lane, keys in arrived.items():
            if keys != [key for key in owed[lane] if key in bodies]:
                told = [bodies[key].get("event") or bodies[key].get("status") for key in keys]
                yield Violation("in order", lane, f"{told}")

    def _told(self) -> Iterator[Violation]:
        """Whether the story that an application was told is the one that happened."""
        promise = "what happened is what was told"
        stories: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        seen: set[str] = set()
        for key, body, _ in self.e.received:
            if key not in seen and "event" in body:
                seen.add(key)
                stories[body["order_id"] or body["position_id"]].append(body)
        for id in self.e.placed:
            state = self.state.get(id)
            told = [each for each in stories[id] if each["event"] in ENTRY_EVENTS]
            words = [
                "late" if each.get("late_fill") else str(each["event"]).replace(" ", "_")
                for each in told
            ]
            story = " ".join(words)
            if not STORY.fullmatch(story):
                yield Violation(promise, id, f"it was told {words}")
            placed = [each["client_order_id"] for each in told if each["event"] == "placed"]
            if len(set(placed)) != len(placed):
                yield Violation(promise, id, "one order was told to be placed twice")
            ends = {"filled": "filled", "cancelled": "cancelled", "expired": "timeout"}
            end = ends.get(str(state), "failed")
            late = words.count("late")  # one end was told before that, whichever it was taken for
            told_end = sum(map(words.count, ENDS_TOLD)) if late else words.count(end)
            if state in ENDED and (told_end != 1 or late > 1):
                yield Violation(promise, id, f"it is {state}, and was told {words}")
            sizes = [each["filled_size"] for each in told if each["event"].endswith("filled")]
            if sizes != sorted(set(sizes)):
                yield Violation(promise, id, f"fills of {sizes} contracts were told")
            if (sizes or [0])[-1] != self._entry_filled(id):
                yield Violation(promise, id, f"{self._entry_filled(id)} filled, told {sizes}")
        for guard, entry in self.entry_of.items():
            owner = entry or guard
            told_closed = sum(
                each["event"] == "closed" and each["position_id"] == guard
                for each in stories[owner]
            )
            if told_closed != self.times_closed[guard]:
                detail = f"closed {self.times_closed[guard]} times, told {told_closed} times"
                yield Violation(promise, guard, detail)
            names = [each["event"] for each in stories[owner]]
            fills = {"filled", "partially_filled"} & set(names)
            if "closed" in names and entry is not None and not fills:
                yield Violation(promise, owner, f"closed, and no fill was told: {names}")
            if "closed" in names and fills:
                first_fill = min(names.index(each) for each in fills)
                if names.index("closed") < first_fill:
                    yield Violation(promise, owner, f"closed before filled: {names}")
