"""500 symbols in nine timeframes, over loopback: the whole engine, its control API, and the paper exchange."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve

from bitmart_engine import Settings, open_engine
from bitmart_engine.control import serve_control
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.paper import ManualMarket, PaperConfig, open_paper_exchange
from bitmart_engine.settings import IN_MEMORY
from bitmart_engine.streams import kline_topic

SYMBOLS = [f"S{number}USDT" for number in range(500)]
CHANNELS = {kline_topic(symbol, timeframe) for symbol in SYMBOLS for timeframe in Timeframe}
CONFIG = PaperConfig(
    symbols=tuple(evolve(PaperConfig().symbols[0], symbol=symbol) for symbol in SYMBOLS)
)
DETAILS = "/contract/public/details"


async def until(true: Callable[[], bool]) -> None:
    """Look rarely: looking at so many channels takes from a busy machine what it needs to get there."""
    with trio.fail_after(60):
        while not true():
            await trio.sleep(0.25)


@pytest.mark.timeout(180)
async def test_4500_channels_come_go_down_come_back_and_end() -> None:
    async with (
        open_paper_exchange(CONFIG, market=ManualMarket()) as paper,
        open_engine(
            Settings(
                public_ws_uri=paper.public_ws_uri,
                private_ws_uri=paper.private_ws_uri,
                rest_uri=paper.rest_uri,
                api_key=CONFIG.api_key,
                api_secret=CONFIG.api_secret,
                api_memo=CONFIG.api_memo,
                mode="paper",
                state_dir=IN_MEMORY,
                control_address="127.0.0.1:0",
                subscribe_delay_ms=10,
                reconnect_delay_s=0.1,
            )
        ) as engine,
        trio.open_nursery() as nursery,
    ):
        address = await nursery.start(serve_control, engine)
        async with httpx.AsyncClient(base_url=address, timeout=30) as http:

            async def each_symbol(action: str) -> None:
                for symbol in SYMBOLS:
                    body = {"symbol": symbol, "tfs": [each.value for each in Timeframe]}
                    answer = await http.post(f"/klines/{action}", json=body)
                    assert answer.status_code == 200, answer.text

            async def status() -> dict[str, Any]:
                said: dict[str, Any] = (await http.get("/status")).json()
                return said

            def all_there() -> bool:
                states = {each.state for each in engine.streams().connections}
                return states == {"up"} and paper.subscriptions >= CHANNELS

            await each_symbol("subscribe")
            await until(all_there)
            assert paper.connections == 45 + 1
            seen = await status()
            assert set(seen["kline_channels"]) == CHANNELS
            assert seen["refused_channels"] == {}
            assert seen["public_ws_connected"] is True
            public = [each for each in seen["connections"] if each["name"] != "private"]
            assert [each["channels"] for each in public] == [100] * 45
            assert sum(each.path == DETAILS for each in paper.requests) < 10

            assert paper.drop_connections("public") == 45
            await until(lambda: not all_there())
            await until(all_there)
            assert paper.connections == 45 + 1
            paper.set_price("S499USDT", Decimal("65001.5"))
            await until(lambda: "S499USDT" in engine.prices())
            seen = await status()
            assert seen["prices"]["S499USDT"]["last"] == "65001.5"
            assert [each["reconnects"] for each in public] == [0] * 45
            assert {each["reconnects"] for each in seen["connections"]} == {0, 1}

            await each_symbol("unsubscribe")
            await until(lambda: paper.connections == 1)
            seen = await status()
            assert seen["kline_channels"] == []
            assert [each["name"] for each in seen["connections"]] == ["private"]
        engine.stop()
    said = [json.loads(frame.text) for frame in paper.frames if "args" in frame.text]
    assert all(len(each["args"]) <= 20 for each in said)
    assert all(len(frame.text.encode()) < 2000 for frame in paper.frames)
