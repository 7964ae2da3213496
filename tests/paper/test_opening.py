"""Opening and closing the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from bitmart_engine.paper import ManualMarket, PaperConfig, PaperInstrument, open_paper_exchange

from .conftest import Visiting


async def test_a_port_that_is_taken_is_named() -> None:
    async with open_paper_exchange(market=ManualMarket()) as first:
        port = int(first.rest_uri.rpartition(":")[2])
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            async with open_paper_exchange(PaperConfig(rest_port=port)):
                pass


async def test_without_sockets_there_are_no_addresses() -> None:
    async with open_paper_exchange(serve_sockets=False) as exchange:
        assert (exchange.public_ws_uri, exchange.rest_uri, exchange.admin_uri) == ("", "", "")


async def test_closing_takes_no_time_and_ends_every_connection(visiting: Visiting) -> None:
    async with visiting() as visit, visit.public("futures/ticker") as listener:
        await visit.owner.read("/system/time")
        with trio.fail_after(1):
            visit.exchange._nursery.cancel_scope.cancel()
            assert await listener.is_closed() == 1006


async def test_the_same_seed_gives_the_same_prices_and_ids(autojump_clock: Any) -> None:
    outcomes = []
    for _ in range(2):
        async with open_paper_exchange(
            PaperConfig(seed=7), serve_sockets=False, now_ms=lambda: 1_700_000_000_000
        ) as exchange:
            await trio.sleep(10)
            outcomes.append((dict(exchange.books.last), exchange.books.ledger.new_order_id()))
    assert outcomes[0] == outcomes[1]


async def test_a_price_may_be_a_text_but_never_a_float(visiting: Visiting) -> None:
    async with visiting(memory=True) as visit:
        visit.exchange.set_price("BTCUSDT", "65000.5")
        assert visit.exchange.last_price("BTCUSDT") == Decimal("65000.5")
        with pytest.raises(TypeError, match="not the float"):
            visit.exchange.set_price("BTCUSDT", 65000.5)


async def test_instruments_are_the_users_to_choose(visiting: Visiting) -> None:
    mine = PaperInstrument("XUSDT", Decimal(2), Decimal("0.01"), Decimal(1), max_leverage=3)
    async with visiting(memory=True, symbols=(mine,)) as visit:
        assert visit.books.account.leverage == {"XUSDT": 3}
        await visit.owner.submit(symbol="XUSDT", price="1.99")


@pytest.mark.parametrize(
    "wrong",
    [
        {"position_mode": "both"},
        {"open_type": "both"},
        {"fee_sign": 0},
        {"maker_only_refusal": "shrug"},
        {"close_more_than_held": "more"},
    ],
)
def test_a_parameter_with_an_unknown_value_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PaperConfig(**wrong)
