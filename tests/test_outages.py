"""When connections were down: states in, outages out, across restarts; and the file that keeps them."""

from __future__ import annotations

import trio

from bitmart_engine.outages import KEPT_MS, MOST_KEPT, Outage, OutageReport, Outages, Standing
from bitmart_engine.outages_file import FILE_NAME, keep_outages
from tests.support.stage import Stage, Theatre, open_stage, open_theatre

UP, DOWN, UNWANTED = Standing.UP, Standing.DOWN, Standing.UNWANTED


def known(outages: Outages, now_ms: int = 1_000_000) -> list[Outage]:
    return list(outages.report(now_ms).outages)


def test_a_connection_that_was_up_is_down_from_its_end_until_it_is_up_again():
    outages = Outages(0)
    outages.entered("private", DOWN, "", 1_000)
    outages.entered("private", UP, "", 1_500)
    outages.entered("private", DOWN, "reset", 10_000)
    outages.entered("private", DOWN, "reset", 10_200)
    assert known(outages) == [Outage("private", 10_000, None, "reset")]
    outages.entered("private", UP, "reset", 12_000)
    assert known(outages) == [Outage("private", 10_000, 12_000, "reset")]


def test_what_a_start_takes_is_no_outage_unless_it_takes_long():
    outages = Outages(0)
    outages.entered("public-1", DOWN, "", 0)
    outages.entered("public-1", UP, "", 9_000)
    outages.entered("private", DOWN, "", 0)
    outages.entered("private", DOWN, "login refused", 5_000)
    outages.entered("private", UP, "login refused", 60_000)
    assert known(outages) == [Outage("private", 0, 60_000, "login refused")]


def test_a_connection_that_is_wanted_no_longer_is_not_down():
    outages = Outages(0)
    outages.entered("public-1", DOWN, "", 0)
    outages.entered("public-1", UP, "", 100)
    outages.entered("public-1", DOWN, "reset", 1_000)
    outages.entered("public-1", UNWANTED, "reset", 4_000)
    assert known(outages) == [Outage("public-1", 1_000, 4_000, "reset")]


def test_outages_of_more_than_seven_days_ago_are_forgotten():
    outages = Outages(0)
    outages.entered("private", DOWN, "", 0)
    outages.entered("private", UP, "", 20_000)
    assert len(known(outages, 20_000 + KEPT_MS)) == 1
    assert known(outages, 20_001 + KEPT_MS) == []
    assert outages.report(20_001 + KEPT_MS).complete_since_ms == 20_001


def test_of_too_many_the_oldest_are_forgotten_and_it_is_said():
    outages = Outages(0)
    for number in range(MOST_KEPT + 5):
        outages.entered("private", UP, "", 100 * number)
        outages.entered("private", DOWN, "reset", 100 * number + 50)
    report = outages.report(1_000_000)
    assert len(report.outages) == MOST_KEPT + 1  # and the one that lasts
    assert report.complete_since_ms == 400
    assert all(
        each.ended_ms is None or each.ended_ms > report.complete_since_ms for each in report.outages
    )


def test_the_next_engine_remembers_and_the_time_without_one_is_an_outage_itself():
    past = OutageReport(
        (Outage("private", 5_000, None, "reset"), Outage("private", 1_000, 2_000, "reset")),
        500,
        True,
    )
    outages = Outages(20_000)
    outages.remember(past, alive_ms=8_000, started_ms=20_000)
    assert known(outages) == [
        Outage("engine", 8_000, 20_000, "no engine ran"),
        Outage("private", 5_000, 8_000, "reset"),
        Outage("private", 1_000, 2_000, "reset"),
    ]
    assert outages.report(30_000).complete_since_ms == 500


async def _drop_and_wait(stage: Stage) -> None:
    await stage.until(lambda: not stage.engine.not_ready())
    stage.paper.drop_connections("private")
    await stage.until(stage.engine.not_ready)
    await stage.until(lambda: not stage.engine.not_ready())


async def test_a_dropped_connection_is_an_outage_with_its_reason(autojump_clock):
    async with open_stage() as stage:
        await _drop_and_wait(stage)
        (outage,) = stage.engine.outages.report(stage.engine.now_ms()).outages
        assert outage.connection == "private"
        assert 0 < outage.ended_ms - outage.began_ms < 60_000
        assert outage.why
        assert not stage.engine.outages.kept


async def _run_once(theatre: Theatre) -> OutageReport:
    async with theatre.engine() as stage, trio.open_nursery() as nursery:
        nursery.start_soon(keep_outages, stage.engine)
        await _drop_and_wait(stage)
        await trio.sleep(6)
        report = stage.engine.outages.report(stage.engine.now_ms())
        nursery.cancel_scope.cancel()
    return report


async def test_outages_survive_a_restart(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        first = await _run_once(theatre)
        assert first.kept
        await trio.sleep(120)
        second = await _run_once(theatre)
    assert [each.connection for each in second.outages] == ["private", "engine", "private"]
    assert second.outages[2] == first.outages[0]
    away = second.outages[1]
    assert 119_000 <= away.ended_ms - away.began_ms <= 122_000
    assert second.complete_since_ms == first.complete_since_ms


async def test_a_file_that_cannot_be_read_is_begun_anew(autojump_clock, tmp_path):
    for damage in (b"", b"{", b'{"alive_ms": "x"}', b"\xff\xfe"):
        (tmp_path / FILE_NAME).write_bytes(damage)
        async with open_theatre(state_dir=str(tmp_path)) as theatre:
            report = await _run_once(theatre)
        assert len(report.outages) == 1


async def test_a_disk_that_takes_nothing_costs_the_memory_nothing(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        (tmp_path / FILE_NAME).mkdir()
        report = await _run_once(theatre)
    assert not report.kept
    assert len(report.outages) == 1


async def test_in_memory_nothing_is_kept(autojump_clock):
    async with open_stage() as stage:
        await keep_outages(stage.engine)
        assert not stage.engine.outages.kept
