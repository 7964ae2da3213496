"""When a person is told, and when not again."""

from __future__ import annotations

from bitmart_engine.alerts.watching import (
    AGAIN_S,
    GATHERED_S,
    NOT_READY_S,
    Heard,
    Readiness,
    Standing,
)
from bitmart_engine.health import Fact, Health, HealthLevel, Report

CHOSEN = frozenset({"error", "machine_slept"})


def test_a_level_or_an_id_is_chosen_and_nothing_else_is_told():
    heard = Heard(CHOSEN)
    heard.hear("close_failed", "error", {"id": "a"}, 0)
    heard.hear("machine_slept", "warning", {"for_s": 9}, 0)
    heard.hear("order_open", "info", {"id": "a"}, 0)
    alert = heard.due(GATHERED_S)
    assert alert is not None
    assert alert.title == "bitmart-engine: close_failed, machine_slept"
    assert alert.level == "error"
    assert "id=a" in alert.body
    assert "for_s=9" in alert.body
    assert "order_open" not in alert.body


def test_what_comes_together_goes_out_together_after_a_second():
    heard = Heard(CHOSEN)
    heard.hear("close_failed", "error", {}, 0)
    assert heard.due(GATHERED_S / 2) is None
    heard.hear("journal_write_failed", "error", {}, GATHERED_S / 2)
    first, second = heard.due(GATHERED_S), heard.due(GATHERED_S * 2)
    assert first is not None
    assert second is not None
    assert "journal_write_failed" not in first.title
    assert heard.due(1000) is None


def test_a_kind_is_told_once_a_minute_with_how_often_and_the_latest_of_it():
    heard = Heard(CHOSEN)
    heard.hear("close_failed", "error", {"why": "first"}, 0)
    assert heard.due(GATHERED_S) is not None
    for second in range(2, 40):
        heard.hear("close_failed", "error", {"why": f"at {second}"}, second)
        assert heard.due(second) is None
    again = heard.due(GATHERED_S + AGAIN_S)
    assert again is not None
    assert "close_failed (38 times)" in again.body
    assert "why=at 39" in again.body


def test_an_hour_of_the_same_trouble_is_sixty_messages_at_most():
    heard, told = Heard(CHOSEN), 0
    for tenth in range(36_000):
        heard.hear("close_failed", "error", {}, tenth / 10)
        told += heard.due(tenth / 10) is not None
    assert 55 <= told <= 60


def test_that_an_alert_was_not_taken_is_no_alert():
    heard = Heard(frozenset({"warning"}))
    heard.hear("alert_not_taken", "warning", {}, 0)
    assert heard.due(1000) is None


def test_a_traceback_and_what_every_line_has_are_not_sent():
    heard = Heard(CHOSEN)
    fields = {"exc_info": ValueError("x"), "timestamp": "now", "message": "said", "task": "balance"}
    heard.hear("task_crashed", "error", fields, 0)
    alert = heard.due(GATHERED_S)
    assert alert is not None
    assert alert.body.endswith("task=balance")
    assert "timestamp" not in alert.body
    assert "exc_info" not in alert.body


def test_not_ready_is_told_after_a_minute_and_its_end_with_how_long_it_was():
    ready = Readiness()
    assert ready.observe(["not logged in"], 0) is None
    assert ready.observe(["not logged in"], NOT_READY_S - 1) is None
    told = ready.observe(["not logged in", "a public connection is down"], NOT_READY_S)
    assert told is not None
    assert (told.level, told.title) == ("error", "bitmart-engine: not ready for 60 s")
    assert told.body == "not logged in\na public connection is down"
    assert ready.observe(["not logged in"], NOT_READY_S * 3) is None
    end = ready.observe([], 240)
    assert end is not None
    assert (end.level, end.title) == ("info", "bitmart-engine: ready again after 4 min")
    assert ready.observe([], 241) is None


def test_a_short_reconnect_tells_nobody():
    ready = Readiness()
    for second in range(600):
        missing = ["a public connection is down"] if second % 60 < 50 else []
        assert ready.observe(missing, second) is None


def _look(health: Health, now_s: float, *facts: Fact) -> Report:
    return health.report(facts, {}, int(now_s * 1000), now_s)


def test_a_red_trouble_is_told_at_once_and_its_end_and_amber_is_not():
    standing, health = Standing(), Health()
    red = Fact("stop_unwatched", HealthLevel.RED, "nobody keeps the stop of 3 contracts", "BTCUSDT")
    amber = Fact("prices_stale", HealthLevel.AMBER, "no price", "BTCUSDT")
    assert standing.observe(_look(health, 0, amber), 0) == []
    [told] = standing.observe(_look(health, 1, amber, red), 1)
    assert (told.level, told.title) == ("critical", "bitmart-engine: stop_unwatched BTCUSDT")
    assert told.body == "nobody keeps the stop of 3 contracts"
    assert standing.observe(_look(health, 2, red), 2) == []
    [over] = standing.observe(_look(health, 31), 31)
    assert (over.level, over.title) == (
        "info",
        "bitmart-engine: over after 30 s: stop_unwatched BTCUSDT",
    )
    assert standing.observe(_look(health, 32), 32) == []


def test_a_red_trouble_that_flaps_is_told_once_a_minute():
    standing, health = Standing(), Health()
    red = Fact("close_unfinished", HealthLevel.RED, "not closed", "a")
    told = []
    for second in range(600):
        look = _look(health, second, *([red] if second % 2 else []))
        told += [each for each in standing.observe(look, second) if each.level == "critical"]
    assert 9 <= len(told) <= 10


def _naked(*symbols: str) -> list[Fact]:
    return [Fact("stop_unwatched", HealthLevel.RED, f"stop of {each}", each) for each in symbols]


def test_troubles_that_begin_and_end_together_are_one_message_each():
    standing, health = Standing(), Health()
    [told] = standing.observe(_look(health, 1, *_naked("BTCUSDT", "ETHUSDT", "SOLUSDT")), 1)
    assert told.title == "bitmart-engine: stop_unwatched BTCUSDT and 2 more"
    assert told.body.splitlines()[1] == "stop_unwatched ETHUSDT: stop of ETHUSDT"
    [over] = standing.observe(_look(health, 241), 241)
    assert over.title == "bitmart-engine: over: stop_unwatched BTCUSDT and 2 more"
    assert over.body.splitlines()[2] == "stop_unwatched SOLUSDT: over after 4 min"


def test_another_of_the_same_kind_waits_for_the_minute_and_another_kind_does_not():
    standing, health = Standing(), Health()
    assert standing.observe(_look(health, 0, *_naked("BTCUSDT")), 0)
    other = Fact("close_unfinished", HealthLevel.RED, "not closed", "a")
    [told] = standing.observe(_look(health, 5, *_naked("BTCUSDT", "ETHUSDT"), other), 5)
    assert told.title == "bitmart-engine: close_unfinished a"
    red = [*_naked("BTCUSDT", "ETHUSDT"), other]
    assert standing.observe(_look(health, 59, *red), 59) == []
    [told] = standing.observe(_look(health, 60, *red), 60)
    assert told.title == "bitmart-engine: stop_unwatched ETHUSDT"


def test_what_is_red_again_before_its_end_could_be_told_is_not_over():
    standing, health = Standing(), Health()
    standing.observe(_look(health, 0, *_naked("BTCUSDT", "ETHUSDT")), 0)
    [over] = standing.observe(_look(health, 10, *_naked("ETHUSDT")), 10)
    assert over.title == "bitmart-engine: over after 10 s: stop_unwatched BTCUSDT"
    assert standing.observe(_look(health, 20), 20) == []  # its kind was told a moment ago
    assert standing.observe(_look(health, 30, *_naked("ETHUSDT")), 30) == []
    assert standing.observe(_look(health, 80, *_naked("ETHUSDT")), 80) == []
    [over] = standing.observe(_look(health, 90), 90)
    assert over.title == "bitmart-engine: over after 90 s: stop_unwatched ETHUSDT"


def test_an_hour_of_flapping_symbols_is_two_messages_a_minute_at_most():
    standing, health, told = Standing(), Health(), 0
    for second in range(3600):
        red = _naked(*(f"S{number}" for number in range(5) if (second + number) % 7 < 3))
        told += len(standing.observe(_look(health, second, *red), second))
    assert told <= 2 * 61
