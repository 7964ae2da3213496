"""GET /api/health and GET /metrics, as a page, an alert and Prometheus read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import trio
from prometheus_client.parser import text_string_to_metric_families

from bitmart_engine import World
from bitmart_engine.loop_watch import LoopWatch

from .conftest import ORDER, Desk, Open

RULES = Path(__file__).parents[2] / "examples" / "deploy" / "prometheus-rules.yml"


async def _green(desk: Desk) -> dict[str, Any]:
    """The engine's health once a look finds nothing wrong: the first was before the login."""
    with trio.fail_after(30):
        while True:
            health: dict[str, Any] = (await desk.ask("GET", "/api/health")).json()
            if health["level"] == "green":
                return health
            await trio.sleep(0.05)


async def _metrics(desk: Desk) -> dict[tuple[str, ...], float]:
    answer = await desk.ask("GET", "/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("bitmart_engine_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_an_engine_that_guards_something_in_numbers(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    await _green(desk)
    found = await _metrics(desk)
    assert found["ready",] == 1
    assert found["health_level",] == 0
    assert found["connection_up", "private"] == 1
    assert found["stop_contracts", "both"] + found["stop_contracts", "engine"] > 0
    assert found["stop_contracts", "nobody"] == 0
    assert found["naked_contracts",] == 0
    assert found["naked_sum_seconds_total",] == 0
    assert found["unwatched_protections",] == 0
    assert found["stop_kept_seconds_total", "nobody", "long", "BTCUSDT"] == 0
    assert found["protections_alive",] == 1
    assert found["orders_alive",] == 0
    assert found["journal_trouble",] == 0
    assert found["price_age_seconds", "BTCUSDT"] >= 0
    assert found["requests_limit", "/contract/private/submit-order"] > 0
    assert found["uptime_seconds",] > 0
    assert found["tick_to_order_seconds_count", "entry"] == 1
    assert found["tick_to_order_seconds_bucket", "+Inf", "entry"] == 1
    assert found["request_seconds_count", "submit"] == 1
    assert found["requests_unanswered_total", "submit"] == 0
    latency = (await desk.get("/status"))["latency"]
    assert latency["tick_to_entry"]["count"] == 1
    assert 0 < latency["tick_to_entry"]["p50_ms"] <= latency["tick_to_entry"]["p99_ms"]
    assert latency["journal_commit"] == dict.fromkeys(latency["journal_commit"], None) | {
        "count": 0
    }


async def test_health_is_told_with_who_keeps_the_stops(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    health = await _green(desk)
    assert (health["ok"], health["level"], health["troubles"]) == (True, "green", [])
    assert sum(health["stops_kept"].values()) > 0
    assert health["stops_kept"]["nobody"] == 0
    assert health["naked"] == {"now_s": 0.0, "longest_s": 0.0, "sum_s": 0.0}
    assert health["unwatched"] == 0
    assert health["seconds_kept"]["nobody"] == 0.0
    (position,) = health["positions"]
    assert (position["symbol"], position["side"]) == ("BTCUSDT", "long")
    assert position["contracts"] == health["stops_kept"]
    assert position["naked"] == health["naked"]
    assert health["age_s"] >= 0


async def test_the_rules_for_prometheus_speak_of_metrics_that_there_are(desk: Desk) -> None:
    await desk.post("/api/place-order", ORDER)
    await desk.fill()
    named = set(re.findall(r"bitmart_engine_\w+", RULES.read_text()))
    there = set(re.findall(r"^# TYPE (\w+)", (await desk.ask("GET", "/metrics")).text, re.M))
    assert named <= there
    assert len(named) > 5


async def test_how_long_the_loop_was_held_is_there_where_it_is_measured(open_desk: Open) -> None:
    async with open_desk(world=World(loop_watch=LoopWatch())) as desk:
        found = await _metrics(desk)
    assert found["event_loop_longest_seconds",] > 0
    assert found["event_loop_held_total", "50"] >= 0


async def test_entries_are_paused_and_resumed_over_http(desk: Desk) -> None:
    paused = await desk.ask("POST", "/pause")
    assert (paused.status_code, paused.json()["paused"]) == (200, True)
    since_ms = paused.json()["since_ms"]
    assert (await desk.ask("POST", "/pause")).json()["since_ms"] == since_ms
    assert (await desk.ask("GET", "/status")).json()["paused_ms"] == since_ms
    resumed = await desk.ask("POST", "/resume")
    assert (resumed.json()["paused"], resumed.json()["since_ms"]) == (False, None)
    assert (await desk.ask("GET", "/status")).json()["paused_ms"] is None


async def test_outages_are_told_with_their_sums(desk: Desk) -> None:
    await _green(desk)
    assert (await desk.get("/api/outages"))["connections"] == []
    desk.paper.drop_connections("private")
    await desk.until(lambda: bool(desk.engine.not_ready()))
    await desk.until(lambda: not desk.engine.not_ready())
    found = await desk.get("/api/outages")
    (row,) = found["outages"]
    (private,) = found["connections"]
    assert (row["connection"], private["name"], private["count"]) == ("private", "private", 1)
    assert row["ended_ms"] >= row["began_ms"]
    assert private["sum_s"] == private["longest_s"] == row["lasted_s"]
    assert (private["down"], found["kept"]) == (False, False)
    assert 0 < found["complete_since_ms"] <= row["began_ms"]
