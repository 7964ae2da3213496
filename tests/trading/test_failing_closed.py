"""Until a comparison that began after the private stream came or went has succeeded, nothing new is opened."""

from __future__ import annotations

import trio

from bitmart_engine.exchange.rows import Listed
from tests.support.stage import open_stage

OPEN_ORDERS = "/contract/private/get-open-orders"
POSITIONS = "/contract/private/position-v2"
OPENING = (1, 4)


async def test_nothing_is_opened_after_a_login_until_the_exchange_could_be_read(autojump_clock):
    async with open_stage() as stage:
        await stage.place()
        await stage.until(stage.prices_come)
        await stage.until(lambda: not stage.engine.not_ready())
        stage.paper.fail(OPEN_ORDERS, times=1000, status=500)
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        for _ in range(60):
            assert stage.engine.not_ready()
            stage.move(65000)
            await stage.settle(1)
        assert not stage.submits(*OPENING)
        assert stage.state() == "waiting"
        missing = "; ".join(stage.engine.not_ready())
        assert "not read yet" in missing
        assert OPEN_ORDERS in missing
        stage.paper.clear_faults()
        await stage.until(lambda: not stage.engine.not_ready(), within=10)
        stage.move(65000)
        await stage.until(lambda: len(stage.submits(*OPENING)) == 1)


async def test_a_login_while_a_comparison_is_being_tried_again_is_not_missed(autojump_clock):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        core = stage.engine._core
        # The regular comparison fails, which by itself proves nothing, and is tried again.
        stage.paper.fail(POSITIONS, times=1000, status=500)
        await stage.settle(65)
        assert core.agreement.reached
        stage.paper.drop_connections("private")
        await stage.settle(0.1)
        assert not core.agreement.reached
        await stage.until(lambda: stage.engine._streams.statistics().authenticated)
        await stage.settle(120)
        assert not core.agreement.reached
        stage.paper.clear_faults()
        await stage.until(lambda: core.agreement.reached, within=10)


async def test_a_comparison_that_began_before_the_login_does_not_count(autojump_clock):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        room = stage.engine._core
        asked = []

        async def slow_positions(*args, **kwargs):
            asked.append(1)
            if len(asked) == 1:
                stage.paper.drop_connections("private")
                await stage.until(lambda: stage.engine._streams.statistics().authenticated)
                await stage.settle(0.5)
            assert not room.agreement.reached
            return Listed()

        type(room.exchange).positions, before = (
            slow_positions,
            type(room.exchange).positions,
        )
        try:
            room.agreement._until_next.deadline = 0
            await stage.until(lambda: len(asked) >= 2)
            await stage.until(lambda: room.agreement.reached)
            assert len(asked) == 2
        finally:
            type(room.exchange).positions = before


async def test_a_doubt_that_a_comparison_raises_brings_the_next_one_soon(autojump_clock):
    async with open_stage() as stage:
        await stage.settle(5)
        room = stage.engine._core
        refresh, times = room.comparing.refresh, []

        async def doubting() -> bool:
            times.append(trio.current_time())
            if len(times) == 1:
                room.agreement.doubt()
            return await refresh()

        room.comparing.refresh = doubting
        await stage.until(lambda: len(times) >= 2, within=150)
        assert times[1] - times[0] < 10
