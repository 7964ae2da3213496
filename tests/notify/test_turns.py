"""Who is sent to next: nobody waits for a dead receiver, and a dead receiver is not asked over and over."""

import random

from bitmart_engine.notify.turns import (
    AT_A_RECEIVER,
    AT_ONCE,
    FAILING_AT_ONCE,
    FAILURES_UNTIL_REST,
    LONGEST_REST_S,
    NOT_PROVEN_AT_ONCE,
    PROVEN_AT_ONCE,
    RECEIVERS_REMEMBERED,
    Turns,
)


def taken(turns, now):
    """All that may be sent at `now`."""
    found = []
    while (turn := turns.take(now)) is not None:
        found.append(turn)
    return found


def proven(turns, *receivers, now=0.0):
    """Have receivers answered once."""
    for receiver in receivers:
        turns.wait(("first", receiver), receiver, now)
        for turn in taken(turns, now):
            turns.end(turn, now, answered=True, failed=False)


def test_lanes_of_a_receiver_go_out_in_the_order_in_which_they_are_due_four_at_a_time():
    turns = Turns()
    for number, at in enumerate((0, 0, 5, 3, 0, 0, 0)):
        turns.wait(number, "a", at)
    first = taken(turns, 0)
    assert [each.lane for each in first] == [0, 1, 4, 5]
    assert turns.next_at() == float("inf")
    turns.end(first[0], 0, answered=True, failed=False)
    assert [each.lane for each in taken(turns, 0)] == [6]
    for each in first[1:]:
        turns.end(each, 0, answered=True, failed=False)
    assert turns.next_at() == 3
    assert not taken(turns, 2.9)
    assert [each.lane for each in taken(turns, 4)] == [3]
    assert [each.lane for each in taken(turns, 5)] == [2]


def test_one_that_is_due_earlier_moves_its_receiver_forward():
    turns = Turns()
    turns.wait("late", "a", 9)
    assert turns.next_at() == 9
    turns.wait("soon", "a", 2)
    assert turns.next_at() == 2
    assert [each.lane for each in taken(turns, 2)] == ["soon"]


def test_hundreds_of_dead_receivers_leave_room_for_one_that_answers():
    turns = Turns()
    proven(turns, "good")
    for number in range(500):
        turns.wait(number, f"dead{number}", 0)
    hanging = taken(turns, 0)
    assert len(hanging) == NOT_PROVEN_AT_ONCE
    turns.wait("mine", "good", 0)
    assert [each.lane for each in taken(turns, 0)] == ["mine"]


def test_receivers_that_gave_no_answer_leave_room_for_those_that_nothing_is_known_of():
    turns = Turns()
    for number in range(200):
        turns.wait(number, f"dead{number}", 0)
    for _ in range(10):
        for turn in taken(turns, 0):
            turns.end(turn, 0, answered=False, failed=True)
            turns.wait(turn.lane, turn.receiver, 0)
    taken(turns, 0)
    turns.wait("mine", "new", 0)
    assert [each.lane for each in taken(turns, 0)] == ["mine"]


def test_dead_receivers_take_turns_among_themselves():
    turns = Turns()
    for number in range(100):
        turns.wait(number, f"dead{number}", 0)
    asked = []
    for round in range(1, 11):
        for turn in taken(turns, round):
            asked.append(turn.receiver)
            turns.end(turn, round, answered=False, failed=True)
            turns.wait(turn.lane, turn.receiver, round)
    counts = [asked.count(f"dead{number}") for number in range(100)]
    assert min(counts) >= 1
    assert max(counts) - min(counts) <= 2


def test_one_attempt_that_was_lost_does_not_make_a_good_receiver_a_dead_one():
    turns = Turns()
    proven(turns, "good")
    turns.wait("a", "good", 0)
    (turn,) = taken(turns, 0)
    turns.end(turn, 0, answered=False, failed=True)
    for number in range(500):
        turns.wait(number, f"dead{number}", 0)
    taken(turns, 0)
    turns.wait("a", "good", 0)
    assert [each.lane for each in taken(turns, 0)] == ["a"]


def test_no_more_than_so_many_are_under_way_and_busy_receivers_leave_room_for_a_new_one():
    turns = Turns()
    names = [f"good{number}" for number in range(100)]
    proven(turns, *names)
    for name in names:
        for number in range(10):
            turns.wait((name, number), name, 0)
    found = taken(turns, 0)
    assert len(found) == PROVEN_AT_ONCE
    turns.wait("mine", "new", 0)
    assert [each.lane for each in taken(turns, 0)] == ["mine"]
    for number in range(100):
        turns.wait(number, f"new{number}", 0)
    assert len(taken(turns, 0)) == AT_ONCE - PROVEN_AT_ONCE - 1
    assert max(map([each.receiver for each in found].count, names)) <= AT_A_RECEIVER
    assert FAILING_AT_ONCE < NOT_PROVEN_AT_ONCE < AT_ONCE


def test_a_backlog_for_a_receiver_that_fails_is_tried_one_by_one_with_rests():
    turns = Turns()
    for number in range(10_000):
        turns.wait(number, "down", 0)
    now, attempts, most = 0.0, 0, 0
    while now < 120:
        found = taken(turns, now)
        most = len(found) if attempts >= FAILURES_UNTIL_REST + AT_A_RECEIVER else most
        for turn in found:
            attempts += 1
            turns.end(turn, now, answered=True, failed=True)
            turns.wait(turn.lane, turn.receiver, now + 120)
        now = max(now, turns.next_at())
    assert most == 1
    assert attempts < 50


def test_a_receiver_that_is_back_gets_its_backlog_at_full_pace_within_a_rest():
    turns = Turns()
    for number in range(100):
        turns.wait(number, "down", 0)
    now = 0.0
    for _ in range(30):
        for turn in taken(turns, now):
            turns.end(turn, now, answered=False, failed=True)
            turns.wait(turn.lane, turn.receiver, now + 120)
        failed_at, now = now, turns.next_at()
    assert now - failed_at <= LONGEST_REST_S
    (turn,) = taken(turns, now)
    turns.end(turn, now, answered=True, failed=False)
    assert len(taken(turns, now)) == AT_A_RECEIVER


def test_a_receiver_that_asks_to_be_left_alone_is():
    turns = Turns()
    for lane in "ab":
        turns.wait(lane, "busy", 0)
    first, second = taken(turns, 0)
    turns.end(first, 0, answered=True, failed=True, rest_s=30)
    turns.end(second, 1, answered=True, failed=False)
    turns.wait("c", "busy", 1)
    assert not taken(turns, 29.9)
    assert [each.lane for each in taken(turns, turns.next_at())] == ["c"]


def test_whatever_happens_every_lane_comes_to_its_turn_and_no_more_than_it_should():
    for seed in range(30):
        dice = random.Random(seed)
        turns, waiting, under_way, now = Turns(), set(), [], 0.0
        lanes = iter(range(10**6))
        for _ in range(400):
            match dice.randrange(4):
                case 0:
                    lane = next(lanes)
                    waiting.add(lane)
                    turns.wait(lane, f"r{dice.randrange(12)}", now + dice.choice((0, 0, 1, 7)))
                case 1:
                    now += dice.random() * 3
                case 2:
                    for turn in taken(turns, now):
                        assert turn.lane in waiting
                        waiting.remove(turn.lane)
                        under_way.append(turn)
                case 3 if under_way:
                    turn = under_way.pop(dice.randrange(len(under_way)))
                    answered = dice.random() < 0.5
                    failed = not answered or dice.random() < 0.3
                    turns.end(turn, now, answered=answered, failed=failed)
            each = [turn.receiver for turn in under_way]
            assert len(each) <= AT_ONCE
            assert all(each.count(name) <= AT_A_RECEIVER for name in set(each))
        for _ in range(10_000):
            for turn in [*under_way, *taken(turns, now)]:
                waiting.discard(turn.lane)
                turns.end(turn, now, answered=True, failed=False)
            under_way = []
            if not waiting:
                break
            now = max(now, turns.next_at())
        assert not waiting


def test_receivers_that_nothing_is_owed_to_are_forgotten_some_day():
    turns = Turns()
    proven(turns, *(f"r{number}" for number in range(RECEIVERS_REMEMBERED + 50)))
    assert len(turns._receivers) == RECEIVERS_REMEMBERED
    assert len(turns._later) <= 1
