"""An exchange that does not answer, or whose headers say that nothing may be asked: users are told within seconds."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
import trio

from bitmart_engine.model.errors import BadRequest, Unavailable
from bitmart_engine.trading.requests import MonitorPosition
from tests.support.stage import entry, open_stage

DETAILS = "/contract/public/details"
POSITIONS = "/contract/private/position-v2"
KLINE = "/contract/public/kline"
LYING = (1, 1, 600)


def position(**changes):
    """A request to guard a short of ETHUSDT, which nobody holds."""
    asked = {"symbol": "ETHUSDT", "side": "short", "stop_loss": 4000, "size": 1, **changes}
    return MonitorPosition(id="m", **asked)


async def silent(stage, path):
    """From now on `path` is answered after a minute."""
    await stage.until(lambda: not stage.engine.not_ready())
    stage.paper.delay(path, 60, 1000)


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: engine.place_order(entry("a")),
        lambda engine: engine.monitor_position(position()),
        lambda engine: engine.recent_klines("BTCUSDT", "1m"),
        lambda engine: engine.monitor_position(position(side=None, symbol="SOLUSDT")),
    ],
)
@pytest.mark.parametrize("path", [DETAILS, POSITIONS, KLINE])
async def test_whoever_asks_has_an_answer_within_seconds_though_the_exchange_has_none(
    autojump_clock, path, ask
):
    async with open_stage() as stage:
        await silent(stage, path)
        began = trio.current_time()
        with suppress(Unavailable, BadRequest):
            await ask(stage.engine)
        assert trio.current_time() - began <= 10.5


@pytest.mark.parametrize("path", [DETAILS, POSITIONS])
async def test_headers_that_forbid_to_ask_keep_a_user_for_seconds_not_for_minutes(
    autojump_clock, path
):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        stage.paper.claim_limits(path, *LYING, times=1)
        exchange = stage.engine._core.exchange
        await (exchange.last_price("SOLUSDT") if path == DETAILS else exchange.positions())
        began = trio.current_time()
        said = ""
        while "no position of ETHUSDT is open yet" not in said:
            try:
                await stage.engine.place_order(entry("b"))
                await stage.engine.monitor_position(position(side=None))
            except (Unavailable, BadRequest) as failure:
                said = failure.message
            await trio.sleep(0.1)
        assert trio.current_time() - began <= 20


@pytest.mark.parametrize(
    "how", ['set:contract_size="1_000"', 'set:price_precision="NaN"', "empty", "nested"]
)
async def test_a_contract_that_cannot_be_read_is_not_one_that_does_not_exist(autojump_clock, how):
    async with open_stage() as stage:
        await stage.until(lambda: not stage.engine.not_ready())
        stage.paper.alter_answer(DETAILS, how, 2)
        with pytest.raises(Unavailable):
            await stage.engine.place_order(entry("a", timeout_seconds=Decimal(60)))
        with pytest.raises(Unavailable):
            await stage.engine.recent_klines("BTCUSDT", "1m")
        await stage.place("a")
        with pytest.raises(BadRequest, match="unknown symbol"):
            await stage.engine.place_order(entry("b", symbol="NOSUCHUSDT"))
