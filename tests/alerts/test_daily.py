"""The daily summary: when it is due, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio
from attrs import evolve

from bitmart_engine.alerts import Alerts
from bitmart_engine.alerts.daily import Daily, Standings
from bitmart_engine.health import Fact, Health, HealthLevel
from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.keeping import Keeper, PromisedStop
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.outages import Outage, OutageReport
from bitmart_engine.settings import SettingError, Settings
from tests.support.stage import open_stage

from .test_sending import _scripted


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def standings(*facts: Fact, outages: tuple[Outage, ...] = ()) -> Standings:
    stop = PromisedStop("BTCUSDT", PositionSide.LONG, Keeper.BOTH, 10)
    return Standings(
        report=Health().report(facts, [stop], 0, 0),
        outages=OutageReport(outages, 0, kept=True),
        not_ready=(),
        orders=4,
        protections=1,
        owed=0,
        given_up=0,
        available="1000 USDT",
        uptime_s=7200,
    )


@pytest.mark.parametrize(
    ("told", "now", "due"),
    [
        ("2026-07-01 08:00", "2026-07-01 23:59", False),
        ("2026-07-01 08:00", "2026-07-02 07:59", False),
        ("2026-07-01 08:00", "2026-07-02 08:00", True),
        ("2026-07-01 07:59", "2026-07-01 08:00", True),
        ("2026-07-01 08:01", "2026-07-01 09:00", False),
        ("2026-06-01 08:00", "2026-07-02 13:59", True),
        ("2026-06-01 08:00", "2026-07-02 14:00", False),
    ],
)
def test_a_summary_is_due_once_its_hour_has_come_and_not_long_after_it(told, now, due):
    assert Daily(8, at(told)).due(at(now)) is due


def test_every_day_has_one_summary_whatever_the_hour():
    for hour in range(24):
        now_ms, told = at("2026-07-01 00:30"), 0
        daily = Daily(hour, now_ms)
        for _ in range(10 * 24 * 60):
            now_ms += 60_000
            if daily.due(now_ms):
                daily.summary(standings(), now_ms)
                told += 1
                assert datetime.fromtimestamp(now_ms / 1000, UTC).hour == hour
        assert told == 10


def test_a_summary_says_what_happened_since_the_last_and_how_things_stand():
    daily = Daily(8, at("2026-07-01 08:00"))
    for event, level, fields in (
        ("order_filled", "info", {}),
        ("order_filled", "info", {}),
        ("position_closed", "info", {"reason": "stop_loss"}),
        ("position_closed", "info", {"reason": "take_profit"}),
        ("connection_dropped", "warning", {}),
        ("connection_dropped", "warning", {}),
        ("order_open", "info", {}),
    ):
        daily.hear(event, level, fields)
    down = Outage("private", at("2026-07-01 07:59"), at("2026-07-01 08:04"), "reset")
    before = Outage("private", at("2026-06-30 07:00"), at("2026-06-30 08:00"), "reset")
    now = standings(
        Fact("clock_skewed", HealthLevel.AMBER, "the clock is off"), outages=(down, before)
    )
    said = daily.summary(now, at("2026-07-02 08:00"))
    assert (said.level, said.title) == ("info", "bitmart-engine: daily summary, amber")
    assert said.body.splitlines() == [
        "Since 2026-07-01 08:00 UTC (24.0 h):",
        "amber: the clock is off",
        "Now: 4 orders alive, 1 protections, up for 2.0 h",
        "Stops kept by: 10 both",
        "Balance: 1000 USDT available",
        "Orders: 2 filled, 0 cancelled, 0 expired, 0 rejected",
        "Positions closed: 2 (1 stop_loss, 1 take_profit)",
        "Without a stop: 0 s",
        "Down: private 1 times, 4 min in all",
        "Warnings and errors: connection_dropped 2",
    ]
    again = daily.summary(evolve(now, available=None), at("2026-07-03 08:00"))
    assert "Orders: 0 filled" in again.body
    assert "Balance" not in again.body
    assert "connection_dropped" not in again.body


async def test_an_engine_sends_its_summary_at_the_hour(autojump_clock):
    sender, sent = _scripted([])
    async with open_stage() as stage, trio.open_nursery() as nursery:
        hour = datetime.fromtimestamp(stage.engine.now_ms() / 1000, UTC).hour
        settings = Settings(alert_daily_at=(hour + 1) % 24)
        alerts = Alerts(settings, sender)
        nursery.start_soon(alerts.run, stage.engine, HealthWatch(stage.engine))
        await trio.sleep(3700)
        summaries = [each for each in sent if "daily summary" in each.title]
        assert len(summaries) == 1
        assert "Stops kept by: none is promised" in summaries[0].body
        assert "USDT available" in summaries[0].body
        nursery.cancel_scope.cancel()


async def test_without_an_hour_there_is_none(autojump_clock):
    sender, sent = _scripted([])
    async with open_stage() as stage, trio.open_nursery() as nursery:
        alerts = Alerts(Settings(), sender)
        nursery.start_soon(alerts.run, stage.engine, HealthWatch(stage.engine))
        await trio.sleep(3700)
        assert sent == []
        nursery.cancel_scope.cancel()


def test_an_hour_is_from_0_to_23():
    assert Settings(alert_daily_at="0").alert_daily_at == 0
    assert Settings(alert_daily_at="").alert_daily_at is None
    with pytest.raises(
        SettingError, match="ALERT_DAILY_AT=24: must be a whole number from 0 to 23"
    ):
        Settings(alert_daily_at="24")
