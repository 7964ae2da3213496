"""The matching and the account, as plain objects."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitmart_engine.paper.books import Books
from bitmart_engine.paper.codes import Refusal
from bitmart_engine.paper.config import PaperConfig
from bitmart_engine.paper.orders import Action, Direction, Mode, OrderRequest, Side, State
from bitmart_engine.paper.pushes import BalancePush, OrderPush, PositionPush

D = Decimal
BTC = "BTCUSDT"
LONG, SHORT = Direction.LONG, Direction.SHORT


def books(**config: Any) -> Books:
    return Books(PaperConfig(**config), random.Random(1))


def buy(size: int = 10, price: str | None = None, **fields: Any) -> OrderRequest:
    side = fields.pop("side", Side.BUY_OPEN_LONG)
    kind = "market" if price is None else "limit"
    limit = None if price is None else D(price)
    return OrderRequest(symbol=BTC, side=side, size=size, type=kind, price=limit, **fields)


def sell(size: int = 10, price: str | None = None, **fields: Any) -> OrderRequest:
    return buy(size, price, side=fields.pop("side", Side.SELL_OPEN_SHORT), **fields)


def told(of: Books) -> list[tuple[Any, ...]]:
    """The pushes since last asked, in short."""
    short: list[tuple[Any, ...]] = []
    for push in of.take_pushes():
        match push:
            case OrderPush():
                short.append((push.action, push.order.state, push.order.deal_size))
            case PositionPush():
                short.append(("position", push.position.direction, push.position.size))
            case BalancePush():
                short.append(("balance",))
    return short


def size_of(of: Books, direction: Direction) -> int:
    return of.account.position(BTC, direction).size


def test_a_market_order_fills_at_the_last_price_as_taker() -> None:
    b = books()
    order = b.submit(buy(10), 1000)
    assert (order.state, order.deal_avg_price) == (State.FINISHED, D(65000))
    assert b.fills[0].fee == D("0.39")
    assert b.balance == D("9999.61")
    assert told(b) == [
        (Action.SUBMITTED, State.PENDING, 0),
        ("balance",),
        (Action.MATCHED, State.FINISHED, 10),
        ("position", LONG, 10),
        ("balance",),
    ]


def test_a_resting_order_fills_at_its_own_price_as_maker_when_a_trade_reaches_it() -> None:
    b = books()
    order = b.submit(buy(10, "64000"), 1000)
    assert told(b) == [(Action.SUBMITTED, State.WORKING, 0), ("balance",)]
    b.trade(BTC, D("64000.1"), 2000)
    assert told(b) == []
    b.trade(BTC, D("63000"), 3000)
    assert b.orders[order.order_id].deal_avg_price == D(64000)
    assert b.fills[0].is_maker
    assert b.fills[0].fee == D("0.128")


def test_a_limit_order_at_the_last_price_rests_and_one_beyond_it_fills_at_the_last_price() -> None:
    b = books()
    assert b.submit(buy(1, "65000"), 0).state is State.WORKING
    beyond = b.submit(buy(1, "65000.1"), 0)
    assert (beyond.state, beyond.deal_avg_price) == (State.FINISHED, D(65000))
    assert not b.fills[0].is_maker
    assert b.submit(sell(1, "65000"), 0).state is State.WORKING
    assert b.submit(sell(1, "64999.9"), 0).deal_avg_price == D(65000)


def test_liquidity_makes_partial_fills_best_price_first() -> None:
    b = books(liquidity=4)
    low = b.submit(buy(5, "64000"), 0)
    high = b.submit(buy(5, "64500"), 0)
    b.trade(BTC, D(63000), 1)
    assert (b.orders[high.order_id].deal_size, b.orders[low.order_id].deal_size) == (4, 0)
    b.trade(BTC, D(63000), 2)
    assert (b.orders[high.order_id].deal_size, b.orders[low.order_id].deal_size) == (5, 3)
    b.trade(BTC, D(63000), 3)
    assert not b.ledger.has_working(BTC)


def test_a_market_order_beyond_the_liquidity_goes_on_filling_with_the_next_trades() -> None:
    b = books(liquidity=6)
    order = b.submit(buy(10), 0)
    assert (order.state, order.deal_size) == (State.WORKING, 6)
    b.trade(BTC, D(66000), 1)
    filled = b.orders[order.order_id]
    assert (filled.state, filled.deal_avg_price) == (State.FINISHED, D(65400))


@pytest.mark.parametrize(
    ("mode", "price", "state", "deal_size"),
    [
        (Mode.FOK, "66000", State.FINISHED, 0),
        (Mode.IOC, "66000", State.FINISHED, 6),
        (Mode.IOC, "64000", State.FINISHED, 0),
        (Mode.FOK, "64000", State.FINISHED, 0),
        (Mode.GTC, "66000", State.WORKING, 6),
    ],
)
def test_modes_decide_what_becomes_of_what_does_not_fill_at_once(
    mode: Mode, price: str, state: State, deal_size: int
) -> None:
    order = books(liquidity=6).submit(buy(10, price, mode=mode), 0)
    assert (order.state, order.deal_size) == (state, deal_size)


def test_all_or_nothing_fills_when_there_is_enough() -> None:
    assert books(liquidity=10).submit(buy(10, "66000", mode=Mode.FOK), 0).deal_size == 10


def test_a_maker_only_order_that_would_match_is_refused_by_the_reply() -> None:
    b = books(maker_only_refusal_code=40012)
    with pytest.raises(Refusal, match="40012"):
        b.submit(buy(10, "65000.1", mode=Mode.MAKER_ONLY), 0)
    assert not b.orders
    assert b.submit(buy(10, "65000", mode=Mode.MAKER_ONLY), 0).state is State.WORKING


def test_or_it_is_taken_and_then_cancelled() -> None:
    b = books(maker_only_refusal="cancel")
    order = b.submit(buy(10, "65000.1", mode=Mode.MAKER_ONLY), 0)
    assert (order.state, order.deal_size) == (State.FINISHED, 0)
    assert [push[0] for push in told(b) if push != ("balance",)] == [2, 3]


def test_a_limit_order_can_be_announced_as_pending_first() -> None:
    b = books(pending_push=True)
    b.submit(buy(1, "64000"), 0)
    assert [push[:2] for push in told(b)][:2] == [(2, State.PENDING), (2, State.WORKING)]


def test_closing_realises_the_profit_and_says_zero_once() -> None:
    b = books(taker_fee=D(0))
    b.submit(sell(10), 0)
    b.trade(BTC, D(64000), 1)
    b.submit(buy(4, side=Side.BUY_CLOSE_SHORT), 2)
    assert b.balance == D(10004)
    b.submit(buy(6, side=Side.BUY_CLOSE_SHORT), 3)
    assert b.balance == D(10010)
    assert ("position", SHORT, 0) in told(b)
    assert not b.positions


def test_closing_without_a_position_is_40021_and_beyond_what_is_free_40020() -> None:
    b = books()
    with pytest.raises(Refusal, match="40021"):
        b.submit(sell(1, side=Side.SELL_CLOSE_LONG), 0)
    b.submit(buy(10), 0)
    b.submit(sell(6, "66000", side=Side.SELL_CLOSE_LONG), 0)
    with pytest.raises(Refusal, match="40020"):
        b.submit(sell(5, side=Side.SELL_CLOSE_LONG), 0)
    assert b.submit(sell(4, side=Side.SELL_CLOSE_LONG), 0).deal_size == 4


def test_closing_beyond_what_is_held_can_be_cut_instead() -> None:
    b = books(close_more_than_held="cut")
    b.submit(buy(10), 0)
    assert b.submit(sell(50, side=Side.SELL_CLOSE_LONG), 0).size == 10


def test_hedge_mode_holds_both_sides() -> None:
    b = books()
    b.submit(buy(10), 0)
    b.submit(sell(4), 0)
    assert (size_of(b, LONG), size_of(b, SHORT)) == (10, 4)


def test_one_way_mode_nets_and_turns_around() -> None:
    b = books(position_mode="one_way_mode")
    b.submit(buy(10), 0)
    told(b)
    b.submit(sell(14), 1)
    assert (size_of(b, LONG), size_of(b, SHORT)) == (0, 4)
    assert [push for push in told(b) if push[0] == "position"] == [
        ("position", LONG, 0),
        ("position", SHORT, 4),
    ]
    with pytest.raises(Refusal, match="40021"):
        b.submit(sell(1, side=Side.SELL_CLOSE_LONG), 2)
    assert b.submit(buy(4, side=Side.BUY_CLOSE_SHORT), 2).deal_size == 4


def test_one_way_mode_cancels_reduce_only_orders_that_have_nothing_left_to_reduce() -> None:
    b = books(position_mode="one_way_mode")
    b.submit(buy(10), 0)
    reduce = b.submit(sell(10, "66000", side=Side.SELL_CLOSE_LONG), 0)
    b.submit(sell(10), 1)
    assert b.orders[reduce.order_id].state is State.FINISHED


@pytest.mark.parametrize(
    ("stop", "target", "price", "kind"),
    [
        ("64000", None, "63900", "stop_loss"),
        (None, "66000", "66100", "take_profit"),
        ("64000", "66000", "66000", "take_profit"),
    ],
)
def test_presets_close_what_their_order_filled(
    stop: str | None, target: str | None, price: str, kind: str
) -> None:
    b = books()
    presets = {"stop_price": stop and D(stop), "target_price": target and D(target)}
    b.submit(buy(10, **presets), 0)
    b.submit(buy(5), 0)
    b.trade(BTC, D("65500"), 1)
    assert len(b.orders) == 2
    b.trade(BTC, D(price), 2)
    close = list(b.orders.values())[-1]
    assert (close.type, close.side, close.deal_size) == (kind, Side.SELL_CLOSE_LONG, 10)
    assert close.client_order_id == f"PLAN_{close.plan_order_id}"
    assert close.deal_avg_price == D(price)
    assert size_of(b, LONG) == 5
    b.trade(BTC, D(price), 3)
    assert len(b.orders) == 3


def test_a_preset_stop_of_a_short_closes_it_with_a_buy() -> None:
    b = books()
    b.submit(sell(10, stop_price=D(66000)), 0)
    b.trade(BTC, D(66000), 1)
    assert list(b.orders.values())[-1].side is Side.BUY_CLOSE_SHORT


def test_presets_follow_partial_fills_and_act_in_the_very_trade_that_fills() -> None:
    b = books(liquidity=4)
    b.submit(buy(10, "64000", stop_price=D(63000)), 0)
    b.trade(BTC, D(64000), 1)
    b.trade(BTC, D(64000), 2)
    assert size_of(b, LONG) == 8
    b.trade(BTC, D(62000), 3)
    close = list(b.orders.values())[-1]
    assert (close.type, close.size, close.deal_size) == ("stop_loss", 10, 2)


def test_a_preset_takes_no_more_than_is_left_and_cancels_closing_orders_in_its_way() -> None:
    b = books()
    b.submit(buy(10, stop_price=D(64000)), 0)
    resting = b.submit(sell(10, "70000", side=Side.SELL_CLOSE_LONG), 0)
    b.trade(BTC, D(64000), 1)
    assert not b.positions
    assert b.orders[resting.order_id].deal_size == 0
    assert not b.ledger.has_working(BTC)


def test_presets_are_gone_with_their_position() -> None:
    b = books()
    b.submit(buy(10, stop_price=D(64000)), 0)
    b.submit(sell(10, side=Side.SELL_CLOSE_LONG), 0)
    b.submit(buy(3), 1)
    b.trade(BTC, D(63000), 2)
    assert size_of(b, LONG) == 3


def test_the_first_of_two_presets_can_leave_nothing_for_the_second() -> None:
    b = books()
    b.submit(buy(10, stop_price=D(64000)), 0)
    b.submit(buy(10, stop_price=D(64000)), 0)
    b.submit(sell(10, side=Side.SELL_CLOSE_LONG), 0)
    b.trade(BTC, D(64000), 1)
    assert not b.positions
    assert [o.deal_size for o in b.orders.values() if o.type == "stop_loss"] == [10]


def test_an_order_the_balance_does_not_cover_is_42000() -> None:
    b = books(balance=D(100), leverage=10)
    with pytest.raises(Refusal, match="42000"):
        b.submit(buy(16), 0)
    b.submit(buy(14), 0)
    assert b.account_view.balance().position_margin == D(91)
    with pytest.raises(Refusal, match="42000"):
        b.submit(buy(2, "60000"), 0)


def test_a_working_order_locks_margin_until_it_is_cancelled() -> None:
    b = books(leverage=10)
    order = b.submit(buy(10, "60000"), 0)
    assert b.account_view.available() == D(9940)
    b.cancel(order.order_id, 1)
    assert b.account_view.available() == D(10000)


@pytest.mark.parametrize(("leverage", "code"), [(101, 40029), (0, 40030), (20, 40040), (10, None)])
def test_an_orders_leverage_must_fit_instrument_and_position(
    leverage: int, code: int | None
) -> None:
    b = books()
    b.submit(buy(1), 0)
    if code is None:
        assert b.submit(buy(1, leverage=leverage), 0).leverage == 10
        return
    with pytest.raises(Refusal, match=str(code)):
        b.submit(buy(1, leverage=leverage), 0)


def test_an_orders_margin_type_must_be_the_positions() -> None:
    b = books()
    b.submit(buy(1, leverage=5, open_type="cross"), 0)
    assert b.account.leverage[BTC] == 5
    with pytest.raises(Refusal, match="40012"):
        b.submit(buy(1, open_type="isolated"), 0)


def test_liquidation_cancels_the_sides_orders_and_closes_as_bankruptcy() -> None:
    b = books()
    b.submit(buy(10), 0)
    more = b.submit(buy(1, "60000"), 0)
    other = b.submit(sell(1, "70000"), 0)
    told(b)
    b.liquidate(BTC, LONG, 4, 1)
    b.liquidate(BTC, LONG, None, 2)
    assert b.orders[more.order_id].state is State.FINISHED
    assert b.orders[other.order_id].state is State.WORKING
    actions = [push[0] for push in told(b) if isinstance(push[0], Action)]
    assert actions == [4, 2, 6, 2, 7]
    with pytest.raises(ValueError, match="cannot close 0 contracts of BTCUSDT long: 0 held"):
        b.liquidate(BTC, LONG, None, 3)


def test_closing_by_hand_ignores_liquidity_and_checks_the_size() -> None:
    b = books(liquidity=2)
    b.submit(buy(2), 0)
    b.submit(buy(2), 0)
    assert b.close_by_hand(BTC, LONG, 3, 1).deal_size == 3
    with pytest.raises(ValueError, match="cannot close 2"):
        b.close_by_hand(BTC, LONG, 2, 2)


def test_the_newest_closing_orders_go_when_the_position_shrinks_under_them() -> None:
    b = books()
    b.submit(buy(10), 0)
    old = b.submit(sell(5, "70000", side=Side.SELL_CLOSE_LONG), 0)
    new = b.submit(sell(5, "71000", side=Side.SELL_CLOSE_LONG), 0)
    b.close_by_hand(BTC, LONG, 3, 1)
    assert b.orders[old.order_id].is_working
    assert not b.orders[new.order_id].is_working


def test_ids_have_sixteen_digits_and_trade_ids_increase() -> None:
    b = books()
    for _ in range(20):
        b.submit(buy(1), 0)
    assert {len(str(order_id)) for order_id in b.orders} == {16}
    trade_ids = [fill.trade_id for fill in b.fills]
    assert trade_ids == sorted(set(trade_ids))


def test_the_same_seed_gives_the_same_books() -> None:
    one, other = books(), books()
    for b in (one, other):
        b.submit(buy(3), 0)
    assert one.orders == other.orders
    assert one.fills == other.fills


Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["market", "limit", "trade", "cancel", "preset"]),
        st.integers(1, 4),
        st.integers(-30, 30),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(steps, st.sampled_from(["hedge_mode", "one_way_mode"]), st.sampled_from([None, 1, 3]))
def test_whatever_happens_the_books_balance(
    moves: list[Step], mode: str, liquidity: int | None
) -> None:
    b = books(position_mode=mode, liquidity=liquidity)
    for now, (kind, side, offset) in enumerate(moves):
        price = D(65000) + 10 * offset
        limit = None if kind in ("market", "preset") else price
        stop = price if kind == "preset" and side in (1, 4) else None
        try:
            if kind == "trade":
                b.trade(BTC, price, now)
            elif kind == "cancel":
                for order in list(b.ledger.working())[:1]:
                    b.cancel(order.order_id, now)
            else:
                b.submit(
                    OrderRequest(symbol=BTC, side=Side(side), size=5, price=limit, stop_price=stop),
                    now,
                )
        except Refusal:
            pass
        for order in b.orders.values():
            filled = sum(fill.size for fill in b.fills if fill.order_id == order.order_id)
            assert filled == order.deal_size <= order.size
            assert order.is_working or order.deal_size <= order.size
        signed = sum(fill.size * (1 if fill.side.is_buy else -1) for fill in b.fills)
        held = sum(p.size * p.direction.sign for p in b.positions.values())
        assert signed == held
        assert all(p.size > 0 for p in b.positions.values())
        if mode == "one_way_mode":
            assert len(b.positions) <= 1
        for direction in Direction:
            assert b.account_view.frozen_size(BTC, direction) <= size_of(b, direction)
        cash = sum((fill.realised - fill.fee for fill in b.fills), D(0))
        assert b.balance == 10000 + cash
        # Marked at any one price, what the fills paid and received is what the account gained before fees.
        flows = sum((f.price * f.size * (-1 if f.side.is_buy else 1) for f in b.fills), D(0)) * D(
            "0.001"
        )
        value = b.last[BTC] * held * D("0.001")
        unrealised = b.account_view.unrealised()
        assert flows + value == sum((f.realised for f in b.fills), D(0)) + unrealised
