"""Why a protection has ended, and at which price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.model.positions import Close, CloseReason, FiredOrder, Protection
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.trading.protections.ending import how_it_ended
from bitmart_engine.trading.protections.external_closes import ExternalClose

OPEN = Protection(
    id="a", symbol="BTCUSDT", side=PositionSide.LONG, created_ms=1, entry_id="a", covered=10
)
OURS = Close(
    attempt=1,
    client_order_id="c",
    size=10,
    intended_ms=1,
    exchange_order_id="7",
    filled=10,
    average_price=Decimal(5),
    final=True,
)
FIRED = FiredOrder(
    order_id="8",
    reason=CloseReason.EXCHANGE_STOP_LOSS,
    filled=10,
    average_price=Decimal(6),
    final=True,
)
BY_HAND = ExternalClose(CloseReason.CLOSED_ELSEWHERE, Decimal(7), "9")
ACTED = CloseReason.EXCHANGE_TAKE_PROFIT
STOPPED = evolve(OPEN, close=OURS, closed=10, closing_for=CloseReason.STOP_LOSS)
THERE = evolve(OPEN, fired=(FIRED,), closed=10)


@pytest.mark.parametrize(
    ("protection", "acted", "elsewhere", "told"),
    [
        (STOPPED, None, None, (CloseReason.STOP_LOSS, Decimal(5), "7")),
        (STOPPED, ACTED, BY_HAND, (CloseReason.STOP_LOSS, Decimal(5), "7")),
        (evolve(STOPPED, closing_for=None), None, None, (BY_HAND.reason, Decimal(5), "7")),
        (THERE, None, BY_HAND, (FIRED.reason, Decimal(6), "8")),
        (evolve(THERE, close=OURS), None, None, (FIRED.reason, Decimal(6), "8")),
        (evolve(THERE, close=OURS, closed=11), None, None, (BY_HAND.reason, Decimal(5), "7")),
        (OPEN, ACTED, BY_HAND, (ACTED, None, "")),
        (OPEN, None, BY_HAND, (BY_HAND.reason, Decimal(7), "9")),
        (OPEN, None, None, (CloseReason.CLOSED_ELSEWHERE, None, "")),
    ],
)
def test_the_close_that_took_the_last_contracts_says_why(protection, acted, elsewhere, told):
    assert how_it_ended(protection, acted, elsewhere) == told
