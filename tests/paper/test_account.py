"""What an account can ask of its positions and its money, beside what is in `test_rest_private.py`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from .conftest import Visiting

PRIVATE = "/contract/private"


async def test_the_risk_of_a_position_is_told_field_by_field(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market", side=4)
        visit.exchange.set_price("BTCUSDT", 64000)
        (row,) = await visit.owner.read(f"{PRIVATE}/position-risk", symbol="BTCUSDT")
        assert row.pop("update_time") == visit.exchange.now_ms() // 1000
        assert row == {
            "symbol": "BTCUSDT",
            "position_amt": "10",
            "mark_price": "64000",
            "unrealized_profit": "10",
            "liquidation_price": "71175",
            "leverage": "10",
            "max_notional_value": "10000000",
            "margin_type": "Isolated",
            "isolated_margin": "65",
            "position_side": "Short",
            "notional": "640",
            "account": "futures",
        }
        assert await visit.owner.read(f"{PRIVATE}/position-risk", symbol="ETHUSDT") == []


async def test_what_moved_the_balance_adds_up_to_it(
    visiting: Visiting, autojump_clock: Any
) -> None:
    path = f"{PRIVATE}/transaction-history"
    async with visiting(memory=True) as visit:
        await visit.owner.submit(type="market")
        visit.exchange.set_price("BTCUSDT", 65100)
        await visit.owner.submit(type="market", side=3, size=4)
        visit.exchange.liquidate("BTCUSDT", "long")
        body = {"currency": "USDT", "amount": "100", "type": "contract_to_spot"}
        moved = await visit.owner.do("/account/v1/transfer-contract", body)
        assert moved == {"currency": "USDT", "amount": "100"}
        assert await visit.owner.do(f"{PRIVATE}/claim", {}) == {"currency": "USDT", "amount": "10"}
        rows = await visit.owner.read(path)
        kinds = {row["type"] for row in rows}
        assert kinds == {"Transfer", "Realized PNL", "Commission Fee", "Liquidation Clearance"}
        assert sum(Decimal(row["amount"]) for row in rows) == visit.books.balance - 10000
        (realised,) = await visit.owner.read(path, flow_type=2, symbol="BTCUSDT")
        assert realised.pop("tran_id").isdigit()
        assert realised == {
            "symbol": "BTCUSDT",
            "type": "Realized PNL",
            "flow_type": 2,
            "amount": "0.40000000",
            "asset": "USDT",
            "account": "futures",
            "time": str(visit.exchange.now_ms()),
        }
        assert len(await visit.owner.read(path, page_size=2)) == 2
        assert await visit.owner.read(path, start_time=1, end_time=2) == []
        assert (await visit.owner.get(path, flow_type=9)).json()["code"] == 40011


async def test_transfers_are_listed_newest_first_in_pages(
    visiting: Visiting, autojump_clock: Any
) -> None:
    listing = "/account/v1/transfer-contract-list"
    async with visiting(memory=True) as visit:
        for amount in range(1, 13):
            body = {"currency": "USDT", "amount": str(amount), "type": "spot_to_contract"}
            await visit.owner.do("/account/v1/transfer-contract", body)
            await trio.sleep(1)
        first = (await visit.owner.do(listing, {"page": 1, "limit": 10}))["records"]
        assert [row["amount"] for row in first] == [str(n) for n in range(12, 2, -1)]
        second = (await visit.owner.do(listing, {"page": 2, "limit": 10}))["records"]
        assert [row["amount"] for row in second] == ["2", "1"]
        assert (second[0]["type"], second[0]["state"]) == ("spot_to_contract", "FINISHED")
        assert isinstance(second[0]["timestamp"], int)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"currency": "BTC"}, 40011),
        ({"amount": "0"}, 40011),
        ({"amount": "x"}, 40011),
        ({"amount": "1.123456789"}, 40005),
        ({"type": "away"}, 40011),
        ({"amount": "100000", "type": "contract_to_spot"}, 42000),
        ({"recvWindow": 60001}, 30007),
        ({"recvWindow": "5000"}, 30007),
    ],
)
async def test_a_transfer_that_is_wrong_is_refused(
    visiting: Visiting, changed: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True) as visit:
        body = {"currency": "USDT", "amount": "1", "type": "spot_to_contract", **changed}
        assert (await visit.owner.refused("/account/v1/transfer-contract", body))[1] == code
        assert visit.books.balance == 10000
