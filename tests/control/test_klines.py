from __future__ import annotations

import pytest

from .conftest import Desk


async def test_the_last_klines_are_shown_the_newest_last(desk: Desk) -> None:
    answer = await desk.get("/api/klines/btcusdt/1M?limit=5")
    times = [each["open_time_s"] for each in answer["klines"]]
    assert times == sorted(times)
    assert 1 <= len(times) <= 5
    for each in answer["klines"]:
        assert (each["symbol"], each["timeframe"]) == ("BTCUSDT", "1m")
        assert isinstance(each["close"], str)
        assert isinstance(each["closed"], bool)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("NOPEUSDT/1m", 404, "symbol"),
        ("BTCUSDT/7m", 404, "tf"),
        ("BTCUSDT/1m?limit=0", 400, "limit"),
        ("BTCUSDT/1m?limit=1001", 400, "limit"),
        ("BTCUSDT/1m?limt=5", 400, "limt"),
        ("BTCUSDT/1m?limit=5&limit=6", 400, "limit"),
    ],
)
async def test_klines_that_cannot_be_had_are_refused_by_name(
    desk: Desk, path: str, status: int, field: str
) -> None:
    answer = await desk.ask("GET", f"/api/klines/{path}")
    assert (answer.status_code, answer.json()["field"]) == (status, field)
