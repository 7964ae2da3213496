"""What one connection asks for, and when it asks again."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.model.errors import BadRequest, Unavailable
from bitmart_engine.streams.ledger import Ledger
from bitmart_engine.streams.subscriptions import MONITORS, Holds, Spread, check_topic


def said(frame: str | None) -> tuple[str, list[str]] | None:
    """(action, topics)"""
    if frame is None:
        return None
    parsed = json.loads(frame)
    return parsed["action"], parsed["args"]


@settings(deadline=None)
@given(
    topics=st.lists(
        st.text("abcdef:/0123456789", min_size=1, max_size=200), unique=True, max_size=60
    ),
    batch=st.integers(1, 100),
)
def test_every_topic_is_asked_for_once_in_frames_that_are_small_enough(
    topics: list[str], batch: int
) -> None:
    ledger, asked = Ledger(topics, batch), []
    while (frame := ledger.next_frame(0.0)) is not None:
        parsed = said(frame)
        assert parsed is not None
        assert parsed[0] == "subscribe"
        assert 1 <= len(parsed[1]) <= batch
        assert len(frame.encode()) < 2000
        asked += parsed[1]
    assert asked == topics


def test_without_an_answer_a_topic_is_asked_for_again_after_five_seconds() -> None:
    ledger = Ledger(["a", "b"], 20)
    assert said(ledger.next_frame(10.0)) == ("subscribe", ["a", "b"])
    assert ledger.acknowledged("a")
    assert not ledger.acknowledged("a")
    assert ledger.next_due_at() == 15.0
    assert ledger.next_frame(14.9) is None
    assert (ledger.settled, ledger.repeated) == (False, 0)
    assert said(ledger.next_frame(15.0)) == ("subscribe", ["b"])
    assert ledger.repeated == 1
    assert ledger.acknowledged("b")
    assert ledger.settled
    assert ledger.next_due_at() == math.inf


def test_while_what_was_asked_no_later_is_answered_an_answer_may_take_thirty_seconds() -> None:
    ledger = Ledger(["a", "b"], 20)
    ledger.next_frame(10.0)
    ledger.note_answer("b", 14.0)
    assert ledger.next_due_at() == 19.0
    assert ledger.next_frame(18.9) is None
    for now in range(18, 40, 4):
        ledger.note_answer("b", float(now))
    assert ledger.next_due_at() == 40.0
    assert said(ledger.next_frame(40.0)) == ("subscribe", ["a", "b"])
    assert ledger.next_due_at() == 45.0


def test_what_was_passed_over_is_asked_for_again_after_five_seconds() -> None:
    wanted = ["a"]
    ledger = Ledger(wanted, 20)
    ledger.next_frame(10.0)
    wanted.append("b")
    ledger.next_frame(13.0)
    assert not ledger.note_answer("unheard of", 13.5)
    ledger.note_answer("b", 14.0)
    ledger.acknowledged("b")
    assert ledger.next_due_at() == 15.0
    assert said(ledger.next_frame(15.0)) == ("subscribe", ["a"])


def test_an_answer_to_what_was_asked_later_is_news_for_what_waits() -> None:
    wanted = ["a", "b"]
    ledger = Ledger(wanted, 20)
    ledger.next_frame(10.0)
    ledger.note_answer("b", 14.0)
    ledger.acknowledged("b")
    assert ledger.next_due_at() == 19.0
    wanted.append("c")
    ledger.next_frame(14.5)
    assert ledger.note_answer("c", 16.0)
    ledger.acknowledged("c")
    assert ledger.next_due_at() == 15.0, "at once"


def test_unsubscribing_counts_as_being_at_it_too() -> None:
    wanted = ["a"]
    ledger = Ledger(wanted, 20)
    ledger.next_frame(1.0)
    ledger.acknowledged("a")
    wanted.remove("a")
    assert said(ledger.next_frame(2.0)) == ("unsubscribe", ["a"])
    wanted.append("b")
    ledger.next_frame(2.2)
    assert not ledger.note_answer("a", 6.0)
    assert ledger.next_due_at() == 11.0
    assert not ledger.note_answer("a", 7.0), "it is told once"
    assert ledger.next_due_at() == 11.0


def test_a_refused_topic_is_not_asked_for_again() -> None:
    ledger = Ledger(["a"], 20)
    ledger.next_frame(0.0)
    assert ledger.refused("a", "Invalid channel: not found a", 0.0)
    assert ledger.settled
    assert ledger.hopeless
    assert ledger.next_frame(1e9) is None


def test_a_needed_topic_is_asked_for_again_ever_slower_but_for_ever() -> None:
    needed = {"a", "b"}
    ledger = Ledger(["a", "b", "c"], 20, needed.__contains__)
    ledger.next_frame(0.0)
    asked, now = [], 0.0
    for topic in ("a", "b", "c"):
        assert ledger.refused(topic, "no", now)
    for _ in range(8):
        assert not ledger.hopeless
        now = ledger.next_due_at()
        asked.append(now)
        assert said(ledger.next_frame(now)) == ("subscribe", ["a", "b"])
        assert ledger.refused("a", "no", now)
        assert ledger.refused("b", "no", now + 0.5)
    assert asked == [5, 15, 35, 75, 135, 195, 255, 315]
    assert ledger.acknowledged("a")
    assert ledger.acknowledged("b") is True
    assert ledger.next_due_at() == math.inf
    assert ledger.repeated == 0


def test_a_refused_topic_is_asked_for_again_once_somebody_needs_it() -> None:
    needed = set[str]()
    ledger = Ledger(["a"], 20, needed.__contains__, jitter=0.5)
    ledger.next_frame(0.0)
    ledger.refused("a", "no", 0.0)
    assert ledger.next_due_at() == math.inf
    assert ledger.hopeless
    needed.add("a")
    assert not ledger.hopeless
    assert ledger.next_due_at() == 2.5
    assert said(ledger.next_frame(100.0)) == ("subscribe", ["a"])
    needed.clear()
    ledger.refused("a", "no", 100.0)
    assert ledger.next_due_at() == math.inf


def test_what_is_essential_is_settled_by_a_yes_only() -> None:
    for essential in (False, True):
        ledger = Ledger(["a"], 20, {"a"}.__contains__, essential=essential)
        ledger.next_frame(0.0)
        ledger.refused("a", "no", 0.0)
        assert ledger.settled is not essential
        ledger.acknowledged("a")
        assert ledger.settled


@pytest.mark.parametrize(
    "error", ["authentication is temporarily unavailable", "futures/order need authenication"]
)
def test_not_now_counts_as_no_answer(error: str) -> None:
    ledger = Ledger(["a"], 20)
    ledger.next_frame(0.0)
    assert not ledger.refused("a", error, 0.0)
    assert not ledger.hopeless
    assert said(ledger.next_frame(5.0)) == ("subscribe", ["a"])


def test_an_answer_to_what_was_not_asked_is_no_news() -> None:
    ledger = Ledger(["a"], 20)
    assert not ledger.acknowledged("z")
    assert not ledger.refused("z", "no", 0.0)
    ledger.renew("z")
    assert not ledger.is_acked("z")


def test_changes_are_said_with_what_is_new_first() -> None:
    wanted = ["a"]
    ledger = Ledger(wanted, 20)
    ledger.next_frame(0.0)
    ledger.acknowledged("a")
    wanted[:] = ["b"]
    assert said(ledger.next_frame(1.0)) == ("subscribe", ["b"])
    assert said(ledger.next_frame(1.0)) == ("unsubscribe", ["a"])
    assert ledger.next_frame(1.0) is None
    assert not ledger.is_acked("a")


def test_a_renewed_topic_is_unsubscribed_then_subscribed() -> None:
    ledger = Ledger(["a"], 20)
    ledger.next_frame(0.0)
    ledger.refused("a", "no", 0.0)
    ledger.renew("a")
    assert said(ledger.next_frame(1.0)) == ("unsubscribe", ["a"])
    assert said(ledger.next_frame(1.0)) == ("subscribe", ["a"])


def test_nothing_wanted_is_not_hopeless() -> None:
    assert not Ledger([], 20).hopeless


def test_a_topic_is_wanted_while_anybody_holds_it() -> None:
    holds = Holds()
    holds.hold("a", ["x", "y"])
    holds.hold("a", ["x"])
    holds.hold("b", ["x"])
    holds.hold("c", [])
    assert holds.release("a", ["x", "never"]) == []
    assert holds.by("a") == {"y"}
    assert holds.wanted == {"x", "y"}
    assert holds.release("b") == ["x"]
    assert holds.release("b") == []
    assert holds.release("a") == ["y"]
    assert "y" not in holds
    assert holds.by("a") == frozenset()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from("abc"), st.sets(st.sampled_from("uvwxyz"))),
        max_size=30,
    )
)
def test_holding_is_what_a_dictionary_of_sets_would_say(
    script: list[tuple[bool, str, set[str]]],
) -> None:
    holds, model = Holds(), {each: set[str]() for each in "abc"}
    for hold, holder, topics in script:
        before = set().union(*model.values())
        if hold:
            model[holder] |= topics
            holds.hold(holder, topics)
        else:
            model[holder] -= topics
            assert set(holds.release(holder, topics)) == before - set().union(*model.values())
        assert holds.wanted == set().union(*model.values())
        assert all(holds.by(each) == model[each] for each in "abc")


def test_topics_are_spread_and_an_emptied_place_is_told() -> None:
    spread: Spread[str] = Spread(most=2, room=2)
    for topic, place in (("1", "A"), ("2", "A"), ("3", "B")):
        spread.put(topic, place)
    assert spread.with_room() == "B"
    assert spread.of("1") == "A"
    spread.check_room(1, "me")
    with pytest.raises(Unavailable, match="1 are left"):
        spread.check_room(2, "me")
    spread.remove("3")
    spread.remove("1")
    assert dict(spread.places) == {"A": 1}
    assert spread.with_room() == "A"
    spread.put("1", "A")
    assert spread.with_room() is None


def test_a_tenth_of_all_places_is_kept_for_the_monitors() -> None:
    spread: Spread[str] = Spread(most=2, room=10)
    assert (spread.left("me"), spread.left(MONITORS)) == (18, 20)
    for number in range(19):
        spread.put(str(number), "A" if number < 10 else "B")
    assert (spread.left("me"), spread.left(MONITORS)) == (0, 1)
    with pytest.raises(Unavailable, match="0 are left"):
        spread.check_room(1, "me")
    spread.check_room(1, MONITORS)


@pytest.mark.parametrize(
    "topic", ["", "a b", 'a"b', "a\\b", "a\n", "é", "x" * 201, "futures/trade:B@100ms"]
)
def test_what_cannot_be_a_channel_is_refused(topic: str) -> None:
    with pytest.raises(BadRequest):
        check_topic(topic)
