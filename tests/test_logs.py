"""Log lines say what their event means, and why something failed."""

from __future__ import annotations

import json

import pytest
import structlog

from bitmart_engine.causes import Cause
from bitmart_engine.exchange import NotSent
from bitmart_engine.log_events import SENTENCES
from bitmart_engine.logs import configure_logs

FILLED = "The order has filled."


@pytest.fixture(autouse=True)
def logs_as_they_were():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def logged(capsys, event, *, as_json=True, **fields):
    configure_logs("info", as_json)
    structlog.get_logger().info(event, **fields)
    (line,) = capsys.readouterr().err.splitlines()
    return json.loads(line) if as_json else line


def test_a_line_for_machines_has_the_id_the_fields_and_the_sentence(capsys):
    line = logged(capsys, "order_filled", id="a")
    assert SENTENCES["order_filled"] == FILLED
    assert (line["event"], line["id"], line["message"]) == ("order_filled", "a", FILLED)


def test_a_line_for_people_has_the_sentence_behind_the_id(capsys):
    line = logged(capsys, "order_filled", as_json=False, id="a")
    assert f"order_filled: {FILLED}" in line
    assert "id=a" in line


def test_an_event_that_is_none_of_ours_has_no_sentence(capsys):
    assert "message" not in logged(capsys, "look at this")


def test_a_message_of_its_own_stays(capsys):
    assert logged(capsys, "order_filled", message="mine")["message"] == "mine"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_failure_is_logged_as_its_text_with_its_cause(capsys, as_json):
    failure = NotSent("no connection to exchange.test: connection refused", Cause.REFUSED)
    line = logged(capsys, "close_failed", as_json=as_json, why=failure)
    if as_json:
        assert (line["why"], line["cause"]) == (str(failure), "refused")
    else:
        assert str(failure) in line
        assert "cause=refused" in line
        assert "NotSent" not in line
