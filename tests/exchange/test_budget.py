"""How many requests may be sent: never too many for the exchange, and always some for a close."""

from itertools import count
from math import inf

import httpx
import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitmart_engine.counters import Counters
from bitmart_engine.exchange.budget import (
    BAN_S,
    LONGEST_BAN_S,
    LONGEST_PAUSE_S,
    MARGIN_S,
    PROBE_EVERY_S,
    EndpointBudget,
    Urgency,
)
from bitmart_engine.exchange.errors import NotSent
from bitmart_engine.exchange.limits import KEPT_FOR_CLOSES, LIMITS, RateLimit, Reported, reported
from bitmart_engine.exchange.turns import Turns

CLOSE, CANCEL, READ, OPEN = Urgency
COUNTS_S = 2 + MARGIN_S


def admitted(budget, now, *urgencies):
    return [budget.admit(now, urgency) for urgency in urgencies]


def test_there_is_room_for_as_many_as_the_limit_says():
    budget = EndpointBudget(RateLimit(3))
    assert admitted(budget, 0, READ, OPEN, CLOSE, CLOSE) == [True, True, True, False]
    assert budget.used(0) == 3


def test_a_request_counts_until_a_window_after_its_answer():
    budget = EndpointBudget(RateLimit(1))
    assert budget.admit(0, READ)
    assert budget.next_at(READ) == inf
    budget.end(1.5)
    assert budget.next_at(READ) == 1.5 + COUNTS_S
    assert not budget.admit(1.5 + COUNTS_S - 0.001, READ)
    assert budget.admit(1.5 + COUNTS_S, READ)


def test_a_request_that_never_left_does_not_count():
    budget = EndpointBudget(RateLimit(1))
    assert budget.admit(0, READ)
    budget.unsent()
    assert budget.admit(0, READ)


def test_a_quarter_is_kept_for_closes():
    budget = EndpointBudget(RateLimit(24), keeps_for_closes=True)
    assert [budget.admit(0, OPEN) for _ in range(19)] == [True] * 18 + [False]
    assert admitted(budget, 0, READ, CANCEL) == [False, False]
    assert [budget.admit(0, CLOSE) for _ in range(7)] == [True] * 6 + [False]
    for _ in range(24):
        budget.end(1)
    assert budget.next_at(CLOSE) == budget.next_at(OPEN) == 1 + COUNTS_S


def test_what_must_end_before_another_may_go_depends_on_how_urgent_it_is():
    budget = EndpointBudget(RateLimit(4), keeps_for_closes=True)
    assert admitted(budget, 0, CLOSE, CLOSE, CLOSE, CLOSE) == [True] * 4
    for now in (1, 2, 3, 4):
        budget.end(now)
    assert budget.next_at(CLOSE) == 1 + COUNTS_S
    assert budget.next_at(OPEN) == 2 + COUNTS_S


@pytest.mark.parametrize("limit", [1, 2])
def test_the_smallest_windows_have_room_for_others_too(limit):
    budget = EndpointBudget(RateLimit(limit), keeps_for_closes=True)
    assert budget.admit(0, OPEN)


def test_every_limit_that_closes_need_is_in_the_table():
    assert set(LIMITS) >= KEPT_FOR_CLOSES


# What the headers say


def test_the_headers_are_read_for_what_they_mean():
    headers = httpx.Headers(
        {
            "x-bm-ratelimit-limit": "24",
            "x-bm-ratelimit-remaining": "3",
            "x-bm-ratelimit-reset": "2",
            "x-bm-ratelimit-mode": "KEY",
        }
    )
    assert reported(headers) == Reported(24, 3, 2.0, "KEY")
    assert reported(httpx.Headers()) == Reported()


@given(*[st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(str))] * 4)
def test_headers_that_make_no_sense_are_not_believed(limit, used, window, mode):
    said = reported(
        {
            "X-BM-RateLimit-Limit": limit,
            "X-BM-RateLimit-Remaining": used,
            "X-BM-RateLimit-Reset": window,
            "X-BM-RateLimit-Mode": mode,
        }
    )
    assert said.limit is None or 1 <= said.limit <= 10_000
    assert said.used is None or 0 <= said.used <= 10_000
    assert said.window_s is None or 0 < said.window_s <= 600
    budget = EndpointBudget(RateLimit(6), keeps_for_closes=True)
    assert budget.admit(0, READ)
    budget.learn(0, said, 0)
    budget.end(0)
    assert budget.admit(601 + MARGIN_S, OPEN)


def test_a_limit_is_learned_either_way_but_a_window_only_to_be_longer():
    budget = EndpointBudget(RateLimit(6))
    assert budget.admit(0, READ)
    budget.learn(0, Reported(4, 1, 1.0), 0)
    assert (budget.limit, budget.window_s) == (4, 2)
    budget.learn(0, Reported(12, 1, 5.0), 0)
    assert (budget.limit, budget.window_s) == (12, 5)
    budget.learn(0, Reported(), 0)
    assert (budget.limit, budget.window_s) == (12, 5)


def test_a_longer_window_is_forgotten_when_no_answer_has_said_so_for_its_length():
    budget = EndpointBudget(RateLimit(2))
    assert budget.admit(0, OPEN)
    budget.learn(0, Reported(2, 1, 600), 0)
    budget.end(0)
    assert budget.admit(500, OPEN)
    budget.learn(500, Reported(2, 1, 2), 0)
    budget.end(500)
    assert not budget.admit(599, OPEN)
    assert budget.next_at(OPEN) == 600 + MARGIN_S
    assert admitted(budget, 600 + MARGIN_S, OPEN, OPEN, OPEN) == [True, True, False]
    assert budget.next_at(OPEN) == inf
    budget.end(601)
    assert budget.next_at(OPEN) == 601 + COUNTS_S


def test_a_longer_window_that_every_answer_tells_of_is_never_forgotten():
    budget = EndpointBudget(RateLimit(2))
    for at in (0, 5 + MARGIN_S, 10 + 2 * MARGIN_S):
        assert budget.admit(at, OPEN)
        budget.learn(at, Reported(2, 2, 5), budget.left)
        budget.end(at)
        assert not budget.admit(at + 4.9, OPEN)
        assert budget.window_s == 5


def test_what_somebody_else_uses_counts_too():
    budget = EndpointBudget(RateLimit(6))
    assert budget.admit(0, READ)
    budget.learn(1, Reported(6, 5), budget.left)
    budget.end(1)
    assert budget.used(1) == 5
    assert admitted(budget, 1, READ, READ) == [True, False]
    assert budget.next_at(READ) == 1 + COUNTS_S


def test_nobody_is_suspected_for_requests_of_ours_that_left_the_window_meanwhile():
    budget = EndpointBudget(RateLimit(6))
    assert admitted(budget, 0, READ, READ) == [True, True]
    budget.end(0)
    left_before = budget.left
    budget.learn(3, Reported(6, 2), left_before)
    assert budget.used(3) == 1


def test_more_than_the_limit_is_not_counted():
    budget = EndpointBudget(RateLimit(6))
    assert budget.admit(0, READ)
    budget.learn(0, Reported(6, 9000), 0)
    assert budget.used(0) == 6


# Backoff


def test_after_one_too_many_the_endpoint_is_quiet_for_a_window():
    budget = EndpointBudget(RateLimit(6))
    assert budget.admit(0, READ)
    budget.end(1)
    budget.refuse(1, 0, banned=False)
    assert admitted(budget, 1 + COUNTS_S - 0.01, CLOSE, READ) == [False, False]
    assert budget.next_at(CLOSE) == 1 + COUNTS_S
    assert budget.paused_for_s(1) == COUNTS_S
    assert admitted(budget, 1 + COUNTS_S, CLOSE, READ) == [True, True]


def test_what_is_refused_again_after_a_pause_pauses_for_twice_as_long_and_then_one_tries_first():
    budget = EndpointBudget(RateLimit(6))
    now, pause = 0.0, COUNTS_S
    for _ in range(7):
        assert budget.admit(now, READ)
        budget.end(now)
        budget.refuse(now, now, banned=False)
        assert budget.paused_for_s(now) == pytest.approx(pause)
        now, pause = now + pause, min(pause * 2, LONGEST_PAUSE_S)
    assert admitted(budget, now, READ, READ) == [True, False]
    assert budget.next_at(READ) == inf
    assert budget.admit(now, CLOSE), "a close does not wait for others"
    budget.end(now)
    budget.end(now)
    budget.accept(now)
    assert admitted(budget, now, READ, READ) == [True, True]
    budget.end(now)
    budget.refuse(now, now, banned=False)
    assert budget.paused_for_s(now) == pytest.approx(COUNTS_S)


def test_a_close_waits_for_no_longer_pause_than_for_its_next_probe():
    budget = EndpointBudget(RateLimit(6))
    now = 0.0
    for _ in range(5):
        assert budget.admit(now, READ)
        budget.end(now)
        budget.refuse(now, now, banned=False)
        now += budget.paused_for_s(now)
    refused_at = now - 16 * COUNTS_S
    assert budget.next_at(CLOSE) == pytest.approx(refused_at + PROBE_EVERY_S)


def test_refusals_of_one_burst_are_one_pause():
    budget = EndpointBudget(RateLimit(6))
    assert admitted(budget, 0, READ, READ, READ) == [True] * 3
    for now in (0.1, 0.2, 0.3):
        budget.end(now)
        budget.refuse(now, 0, banned=False)
    assert budget.paused_for_s(0.3) == pytest.approx(COUNTS_S)


def shut_out(budget, now, urgency=READ):
    assert budget.admit(now, urgency)
    budget.end(now)
    budget.refuse(now, now, banned=True)


def test_after_being_shut_out_it_is_quiet_for_longer_each_time():
    budget = EndpointBudget(RateLimit(6))
    now, pause = 0.0, BAN_S
    for _ in range(6):
        shut_out(budget, now)
        assert budget.paused_for_s(now) == pause
        assert budget.next_at(READ) == now + pause
        assert not budget.admit(now + pause - 1, READ)
        now, pause = now + pause, min(pause * 2, LONGEST_BAN_S)


def test_many_refusals_of_one_burst_are_one_ban():
    budget = EndpointBudget(RateLimit(6))
    assert admitted(budget, 0, READ, READ, READ) == [True] * 3
    for now in (1, 2, 3):
        budget.end(now)
        budget.refuse(now, 0, banned=True)
    assert budget.paused_for_s(3) == BAN_S


def test_a_close_may_knock_while_everybody_else_is_shut_out():
    budget = EndpointBudget(RateLimit(6))
    shut_out(budget, 0)
    assert not budget.admit(PROBE_EVERY_S - 1, CLOSE)
    assert budget.next_at(CLOSE) == PROBE_EVERY_S
    shut_out(budget, PROBE_EVERY_S, CLOSE)
    assert budget.paused_for_s(PROBE_EVERY_S) == BAN_S
    assert budget.next_at(CLOSE) == 2 * PROBE_EVERY_S
    assert budget.admit(2 * PROBE_EVERY_S, CLOSE)
    assert not budget.admit(3 * PROBE_EVERY_S, CLOSE)
    assert budget.next_at(CLOSE) == inf
    budget.end(3 * PROBE_EVERY_S)
    budget.accept(2 * PROBE_EVERY_S)
    assert admitted(budget, 3 * PROBE_EVERY_S, OPEN, OPEN) == [True, True]


def test_after_a_ban_one_request_tries_first():
    budget = EndpointBudget(RateLimit(6))
    shut_out(budget, 0)
    assert admitted(budget, BAN_S, READ, READ) == [True, False]
    budget.end(BAN_S)
    budget.accept(BAN_S)
    assert admitted(budget, BAN_S, READ, READ) == [True, True]


def test_an_answer_to_what_was_sent_before_the_refusal_ends_no_pause():
    budget = EndpointBudget(RateLimit(6))
    assert admitted(budget, 0, READ, READ) == [True, True]
    budget.end(1)
    budget.refuse(1, 0, banned=False)
    budget.end(1.1)
    budget.accept(0)
    assert not budget.admit(1.2, READ)


# Whatever arrives, and however the exchange counts


@st.composite
def requests(draw):
    """(seconds after the one before, urgency, on the way there, on the way back, what becomes of it)."""
    return (
        draw(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.0, 2.0, 2.5])),
        draw(st.sampled_from(Urgency)),
        draw(st.sampled_from([0.0, 0.0, 0.05, 0.7, 2.2])),
        draw(st.sampled_from([0.0, 0.0, 0.05, 0.7, 2.2])),
        draw(st.sampled_from(["answered", "answered", "answered", "lost", "unsent", "cancelled"])),
    )


class Load:
    """Requests that come and go over one endpoint, and what the exchange counted of them."""

    def __init__(self, limit, path):
        self.path = path
        self.turns = Turns(Counters())
        self.numbers = count()
        self.arrivals = {}
        self.turned = {}
        self.ended = {}
        self.counted = []
        self.limit = limit
        self.others = max(1, limit - -(-limit // 4)) if path in KEPT_FOR_CLOSES else limit
        self.late_closes = 0

    async def run(self, asked):
        (await self.turns.enter(self.path, READ)).__exit__(NotSent, NotSent("to begin with"), None)
        line = self.turns._lines[self.path]
        line.budget.limit = self.limit
        with trio.fail_after(10_000):
            async with trio.open_nursery() as nursery:
                for number, (gap, *rest) in enumerate(asked):
                    await trio.sleep(gap)
                    nursery.start_soon(self.one, number, *rest)
        self.waiting = list(line.waiting)

    async def one(self, number, urgency, out_s, back_s, fate):
        self.arrivals[number] = (urgency, trio.current_time(), next(self.numbers))
        room = self.counting(CLOSE) < self.limit - self.others
        with trio.move_on_after(0.5 if fate == "cancelled" else inf) as scope:
            place = await self.turns.enter(self.path, urgency)
            scope.deadline = inf
            self.turned[number] = (urgency, trio.current_time(), next(self.numbers))
            if urgency is CLOSE and room and trio.current_time() != self.arrivals[number][1]:
                self.late_closes += 1
            try:
                with place:
                    if fate == "unsent":
                        raise NotSent("never left")
                    await trio.sleep(out_s)
                    self.counted.append(trio.current_time())
                    await trio.sleep(back_s)
                    if fate == "answered":
                        place.answered(200, {})
            except NotSent:
                self.ended[number] = -inf
            else:
                self.ended[number] = trio.current_time()

    def counting(self, urgency):
        """How many requests of this urgency count now."""
        now = trio.current_time()
        return sum(
            each[0] is urgency and self.ended.get(number, inf) + COUNTS_S > now
            for number, each in self.turned.items()
        )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(requests(), max_size=60),
    st.integers(1, 9),
    st.floats(0, 2),
    st.sampled_from(["/contract/private/submit-order", "/contract/private/cancel-order"]),
)
@example([(0.0, OPEN, 0.0, 0.0, "answered")] * 30 + [(0.0, CLOSE, 0.0, 0.0, "answered")], 8, 0, "")
@example(
    [(0.0, OPEN, 0.0, 0.0, "answered")] * 20 + [(0.0, CLOSE, 0.0, 0.0, "answered")] * 2,
    8,
    0.5,
    "/contract/private/submit-order",
)
def test_whatever_arrives_the_exchange_never_counts_too_many(asked, limit, alignment, path):
    load = Load(limit, path)
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(load.run, asked, clock=clock)  # it ends: nobody starves

    for start in load.counted:  # sliding windows, and with them fixed ones of any alignment
        assert sum(start <= at < start + 2 for at in load.counted) <= limit
    fixed = [(at - alignment) // 2 for at in load.counted]
    assert all(fixed.count(each) <= limit for each in set(fixed))

    assert not load.late_closes, "a close waited though its part of the window was free"
    for number, (urgency, _, turn) in load.turned.items():
        for other, (other_urgency, at, arrival) in load.arrivals.items():
            if other not in load.turned:
                continue
            waited = arrival < turn < load.turned[other][2]
            assert not (waited and urgency > other_urgency), "the less urgent went first"
            in_order = urgency is not OPEN or at < load.arrivals[number][1]
            if waited and urgency is other_urgency and in_order and number != other:
                assert arrival > load.arrivals[number][2], "later, and no more urgent, and first"
    assert all(number in load.turned for number, each in enumerate(asked) if each[4] != "cancelled")
    assert not load.waiting
