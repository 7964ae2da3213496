"""What is wrong and since when, and who keeps a stop: facts in, a report out."""

from __future__ import annotations

import trio

from bitmart_engine.health import Fact, Health, HealthLevel
from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.keeping import Keeper, PromisedStop
from bitmart_engine.model.sides import PositionSide
from tests.support.stage import open_stage

RED, AMBER, GREEN = HealthLevel.RED, HealthLevel.AMBER, HealthLevel.GREEN
KEPT = [PromisedStop("BTCUSDT", PositionSide.LONG, Keeper.BOTH, 3)]


def test_nothing_wrong_is_green():
    report = Health().report([], KEPT, 5_000, 5)
    assert (report.level, report.troubles) == (GREEN, ())
    assert report.kept.contracts == {
        Keeper.BOTH: 3,
        Keeper.ENGINE: 0,
        Keeper.EXCHANGE: 0,
        Keeper.NOBODY: 0,
    }


def test_a_trouble_keeps_the_time_since_which_it_stands_and_begins_anew_after_its_end():
    health, fact = Health(), Fact("prices_stale", AMBER, "no price", "BTCUSDT")
    assert health.report([fact], KEPT, 1_000, 1).troubles[0].since_ms == 1_000
    assert health.report([fact], KEPT, 3_000, 3).troubles[0].since_ms == 1_000
    assert health.report([], KEPT, 5_000, 5).troubles == ()
    assert health.report([fact], KEPT, 7_000, 7).troubles[0].since_ms == 7_000


def test_what_may_last_a_moment_is_a_trouble_only_then():
    health, fact = Health(), Fact("close_unfinished", RED, "not closed", "a", after_s=10)
    assert health.report([fact], KEPT, 0, 0).level is GREEN
    assert health.report([fact], KEPT, 9_000, 9).level is GREEN
    report = health.report([fact], KEPT, 10_000, 10)
    assert (report.level, report.troubles[0].since_ms) == (RED, 0)


def test_the_worst_is_told_first_and_of_these_the_oldest():
    health = Health()
    old, new = Fact("b", AMBER, "old"), Fact("a", AMBER, "new")
    health.report([old], KEPT, 0, 0)
    report = health.report([old, new, Fact("z", RED, "worst")], KEPT, 1, 1)
    assert [each.id for each in report.troubles] == ["z", "b", "a"]
    assert report.level is RED


async def test_a_healthy_engine_keeps_its_stop_together_with_the_exchange(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await stage.settle()
        report = await HealthWatch(stage.engine).latest()
        assert (report.level, report.troubles) == (GREEN, ())
        assert report.kept.contracts[Keeper.BOTH] == 10
        assert report.kept.naked.sum_s == 0


async def test_a_stop_without_a_price_is_kept_by_nobody_and_red(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(exchange_protection=False)
        watch = HealthWatch(stage.engine)
        assert (await watch.look()).kept.contracts[Keeper.ENGINE] == 10
        stage.paper.refuse_dials()
        stage.paper.drop_connections("all")
        stage.paper.fail("/contract/public/kline", status=500, times=100_000)
        stage.paper.fail("/contract/public/details", status=500, times=100_000)
        stage.paper.fail("/contract/public/market-trade", status=500, times=100_000)
        await stage.until(lambda: stage.engine.unpriced() == {"BTCUSDT"})
        report = await watch.look()
        assert report.kept.contracts[Keeper.NOBODY] == 10
        assert ("stop_unwatched", "BTCUSDT") in {(e.id, e.subject) for e in report.troubles}
        assert report.level is RED


async def test_a_report_is_made_anew_once_it_is_old(autojump_clock):
    async with open_stage() as stage:
        watch = HealthWatch(stage.engine)
        first = await watch.latest()
        assert await watch.latest() is first
        await trio.sleep(2)
        assert await watch.latest() is not first


async def test_callbacks_that_nobody_takes_are_amber(autojump_clock):
    async with open_stage() as stage:
        watch = HealthWatch(stage.engine)
        stage.receiver.answer = 500
        await stage.bought(callback_url="http://receiver/hook")
        await trio.sleep(400)
        troubles = {each.id: each for each in (await watch.look()).troubles}
        assert troubles["callbacks_late"].level is AMBER
