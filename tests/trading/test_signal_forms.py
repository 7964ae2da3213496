"""The parts of signals: moments, what the exchange said, and the kinds of orders that are not the engine's."""

from __future__ import annotations

import json

import msgspec
import pytest

from bitmart_engine.model.futures_orders import upsert
from bitmart_engine.streams.order_events import order_event
from bitmart_engine.trading.signals.account_signals import foreign_signals
from bitmart_engine.trading.signals.signal_forms import (
    NOTHING_SAID,
    Said,
    moment,
    without_nothing,
)
from tests.trading.application import order_faults

ORDER = {
    "order_id": "7",
    "client_order_id": "c7",
    "symbol": "BTCUSDT",
    "side": 3,
    "type": "market",
    "state": 4,
    "size": "10",
    "deal_size": "10",
    "deal_avg_price": "65000.10",
    "price": "0",
    "leverage": "5",
    "update_time": 1_785_726_000_000,
}


def known(action: int | None = 1, **changes: object):
    row = {**ORDER, **changes}
    raw = json.dumps(row if action is None else {"action": action, "order": row}).encode()
    return upsert(None, order_event(raw))


def signals(order, submit_told=False):
    """The bodies as they go out. Their trace id is added where they get an id."""
    made = foreign_signals(order, 1_785_726_000_123, submit_told=submit_told)
    return [json.loads(msgspec.json.encode({**each, "trace_id": "t"})) for each in made]


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (1_796_054_400_007, "2026-11-30T16:00:00.007+00:00"),
        (1_796_054_400_999, "2026-11-30T16:00:00.999+00:00"),
    ],
)
def test_a_moment_has_its_offset_and_milliseconds(at_ms, text):
    assert moment(at_ms) == text


def test_a_key_without_a_value_is_left_out_and_a_zero_or_a_no_is_a_value():
    assert without_nothing({"a": None, "b": "", "c": 0, "d": False, "e": "0"}) == {
        "c": 0,
        "d": False,
        "e": "0",
    }


@pytest.mark.parametrize(
    "raw",
    [b"", b"null", b"[]", b"7", b'{"order": 7}', b'{"order": null}', b'{"order": {', b"\xff{}"],
)
def test_what_cannot_be_read_says_nothing(raw):
    assert Said.of(raw) == NOTHING_SAID


def test_what_the_exchange_said_goes_out_digit_for_digit():
    raw = b'{"action": "1", "order": {"state": "4", "price": 65000.10000000000000000001}}'
    said = Said.of(raw)
    assert (said.action_name, said.state_name) == ("MATCH_DEAL", "FINISH")
    assert b"65000.10000000000000000001" in msgspec.json.encode(said.response)


@pytest.mark.parametrize(
    ("trigger", "execution", "prices"),
    [
        ("-", "-", (None, None)),
        ("0", "", (None, None)),
        ("64500.0", "market", ("64500", "market")),
        (64500, 64400.5, ("64500", "64400.5")),
        (None, None, (None, None)),
    ],
)
def test_prices_of_plans_are_plain_text_where_there_are_any(trigger, execution, prices):
    row = {**ORDER, "trigger_price": trigger, "execution_price": execution}
    said = Said.of(json.dumps({"action": 1, "order": row}).encode())
    assert (said.trigger_price, said.executive_price) == prices


@pytest.mark.parametrize(
    ("action", "changes", "kind", "cause"),
    [
        (1, {"side": 1}, "ENTRY", None),
        (1, {"side": 4}, "ENTRY", None),
        (1, {"side": 2}, "STOP_LOSS", "closed_elsewhere"),
        (1, {"type": "stop_loss"}, "STOP_LOSS", "exchange_stop_loss"),
        (1, {"type": "take_profit"}, "TAKE_PROFIT", "exchange_take_profit"),
        (1, {"type": "plan_order"}, "STOP_LOSS", "closed_by_plan"),
        (1, {"client_order_id": "PLAN_99"}, "STOP_LOSS", "closed_by_plan"),
        (6, {"type": "liquidate"}, "STOP_LOSS", "liquidation"),
        (7, {}, "STOP_LOSS", "liquidation"),
        (8, {}, "STOP_LOSS", "adl"),
        (None, {"type": "liquidate"}, "STOP_LOSS", "liquidation"),
    ],
)
def test_the_kind_of_a_foreign_order_is_what_it_ends_for_and_its_cause_says_why(
    action, changes, kind, cause
):
    first, last = signals(known(action, **changes))
    assert (first["status"], last["status"]) == ("SUBMITTED", "FILLED")
    for each in (first, last):
        assert order_faults(each) == []
        assert (each["kind"], each["context"].get("cause")) == (kind, cause)
        assert each["context"]["foreign"] is True


def test_the_parent_of_a_foreign_close_is_its_plan_order_or_the_order_itself():
    orders = (known(client_order_id="PLAN_99"), known(plan_order_id="98"), known())
    assert [{each["parent_client_order_id"] for each in signals(order)} for order in orders] == [
        {"99"},
        {"98"},
        {"7"},
    ]


def test_the_price_of_a_market_order_is_0_whatever_the_exchange_writes_there():
    assert {each["price"] for each in signals(known(price="73.47"))} == {"0"}
    assert {each["price"] for each in signals(known(price="market price"))} == {"0"}
    assert {each["price"] for each in signals(known(type="limit", price="65000.10"))} == {"65000.1"}


@pytest.mark.parametrize("missing", ["client_order_id", "side", "type", "size"])
def test_no_signal_is_made_while_something_is_missing_that_it_has_to_have(missing):
    assert signals(known(**{missing: None})) == []


def test_what_was_submitted_and_told_is_told_again_only_with_news():
    working = known(2, state=2, deal_size="0", type="limit", price="60000")
    assert [each["status"] for each in signals(working)] == ["SUBMITTED"]
    assert signals(working, submit_told=True) == []
    part = known(1, state=2, deal_size="4", type="limit", price="60000")
    assert [each["status"] for each in signals(part, submit_told=True)] == ["PARTIALLY_FILLED"]
    gone = known(3, deal_size="4")
    (last,) = signals(gone, submit_told=True)
    assert (last["status"], last["context"]["partial"]) == ("FILLED", True)
    (last,) = signals(known(3, deal_size="0"), submit_told=True)
    assert last["status"] == "CANCELLED"
