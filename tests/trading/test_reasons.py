"""Why a position was closed, where it takes the engine a moment to know."""

from __future__ import annotations

import pytest

from tests.support.stage import open_stage


@pytest.mark.parametrize("moment_s", [0, 5])
async def test_the_exchanges_stop_is_told_as_one_also_soon_after_another_close_of_the_same_side(
    autojump_clock, moment_s
):
    async with open_stage() as stage:
        await stage.bought("before", exchange_protection=False)
        stage.move(66001)
        await stage.until(lambda: stage.guarded("before") == "closed")
        stage.move(65000)
        await stage.bought("after")
        await stage.settle(moment_s)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("after") == "closed")
        await stage.until(lambda: stage.receiver.names().count("closed") == 2)
        told = stage.receiver.events()[-1]
        assert (told["reason"], told["closed_by"]) == ("stop_loss", "exchange")
        assert told["close_price"] == 64400
        assert told["close_order_id"]
        assert stage.protection("after").reason == "exchange_stop_loss"
        assert [each.filled for each in stage.protection("after").fired] == [10]
