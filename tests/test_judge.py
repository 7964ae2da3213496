"""The judge sees every promise that is broken: good evidence is doctored in one place, and it names what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from tests.support.judge import Evidence, ExchangeOrder, Row, judge

ENTRY, CLOSE = "e1", "c1"
TOLD = (
    ("k1", {"event": "placed", "order_id": "a", "client_order_id": ENTRY}),
    ("k2", {"event": "partially_filled", "order_id": "a", "filled_size": 4}),
    ("k3", {"event": "filled", "order_id": "a", "filled_size": 10}),
    ("k4", {"event": "closed", "order_id": "a", "position_id": "a"}),
)


def owed(key: str) -> tuple[str, dict[str, Any]]:
    kind = dict(TOLD)[key]["event"]
    return "NotificationOwed", {"notification": {"lane": "a", "id": key, "kind": kind}}


def journal(
    *, without: Callable[[str, dict[str, Any]], bool] = lambda kind, body: False
) -> list[Row]:
    """An order that was filled in two parts, and closed."""
    moved: dict[str, Any] = {"id": "a", "at_ms": 0}
    seen = {**moved, "exchange_order_id": "1"}
    story: list[tuple[str, dict[str, Any]]] = [
        ("EntryAccepted", {"order": {"request": {"id": "a"}}}),
        ("ProtectionOpened", {"protection": {"id": "a", "entry_id": "a"}}),
        ("EntryIntended", {**moved, "client_order_id": ENTRY}),
        ("EntryObserved", {**seen, "to": "open", "filled": 0}),
        owed("k1"),
        ("EntryObserved", {**seen, "to": "partially_filled", "filled": 4}),
        ("ProtectionCovers", {**moved, "covered": 4}),
        ("ProtectionMoved", {**moved, "to": "armed"}),
        owed("k2"),
        ("EntryObserved", {**seen, "to": "filled", "filled": 10}),
        ("ProtectionCovers", {**moved, "covered": 10}),
        owed("k3"),
        ("ProtectionMoved", {**moved, "to": "closing"}),
        ("CloseIntended", {"id": "a", "close": {"client_order_id": CLOSE, "size": 10}}),
        ("ProtectionMoved", {**moved, "to": "closed"}),
        owed("k4"),
    ]
    return [
        Row(seq, kind, body) for seq, (kind, body) in enumerate(story, 1) if not without(kind, body)
    ]


def order(client_order_id: str, **changes: Any) -> ExchangeOrder:
    opens = client_order_id == ENTRY
    facts = {"symbol": "BTCUSDT", "opens": opens, "long": True, "size": 10, "filled": 10}
    return ExchangeOrder(client_order_id=client_order_id, **{**facts, **changes})


METADATA = {"run": "a"}
SHOWN = {
    "state": "filled",
    "size": 10,
    "metadata": METADATA,
    "deadline_ms": 100,
    "reason": "",
}
POSITION = {
    "state": "closed",
    "symbol": "BTCUSDT",
    "side": "long",
    "remaining": 0,
    "stop_loss": "1",
}
BODY = {"id": "a", "symbol": "BTCUSDT", "side": "long", "size": 10, "metadata": METADATA}
GOOD = Evidence(
    placed={"a": BODY},
    levels={"a": {"stop_loss": "1"}},
    closing=frozenset({"a"}),
    orders=[order(ENTRY), order(CLOSE)],
    shown_orders={"a": SHOWN},
    shown_positions={"a": POSITION},
    journal=journal(),
    received=[(key, body, 200) for key, body in TOLD],
    unguarded="1000PEPEUSDT",
    now_ms=1000,
)


def test_what_is_good_is_found_good():
    assert judge(GOOD) == []
    again = evolve(GOOD, received=[GOOD.received[0], *GOOD.received])
    assert judge(again) == [], "the same key again is no fault"


def told(*keys: str, status: int = 200) -> list[tuple[str, Any, int]]:
    return [(key, dict(TOLD)[key], status) for key in keys]


# ruff: noqa: E501  # a table
DOCTORED: list[tuple[str, dict[str, Any], str]] = [
    ("two orders under one id", {"orders": [*GOOD.orders, order(ENTRY)]}, "one intent, one order"),
    ("an order out of nowhere", {"orders": [*GOOD.orders, order("x", filled=0)]}, "intent before order"),
    ("a fill that nobody noticed", {"orders": [order(ENTRY), order(CLOSE), order("", filled=3)]}, "the books add up"),
    ("an order half as large", {"orders": [order(ENTRY, size=5, filled=5), order(CLOSE)]}, "what was asked for"),
    ("an order that still works", {"orders": [order(ENTRY, filled=4, working=True), order(CLOSE, filled=4)]}, "the journal says what the exchange says"),
    ("more closed than filled", {"orders": [order(ENTRY), order(CLOSE, filled=12)]}, "nothing is closed twice"),
    ("an accepted order gone", {"shown_orders": {}}, "accepted is durable"),
    ("an accepted order changed", {"shown_orders": {"a": {**SHOWN, "size": 9}}}, "accepted is durable"),
    ("a state that was not journalled", {"shown_orders": {"a": {**SHOWN, "state": "cancelled"}}}, "state is what was journalled"),
    ("an unknown order", {"shown_orders": {"a": {**SHOWN, "state": "unknown"}}}, "unknown nowhere at the end"),
    ("an order that waits for ever", {"shown_orders": {"a": {**SHOWN, "state": "waiting"}}}, "no deadline is forgotten"),
    ("a cancel that was said and undone", {"cancelled": frozenset({"a"})}, "cancelled stays cancelled"),
    ("a stop that was moved and forgotten", {"levels": {"a": {"stop_loss": "2"}}}, "accepted is durable"),
    ("a position that nobody guards", {"held": {("BTCUSDT", "long"): 5}}, "never naked"),
    ("a fill without protection", {"journal": journal(without=lambda kind, body: kind == "ProtectionMoved")}, "never naked"),
    ("half a fill protected", {"journal": journal(without=lambda kind, body: body.get("covered") == 10 or body.get("to") == "closed")}, "never naked"),
    ("a close that was forgotten", {"journal": journal(without=lambda kind, body: body.get("to") == "closed")}, "a close goes on"),
    ("a stop that never fired", {"flushed": True, "shown_positions": {"a": {**POSITION, "state": "armed"}}}, "every stop is watched"),
    ("a submit after the deadline", {"journal": [*journal()[:2], Row(3, "EntryIntended", {"id": "a", "client_order_id": ENTRY, "at_ms": 9999}), *journal()[3:]]}, "no deadline is forgotten"),
    ("a callback that never came", {"received": told("k1", "k2", "k3")}, "no owed notification is missing"),
    ("a callback that nobody took", {"received": [*told("k1", "k2", "k3"), *told("k4", status=500)]}, "no owed notification is missing"),
    ("callbacks in another order", {"received": told("k1", "k3", "k2", "k4")}, "in order"),
    ("a callback before its record", {"journal": journal(without=lambda kind, body: (kind, body) == owed("k3"))}, "journalled before it is told"),
    ("one key for two things", {"received": [*told("k1"), ("k1", {"event": "failed", "order_id": "a"}, 200), *told("k2", "k3", "k4")]}, "one key, one content"),
    ("an end that was not told", {"received": told("k1", "k2", "k4"), "journal": journal(without=lambda kind, body: (kind, body) == owed("k3"))}, "what happened is what was told"),
    ("something owed at the end", {"owed": 1}, "no owed notification is missing"),
]  # fmt: skip


KEY = ("BTCUSDT", "long")
BY_HAND = order("", opens=True, filled=5, size=5)


def test_contracts_of_the_owners_own_need_no_protection_and_may_stay():
    his = evolve(GOOD, orders=[*GOOD.orders, BY_HAND], held={KEY: 5}, own={KEY: 5}, flushed=True)
    assert judge(his) == []
    more = {each.promise for each in judge(evolve(his, own={KEY: 3}))}
    assert more == {"never naked", "every stop is watched"}


def test_an_order_may_have_the_size_that_the_owner_gave_it_and_no_other():
    amended = evolve(
        GOOD, orders=[order(ENTRY, size=25, filled=10), order(CLOSE)], amended={ENTRY: {25}}
    )
    assert "what was asked for" not in {each.promise for each in judge(amended)}
    assert "what was asked for" in {each.promise for each in judge(evolve(amended, amended={}))}


def test_what_a_forgotten_life_has_sent_is_no_order_out_of_nowhere():
    lost = evolve(GOOD, orders=[*GOOD.orders, order("x", filled=0)], foreign=frozenset({"x"}))
    assert judge(lost) == []


def test_what_an_older_life_has_sent_for_an_order_counts_as_that_orders():
    twice = evolve(GOOD, orders=[*GOOD.orders, order("x")], tried={"a": frozenset({"x"})})
    assert "one intent, one order" in {each.promise for each in judge(twice)}


def seen(kind: str, body: dict[str, Any], at_s: float) -> Row:
    return Row(1, kind, body, round(at_s * 1000))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (
            [seen("EntryMoved", {"id": "a", "to": "expired", "at_ms": 0}, 150)],
            "before its deadline",
        ),
        (
            [seen("EntryIntended", {"id": "a", "client_order_id": ENTRY, "at_ms": 0}, 500)],
            "after its",
        ),
        ([], "still waits"),
    ],
)
def test_where_clocks_were_wrong_deadlines_are_measured_by_a_right_one(rows, why):
    request = {"id": "a", "timeout_seconds": "300"}
    accepted = seen("EntryAccepted", {"order": {"request": request}}, 100)
    shown = {"a": {**SHOWN, "state": "waiting", "deadline_ms": 9e15}}
    wrong = evolve(GOOD, journal=[accepted, *rows], shown_orders=shown, true_now_ms=600_000)
    details = [each.detail for each in judge(wrong) if each.promise == "no deadline is forgotten"]
    assert any(why in each for each in details), details


@pytest.mark.parametrize(
    ("changes", "promise"), [case[1:] for case in DOCTORED], ids=[case[0] for case in DOCTORED]
)
def test_one_thing_wrong_is_seen(changes, promise):
    assert promise in {each.promise for each in judge(evolve(GOOD, **changes))}
