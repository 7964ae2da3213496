"""Where prices come from: the walk, and the replay of a file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import trio

from bitmart_engine.paper import (
    ManualMarket,
    PaperConfig,
    RandomWalk,
    Replay,
    ReplayError,
    open_paper_exchange,
)

from .conftest import Visiting

HEADER = "timestamp,open,high,low,close,volume\n"
ROWS = (
    "2021-12-31 23:01:00.000000,47000.0,47100.0,46950.0,47050.0,1.5\n"
    "2021-12-31 23:02:00.000000,47050.0,47060.0,46800.0,46900.0,0.001\n"
    "2021-12-31 23:04:00.000000,46900.0,47300.0,46890.0,47250.04,2\n"
)
START_S = 1640991660


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "btc.csv"
    path.write_text(HEADER + ROWS)
    return path


async def test_a_walk_moves_every_symbol_on_its_grid(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    topics = [f"futures/trade:{s}" for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT")]
    async with (
        visiting(memory=True, market=RandomWalk(seed=3)) as visit,
        visit.public(*topics) as listener,
    ):
        seen: dict[str, list[Decimal]] = {}
        start = trio.current_time()
        while trio.current_time() - start < 20:
            (trade,) = (await listener.hear())["data"]
            seen.setdefault(trade["symbol"], []).append(Decimal(trade["deal_price"]))
        for symbol, instrument in visit.exchange.instruments.items():
            prices = seen[symbol]
            assert 40 <= len(prices) <= 101
            assert len(set(prices)) > 5
            assert all(price % instrument.tick_size == 0 for price in prices)
            assert abs(prices[-1] / instrument.price - 1) < Decimal("0.02")


async def test_a_walk_goes_on_from_a_set_price_and_leaves_a_held_symbol_alone(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True, market=RandomWalk()) as visit:
        exchange = visit.exchange
        exchange.set_price("BTCUSDT", Decimal(50000))
        await trio.sleep(5)
        assert exchange.last_price("BTCUSDT") != 50000
        assert abs(exchange.last_price("BTCUSDT") - 50000) < 1000
        exchange.set_price("BTCUSDT", Decimal(50000), hold=True)
        await trio.sleep(5)
        assert exchange.last_price("BTCUSDT") == 50000
        exchange.release("BTCUSDT")
        await trio.sleep(5)
        assert exchange.last_price("BTCUSDT") != 50000


async def test_a_walk_is_what_there_is_by_default(autojump_clock: trio.testing.MockClock) -> None:
    async with open_paper_exchange(serve_sockets=False) as exchange:
        await trio.sleep(5)
        assert exchange.last_price("BTCUSDT") != 65000
        assert exchange.config == PaperConfig()


async def test_a_replay_touches_every_recorded_extreme_at_its_own_time(
    recorded: Path, visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    market = Replay(recorded, speed=60)
    async with visiting(memory=True, market=market) as visit:
        start = trio.current_time()
        await market.finished.wait()
        assert trio.current_time() - start == pytest.approx(3.86, abs=0.2)
        bars = await visit.owner.read(
            "/contract/public/kline",
            symbol="BTCUSDT",
            step=1,
            start_time=START_S,
            end_time=START_S + 600,
        )
        names = ("timestamp", "open_price", "high_price", "low_price", "close_price")
        assert [tuple(bar[name] for name in names) for bar in bars] == [
            (START_S, "47000", "47100", "46950", "47050"),
            (START_S + 60, "47050", "47060", "46800", "46900"),
            (START_S + 180, "46900", "47300", "46890", "47250"),
        ]
        history = await visit.owner.read(
            "/contract/public/kline",
            symbol="BTCUSDT",
            step=5,
            start_time=0,
            end_time=START_S + 600,
        )
        assert len(history) == 500


async def test_at_speed_60_a_new_minute_comes_every_second(
    recorded: Path, visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    topic = "futures/klineBin1m:BTCUSDT"
    async with (
        visiting(memory=True, market=Replay(recorded)) as visit,
        visit.public(topic) as listener,
    ):
        first: dict[int, float] = {}
        while START_S + 60 not in first:
            bar = (await listener.hear_about(topic))["items"][0]
            first.setdefault(bar["ts"], trio.current_time())
        assert first[START_S + 60] - min(first.values()) <= 1


async def test_a_replay_can_live_by_the_wall_clock(
    recorded: Path, visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    market = Replay(recorded, clock="wall")
    async with visiting(memory=True, market=market) as visit:
        await market.finished.wait()
        now_s = visit.exchange.now_ms() // 1000
        assert 0 <= now_s - visit.exchange.candles["BTCUSDT"].running(1).ts < 60


async def test_a_replay_can_begin_now_and_keep_its_own_pace(
    recorded: Path, visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    market = Replay(recorded, clock="from now")
    async with visiting(memory=True, market=market) as visit:
        began_s = visit.exchange.now_ms() // 1000
        opened = visit.exchange.candles["BTCUSDT"].running(1).ts
        assert opened == began_s // 60 * 60
        await market.finished.wait()
        assert visit.exchange.candles["BTCUSDT"].running(1).ts == opened + 180


async def test_a_held_symbol_is_not_replayed(
    recorded: Path, visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    market = Replay(recorded)
    async with visiting(memory=True, market=market) as visit:
        visit.exchange.set_price("BTCUSDT", Decimal(60000), hold=True)
        await market.finished.wait()
        assert visit.exchange.last_price("BTCUSDT") == 60000


async def test_a_replay_of_a_symbol_that_is_not_listed_does_not_open(recorded: Path) -> None:
    with pytest.raises(ValueError, match="unknown symbol 'XUSDT'; there are BTCUSDT"):
        async with open_paper_exchange(market=Replay(recorded, "XUSDT"), serve_sockets=False):
            pass


def test_columns_may_come_in_any_order_with_blank_lines_and_offsets(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(
        "volume,close,low,high,open,timestamp,note\n\n1,2,1,3,2,2022-01-01T01:00:00+01:00,x\n"
    )
    assert Replay(path).opening_prices() == {"BTCUSDT": Decimal(2)}
    assert Replay(path).market_ms(0) == 1640995200000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: column 'timestamp' is missing"),
        (HEADER, "line 2: there are no candles"),
        ("timestamp,open,high,low,volume\n", "line 1: column 'close' is missing"),
        (HEADER + "2022-01-01,1,1,1\n", "line 2: column 'close' is missing"),
        (HEADER + "soon,1,1,1,1,1\n", "line 2: column 'timestamp': 'soon' is not a time"),
        (HEADER + "2022-01-01,1,1,x,1,1\n", "line 2: column 'low': 'x' is not a number"),
        (HEADER + "2022-01-01,0,1,1,1,1\n", "column 'open': '0' is not a positive number"),
        (HEADER + "2022-01-01,1,1,1,1,-1\n", "column 'volume': '-1' is not a positive number"),
        (HEADER + "2022-01-01,1,NaN,1,1,1\n", "column 'high': 'NaN' is not a positive number"),
        (HEADER + "2022-01-01,2,1,1,1,1\n", "column 'high': 1 is not the highest price"),
        (HEADER + "2022-01-01,1,3,2,3,1\n", "column 'low': 2 is not the lowest price"),
        (
            HEADER + "2022-01-01,1,1,1,1,1\n" * 2,
            "line 3: column 'timestamp': '2022-01-01' is not after the line before",
        ),
    ],
)
def test_a_bad_file_is_one_error_that_names_the_place(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ReplayError) as error:
        Replay(path)
    assert str(error.value).startswith(f"{path}: line ")
    assert str(error.value).endswith(problem)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"none\.csv: cannot be read"):
        Replay(tmp_path / "none.csv")


def test_a_speed_must_be_positive(recorded: Path) -> None:
    with pytest.raises(ValueError, match="speed must be positive"):
        Replay(recorded, speed=0)


async def test_a_manual_market_does_nothing(visiting: Visiting) -> None:
    async with visiting(memory=True, market=ManualMarket()) as visit:
        assert visit.exchange.last_price("BTCUSDT") == 65000
