"""What a trade came to, from its fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitmart_engine.model.fills import AccountFill, Whose, merged
from bitmart_engine.model.lifecycle import EntryState, ProtectionState
from bitmart_engine.model.orders import EntryOrder, EntryRequest
from bitmart_engine.model.positions import CloseReason, Protection
from bitmart_engine.model.sides import OrderSide, PositionSide
from bitmart_engine.model.summary import summed
from bitmart_engine.model.trades import Trade, TradeState, trade_of

CONTRACT = Decimal("0.001")
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def fill(number: int, price: object, size: int, whose: Whose, **more: Any) -> AccountFill:
    given: dict[str, Any] = {"fee": Decimal("-0.1"), "fee_currency": "USDT", **more}
    return AccountFill(
        id=str(number),
        symbol="BTCUSDT",
        side=OrderSide.BUY_OPEN_LONG,
        price=Decimal(str(price)),
        size=size,
        at_ms=1000 * number,
        exchange_order_id="7",
        whose=whose,
        order_id="a",
        protection_id="a",
        **given,
    )


def order(filled: int, side: PositionSide = LONG, stop: object = 64000) -> EntryOrder:
    request = EntryRequest(
        id="a",
        symbol="BTCUSDT",
        side=side,
        zone_min=Decimal(1),
        zone_max=Decimal(10**6),
        size=10,
        quantity=Decimal("0.01"),
        stop_loss=None if stop is None else Decimal(str(stop)),
        timeout_seconds=Decimal(60),
    )
    return EntryOrder(
        request=request, accepted_ms=1, deadline_ms=2, state=EntryState.FILLED, filled=filled
    )


def protection(closed: int, **more: Any) -> Protection:
    given: dict[str, Any] = {
        "side": LONG,
        "entry_id": "a",
        "covered": 10,
        "state": ProtectionState.CLOSED,
        "reason": "manual",
        **more,
    }
    return Protection(id="a", symbol="BTCUSDT", created_ms=1, closed=closed, **given)


def trade(*fills: AccountFill, **given: Any) -> Trade:
    chosen = {
        "order": order(10),
        "protections": [protection(10)],
        "contract_size": CONTRACT,
        **given,
    }
    return trade_of("a", fills, **chosen)


ENTRY = (fill(1, 65000, 4, Whose.ENTRY), fill(2, 65010, 6, Whose.ENTRY))
EXIT = fill(5, 65500, 10, Whose.CLOSE)


def test_a_trade_is_an_entry_with_what_closed_it():
    found = trade(*ENTRY, EXIT)
    assert found.state is TradeState.CLOSED
    assert (found.size, found.closed_size) == (10, 10)
    assert (found.entry_price, found.exit_price) == (65006, 65500)
    assert found.gross_pnl == Decimal("4.94")
    assert found.fees == Decimal("0.3")
    assert found.realised_pnl == Decimal("4.64")
    assert found.risk == Decimal("10.06")
    assert found.r == Decimal("4.64") / Decimal("10.06")
    assert found.percent == Decimal("4.64") / Decimal("650.06") * 100
    assert (found.opened_ms, found.closed_ms, found.duration_ms) == (1000, 5000, 4000)
    assert found.reason is CloseReason.MANUAL
    assert set(found.unknown) == {"funding", "stop_slippage"}


def test_a_fee_counts_as_a_cost_whatever_its_sign():
    plus = [evolve(each, fee=Decimal("0.1")) for each in (*ENTRY, EXIT)]
    assert trade(*plus).fees == trade(*ENTRY, EXIT).fees == Decimal("0.3")


@pytest.mark.parametrize(
    ("stop", "price", "slippage"), [(64000, 63990, 10), (64000, 64010, -10), (64000, 64000, 0)]
)
def test_a_stop_slips_by_how_much_worse_than_its_level_it_was_filled(stop, price, slippage):
    for reason in ("stop_loss", "exchange_stop_loss"):
        long = protection(10, reason=reason, stop_loss=Decimal(stop))
        found = trade(*ENTRY, fill(5, price, 10, Whose.CLOSE), protections=[long])
        assert found.stop_slippage == slippage
        assert (
            trade(
                *ENTRY,
                fill(5, price, 10, Whose.CLOSE),
                order=order(10, SHORT, 66000),
                protections=[evolve(long, side=SHORT)],
            ).stop_slippage
            == -slippage
        )


@pytest.mark.parametrize(
    ("fills", "given_", "unknown", "why"),
    [
        ((ENTRY[0], EXIT), {}, {"size", "entry_price", "fees", "gross_pnl", "r"}, "4 contracts"),
        (ENTRY, {}, {"closed_size", "exit_price", "fees", "realised_pnl"}, "0 contracts"),
        ((*ENTRY, EXIT), {"contract_size": None}, {"gross_pnl", "percent", "risk"}, "size"),
        ((*ENTRY, EXIT), {"order": order(10, stop=None)}, {"risk", "r"}, "without a stop"),
        ((*ENTRY, EXIT), {"order": order(10, stop=65100)}, {"risk", "r"}, "at its stop"),
        ((*ENTRY, evolve(EXIT, fee=None)), {}, {"fees", "realised_pnl", "percent", "r"}, "fee"),
        ((*ENTRY, evolve(EXIT, fee_currency="BMX")), {}, {"fees", "realised_pnl"}, "in BMX"),
        (ENTRY, {"protections": []}, {"exit_price", "gross_pnl"}, "nobody watches"),
        (
            (*ENTRY, fill(5, 65500, 4, Whose.CLOSE)),
            {"protections": [protection(4)]},
            {"exit_price", "realised_pnl"},
            "closed by others",
        ),
        (
            (*ENTRY, fill(5, 65500, 4, Whose.CLOSE)),
            {"protections": [protection(4, state=ProtectionState.RELEASED)]},
            {"exit_price", "realised_pnl"},
            "released",
        ),
    ],
)
def test_what_is_not_known_is_none_and_says_why(fills, given_, unknown, why):
    found = trade(*fills, **given_)
    for name in unknown:
        assert getattr(found, name) is None
        assert name in found.unknown
    assert any(why in each for each in found.unknown.values()), found.unknown


def test_every_number_is_there_or_has_a_reason():
    every = ("size", "closed_size", "entry_price", "exit_price", "fees", "gross_pnl")
    every += ("realised_pnl", "percent", "risk", "r", "stop_slippage")
    for fills in ((), ENTRY[:1], ENTRY, (*ENTRY, EXIT), (EXIT,)):
        for order_ in (None, order(10), order(0)):
            for protections in ([], [protection(10)], [protection(0, state=ProtectionState.ARMED)]):
                for size in (None, CONTRACT):
                    found = trade(*fills, order=order_, protections=protections, contract_size=size)
                    for name in every:
                        assert (getattr(found, name) is None) <= (name in found.unknown), name


def test_what_is_closed_in_part_has_earned_that_part():
    armed = protection(4, state=ProtectionState.CLOSING)
    found = trade(*ENTRY, fill(5, 65506, 4, Whose.CLOSE), protections=[armed])
    assert (found.state, found.closed_size) == (TradeState.OPEN, 4)
    assert found.gross_pnl == Decimal("2.000")
    assert found.duration_ms is None


def test_a_position_that_was_monitored_earned_what_the_exchange_says():
    mine = protection(10, entry_id=None)
    close = evolve(EXIT, order_id=None, realised=Decimal("4.5"))
    found = trade(close, order=None, protections=[mine])
    assert (found.gross_pnl, found.realised_pnl) == (Decimal("4.5"), Decimal("4.4"))
    assert found.entry_price is None
    assert "monitored" in found.unknown["entry_price"]
    assert trade(evolve(close, realised=None), order=None, protections=[mine]).gross_pnl is None


PRICES = st.decimals(60000, 70000, places=1)
FILLS = st.lists(st.tuples(PRICES, st.integers(1, 50)), min_size=1, max_size=6)


@given(FILLS, FILLS, st.randoms())
def test_a_trade_is_the_sum_of_its_parts_in_any_order(entries, exits, random):
    """Each close earns by itself what it earns in the whole, and long and short are mirrored."""
    opened, closed = (sum(size for _, size in each) for each in (entries, exits))
    if closed > opened:
        exits = [(exits[0][0], opened)]
        closed = opened
    fills = [
        *(fill(n, price, size, Whose.ENTRY) for n, (price, size) in enumerate(entries)),
        *(fill(50 + n, price, size, Whose.CLOSE) for n, (price, size) in enumerate(exits)),
    ]
    random.shuffle(fills)
    guard = protection(closed, state=ProtectionState.CLOSING)
    whole = trade(*fills, order=order(opened), protections=[guard])
    assert whole.gross_pnl is not None
    assert whole.entry_price is not None
    parts = sum((price - whole.entry_price) * size * CONTRACT for price, size in exits)
    assert abs(whole.gross_pnl - parts) < Decimal("1e-15")
    assert whole.fees == Decimal("0.1") * len(fills)
    short = trade(
        *fills, order=order(opened, SHORT, 90000), protections=[evolve(guard, side=SHORT)]
    )
    assert short.gross_pnl == -whole.gross_pnl
    assert short.realised_pnl == short.gross_pnl - whole.fees


@given(st.permutations([0, 1, 2]))
def test_what_is_heard_of_one_fill_adds_up_in_any_order(order_):
    whole = fill(1, 65000, 4, Whose.ENTRY)
    said = [
        evolve(whole, fee_currency=None, whose=None, order_id=None, protection_id=None),
        evolve(whole, fee=None),
        evolve(whole, side=None, whose=Whose.BY_HAND, order_id=None, protection_id=None),
    ]
    known = None
    for each in order_:
        known = merged(known, said[each])
    assert known == whole


def test_a_sum_is_over_what_is_known_and_says_how_many_are_not():
    won, lacking = trade(*ENTRY, EXIT), trade(ENTRY[0], EXIT)
    lost = trade(*ENTRY, fill(5, 64000, 10, Whose.CLOSE))
    still = trade(*ENTRY, protections=[protection(0, state=ProtectionState.ARMED)])
    sums = summed([won, lacking, lost, still], since_ms=0)
    assert (sums.closed, sums.won, sums.lost, sums.unknown) == (3, 1, 1, 1)
    assert sums.realised_pnl == (won.realised_pnl or 0) + (lost.realised_pnl or 0)
    assert sums.fees == Decimal("0.6")
    assert sums.r_known == 2
    assert summed([won], since_ms=5001).closed == 0
