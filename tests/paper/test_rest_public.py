"""The public REST calls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Visiting

DETAILS, KLINE = "/contract/public/details", "/contract/public/kline"


async def test_the_time_is_the_exchanges(visiting: Visiting) -> None:
    async with visiting() as visit:
        data = await visit.owner.read("/system/time")
        assert abs(data["server_time"] - visit.exchange.now_ms()) < 5000


async def test_details_list_all_instruments_or_one(visiting: Visiting) -> None:
    async with visiting() as visit:
        rows = (await visit.owner.read(DETAILS))["symbols"]
        assert [row["symbol"] for row in rows] == [
            "BTCUSDT",
            "ETHUSDT",
            "SOLUSDT",
            "1000PEPEUSDT",
        ]
        visit.exchange.set_price("BTCUSDT", Decimal(65650))
        (row,) = (await visit.owner.read(DETAILS, symbol="BTCUSDT"))["symbols"]
        expected = {
            "base_currency": "BTC",
            "quote_currency": "USDT",
            "contract_size": "0.001",
            "price_precision": "0.1",
            "vol_precision": "1",
            "min_volume": "1",
            "max_leverage": "100",
            "last_price": "65650",
            "high_24h": "65650",
            "low_24h": "65000",
            "change_24h": "0.01",
            "status": "Trading",
            "delist_time": 0,
        }
        assert {name: row[name] for name in expected} == expected


async def test_small_ticks_are_written_without_an_exponent(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        (row,) = (await visit.owner.read(DETAILS, symbol="1000PEPEUSDT"))["symbols"]
        assert (row["price_precision"], row["contract_size"]) == ("0.0000001", "1000")


async def test_an_unknown_symbol_is_40012_in_details(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        response = await visit.owner.get(DETAILS, symbol="NOUSDT")
        body = response.json()
        assert (response.status_code, body["code"]) == (400, 40012)
        assert body["message"] == "SYMBOL_NOT_EXIST"


async def test_an_unknown_path_is_the_gateways_404(visiting: Visiting) -> None:
    async with visiting() as visit:
        for response in (
            await visit.owner.get("/contract/public/nothing"),
            await visit.owner.client.post(DETAILS),
        ):
            body = response.json()
            assert (response.status_code, body["code"]) == (404, 30000)
            assert "msg" in body
            assert "message" not in body


@pytest.mark.parametrize("step", [1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 4320, 10080])
async def test_history_has_500_bars_on_the_boundaries(visiting: Visiting, step: int) -> None:
    async with visiting(memory=True) as visit:
        now_s = visit.exchange.now_ms() // 1000
        query = {"symbol": "BTCUSDT", "step": step, "start_time": 0, "end_time": now_s}
        bars = await visit.owner.read(KLINE, **query)
        assert len(bars) == 500
        times = [bar["timestamp"] for bar in bars]
        assert times == list(range(times[0], times[0] + 500 * step * 60, step * 60))
        assert times[-1] <= now_s < times[-1] + step * 60
        for bar in bars:
            o, h, low, c = (Decimal(bar[f"{n}_price"]) for n in ("open", "high", "low", "close"))
            assert 0 < low <= min(o, c) <= max(o, c) <= h
            assert h % Decimal("0.1") == 0


async def test_bars_are_chosen_by_their_open_time(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.set_price("BTCUSDT", Decimal(65100))
        minute = visit.exchange.now_ms() // 60_000 * 60
        query = {"symbol": "BTCUSDT", "start_time": minute - 120, "end_time": minute + 60}
        bars = await visit.owner.read(KLINE, **query)
        assert [bar["timestamp"] for bar in bars][:3] == [minute - 120, minute - 60, minute]
        assert bars[-1]["close_price"] == "65100"
        assert int(bars[-1]["volume"]) > 0


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"step": 7}, 40038),
        ({"step": "x"}, 40038),
        ({"symbol": "NOUSDT"}, 40034),
        ({"start_time": None}, 40011),
        ({"end_time": "later"}, 40011),
    ],
)
async def test_a_wrong_kline_query_is_refused(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        query = {"symbol": "BTCUSDT", "step": 1, "start_time": 1, "end_time": 2, **changed}
        query = {name: value for name, value in query.items() if value is not None}
        response = await visit.owner.get(KLINE, **query)
        assert (response.status_code, response.json()["code"]) == (400, code)
