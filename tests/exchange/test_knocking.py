"""Headers that say that nothing may be sent for minutes: a close is not kept waiting by them, and says so."""

from __future__ import annotations

import pytest
import trio

from bitmart_engine.exchange.budget import (
    KNOCK_AFTER_QUIET_S,
    KNOCK_AFTER_S,
    LONGEST_PAUSE_S,
    MARGIN_S,
    PROBE_EVERY_S,
    EndpointBudget,
    Urgency,
)
from bitmart_engine.exchange.limits import RateLimit, Reported
from tests.support.stage import SUBMIT, open_stage

CLOSE, CANCEL, READ, OPEN = Urgency
LYING = Reported(limit=24, used=24, window_s=600)
CLOSING = (2, 3)


def full_by_headers() -> EndpointBudget:
    budget = EndpointBudget(RateLimit(24), keeps_for_closes=True)
    assert budget.admit(0, CLOSE)
    budget.learn(0.1, LYING, 0)
    budget.end(0.1)
    return budget


def test_a_close_waits_two_seconds_for_what_only_headers_forbid_and_then_goes():
    budget = full_by_headers()
    assert not budget.admit(1, CLOSE)
    assert budget.next_at(CLOSE, since=1) == 1 + KNOCK_AFTER_S
    assert not budget.admit(2.9, CLOSE, 1)
    assert budget.admit(3, CLOSE, 1)
    budget.accept(3)
    budget.end(3.1)
    assert budget.admit(3.2, CLOSE), "what was taken shows that the headers were wrong"


def test_what_opens_never_knocks():
    budget = full_by_headers()
    assert not budget.admit(100, OPEN, 1)
    assert budget.next_at(OPEN, since=1) > 600


@pytest.mark.parametrize("urgency", [CANCEL, READ])
def test_a_read_and_a_cancel_knock_where_nothing_was_sent_for_ten_seconds(urgency):
    budget = full_by_headers()
    assert not budget.admit(9, urgency, 1)
    assert budget.next_at(urgency, since=8) == KNOCK_AFTER_QUIET_S, "asking again does not delay it"
    assert budget.admit(KNOCK_AFTER_QUIET_S, urgency, 9)
    assert not budget.admit(KNOCK_AFTER_QUIET_S + 1, urgency, 9), "one at a time"
    budget.accept(KNOCK_AFTER_QUIET_S)
    budget.end(KNOCK_AFTER_QUIET_S + 1)
    assert budget.admit(KNOCK_AFTER_QUIET_S + 1.1, urgency), "the headers were wrong"


@pytest.mark.parametrize("urgency", [CANCEL, READ])
def test_a_read_and_a_cancel_do_not_knock_for_a_minute_after_the_exchange_itself_refused(urgency):
    budget = full_by_headers()
    assert budget.admit(10, urgency)
    budget.refuse(10.1, 10, banned=False)
    budget.end(10.1)
    assert not budget.admit(10 + LONGEST_PAUSE_S, urgency, 20)
    assert budget.next_at(urgency, since=20) == 10.1 + LONGEST_PAUSE_S
    assert budget.admit(10.1 + LONGEST_PAUSE_S, urgency, 20)


def test_a_read_does_not_knock_at_what_is_kept_for_closes():
    budget = EndpointBudget(RateLimit(4), keeps_for_closes=True)
    for _ in range(3):
        assert budget.admit(0, READ)
    assert not budget.admit(100, READ, 0)
    assert budget.next_at(READ, since=0) == float("inf")
    assert budget.admit(100, CLOSE)


def test_a_close_never_knocks_where_we_have_sent_too_many_ourselves():
    budget = EndpointBudget(RateLimit(2), keeps_for_closes=True)
    for _ in range(2):
        assert budget.admit(0, CLOSE)
    budget.learn(1.9, Reported(limit=2, used=2, window_s=600), 0)
    budget.end(1.9)
    assert not budget.admit(2.5, CLOSE, 0)
    budget.end(2.6)
    assert not budget.admit(3.9, CLOSE, 0)
    assert budget.next_at(CLOSE, since=0) == 1.9 + 2 + MARGIN_S
    assert budget.admit(1.9 + 2 + MARGIN_S, CLOSE, 0)


def test_a_refused_knock_pauses_and_is_tried_again_within_ten_seconds():
    budget = full_by_headers()
    assert budget.admit(3, CLOSE, 1)
    budget.refuse(3.1, 3, banned=False)
    budget.end(3.1)
    assert not budget.admit(9, CLOSE, 1)
    assert budget.held_back(9).startswith("asked too often")
    assert budget.admit(3.1 + PROBE_EVERY_S, CLOSE, 1)


@pytest.mark.parametrize("claim", [(24, 24, 600), (1, 1, 600), (2, 9999, 300)])
async def test_a_stop_goes_out_within_seconds_whatever_the_headers_claim_and_says_that_it_waits(
    autojump_clock, claim
):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        stage.paper.claim_limits(SUBMIT, *claim, times=1_000_000)
        await stage.bought(exchange_protection=False)
        stage.paper.claim_limits("*", *claim, times=1_000_000)
        await stage.settle(70)
        fired_at = trio.current_time()
        stage.move(64400)
        await stage.until(lambda: stage.submits(*CLOSING))
        assert trio.current_time() - fired_at <= 3
        await stage.until(lambda: stage.guarded() == "closed", within=30)
        assert stage.engine.dropped()["close_held_back"] >= 1
        await stage.until(lambda: "close_failed" in stage.receiver.names())
        failed = [each for each in stage.receiver.events() if each["event"] == "close_failed"]
        assert "headers claim" in failed[0]["error"]
        assert any("headers claim" in each for each in stage.engine.not_ready())


async def test_an_endpoint_that_is_full_of_our_own_requests_is_nothing_to_be_told(autojump_clock):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        assert not stage.engine._core.exchange.held_back()
        stage.paper.claim_limits(SUBMIT, 24, 24, 600, times=1)
        await stage.bought()
        assert stage.engine._core.exchange.held_back()
        assert SUBMIT in stage.engine.not_ready()[0]
