"""Trades and totals out of fills, worked out by hand."""

from __future__ import annotations

from decimal import Decimal

from bitmart_engine.model.sides import PositionSide
from bitmart_engine.replay.candles import Candle
from bitmart_engine.replay.trades import Execution, Plan, totals_of, trades_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
AT = 1_704_153_600_000
ONE = Decimal(1)


def fill(at_s: int, trade: str, side: PositionSide, *, opens: bool, price: int, size: int, fee="0"):
    return Execution(
        at_ms=AT + at_s * 1000,
        trade=trade,
        side=side,
        opens=opens,
        price=Decimal(price),
        size=size,
        fee=Decimal(fee),
        reason="" if opens else "stop_loss",
    )


def trades(*fills: Execution, plans=None, last=0):
    return trades_of(fills, plans or {}, ONE, Decimal(last), AT + 600_000)


def test_fills_of_one_order_are_one_trade_at_their_average():
    (one,) = trades(
        fill(0, "a", LONG, opens=True, price=10, size=1, fee="1"),
        fill(1, "a", LONG, opens=True, price=13, size=2, fee="2"),
        fill(9, "a", LONG, opens=False, price=15, size=3, fee="3"),
        plans={"a": Plan(stop_loss=Decimal(9))},
    )
    assert (one.average_in, one.average_out, one.size) == (12, 15, 3)
    assert (one.gross, one.fees, one.net) == (9, 6, 3)
    assert (one.risk, one.r) == (9, Decimal("0.33333333"))


def test_a_short_gains_when_the_price_falls():
    (one,) = trades(
        fill(0, "a", SHORT, opens=True, price=10, size=2),
        fill(1, "a", SHORT, opens=False, price=7, size=2),
    )
    assert one.gross == 6


def test_a_close_goes_to_the_trade_that_it_names():
    first, second = trades(
        fill(0, "a", LONG, opens=True, price=10, size=1),
        fill(1, "b", LONG, opens=True, price=20, size=1),
        fill(2, "b", LONG, opens=False, price=25, size=1),
        fill(3, "a", LONG, opens=False, price=30, size=1),
    )
    assert (first.gross, second.gross) == (20, 5)


def test_a_close_that_names_nobody_closes_the_oldest_of_its_side():
    short, first, second = trades(
        fill(0, "s", SHORT, opens=True, price=10, size=1),
        fill(1, "a", LONG, opens=True, price=10, size=1),
        fill(2, "b", LONG, opens=True, price=20, size=2),
        fill(3, "", LONG, opens=False, price=30, size=2, fee="2"),
        last=40,
    )
    assert short.open
    assert (first.open, first.gross, first.fees) == (False, 20, 1)
    assert (second.open, second.gross, second.fees) == (True, 30, 1)


def candle(number: int, close: int) -> Candle:
    price = Decimal(close)
    return Candle(AT + 60_000 * number, price, price, price, price)


def test_totals_are_those_of_all_trades_and_the_drawdown_is_of_the_account():
    fills = [
        fill(30, "a", LONG, opens=True, price=10, size=1, fee="1"),
        fill(200, "a", LONG, opens=False, price=15, size=1, fee="1"),
        fill(210, "b", SHORT, opens=True, price=15, size=1),
        fill(270, "b", SHORT, opens=False, price=17, size=1),
    ]
    candles = [candle(number, close) for number, close in enumerate((12, 8, 14, 16, 17, 17))]
    all = totals_of(trades(*fills), fills, candles, 60_000, ONE, Decimal(100))
    assert (all.trades, all.won, all.lost) == (2, 1, 1)
    assert (all.gross, all.fees, all.net, all.balance) == (3, 2, 1, 101)
    # worth at each close: 100-10-1+12=101, 97, 103, 100-10-2+15+15-16=102, 101, 101
    assert all.max_drawdown == 4
    assert all.max_drawdown_percent == Decimal("3.96")
    assert all.exposure_s == 170 + 60
    assert all.r is None


def test_exposure_counts_what_overlaps_once():
    fills = [
        fill(0, "a", LONG, opens=True, price=10, size=1),
        fill(30, "b", LONG, opens=True, price=10, size=1),
        fill(60, "a", LONG, opens=False, price=10, size=1),
        fill(90, "b", LONG, opens=False, price=10, size=1),
    ]
    all = totals_of(trades(*fills), fills, [candle(0, 10), candle(1, 10)], 60_000, ONE, ONE)
    assert (all.exposure_s, all.exposure_percent) == (90, 75)
