"""What callbacks say, as the application reads them: JSON in, a table of what each event holds."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from bitmart_engine.model.orders import EntryRequest
from bitmart_engine.model.positions import CloseReason, MonitorRequest, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.signals.callbacks import (
    close_price,
    entry_price,
    order_callback,
    protection_callback,
    quantity_as_sent,
)

D = Decimal


def request(**changed) -> EntryRequest:
    facts = {
        "id": "a",
        "symbol": "BTCUSDT",
        "side": PositionSide.LONG,
        "zone_min": D(64000),
        "zone_max": D("65000.5"),
        "size": 10,
        "quantity": D("0.010"),
        "timeout_seconds": D(300),
        "metadata": {"plan": "7"},
    }
    return EntryRequest(**facts | changed)


def protection(**changed) -> Protection:
    facts = {"id": "a", "symbol": "BTCUSDT", "side": PositionSide.LONG, "created_ms": 1}
    return Protection(**facts | {"entry_id": "a"} | changed)


def sent(body: dict[str, object]) -> str:
    return msgspec.json.encode(body).decode()


def order_told(event: str, **facts: object) -> dict[str, object]:
    return json.loads(sent(order_callback(request(), event, facts, 5)), parse_float=D)


def protection_told(event: str, **facts: object) -> dict[str, object]:
    return json.loads(sent(protection_callback(protection(), event, facts, 5)), parse_float=D)


EVENTS_OF_ORDERS = ("placed", "failed", "timeout", "filled", "partially_filled", "cancelled")
EVENTS_OF_PROTECTIONS = ("closed", "close_failed", "released", "rearmed")


@pytest.mark.parametrize("event", EVENTS_OF_ORDERS)
def test_every_callback_of_an_order_has_its_status_beside_its_event(event: str) -> None:
    told = order_told(event)
    assert (told["status"], told["event"]) == (event, event)
    assert (told["order_id"], told["symbol"], told["side"]) == ("a", "BTCUSDT", "long")
    assert (told["metadata"], told["at_ms"]) == ({"plan": "7"}, 5)


@pytest.mark.parametrize("event", EVENTS_OF_PROTECTIONS)
def test_every_callback_of_a_protection_has_its_status_beside_its_event(event: str) -> None:
    told = protection_told(event)
    assert (told["status"], told["event"]) == (event, event)
    assert (told["position_id"], told["order_id"]) == ("a", "a")


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("65000", "65000"),
        ("65000.10", "65000.1"),
        ("0.00000001", "0.00000001"),
        ("1E+3", "1000"),
        ("12345678901234567.12345678901", "12345678901234567.12345678901"),
    ],
)
@pytest.mark.parametrize(
    "name", ["entry_price", "close_price", "quantity", "average_price", "stop_loss"]
)
def test_a_price_is_a_json_number_with_all_its_digits_and_the_same_as_text_beside_it(
    name: str, number: str, digits: str
) -> None:
    body = sent(order_callback(request(), "placed", {name: D(number)}, 5))
    assert f'"{name}":{digits},"{name}_text":"{digits}"' in body


def test_a_price_that_is_not_known_is_null_as_a_number_and_as_text() -> None:
    told = order_told("cancelled", average_price=None)
    assert (told["average_price"], told["average_price_text"]) == (None, None)


NEEDED = {
    "placed": {"order_id": str, "exchange_order_id": str},
    "failed": {"order_id": str, "error": str},
    "timeout": {"order_id": str, "reason": str},
    "closed": {"position_id": str, "close_order_id": str, "reason": str},
    "close_failed": {"position_id": str, "reason": str, "error": str},
}


@pytest.mark.parametrize("event", list(NEEDED))
@pytest.mark.parametrize("value", [None, ""])
def test_what_the_application_needs_is_never_null_whatever_is_known(
    event: str, value: str | None
) -> None:
    texts = dict.fromkeys(("exchange_order_id", "error", "reason", "close_order_id"), value)
    tell = order_told if event in EVENTS_OF_ORDERS else protection_told
    for told in (tell(event), tell(event, **texts)):
        for name, kind in NEEDED[event].items():
            assert isinstance(told[name], kind), name
    assert tell(event, error="said so").get("error") == "said so"


@pytest.mark.parametrize(
    ("reason", "told_reason", "by"),
    [
        (CloseReason.STOP_LOSS, "stop_loss", "engine"),
        (CloseReason.TAKE_PROFIT, "take_profit", "engine"),
        (CloseReason.MANUAL, "manual", "engine"),
        (CloseReason.EXCHANGE_STOP_LOSS, "stop_loss", "exchange"),
        (CloseReason.EXCHANGE_TAKE_PROFIT, "take_profit", "exchange"),
        (CloseReason.LIQUIDATION, "liquidation", "exchange"),
        (CloseReason.ADL, "adl", "exchange"),
        (CloseReason.CLOSED_ELSEWHERE, "closed_elsewhere", None),
    ],
)
def test_a_close_says_what_it_was_for_and_who_did_it(
    reason: CloseReason, told_reason: str, by: str | None
) -> None:
    told = protection_told("closed", reason=reason)
    assert (told["reason"], told.get("closed_by")) == (told_reason, by)
    failed = protection_told("close_failed", reason=reason, error="no")
    assert failed["reason"] == told_reason
    assert "closed_by" not in failed, "it is not closed"


def test_every_reason_of_a_close_is_in_the_table_above() -> None:
    [parametrized] = [
        mark
        for mark in test_a_close_says_what_it_was_for_and_who_did_it.pytestmark
        if mark.name == "parametrize"
    ]
    assert {row[0] for row in parametrized.args[1]} == set(CloseReason)


def test_a_position_that_was_opened_elsewhere_is_told_with_the_order_it_was_named_with() -> None:
    asked = MonitorRequest(id="p", symbol="BTCUSDT", order_id="theirs")
    body = protection_callback(
        protection(id="p", entry_id=None, request=asked), "released", {"reason": "why"}, 5
    )
    assert (body["position_id"], body["order_id"], body["reason"]) == ("p", "theirs", "why")
    unnamed = protection_callback(protection(id="p", entry_id=None), "released", {}, 5)
    assert unnamed["order_id"] is None


def test_the_quantity_is_the_one_that_was_sent() -> None:
    assert quantity_as_sent(request(asked_quantity=D("0.0109"))) == D("0.0109")
    assert quantity_as_sent(request(asked_quantity=None)) == D("0.010")
    assert quantity_as_sent(request(quantity_unit="contracts")) == 10


def test_the_entry_price_of_a_market_order_is_what_it_filled_at_or_an_estimate_that_says_so() -> (
    None
):
    limit = entry_price(request(), D(64500), D(64400), D(64300))
    filled = entry_price(request(), None, D(64400), D(64300))
    sent = entry_price(request(), None, D(0), D(64300))
    assert (limit, filled) == ({"entry_price": 64500}, {"entry_price": 64400})
    assert sent == {"entry_price": 64300, "entry_price_estimated": True}
    for side, worst in ((PositionSide.LONG, D("65000.5")), (PositionSide.SHORT, D(64000))):
        unpriced = entry_price(request(side=side), None, None, None)
        assert unpriced == {"entry_price": worst, "entry_price_estimated": True}


def test_a_close_price_that_no_order_tells_is_estimated_and_says_so() -> None:
    kept = protection(stop_loss=D(64500), take_profit=D(66000), exchange_stop_loss=D(64400))

    def told(reason: CloseReason, price: int | None, last: int | None) -> tuple[object, object]:
        known = close_price(
            kept, reason, None if price is None else D(price), None if last is None else D(last)
        )
        return known["close_price"], known.get("close_price_estimated", False)

    assert told(CloseReason.EXCHANGE_STOP_LOSS, 64390, 1) == (64390, False)
    assert told(CloseReason.EXCHANGE_STOP_LOSS, None, 1) == (64400, True)
    assert told(CloseReason.EXCHANGE_TAKE_PROFIT, None, 1) == (66000, True)
    assert told(CloseReason.STOP_LOSS, None, 64480) == (64480, True)
    assert told(CloseReason.CLOSED_ELSEWHERE, None, 65100) == (65100, True)
    assert told(CloseReason.CLOSED_ELSEWHERE, None, None) == (None, False)
    assert told(CloseReason.LIQUIDATION, 0, 65100) == (65100, True)
