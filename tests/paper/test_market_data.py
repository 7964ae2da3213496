"""Books, rates and the tape: over REST, and as they are told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from .conftest import OPENED_MS, Visiting

PUBLIC = "/contract/public"
EIGHT_HOURS_MS = 8 * 3600 * 1000


async def test_the_book_has_fifty_levels_around_the_last_price_with_their_sums(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit:
        data = await visit.owner.read(f"{PUBLIC}/depth", symbol="BTCUSDT")
        assert data["symbol"] == "BTCUSDT"
        assert data["timestamp"] >= OPENED_MS
        for side, first, step in (("asks", "65000.1", 1), ("bids", "64999.9", -1)):
            rows = data[side]
            assert len(rows) == 50
            assert rows[0][0] == first
            prices = [Decimal(row[0]) for row in rows]
            assert prices == [prices[0] + step * n * Decimal("0.1") for n in range(50)]
            total = 0
            for _, size, up_to_here in rows:
                total += int(size)
                assert int(up_to_here) == total
        assert (await visit.owner.get(f"{PUBLIC}/depth", symbol="NOPE")).json()["code"] == 40034


async def test_the_tape_has_the_newest_trades_first_in_coins_and_seconds(
    visiting: Visiting,
) -> None:
    path = f"{PUBLIC}/market-trade"
    async with visiting(memory=True) as visit:
        assert await visit.owner.read(path, symbol="BTCUSDT") == []
        visit.exchange.market_trade("BTCUSDT", Decimal("65000.1"), 37, buy=False)
        for _ in range(120):
            visit.exchange.market_trade("BTCUSDT", Decimal(65001), 10, buy=True)
        assert len(await visit.owner.read(path, symbol="BTCUSDT")) == 50
        rows = await visit.owner.read(path, symbol="BTCUSDT", limit=100)
        assert len(rows) == 100
        assert rows[0].pop("time") == visit.exchange.now_ms() // 1000
        assert rows[0] == {
            "symbol": "BTCUSDT",
            "price": "65001",
            "qty": "0.01",
            "quote_qty": "650.01",
            "is_buyer_maker": False,
        }
        for limit in (0, 101):
            answer = await visit.owner.get(path, symbol="BTCUSDT", limit=limit)
            assert answer.json()["code"] == 40011


async def test_funding_is_told_in_three_ways(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        now = await visit.owner.read(f"{PUBLIC}/funding-rate", symbol="BTCUSDT")
        assert isinstance(now.pop("timestamp"), int)
        assert now["funding_time"] % EIGHT_HOURS_MS == 0
        assert 0 < now["funding_time"] - visit.exchange.now_ms() <= EIGHT_HOURS_MS
        assert {name: now[name] for name in ("symbol", "rate_value", "expected_rate")} == {
            "symbol": "BTCUSDT",
            "rate_value": "0.0001",
            "expected_rate": "0.0001",
        }
        every = (await visit.owner.read(f"{PUBLIC}/funding-rate-v2"))["list"]
        assert [row["symbol"] for row in every] == list(visit.exchange.instruments)
        one = await visit.owner.read(f"{PUBLIC}/funding-rate-v2", symbol="BTCUSDT")
        assert one == {"list": [now]}
        path = f"{PUBLIC}/funding-rate-history"
        past = (await visit.owner.read(path, symbol="BTCUSDT", limit=3))["list"]
        last_ms = now["funding_time"] - EIGHT_HOURS_MS
        assert [row["funding_time"] for row in past] == [
            str(last_ms - n * EIGHT_HOURS_MS) for n in range(3)
        ]
        answer = await visit.owner.get(path, symbol="BTCUSDT", limit=101)
        assert answer.json()["code"] == 40011


async def test_brackets_and_open_interest(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        path = f"{PUBLIC}/leverage-bracket"
        (rule,) = (await visit.owner.read(path, symbol="SOLUSDT"))["rules"]
        assert (rule["symbol"], rule["brackets"][0]["initial_leverage"]) == ("SOLUSDT", 50)
        assert len((await visit.owner.read(path))["rules"]) == len(visit.exchange.instruments)
        interest = await visit.owner.read(f"{PUBLIC}/open-interest", symbol="BTCUSDT")
        assert set(interest) == {"timestamp", "symbol", "open_interest", "open_interest_value"}


async def test_mark_price_bars_are_the_bars(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        now_s = visit.exchange.now_ms() // 1000
        query = {"symbol": "BTCUSDT", "step": 5, "start_time": now_s - 3600, "end_time": now_s}
        bars = await visit.owner.read(f"{PUBLIC}/kline", **query)
        assert len(bars) == 12
        assert await visit.owner.read(f"{PUBLIC}/markprice-kline", **query) == bars


async def test_the_service_says_that_nothing_is_stopped(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        (row,) = (await visit.owner.read("/system/service"))["service"]
        assert (row["service_type"], row["status"]) == ("contract", "2")


async def test_a_book_comes_one_side_a_frame_every_second(
    visiting: Visiting, autojump_clock: Any
) -> None:
    topic = "futures/depth5:BTCUSDT@100ms"
    async with visiting(memory=True) as visit, visit.public(topic) as listener:
        at = trio.current_time()
        bids, asks = await listener.hear_about(topic), await listener.hear_about(topic)
        assert trio.current_time() - at == pytest.approx(1, abs=0.1)
        assert (bids["way"], asks["way"]) == (1, 2)
        assert len(bids["depths"]) == len(asks["depths"]) == 5
        assert bids["depths"][0]["price"] == "64999.9"
        assert set(bids["depths"][0]) == {"price", "vol"}
        await listener.hear_about(topic)
        assert trio.current_time() - at == pytest.approx(2, abs=0.1)


async def test_both_sides_in_one_frame_and_the_best_of_both(
    visiting: Visiting, autojump_clock: Any
) -> None:
    whole, best = "futures/depthAll20:BTCUSDT", "futures/bookticker:BTCUSDT"
    async with visiting(memory=True) as visit, visit.public(whole, best) as listener:
        book = await listener.hear_about(whole)
        assert set(book) == {"symbol", "asks", "bids", "ms_t"}
        assert len(book["asks"]) == len(book["bids"]) == 20
        ticker = await listener.hear_about(best)
        assert ticker == {
            "symbol": "BTCUSDT",
            "best_bid_price": book["bids"][0]["price"],
            "best_bid_vol": book["bids"][0]["vol"],
            "best_ask_price": book["asks"][0]["price"],
            "best_ask_vol": book["asks"][0]["vol"],
            "ms_t": ticker["ms_t"],
        }


async def test_increments_follow_their_snapshot_version_by_version_and_add_up(
    visiting: Visiting, autojump_clock: Any
) -> None:
    topic = "futures/depthIncrease5:BTCUSDT"
    async with visiting(memory=True) as visit, visit.public(topic) as listener:
        frame = await listener.hear_about(topic)
        assert frame["type"] == "snapshot"
        book = {row["price"]: row["vol"] for row in frame["bids"]}
        version = frame["version"]
        for price in ("65000", "65000.2", "64999"):
            visit.exchange.set_price("BTCUSDT", price)
            update = await listener.hear_about(topic)
            version += 1
            assert (update["type"], update["version"]) == ("update", version)
            book.update({row["price"]: row["vol"] for row in update["bids"]})
            book = {price: size for price, size in book.items() if size != "0"}
        await listener.say({"action": "request", "args": [topic]})
        again = await listener.hear_about(topic)
        assert (again["type"], again["version"]) == ("snapshot", version)
        assert book == {row["price"]: row["vol"] for row in again["bids"]}


async def test_a_funding_rate_comes_at_once_and_then_every_minute(
    visiting: Visiting, autojump_clock: Any
) -> None:
    topic = "futures/fundingRate:BTCUSDT"
    async with visiting(memory=True) as visit, visit.public(topic) as listener:
        data = await listener.hear_about(topic)
        assert data["fundingTime"] == data["ts"]
        assert data["nextFundingTime"] % EIGHT_HOURS_MS == 0
        assert data["fundingRate"] == "0.0001"
        at = trio.current_time()
        await trio.sleep(45)
        await listener.hear_about(topic)
        assert trio.current_time() - at <= 60


async def test_what_cannot_be_requested_is_named(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit, visit.dial("/api") as listener:
        answer = await listener.ask({"action": "request", "args": ["futures/trade:BTCUSDT"]})
        assert answer["error"] == "Invalid channel: not found futures/trade:BTCUSDT"


async def test_the_second_versions_of_the_books_are_acknowledged_and_silent(
    visiting: Visiting, autojump_clock: Any
) -> None:
    topic = "futures/v2/depthAll20:BTCUSDT"
    async with visiting(memory=True) as visit, visit.public(topic) as listener:
        await trio.sleep(5)
        assert await listener.hears_nothing()


@pytest.mark.parametrize("suffix", ["1m", "30m", "1H", "1W"])
async def test_mark_price_bars_are_pushed_beside_the_bars(visiting: Visiting, suffix: str) -> None:
    topic = f"futures/markPriceKlineBin{suffix}:BTCUSDT"
    async with visiting(memory=True) as visit, visit.public(topic) as listener:
        visit.exchange.set_price("BTCUSDT", 65100)
        data = await listener.hear_about(topic)
        assert data["items"][0]["c"] == "65100"


async def test_nobody_pays_for_books_that_nobody_watches(
    visiting: Visiting, autojump_clock: Any
) -> None:
    topic = "futures/depthAll5:BTCUSDT"
    async with visiting(memory=True) as visit:
        feed = visit.exchange._feed
        async with visit.public(topic) as listener:
            await listener.hear_about(topic)
            await listener.say({"action": "unsubscribe", "args": [topic]})
            await listener.hear()
            await trio.sleep(2)
            assert not feed._watched
            assert not feed._somebody_watches.is_set()
