"""Messages that no address has taken survive a restart, and old news does not."""

from __future__ import annotations

import trio
from attrs import evolve

from bitmart_engine.alerts import Alert, Alerts
from bitmart_engine.alerts.kept import FILE_NAME, STILL_NEWS_MS, Owed, digest, taken_up
from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.settings import Settings
from tests.support.stage import Theatre, open_theatre

from .test_sending import _scripted

ALERT = Alert("error", "bitmart-engine: close_failed", "of order a")
FOREVER = [False] * 100_000


def test_what_is_sent_after_a_restart_says_of_when_it_is_once():
    owed = Owed("x", ALERT, 12 * 3_600_000)
    [again] = taken_up([owed], owed.at_ms + 60_000)
    assert again.alert.body == "of order a\n(Of 12:00:00 UTC; sent after a restart.)"
    assert taken_up([again], owed.at_ms + 120_000) == [again]


def test_what_is_no_news_any_more_is_not_sent_after_a_restart():
    owed = Owed("x", ALERT, 1_000)
    assert taken_up([owed], 1_000 + STILL_NEWS_MS) == []


async def _process(theatre: Theatre, answers: list[bool], lines: int = 0) -> list[str]:
    """One process with an engine, whose one address answers so; the titles that it was sent."""
    sender, sent = _scripted(answers)
    async with theatre.engine() as stage, trio.open_nursery() as nursery:
        settings = evolve(stage.engine.settings, alert_on=("close_failed",))
        alerts = Alerts(settings, sender)
        nursery.start_soon(alerts.run, stage.engine, HealthWatch(stage.engine))
        for number in range(lines):
            alerts.hear("close_failed", "error", {"id": f"order-{number}"})
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    return [f"{each.title} {each.body}" for each in sent]


async def test_a_message_that_nobody_took_is_sent_by_the_next_process(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        assert await _process(theatre, list(FOREVER), lines=1)
        assert "hush" not in (tmp_path / FILE_NAME).read_text()
        [again] = await _process(theatre, [])
        assert "order-0" in again
        assert "sent after a restart" in again
        assert await _process(theatre, []) == []


async def test_one_that_was_taken_is_not_sent_again(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        assert len(await _process(theatre, [], lines=1)) == 1
        assert await _process(theatre, []) == []


async def test_a_message_to_an_address_that_is_set_no_longer_is_let_go(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        await _process(theatre, list(FOREVER), lines=1)
        path = tmp_path / FILE_NAME
        path.write_text(path.read_text().replace(digest("json://127.0.0.1:9"), "0" * 16))
        assert await _process(theatre, []) == []


async def test_a_file_that_cannot_be_read_keeps_nothing_from_being_told(autojump_clock, tmp_path):
    for damage in (b"", b"{", b'{"owed": 3}', b"\xff"):
        (tmp_path / FILE_NAME).write_bytes(damage)
        async with open_theatre(state_dir=str(tmp_path)) as theatre:
            assert len(await _process(theatre, [], lines=1)) == 1


async def test_in_memory_nothing_is_written(autojump_clock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with open_theatre() as theatre:
        await _process(theatre, list(FOREVER), lines=1)
    assert list(tmp_path.iterdir()) == []


async def test_a_crash_that_could_not_be_told_is_told_after_the_next_start(
    autojump_clock, tmp_path
):
    sender, _ = _scripted(list(FOREVER))
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage, trio.open_nursery() as nursery:
            alerts = Alerts(stage.engine.settings, sender)
            nursery.start_soon(alerts.run, stage.engine, HealthWatch(stage.engine))
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
            now_ms = stage.engine.now_ms()
        alerts.last_words("crashed: KeyError('x')", now_ms)
        [told] = await _process(theatre, [])
    assert "the engine has ended" in told
    assert "KeyError" in told


def test_a_process_that_never_had_the_directory_writes_nothing_into_it(tmp_path):
    sender, _ = _scripted(list(FOREVER))
    alerts = Alerts(Settings(state_dir=str(tmp_path)), sender)
    alerts.last_words("another engine has it")
    assert list(tmp_path.iterdir()) == []
