"""The private REST calls, over a socket, with the test's own signatures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from .conftest import CANCEL, SUBMIT, Visiting, sign

PRIVATE = "/contract/private"
KEYED = [
    "order",
    "get-open-orders",
    "order-history",
    "trades",
    "current-plan-order",
    "position",
    "position-v2",
    "get-position-mode",
    "assets-detail",
]


@pytest.mark.parametrize("name", KEYED)
async def test_a_keyed_get_needs_a_key_and_no_signature(visiting: Visiting, name: str) -> None:
    async with visiting(memory=True) as visit:
        order_id = await visit.owner.submit(price="60000")
        path, query = f"{PRIVATE}/{name}", {"symbol": "BTCUSDT", "order_id": order_id}
        await visit.owner.read(path, **query)
        for key, code in ((None, 30001), ("other", 30002)):
            response = await visit.owner.get(path, key=key, **query)
            assert (response.status_code, response.json()["code"]) == (401, code)
            assert response.json()["data"] is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"KEY": None}, 30001),
        ({"KEY": "other"}, 30002),
        ({"SIGN": None}, 30004),
        ({"SIGN": "0" * 64}, 30005),
        ({"TIMESTAMP": None}, 30006),
        ({"TIMESTAMP": "soon"}, 30008),
        ({"TIMESTAMP": "1700000000000"}, 30007),
    ],
)
async def test_a_signed_post_needs_all_of_it(
    visiting: Visiting, changed: dict[str, str | None], code: int
) -> None:
    async with visiting() as visit:
        body = {"symbol": "BTCUSDT", "side": 1, "type": "market", "size": 1}
        response = await visit.owner.post(SUBMIT, body, **changed)
        assert (response.status_code, response.json()["code"]) == (401, code)
        assert not visit.books.orders


async def test_the_timestamp_window_is_a_parameter_and_open_to_both_sides(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True, timestamp_window_ms=5000) as visit:
        for offset, status in ((-4000, 200), (4000, 200), (-6000, 401), (6000, 401)):
            stamp = str(visit.exchange.now_ms() + offset)
            body = '{"symbol":"BTCUSDT"}'
            response = await visit.owner.post(CANCEL, body, TIMESTAMP=stamp, SIGN=sign(stamp, body))
            assert response.status_code == status


@pytest.mark.parametrize(("body", "answer"), [("no json", (503, 30018)), ("[1]", (400, 40007))])
async def test_a_body_must_be_a_json_object(
    visiting: Visiting, body: str, answer: tuple[int, int]
) -> None:
    async with visiting(memory=True) as visit:
        assert await visit.owner.refused(SUBMIT, body) == answer


async def test_headers_are_read_whatever_their_case(visiting: Visiting) -> None:
    async with visiting() as visit:
        response = await visit.owner.client.get(
            f"{PRIVATE}/get-position-mode", headers={"X-bm-KEY": "paper-key"}
        )
        assert response.json()["data"] == {"position_mode": "hedge_mode"}


async def test_the_reply_of_a_submit_has_a_whole_number_and_the_price(visiting: Visiting) -> None:
    async with visiting() as visit:
        body = {"symbol": "BTCUSDT", "side": 1, "size": 1}
        response = await visit.owner.post(SUBMIT, {**body, "price": "64000.5"})
        answer = response.json()
        assert (answer["code"], answer["message"]) == (1000, "Ok")
        assert answer["trace"]
        assert isinstance(answer["data"]["order_id"], int)
        assert answer["data"]["price"] == "64000.5"
        data = await visit.owner.do(SUBMIT, {**body, "type": "market"})
        assert data["price"] == "market price"


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"symbol": "NOUSDT"}, 400, 40034),
        ({"symbol": None}, 400, 40034),
        ({"side": 5}, 400, 40041),
        ({"side": "1"}, 400, 40041),
        ({"side": True}, 400, 40041),
        ({"type": "stop"}, 400, 40042),
        ({"mode": 5}, 400, 40011),
        ({"mode": 4, "type": "market"}, 400, 40011),
        ({"size": None}, 400, 40011),
        ({"size": 1.5}, 400, 40011),
        ({"size": "two"}, 400, 40011),
        ({"size": True}, 400, 40011),
        ({"size": 0}, 400, 40044),
        ({"size": 1_000_001}, 400, 40044),
        ({"size": 500_001, "type": "market"}, 400, 40044),
        ({"price": None}, 400, 40011),
        ({"price": "cheap"}, 400, 40011),
        ({"price": "-1"}, 400, 40011),
        ({"price": "NaN"}, 400, 40011),
        ({"price": [1]}, 400, 40011),
        ({"price": "64000.05"}, 400, 40043),
        ({"client_order_id": "a-b"}, 403, 40048),
        ({"client_order_id": 12}, 403, 40048),
        ({"client_order_id": "a" * 33}, 403, 40049),
        ({"client_order_id": "used"}, 403, 40050),
        ({"leverage": "200"}, 400, 40029),
        ({"leverage": "0"}, 400, 40030),
        ({"leverage": "x"}, 400, 40040),
        ({"open_type": "both"}, 400, 40045),
        ({"side": 3}, 400, 40021),
        ({"side": 2, "preset_stop_loss_price": "64000"}, 400, 40011),
        ({"preset_take_profit_price": "64000.05"}, 400, 40043),
        ({"size": 900_000}, 200, 42000),
        ({"price": "65000.1", "mode": 4}, 400, 40011),
    ],
)
async def test_an_order_that_is_wrong_is_refused_with_its_code(
    visiting: Visiting, changed: dict[str, Any], status: int, code: int
) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(price="60000", client_order_id="used")
        body = {"symbol": "BTCUSDT", "side": 1, "type": "limit", "price": "64000", "size": 1}
        body.update(changed)
        assert await visit.owner.refused(SUBMIT, body) == (status, code)
        assert len(visit.books.orders) == 1


async def test_what_others_send_is_taken_too(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", size="3", mode=None, recvWindow=5000, price="")
        await visit.owner.submit(price=64000, leverage=10, client_order_id="")
        await visit.owner.submit(price=64000.5, open_type="")
        assert len(visit.books.orders) == 3


async def test_an_order_can_be_read_by_its_id(visiting: Visiting) -> None:
    async with visiting() as visit:
        order_id = await visit.owner.submit(
            price="64000",
            client_order_id="abc1",
            preset_stop_loss_price="63000",
            preset_take_profit_price="66000",
            preset_take_profit_price_type=2,
        )
        row = await visit.owner.order(order_id)
        assert row.pop("create_time") == row.pop("update_time")
        assert row == {
            "order_id": str(order_id),
            "client_order_id": "abc1",
            "symbol": "BTCUSDT",
            "type": "limit",
            "leverage": "10",
            "open_type": "isolated",
            "position_mode": "hedge_mode",
            "account": "futures",
            "price": "64000",
            "size": "10",
            "deal_avg_price": "0",
            "deal_size": "0",
            "state": 2,
            "side": 1,
            "preset_take_profit_price": "66000",
            "preset_take_profit_price_type": 2,
            "preset_stop_loss_price": "63000",
            "preset_stop_loss_price_type": 1,
        }


async def test_an_order_can_stay_invisible_for_a_while(
    visiting: Visiting, autojump_clock: Any
) -> None:
    async with visiting(memory=True, order_visibility_delay_ms=300) as visit:
        order_id = await visit.owner.submit(price="64000")
        query = {"symbol": "BTCUSDT", "order_id": order_id}
        response = await visit.owner.get(f"{PRIVATE}/order", **query)
        assert (response.status_code, response.json()["code"]) == (400, 40035)
        assert await visit.owner.read(f"{PRIVATE}/get-open-orders")
        await trio.sleep(0.31)
        assert (await visit.owner.order(order_id))["state"] == 2


@pytest.mark.parametrize("order_id", ["1", "x", ""])
async def test_an_unknown_order_is_40035(visiting: Visiting, order_id: str) -> None:
    async with visiting(memory=True) as visit:
        response = await visit.owner.get(f"{PRIVATE}/order", symbol="BTCUSDT", order_id=order_id)
        assert response.json()["code"] == 40035


async def test_an_order_of_another_symbol_is_40035(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        order_id = await visit.owner.submit(price="64000")
        response = await visit.owner.get(f"{PRIVATE}/order", symbol="ETHUSDT", order_id=order_id)
        assert response.json()["code"] == 40035


async def test_open_orders_are_filtered_and_bounded(visiting: Visiting) -> None:
    async with visiting(memory=True, liquidity=4) as visit:
        one = await visit.owner.submit(price="64000")
        two = await visit.owner.submit(price="63000")
        other = await visit.owner.submit(symbol="ETHUSDT", price="3000")
        visit.exchange.set_price("BTCUSDT", Decimal(64000))

        async def ids(**query: Any) -> list[int]:
            rows = await visit.owner.read(f"{PRIVATE}/get-open-orders", **query)
            return [int(row["order_id"]) for row in rows]

        assert await ids() == [other, two, one]
        assert await ids(symbol="BTCUSDT") == [two, one]
        assert await ids(symbol="BTCUSDT", limit=1) == [two]
        assert await ids(type="market") == []
        assert await ids(order_state="partially_filled") == [one]
        assert await ids(order_state="all", type="limit", symbol="ETHUSDT") == [other]
        response = await visit.owner.get(f"{PRIVATE}/get-open-orders", limit="many")
        assert response.json()["code"] == 40011


async def test_finished_orders_are_found_in_the_history_by_either_id(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        done = await visit.owner.submit(type="market", client_order_id="mine")
        also = await visit.owner.submit(type="market")
        await visit.owner.submit(price="60000")

        async def ids(**query: Any) -> list[int]:
            rows = await visit.owner.read(
                f"{PRIVATE}/order-history", **{"symbol": "BTCUSDT", **query}
            )
            return [int(row["order_id"]) for row in rows]

        now_s = visit.exchange.now_ms() // 1000
        assert await ids() == [also, done]
        assert await ids(client_order_id="mine") == [done]
        assert await ids(order_id=str(also)) == [also]
        assert await ids(client_order_id="other") == []
        assert await ids(symbol="ETHUSDT") == []
        assert await ids(start_time=now_s - 5, end_time=now_s + 7200) == [also, done]
        assert await ids(start_time=now_s - 50, end_time=now_s - 40) == []


async def test_what_was_dated_before_the_clock_was_set_back_is_listed_where_the_period_reaches_it(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit:
        done = await visit.owner.submit(type="market")
        visit.exchange.set_clock_skew(-900_000)

        async def ids(path: str, **query: Any) -> list[int]:
            rows = await visit.owner.read(f"{PRIVATE}/{path}", symbol="BTCUSDT", **query)
            return [int(row["order_id"]) for row in rows]

        now_s = visit.exchange.now_ms() // 1000
        for path in ("order-history", "trades"):
            assert await ids(path) == []
            assert await ids(path, start_time=now_s - 60, end_time=now_s + 86_400) == [done]


async def test_trades_carry_fees_and_profit(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", client_order_id="mine")
        visit.exchange.set_price("BTCUSDT", Decimal(66000))
        await visit.owner.submit(type="market", side=3)
        close, opening = await visit.owner.read(f"{PRIVATE}/trades")
        assert (close["side"], close["profit"], close["realised_profit"]) == (3, True, "10")
        assert (opening["exec_type"], opening["paid_fees"]) == ("Taker", "0.39")
        assert (opening["price"], opening["vol"], opening["profit"]) == ("65000", "10", False)
        assert int(opening["trade_id"]) < int(close["trade_id"])
        mine = await visit.owner.read(f"{PRIVATE}/trades", client_order_id="mine")
        assert mine == [opening]
        assert await visit.owner.read(f"{PRIVATE}/trades", symbol="ETHUSDT") == []
        unknown = await visit.owner.get(f"{PRIVATE}/trades", symbol="NOUSDT")
        assert unknown.json()["code"] == 40034


async def test_cancelling_by_either_id(visiting: Visiting) -> None:
    async with visiting() as visit:
        one = await visit.owner.submit(price="60000", client_order_id="one")
        two = await visit.owner.submit(price="60000", client_order_id="two")
        assert await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "order_id": str(one)}) == {}
        await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "client_order_id": "two"})
        assert [(await visit.owner.order(each))["state"] for each in (one, two)] == [4, 4]


async def test_a_cancel_that_finds_nothing_to_cancel_says_why(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        done = await visit.owner.submit(type="market")
        open_ = await visit.owner.submit(price="60000")
        for body, code in (
            ({"symbol": "BTCUSDT", "order_id": "1"}, 40035),
            ({"symbol": "ETHUSDT", "order_id": str(open_)}, 40035),
            ({"symbol": "BTCUSDT", "client_order_id": "none"}, 40037),
            ({"symbol": "BTCUSDT", "order_id": str(done)}, 40036),
            ({"symbol": "NOUSDT"}, 40034),
        ):
            assert await visit.owner.refused(CANCEL, body) == (400, code)


@pytest.mark.parametrize("path", [CANCEL, f"{PRIVATE}/cancel-orders"])
async def test_a_cancel_without_an_id_cancels_the_whole_symbol(
    visiting: Visiting, path: str
) -> None:
    async with visiting(memory=True) as visit:
        for symbol, price in (("BTCUSDT", "60000"), ("BTCUSDT", "61000"), ("ETHUSDT", "3000")):
            await visit.owner.submit(symbol=symbol, price=price)
        await visit.owner.do(path, {"symbol": "BTCUSDT", "order_id": "", "client_order_id": ""})
        assert [order.symbol for order in visit.books.ledger.working()] == ["ETHUSDT"]


async def test_leverage_is_set_unless_a_position_differs(visiting: Visiting) -> None:
    path = f"{PRIVATE}/submit-leverage"
    body = {"symbol": "BTCUSDT", "leverage": "20", "open_type": "cross"}
    async with visiting(memory=True) as visit:
        assert await visit.owner.do(path, body) == {
            "symbol": "BTCUSDT",
            "leverage": "20",
            "open_type": "cross",
            "max_value": "100",
        }
        await visit.owner.do(path, {"symbol": "BTCUSDT", "open_type": "cross"})
        await visit.owner.submit(type="market")
        await visit.owner.do(path, body)
        for changed, code in (
            ({"leverage": "5"}, 40040),
            ({"open_type": "isolated"}, 40040),
            ({"leverage": "101"}, 40029),
            ({"leverage": "0"}, 40030),
            ({"open_type": None}, 40045),
        ):
            assert await visit.owner.refused(path, {**body, **changed}) == (400, code)


async def test_the_position_mode_changes_only_when_nothing_is_held_or_open(
    visiting: Visiting,
) -> None:
    path = f"{PRIVATE}/set-position-mode"
    async with visiting(memory=True) as visit:
        order_id = await visit.owner.submit(price="60000")
        assert await visit.owner.refused(path, {"position_mode": "one_way_mode"}) == (400, 40059)
        await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        await visit.owner.do(path, {"position_mode": "one_way_mode"})
        mode = await visit.owner.read(f"{PRIVATE}/get-position-mode")
        assert mode == {"position_mode": "one_way_mode"}
        await visit.owner.submit(type="market")
        assert await visit.owner.refused(path, {"position_mode": "hedge_mode"}) == (400, 40059)
        assert await visit.owner.refused(path, {"position_mode": "both"}) == (400, 40011)


async def test_positions_v2_shows_both_sides_of_a_symbol_and_else_what_is_held(
    visiting: Visiting,
) -> None:
    path = f"{PRIVATE}/position-v2"
    async with visiting(memory=True) as visit:
        assert await visit.owner.read(path) == []
        rows = await visit.owner.read(path, symbol="BTCUSDT")
        assert [(r["position_side"], r["current_amount"]) for r in rows] == [
            ("long", "0"),
            ("short", "0"),
        ]
        assert rows[0]["leverage"] == "10"
        await visit.owner.submit(type="market", side=4, leverage="5")
        visit.exchange.set_price("BTCUSDT", Decimal(64000))
        (row,) = await visit.owner.read(path)
        expected = {
            "position_side": "short",
            "current_amount": "10",
            "position_amount": "10",
            "entry_price": "65000",
            "mark_price": "64000",
            "mark_value": "640",
            "unrealized_pnl": "10",
            "leverage": "5",
            "initial_margin": "130",
            "open_type": "isolated",
            "liquidation_price": "77675",
        }
        assert {name: row[name] for name in expected} == expected


async def test_one_way_positions_are_signed(visiting: Visiting) -> None:
    path = f"{PRIVATE}/position-v2"
    async with visiting(memory=True, position_mode="one_way_mode") as visit:
        (flat,) = await visit.owner.read(path, symbol="BTCUSDT")
        assert (flat["position_side"], flat["position_amount"]) == ("both", "0")
        await visit.owner.submit(type="market", side=4)
        (row,) = await visit.owner.read(path, symbol="BTCUSDT")
        assert (row["position_side"], row["position_amount"]) == ("both", "-10")
        assert await visit.owner.read(path, symbol="ETHUSDT") != [row]


async def test_positions_v1_and_assets(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        await visit.owner.submit(price="60000")
        visit.exchange.set_price("BTCUSDT", Decimal(66000))
        (row,) = await visit.owner.read(f"{PRIVATE}/position", symbol="BTCUSDT")
        assert (row["position_type"], row["margin_type"]) == (1, "Isolated")
        assert (row["unrealized_value"], row["current_fee"]) == ("10", "0.39")
        (asset,) = await visit.owner.read(f"{PRIVATE}/assets-detail")
        assert asset == {
            "currency": "USDT",
            "available_balance": "9874.61",
            "frozen_balance": "60",
            "position_deposit": "65",
            "equity": "10009.61",
            "unrealized": "10",
        }
        fees = await visit.owner.read(f"{PRIVATE}/trade-fee-rate", symbol="BTCUSDT")
        assert fees["taker_fee_rate"] == "0.0006"


async def test_rate_limit_headers_count_up_and_can_be_enforced(
    visiting: Visiting, autojump_clock: Any
) -> None:
    path = f"{PRIVATE}/get-position-mode"
    async with visiting(memory=True, enforce_rate_limits=True) as visit:
        for used, status in ((1, 200), (2, 200), (3, 429)):
            response = await visit.owner.get(path)
            assert response.status_code == status
            assert response.headers["X-BM-RateLimit-Remaining"] == str(used)
            assert response.headers["X-BM-RateLimit-Limit"] == "2"
            assert response.headers["X-BM-RateLimit-Reset"] == "2"
        assert response.json()["code"] == 30013
        await trio.sleep(2.1)
        assert (await visit.owner.get(path)).status_code == 200
