"""What is pushed on the private socket, and in which order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from .conftest import CANCEL, SUBMIT, Visiting

ORDER, POSITION, ASSET = "futures/order", "futures/position", "futures/asset:USDT"


async def heard(listener: Any, count: int) -> list[tuple[Any, ...]]:
    """The next frames in short."""
    short: list[tuple[Any, ...]] = []
    for _ in range(count):
        frame = await listener.hear()
        match frame["group"]:
            case "futures/order":
                (event,) = frame["data"]
                order = event["order"]
                short.append((event["action"], order["state"], order["deal_size"]))
            case "futures/position":
                (row,) = frame["data"]
                short.append(("position", row["hold_volume"]))
            case "futures/asset:USDT":
                short.append(("asset", frame["data"]["available_balance"]))
    return short


async def test_a_market_order_is_submitted_then_matched_then_seen_in_the_position(
    visiting: Visiting,
) -> None:
    async with visiting() as visit, visit.private(ORDER, POSITION, ASSET) as listener:
        await visit.owner.submit(type="market", leverage="10")
        assert await heard(listener, 5) == [
            (2, 1, "0"),
            ("asset", "9935"),
            (1, 4, "10"),
            ("position", "10"),
            ("asset", "9934.61"),
        ]


async def test_a_limit_order_rests_fills_in_parts_and_finishes(visiting: Visiting) -> None:
    async with visiting(liquidity=4) as visit, visit.private(ORDER) as listener:
        await visit.owner.submit(price="64000")
        for _ in range(3):
            visit.exchange.set_price("BTCUSDT", Decimal(64000))
        assert await heard(listener, 4) == [(2, 2, "0"), (1, 2, "4"), (1, 2, "8"), (1, 4, "10")]


async def test_a_cancel_is_pushed_with_what_was_filled(visiting: Visiting) -> None:
    async with visiting(liquidity=4) as visit, visit.private(ORDER) as listener:
        order_id = await visit.owner.submit(price="64000")
        visit.exchange.set_price("BTCUSDT", Decimal(64000))
        await visit.owner.do(CANCEL, {"symbol": "BTCUSDT", "order_id": str(order_id)})
        assert await heard(listener, 3) == [(2, 2, "0"), (1, 2, "4"), (3, 4, "4")]


async def test_the_fields_of_an_order_push(visiting: Visiting) -> None:
    async with visiting() as visit, visit.private(ORDER) as listener:
        before = visit.exchange.now_ms()
        order_id = await visit.owner.submit(
            price="66000", client_order_id="eng01a7", leverage="5", open_type="cross"
        )
        await listener.hear()
        (event,) = await listener.hear_about(ORDER)
        order = event["order"]
        last_trade = order.pop("last_trade")
        assert isinstance(last_trade.pop("lastTradeID"), int)
        assert last_trade == {
            "fillQty": "10",
            "fillPrice": "65000",
            "fee": "-0.39",
            "feeCcy": "USDT",
        }
        assert before <= order.pop("create_time") <= order.pop("update_time")
        assert (event["action"], order) == (
            1,
            {
                "order_id": str(order_id),
                "client_order_id": "eng01a7",
                "price": "66000",
                "size": "10",
                "symbol": "BTCUSDT",
                "state": 4,
                "side": 1,
                "type": "limit",
                "leverage": "5",
                "open_type": "cross",
                "deal_avg_price": "65000",
                "deal_size": "10",
                "plan_order_id": "",
                "trigger_price": "-",
                "trigger_price_type": "-",
                "execution_price": "-",
                "activation_price_type": "-",
                "activation_price": "-",
                "callback_rate": "-",
                "position_mode": "hedge_mode",
            },
        )


async def test_the_sign_of_a_fee_is_a_parameter(visiting: Visiting) -> None:
    async with visiting(fee_sign=1) as visit, visit.private(ORDER) as listener:
        await visit.owner.submit(type="market")
        await listener.hear()
        (event,) = await listener.hear_about(ORDER)
        assert event["order"]["last_trade"]["fee"] == "0.39"


async def test_the_fields_of_position_and_asset_pushes(visiting: Visiting) -> None:
    async with visiting() as visit, visit.private(POSITION, ASSET) as listener:
        await visit.owner.submit(side=4, type="market", leverage="10", open_type="cross")
        (row,) = await listener.hear_about(POSITION)
        assert row.pop("create_time") == row.pop("update_time")
        assert row == {
            "symbol": "BTCUSDT",
            "hold_volume": "10",
            "position_type": 2,
            "open_type": 2,
            "frozen_volume": "0",
            "close_volume": "0",
            "hold_avg_price": "65000",
            "close_avg_price": "0",
            "open_avg_price": "65000",
            "liquidate_price": "71175",
            "position_mode": "hedge_mode",
        }
        assert await listener.hear_about(ASSET) == {
            "currency": "USDT",
            "available_balance": "9934.61",
            "position_deposit": "65",
            "frozen_balance": "0",
        }


async def test_a_closed_position_is_pushed_with_zero_once(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True) as visit, visit.private(POSITION) as listener:
        await visit.owner.submit(type="market")
        await visit.owner.submit(type="market", side=3)
        assert (await listener.hear_about(POSITION))[0]["hold_volume"] == "10"
        closed = (await listener.hear_about(POSITION))[0]
        assert (closed["hold_volume"], closed["close_volume"]) == ("0", "10")
        await trio.sleep(60)
        assert await listener.hears_nothing()


async def test_positions_come_again_every_ten_seconds(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True) as visit, visit.private(POSITION) as listener:
        await visit.owner.submit(type="market")
        await listener.hear_about(POSITION)
        times = []
        for _ in range(2):
            assert (await listener.hear_about(POSITION))[0]["hold_volume"] == "10"
            times.append(trio.current_time())
        assert times[1] - times[0] == pytest.approx(10)


async def test_a_flat_account_can_be_told_so(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with (
        visiting(memory=True, position_push_when_flat=True) as visit,
        visit.private(POSITION) as listener,
    ):
        assert await listener.hear_about(POSITION) == []


@pytest.mark.parametrize("memory", [False, True])
async def test_the_reply_leaves_before_the_push_unless_told_otherwise(
    visiting: Visiting, memory: bool
) -> None:
    for before in (False, True):
        async with visiting(memory=memory, push_before_reply=before) as visit:
            seen: list[str] = []
            publish = visit.exchange.hub.publish

            def noted(topic: str, *rest: Any, _seen: Any = seen, _to: Any = publish) -> None:
                _seen.append(topic)
                _to(topic, *rest)

            visit.exchange.hub.publish = noted
            app = visit.exchange.rest_app._app

            async def watched(
                scope: Any, receive: Any, send: Any, _app: Any = app, _seen: Any = seen
            ) -> None:
                async def sent(message: Any) -> None:
                    _seen.append(message["type"])
                    await send(message)

                await _app(scope, receive, sent)

            visit.exchange.rest_app._app = watched
            await visit.owner.submit(price="60000")
            with trio.fail_after(5):
                while "futures/order" not in seen:  # it comes after the reply
                    await trio.sleep(0.001)
            order, reply = seen.index("futures/order"), seen.index("http.response.start")
            assert (order < reply) is before


async def test_presets_push_an_order_of_their_own(visiting: Visiting) -> None:
    async with visiting() as visit, visit.private(ORDER) as listener:
        await visit.owner.submit(type="market", preset_stop_loss_price="64000")
        visit.exchange.set_price("BTCUSDT", Decimal(63990))
        events = [(await listener.hear_about(ORDER))[0] for _ in range(4)]
        stop = events[3]["order"]
        assert (stop["type"], stop["side"], stop["deal_avg_price"]) == ("stop_loss", 3, "63990")
        assert stop["client_order_id"] == f"PLAN_{stop['plan_order_id']}"


async def test_liquidation_is_pushed_with_its_actions(visiting: Visiting) -> None:
    async with visiting() as visit, visit.private(ORDER) as listener:
        await visit.owner.submit(type="market")
        await visit.owner.submit(price="60000")
        visit.exchange.liquidate("BTCUSDT", "long")
        assert await heard(listener, 6) == [
            (2, 1, "0"),
            (1, 4, "10"),
            (2, 2, "0"),
            (4, 4, "0"),
            (2, 1, "0"),
            (7, 4, "10"),
        ]


async def test_a_private_topic_can_begin_with_the_present_state(visiting: Visiting) -> None:
    async with visiting(snapshot_on_subscribe=True) as visit:
        await visit.owner.submit(type="market")
        order_id = await visit.owner.submit(price="60000")
        async with visit.private() as listener:
            for topic in (ORDER, POSITION, ASSET):
                await listener.say({"action": "subscribe", "args": [topic]})
            (event,) = await listener.hear_about(ORDER)
            assert event["order"]["order_id"] == str(order_id)
            assert (await listener.hear_about(POSITION))[0]["hold_volume"] == "10"
            assert (await listener.hear_about(ASSET))["frozen_balance"] == "60"


async def test_a_refused_order_pushes_nothing(visiting: Visiting) -> None:
    async with visiting() as visit, visit.private(ORDER, POSITION, ASSET) as listener:
        await visit.owner.refused(SUBMIT, {"symbol": "BTCUSDT", "side": 1, "size": 0})
        assert await listener.hears_nothing()
