"""Candles, as plain objects."""

from __future__ import annotations

from decimal import Decimal

from bitmart_engine.paper.candles import STEPS, Candles, floor
from bitmart_engine.paper.instruments import DEFAULT_SYMBOLS

BTC = DEFAULT_SYMBOLS[0]
OPENED = 1_700_000_000


def candles(seed: int = 0) -> Candles:
    return Candles(BTC, BTC.price, OPENED, seed)


def test_a_trade_changes_every_running_bar() -> None:
    c = candles()
    c.add(Decimal(65100), 3, OPENED + 1)
    c.add(Decimal(64900), 4, OPENED + 2)
    for step in STEPS:
        bar = c.running(step)
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            65000,
            65100,
            64900,
            64900,
            7,
        )
        assert bar.ts == floor(OPENED, step)


def test_a_new_minute_begins_a_new_bar_and_minutes_without_trades_have_none() -> None:
    c = candles()
    c.add(Decimal(65100), 3, OPENED + 180)
    bars = c.between(1, floor(OPENED, 1), OPENED + 1000)
    assert [bar.ts for bar in bars] == [floor(OPENED, 1), floor(OPENED + 180, 1)]
    assert bars[-1].open == Decimal(65100)


def test_coarse_history_agrees_with_the_fine_one() -> None:
    c = candles()
    fine = {bar.ts: bar for bar in c.between(1, 0, OPENED)}
    for bar in c.between(5, 0, OPENED)[-90:-1]:
        parts = [fine[bar.ts + 60 * n] for n in range(5)]
        assert bar.open == parts[0].open
        assert bar.close == parts[-1].close
        assert bar.high == max(part.high for part in parts)
        assert bar.low == min(part.low for part in parts)
        assert bar.volume == sum(part.volume for part in parts)


def test_history_is_seeded_and_ends_where_trading_began() -> None:
    assert candles().between(60, 0, OPENED) == candles().between(60, 0, OPENED)
    assert candles().between(60, 0, OPENED) != candles(seed=1).between(60, 0, OPENED)
    before, opening = candles().between(1, 0, OPENED)[-2:]
    assert before.close == opening.open == BTC.price


def test_a_trade_never_goes_back_to_a_finished_bar() -> None:
    c = candles()
    c.add(Decimal(65100), 1, OPENED + 120)
    c.add(Decimal(65200), 1, OPENED)
    assert c.running(1).close == Decimal(65200)
