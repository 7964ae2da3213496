"""Taken, refused, or nobody knows: every kind of answer, on every kind of path."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.exchange import (
    MEANINGS,
    Meaning,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from bitmart_engine.exchange.classify import CANCEL, DETAILS, ORDER, SUBMIT, classify

LEVERAGE = "/contract/private/submit-leverage"


def answer(code, message="no", **more):
    return json.dumps({"code": code, "message": message, "trace": "t", **more}).encode()


def refusal(path, status, body):
    with pytest.raises(Refused) as caught:
        classify(path, status, body)
    return caught.value


def test_a_success_gives_its_data_whatever_the_code_is_written_as():
    assert bytes(classify(SUBMIT, 200, answer(1000, data={"a": 1}))) == b'{"a": 1}'
    assert bytes(classify(SUBMIT, 200, answer("1000", data=None))) == b"null"
    assert bytes(classify(CANCEL, 200, answer(1000))) == b""


def test_unknown_is_no_kind_of_refusal():
    assert not issubclass(OutcomeUnknown, Refused)
    assert not issubclass(Refused, OutcomeUnknown)
    assert not issubclass(NotSent, Refused | OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b'{"code":1000,'),
        (200, b"[]"),
        (200, b'{"message":"no code"}'),
        (200, b'{"code":"none"}'),
        (200, b'{"code":null}'),
        (302, b""),
        (403, b"<html>Cloudflare 1010</html>"),
        (404, b"not here"),
        (500, b""),
        (502, b"<html>"),
        (500, answer(1000)),
        (404, answer(1000)),
        (500, answer(40011)),
        (503, answer(77777)),
        (503, answer(30014)),
        (200, answer(40012, "system error")),
        (400, answer(40012, "Invalid order")),
    ],
)
@pytest.mark.parametrize("path", [SUBMIT, CANCEL])
def test_what_is_not_a_definite_answer_of_the_exchange_proves_nothing_about_an_order(
    path, status, body
):
    with pytest.raises(OutcomeUnknown) as caught:
        classify(path, status, body)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("code", "status", "meaning"),
    [
        (40027, 400, Meaning.FUNDS),
        (42000, 200, Meaning.FUNDS),
        (40040, 400, Meaning.LEVERAGE),
        (40050, 403, Meaning.DUPLICATE_ID),
        (40035, 400, Meaning.NO_SUCH_ORDER),
        (40037, 400, Meaning.NO_SUCH_ORDER),
        (40036, 400, Meaning.ORDER_DONE),
        (40018, 400, Meaning.POSITION_GONE),
        (40020, 400, Meaning.POSITION_GONE),
        (40021, 400, Meaning.POSITION_GONE),
        (30013, 429, Meaning.RATE),
        (30017, 418, Meaning.RATE),
        (40013, 400, Meaning.RATE),
        (12345, 429, Meaning.RATE),
        (30007, 401, Meaning.CLOCK),
        (40039, 400, Meaning.CLOCK),
        (30002, 401, Meaning.KEY),
        (30019, 200, Meaning.KEY),
        (40034, 400, Meaning.INSTRUMENT),
        (40044, 400, Meaning.INVALID),
        (30018, 503, Meaning.INVALID),
        (30016, 200, Meaning.MAINTENANCE),
        (40059, 400, Meaning.OTHER),
        (40055, 400, Meaning.OTHER),
        (40055, 200, Meaning.OTHER),
    ],
)
def test_a_code_is_a_refusal_with_its_meaning_whatever_the_http_status(code, status, meaning):
    refused = refusal(SUBMIT, status, answer(code, "because"))
    assert (refused.code, refused.meaning, refused.http_status) == (code, meaning, status)
    assert (refused.message, refused.path) == ("because", SUBMIT)
    assert str(code) in str(refused)
    assert "because" in str(refused)


def test_too_many_requests_is_a_refusal_even_without_an_envelope():
    assert refusal(SUBMIT, 429, b"<html>slow down</html>").meaning is Meaning.RATE


def test_the_gateway_writes_msg():
    body = b'{"msg":"Not found","code":30000}'
    assert refusal(SUBMIT, 404, body).message == "Not found"


def test_an_unknown_symbol_is_told_from_a_system_error_on_the_details_path():
    missing = refusal(DETAILS, 400, answer(40012, "SYMBOL_NOT_EXIST"))
    assert missing.meaning is Meaning.INSTRUMENT
    assert refusal(DETAILS, 400, answer(40012, "system error")).meaning is Meaning.OTHER


def test_http_404_on_an_order_read_is_no_such_order_but_for_an_unknown_path():
    assert refusal(ORDER, 404, answer(40012)).meaning is Meaning.NO_SUCH_ORDER
    assert refusal(ORDER, 404, answer(30000)).meaning is Meaning.INVALID
    with pytest.raises(OutcomeUnknown):
        classify(ORDER, 404, b"<html>")


def test_off_the_order_paths_a_system_error_and_a_closed_service_are_refusals():
    assert refusal(LEVERAGE, 400, answer(40012)).meaning is Meaning.OTHER
    assert refusal(LEVERAGE, 503, answer(30014)).meaning is Meaning.MAINTENANCE


@pytest.mark.parametrize("code", [40011, 40051, 40060, 41999, 55555])
def test_a_code_without_a_meaning_of_its_own_may_be_a_maker_only_refusal(code):
    assert refusal(SUBMIT, 400, answer(code)).may_be_crossing


@pytest.mark.parametrize("code", sorted(set(MEANINGS) - {40011, 40012, 30014}))
def test_a_code_that_says_something_else_is_not_a_maker_only_refusal(code):
    assert not refusal(SUBMIT, 400, answer(code)).may_be_crossing


def test_secrets_and_signatures_in_a_message_are_not_repeated():
    body = answer(30005, f"sign {'aB' * 32} of key s3cret is wrong" + "x" * 1000)
    with pytest.raises(Refused) as caught:
        classify(SUBMIT, 401, body, lambda text: text.replace("s3cret", "***"))
    assert "aB" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 500


@given(
    st.sampled_from([SUBMIT, CANCEL, ORDER, DETAILS]),
    st.integers(100, 599),
    st.binary() | st.builds(answer, st.integers() | st.text() | st.none(), st.text()),
)
def test_any_answer_at_all_is_one_of_the_three(path, status, body):
    with suppress(Refused, OutcomeUnknown):
        classify(path, status, body)
