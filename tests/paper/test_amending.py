"""modify-limit-order: another price, another size, the same order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Visiting

MODIFY = "/contract/private/modify-limit-order"


async def test_a_resting_order_gets_another_price_and_size_and_keeps_its_id(
    visiting: Visiting,
) -> None:
    async with visiting(memory=True) as visit, visit.private("futures/order") as listener:
        order_id = await visit.owner.submit(price="64000", client_order_id="mine")
        body = {"symbol": "BTCUSDT", "order_id": order_id, "price": "64100"}
        changed = await visit.owner.do(MODIFY, body)
        assert changed == {"order_id": order_id, "client_order_id": "mine"}
        await visit.owner.do(MODIFY, {"symbol": "BTCUSDT", "client_order_id": "mine", "size": 12})
        row = await visit.owner.order(order_id)
        assert (row["price"], row["size"], row["state"]) == ("64100", "12", 2)
        told = [(await listener.hear_about("futures/order"))[0]["order"] for _ in range(3)]
        assert [(one["price"], one["size"]) for one in told] == [
            ("64000", "10"),
            ("64100", "10"),
            ("64100", "12"),
        ]


async def test_a_new_price_beyond_the_market_fills_at_once(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        order_id = await visit.owner.submit(price="64000")
        await visit.owner.do(MODIFY, {"symbol": "BTCUSDT", "order_id": order_id, "price": "66000"})
        row = await visit.owner.order(order_id)
        assert (row["state"], row["deal_avg_price"]) == (4, "65000")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 40011),
        ({"order_id": 77, "price": "1"}, 40035),
        ({"client_order_id": "none", "price": "1"}, 40037),
        ({"client_order_id": "mine"}, 40011),
        ({"client_order_id": "mine", "price": "64000.05"}, 40043),
        ({"client_order_id": "mine", "size": 4}, 40044),
        ({"client_order_id": "mine", "size": 900_000}, 42000),
        ({"client_order_id": "maker", "price": "65000.1"}, 40011),
        ({"client_order_id": "close", "size": 21}, 40020),
        ({"client_order_id": "done", "price": "64000"}, 40036),
    ],
)
async def test_what_cannot_be_changed_is_refused_and_stays(
    visiting: Visiting, body: dict[str, Any], code: int
) -> None:
    async with visiting(memory=True, liquidity=10) as visit:
        await visit.owner.submit(type="market", client_order_id="done")
        await visit.owner.submit(price="64000", client_order_id="maker", mode=4)
        await visit.owner.submit(side=3, price="66000", client_order_id="close")
        await visit.owner.submit(price="64900", size=14, client_order_id="mine")
        visit.exchange.set_price("BTCUSDT", Decimal(64900))
        before = dict(visit.books.orders)
        assert (await visit.owner.refused(MODIFY, {"symbol": "BTCUSDT", **body}))[1] == code
        assert visit.books.orders == before
