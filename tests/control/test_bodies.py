from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import attrs
import pytest

from bitmart_engine import MonitorPosition, PlaceOrder
from bitmart_engine.control.bodies import decode
from bitmart_engine.control.positions import Levels
from bitmart_engine.control.subscriptions import KlineView
from bitmart_engine.model.errors import BadRequest

ORDER = '"id": "a", "symbol": "BTCUSDT", "side": "long", "entry_zone_min": 1, "entry_zone_max": 2'


def order(more: str = "") -> PlaceOrder:
    return decode(PlaceOrder, ("{" + ORDER + (", " + more if more else "") + "}").encode())


def refused(kind: Any, raw: str | bytes) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decode(kind, raw.encode() if isinstance(raw, str) else raw)
    return caught.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("65000", "65000"),
        ("65000.1", "65000.1"),
        ('"65000.10"', "65000.10"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        ("12345678901234567890.12345", "12345678901234567890.12345"),
        ("6.5e4", "6.5E+4"),
        ("-1", "-1"),
        ('"1e-5"', "0.00001"),
    ],
)
def test_a_number_keeps_every_digit_it_was_sent_with(written: str, meant: str) -> None:
    stop = order(f'"stop_loss": {written}').stop_loss
    assert stop == Decimal(meant)
    assert type(stop) is Decimal


@pytest.mark.parametrize(
    "written",
    [
        '"NaN"',
        '"Infinity"',
        '"-inf"',
        '"1_000"',
        '" 1"',
        '""',
        '"٣"',
        '"0x10"',
        "true",
        "[1]",
        "{}",
    ],
)
def test_what_is_no_number_is_refused_by_name(written: str) -> None:
    error = refused(PlaceOrder, "{" + ORDER + f', "stop_loss": {written}' + "}")
    assert error.field == "$.stop_loss"
    assert "must be a number" in error.message


@pytest.mark.parametrize(
    "written",
    ["1e999", "1e-999", '"1e99999999999999999999"', "0e999", "1" * 41, "1." + "0" * 60, "1e31"],
)
def test_a_number_that_would_fill_the_memory_is_refused(written: str) -> None:
    error = refused(PlaceOrder, "{" + ORDER + f', "leverage": {written}' + "}")
    assert (error.message, error.field) == ("is a number out of range", "$.leverage")


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "0123", "+1", ".5", "1."])
def test_what_json_does_not_know_is_not_json(written: str) -> None:
    error = refused(PlaceOrder, "{" + ORDER + f', "stop_loss": {written}' + "}")
    assert error.message.startswith("the body is not JSON")


@pytest.mark.parametrize(
    ("raw", "error", "field"),
    [
        ("{", "the body is not JSON", None),
        ('{"id": "a",}', "byte 11", None),
        ("[]", "must be a JSON object", None),
        ("null", "must be a JSON object", None),
        ('"text"', "must be a JSON object", None),
        (b'{"id": "\xff"}', "the body is not UTF-8", None),
        (b"\xff\xfe{", "the body is not JSON", None),
        ('{"id": "\\ud800"}', "the body is not JSON", None),
        ("{}", "Missing required field: id", "$.id"),
        ('{"id": "a"}', "Missing required field: symbol", "$.symbol"),
        ("{" + ORDER + ', "stop_los": 1}', "did you mean 'stop_loss'?", "$.stop_los"),
        ("{" + ORDER + ', "qqq": 1}', "there are: id, symbol", "$.qqq"),
        ("{" + ORDER + ', "": 1}', "unknown field ''", "$."),
        ("{" + ORDER + ', "stop_loss": 1, "stop_loss": 2}', "is given twice", "$.stop_loss"),
        ("{" + ORDER + ', "metadata": {"a": 1, "a": 2}}', "is given twice", "$.a"),
        ('{"id": 7, "symbol": "B", "side": "long", "entry_zone_min": 1, "entry_zone_max": 2}',
         "must be text in quotes, not a whole number", "$.id"),
        ("{" + ORDER + ', "post_only": 1}', "must be true or false, not a whole number", "$.post_only"),
        ("{" + ORDER + ', "post_only": "true"}', "must be true or false", "$.post_only"),
        ("{" + ORDER + ', "size": "10"}', "must be a whole number or null", "$.size"),
        ("{" + ORDER + ', "size": 1.5}', "must be a whole number or null", "$.size"),
        ("{" + ORDER + ', "size": 1e400}', "out of range", "$.size"),
        ("{" + ORDER + ', "type": "stop"}', "must be one of limit, market", "$.type"),
        ("{" + ORDER + ', "open_type": 3}', "must be one of isolated, cross", "$.open_type"),
        ("{" + ORDER + ', "metadata": [1]}', "must be an object, not a list", "$.metadata"),
        ("{" + ORDER + ', "metadata": {"a": 1e999}}', "out of range", "$.metadata[...]"),
        ("{" + ORDER + ', "metadata": ' + '{"a":' * 40 + "1" + "}" * 40 + "}", "32 deep", None),
        ("[" * 30000 + "]" * 30000, "", None),
        ("{" + ORDER + ', "metadata": {"a": ' + "[" * 20000 + "]" * 20000 + "}}", "32 deep", None),
    ],
)  # fmt: skip
def test_a_body_that_is_wrong_is_refused_where_it_is_wrong(
    raw: str | bytes, error: str, field: str | None
) -> None:
    refusal = refused(PlaceOrder, raw)
    assert error in refusal.message
    assert refusal.field == field


def test_an_integer_without_end_is_refused() -> None:
    assert refused(PlaceOrder, "{" + ORDER + ', "metadata": {"a": ' + "9" * 5000 + "}}")


def test_the_path_of_an_error_goes_all_the_way() -> None:
    assert refused(KlineView, '{"symbol": "B", "tfs": ["1m", 5]}').field == "$.tfs[1]"
    assert refused(KlineView, '{"symbol": "B", "tfs": 5}').message == (
        "must be a list, not a whole number"
    )


def test_metadata_is_kept_as_it_was_sent() -> None:
    sent = {"score": 0.75, "tags": ["a", None, True], "n": 12, "deep": {"text": "ü"}}
    assert order(f'"metadata": {json.dumps(sent)}').metadata == sent


def test_what_is_left_out_or_null_has_its_default() -> None:
    names = [each.name for each in attrs.fields(PlaceOrder) if each.default is not attrs.NOTHING]
    assert len(names) > 10
    assert order(", ".join(f'"{each}": null' for each in names)) == order()
    assert order().timeout_seconds == 300
    watched = '{"id": "p", "symbol": "B"'
    names = [each.name for each in attrs.fields(MonitorPosition)][2:]
    nulls = ", ".join(f'"{each}": null' for each in names)
    assert decode(MonitorPosition, f"{watched}, {nulls}}}".encode()) == decode(
        MonitorPosition, (watched + "}").encode()
    )


def test_an_empty_list_is_empty_metadata_as_php_writes_it() -> None:
    assert order('"metadata": []').metadata == {}
    raw = b'{"id": "p", "symbol": "B", "metadata": []}'
    assert decode(MonitorPosition, raw).metadata == {}


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ('{"id": "a", "symbol": "B"}', "Missing required field: side"),
        ("{" + ORDER + ', "metadata": [1]}', "metadata must be an object, not a list"),
        ("{" + ORDER + ', "size": true}', "size must be a whole number or null, not true or false"),
        ("{" + ORDER + ', "stop_loss": "x"}', "stop_loss must be a number, such as"),
        ("{" + ORDER + ', "leverage": 1e99}', "leverage is a number out of range"),
        ("{" + ORDER.replace("long", "up") + "}", "side must be one of long, short, buy, sell"),
        ("{" + ORDER + ', "size": 1, "size": 2}', "size is given twice"),
        ("[]", "the body must be a JSON object"),
    ],
)
def test_an_error_is_a_sentence_with_the_name_of_the_field_in_it(raw: str, error: str) -> None:
    assert str(refused(PlaceOrder, raw)).startswith(error)


def test_null_does_not_move_a_stop_anywhere() -> None:
    error = refused(Levels, '{"stop_loss": null}')
    assert (error.field, "must be a number" in error.message) == ("$.stop_loss", True)
    assert decode(Levels, b'{"take_profit": "7"}').take_profit == 7


def test_a_side_may_be_left_out_of_a_position() -> None:
    asked = decode(MonitorPosition, b'{"id": "p", "symbol": "B", "stop_loss": 1}')
    assert asked.side is None
    raw = '{"id": "p", "symbol": "B", "side": "up"}'
    assert refused(MonitorPosition, raw).message == "must be one of long, short, buy, sell"
