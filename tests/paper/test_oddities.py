"""What the paper exchange says oddly when told to: the books stay as they are, and what is told is altered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from bitmart_engine.paper.oddities import NESTED_DEEP

from .conftest import SUBMIT, Visiting

POSITIONS = "/contract/private/position-v2"
OPEN_ORDERS = "/contract/private/get-open-orders"
TRADES = "futures/trade:BTCUSDT"
KLINE = "futures/klineBin1m:BTCUSDT"
ORDERS = "futures/order"


async def test_an_answer_is_emptied_once_while_contracts_are_held(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.alter_answer(POSITIONS, "empty")
        assert await visit.owner.read(POSITIONS) == []  # nothing is held: not used up
        await visit.owner.submit(type="market")
        assert await visit.owner.read(POSITIONS) == []
        assert len(await visit.owner.read(POSITIONS)) == 1


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("null", '"data":null'),
        ("absent", ""),
        ("nested", '"data":' + "[" * NESTED_DEEP),
        ('set:current_amount="1_000"', '"current_amount":"1_000"'),
        ("without:symbol", '"leverage":"10"'),
        ("unreadable_row", '"current_amount":"no number"'),
    ],
)
async def test_an_answer_is_altered(visiting: Visiting, how: str, text: str) -> None:
    async with visiting() as visit:
        await visit.owner.submit(type="market")
        right = (await visit.owner.get(POSITIONS)).text
        visit.exchange.alter_answer(POSITIONS, how)
        odd = (await visit.owner.get(POSITIONS)).text
        assert text in odd
        assert len(odd) != len(right)
        assert ('"data"' in odd) == (how != "absent")
        assert ("BTCUSDT" in odd) == (how.startswith(("set", "unreadable")))
        assert len((await visit.owner.get(POSITIONS)).text) == len(right)


async def test_only_the_rows_of_a_symbol_are_altered(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            await visit.owner.submit(symbol=symbol, type="market", size=1)
        visit.exchange.alter_answer(POSITIONS, "empty", symbol="ETHUSDT")
        rows = await visit.owner.read(POSITIONS)
        assert [row["symbol"] for row in rows] == ["BTCUSDT"]
        visit.exchange.alter_answer(POSITIONS, "set:current_amount={}", symbol="ETHUSDT")
        rows = {row["symbol"]: row for row in await visit.owner.read(POSITIONS)}
        assert rows["BTCUSDT"]["current_amount"] == "1"
        assert rows["ETHUSDT"]["current_amount"] == {}


@pytest.mark.parametrize(
    ("how", "seen"),
    [("without:deal_size", None), ('set:deal_size=""', ""), ("set:deal_size=null", None)],
)
async def test_a_push_is_altered(visiting: Visiting, how: str, seen: Any) -> None:
    async with visiting(memory=True) as visit, visit.private(ORDERS) as listener:
        visit.exchange.alter_push(ORDERS, how, times=1)
        await visit.owner.submit(price="64000")
        order = (await listener.hear_about(ORDERS))[0]["order"]
        assert order.get("deal_size") == seen
        assert order["size"] == "10"


async def test_what_is_no_alteration_is_refused(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        for how in ("odd", "without", "set:deal_size", "set:deal_size=x", "emptyish"):
            with pytest.raises(ValueError, match=r"must be one of|FIELD=JSON"):
                visit.exchange.alter_answer(POSITIONS, how)
        with pytest.raises(ValueError, match="times"):
            visit.exchange.alter_push("futures/order", "null", times=0)
        with pytest.raises(ValueError, match="path"):
            visit.exchange.alter_answer("position", "null")
        with pytest.raises(ValueError, match="channel"):
            visit.exchange.alter_push("order", "null")


async def test_the_headers_of_the_limits_claim_anything(visiting: Visiting) -> None:
    async with visiting() as visit:
        visit.exchange.claim_limits(OPEN_ORDERS, 24, 24, 600)
        headers = (await visit.owner.get(OPEN_ORDERS)).headers
        names = ("limit", "remaining", "reset")
        assert [headers[f"x-bm-ratelimit-{name}"] for name in names] == ["24", "24", "600"]
        headers = (await visit.owner.get(OPEN_ORDERS)).headers
        assert [headers[f"x-bm-ratelimit-{name}"] for name in names] == ["50", "2", "2"]


async def test_channels_are_refused_until_they_are_not(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit, visit.public() as listener:
        visit.exchange.refuse_channels("futures/trade")
        answer = await listener.ask({"action": "subscribe", "args": [TRADES]})
        assert (answer["success"], visit.exchange.subscriptions) == (False, set())
        assert (await listener.ask({"action": "subscribe", "args": [KLINE]}))["success"]
        visit.exchange.refuse_channels("futures/trade", on=False)
        assert (await listener.ask({"action": "subscribe", "args": [TRADES]}))["success"]


async def test_a_trade_topic_begins_with_old_trades(
    visiting: Visiting, autojump_clock: trio.testing.MockClock
) -> None:
    async with visiting(memory=True, trades_on_subscribe=2, bars_on_subscribe=2) as visit:
        for price in (64000, 60000, 65000):
            visit.exchange.set_price("BTCUSDT", price)
            await trio.sleep(60)
        await trio.sleep(3600)
        async with visit.public(TRADES) as listener:
            told = await listener.hear_about(TRADES)
            assert [row["deal_price"] for row in told] == ["60000", "65000"]
        async with visit.public(KLINE) as listener:
            told = await listener.hear_about(KLINE)
            assert [row["c"] for row in told["items"]] == ["60000", "65000"]


async def test_a_contract_changes_while_the_exchange_is_open(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.change_instrument(
            "BTCUSDT", contract_size=Decimal("0.01"), market_max_size=0
        )
        details = "/contract/public/details"
        (row,) = (await visit.owner.read(details, symbol="BTCUSDT"))["symbols"]
        assert (row["contract_size"], row["market_max_volume"]) == ("0.01", "0")
        body = {"symbol": "BTCUSDT", "side": 1, "type": "market", "size": 1}
        assert await visit.owner.refused(SUBMIT, body) == (400, 40044)
        with pytest.raises(ValueError, match="unknown field 'price'"):
            visit.exchange.change_instrument("BTCUSDT", price=Decimal(1))


async def test_the_owner_amends_and_cancels_by_hand(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(price="64000", client_order_id="mine1")
        assert visit.exchange.amend_by_hand("mine1", size=25).size == 25
        assert visit.exchange.amend_by_hand("mine1", price=Decimal(64500)).price == 64500
        visit.exchange.set_price("BTCUSDT", 64500)
        assert visit.books.positions["BTCUSDT", 1].size == 25
        with pytest.raises(ValueError, match="no order 'mine1' works"):
            visit.exchange.amend_by_hand("mine1", size=30)
        await visit.owner.submit(price="64000", client_order_id="mine2")
        assert not visit.exchange.cancel_by_hand("mine2").is_working
        with pytest.raises(ValueError, match="no order 'mine2' works"):
            visit.exchange.cancel_by_hand("mine2")


@pytest.mark.parametrize("pong", ["group", "text", "action"])
async def test_a_ping_is_answered_in_one_of_three_forms(visiting: Visiting, pong: Any) -> None:
    async with visiting(memory=True, pong=pong) as visit, visit.public() as listener:
        await listener.say({"action": "ping"})
        with trio.fail_after(5):
            text = await listener.socket.get_message()
        begins = {"group": '{"group":"System"', "text": "pong", "action": '{"action":"pong"}'}
        assert text.startswith(begins[pong])
