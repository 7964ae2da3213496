"""The whole engine on an exchange that counts: what goes first, and by whose clock."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine.paper import open_paper_exchange
from tests.support import stage as theatre
from tests.support.stage import SUBMIT, meant, open_stage

OPENING, CLOSING = (1, 4), (2, 3)
HELD, NEW = range(50), range(200)


async def test_fifty_stops_go_before_two_hundred_entries_and_nothing_is_ever_refused(
    autojump_clock,
):
    async with open_stage(
        {"enforce_rate_limits": True, "balance": Decimal(10_000_000)}, mode="paper"
    ) as stage:
        for number in HELD:
            await stage.place(f"held-{number}", size=1, stop_loss=64600, exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: all(stage.state(f"held-{n}") in ("open", "filled") for n in HELD))
        stage.move(65000)
        await stage.until(lambda: all(stage.guarded(f"held-{n}") == "armed" for n in HELD))
        for number in NEW:
            await stage.place(
                f"new-{number}", size=1, entry_zone_min=64500, entry_zone_max=64600, stop_loss=64000
            )

        before = len(stage.paper.requests)
        stage.move(64600)
        await stage.until(lambda: all(stage.guarded(f"held-{n}") == "closed" for n in HELD))
        await stage.until(
            lambda: all(stage.state(f"new-{n}") in ("open", "filled") for n in NEW), within=120
        )

        sent = [each for each in meant(list(stage.paper.requests)[before:]) if each.path == SUBMIT]
        sides = [each.body["side"] for each in sent]
        last_close = max(at for at, side in enumerate(sides) if side in CLOSING)
        entries_before = sum(side in OPENING for side in sides[:last_close])
        assert entries_before == 0, "an entry went while a stop had to wait"
        assert sent[last_close].at_ms - sent[0].at_ms < 5000
        assert (sides.count(2) + sides.count(3), sides.count(1) + sides.count(4)) == (50, 200)

        assert {each.status for each in meant(stage.paper.requests)} == {200}
        assert not [reason for reason in stage.engine.dropped() if "paused" in reason]
        assert len(stage.paper.books.orders) == 50 + 50 + 200
        endpoints = stage.engine._exchange.statistics().endpoints
        assert endpoints[SUBMIT].waiting == endpoints[SUBMIT].pauses == 0


async def test_stops_that_fire_while_entries_wait_go_at_once(autojump_clock):
    async with open_stage({"enforce_rate_limits": True, "balance": Decimal(10_000_000)}) as stage:
        for number in range(6):
            await stage.place(f"held-{number}", size=1, stop_loss=64600, exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: all(stage.state(f"held-{n}") == "open" for n in range(6)))
        stage.move(65000)
        await stage.until(lambda: all(stage.guarded(f"held-{n}") == "armed" for n in range(6)))
        await stage.settle(3)
        for number in range(100):
            await stage.place(
                f"new-{number}", size=1, entry_zone_min=64650, entry_zone_max=64700, stop_loss=64000
            )
        stage.move(64700)
        await stage.until(lambda: len(stage.submits(*OPENING)) >= 6 + 18)
        fired_ms = stage.paper.now_ms()
        stage.move(64600)
        await stage.until(lambda: all(stage.guarded(f"held-{n}") == "closed" for n in range(6)))
        closes = [
            each.at_ms
            for each in meant(stage.paper.requests)
            if each.path == SUBMIT and each.body["side"] in CLOSING
        ]
        assert [at_ms - fired_ms for at_ms in closes] == [0] * 6
        assert {each.status for each in meant(stage.paper.requests)} == {200}


@pytest.fixture
def skew(monkeypatch):
    """Has the exchange of the stage live by another clock; in ms, may be changed while it runs."""
    skew = {"ms": 0}

    def opened(config, *, now_ms, **others):
        return open_paper_exchange(config, now_ms=lambda: now_ms() + skew["ms"], **others)

    monkeypatch.setattr(theatre, "open_paper_exchange", opened)
    return skew


@pytest.mark.parametrize("window_ms", [1000, 60_000])
@pytest.mark.parametrize("ahead_ms", [3000, -3000, 90_000, -90_000])
async def test_orders_go_out_by_the_exchanges_clock(autojump_clock, skew, ahead_ms, window_ms):
    skew["ms"] = ahead_ms
    async with open_stage({"timestamp_window_ms": window_ms}) as stage:
        await stage.place(exchange_protection=False)
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state() in ("open", "filled"))
        assert {each.status for each in meant(stage.paper.requests)} == {200}, (
            "it was measured before"
        )
        assert stage.engine._exchange.clock_offset_ms == ahead_ms
        assert "exchange_clock_skewed" in stage.engine.dropped()


@pytest.mark.parametrize("ahead_ms", [3000, -3000, 90_000])
async def test_a_stop_goes_out_when_the_clock_was_set_after_it_was_measured(
    autojump_clock, skew, ahead_ms
):
    async with open_stage({"timestamp_window_ms": 1000}) as stage:
        await stage.bought(exchange_protection=False)
        skew["ms"] = ahead_ms
        fired_ms = stage.paper.now_ms()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        (refused, taken) = [
            each
            for each in meant(stage.paper.requests)
            if each.path == SUBMIT and each.body["side"] in CLOSING
        ]
        assert (refused.status, taken.status) == (401, 200)
        assert taken.at_ms == fired_ms
        assert refused.body == taken.body
