"""Tickers of charts mean symbols, unless the exchange lists a symbol of that very name."""

from __future__ import annotations

import attrs
import pytest

from bitmart_engine import BadRequest, Conflict, MonitorPosition, Unavailable
from bitmart_engine.model.tickers import meanings
from bitmart_engine.paper import PaperConfig
from tests.support.stage import entry, open_stage

TICKERS = [
    "BTCUSDT", "btcusdt", "BTCUSDT.P", "BITMART:BTCUSDTPERP", "bitmart:btcusdt.p", "BTCUSDTPERP", "BITMART:BTCUSDT",
]  # fmt: skip


@pytest.mark.parametrize(
    ("ticker", "symbols"),
    [
        ("BTCUSDT", ("BTCUSDT",)),
        ("BTCUSDT.P", ("BTCUSDT.P", "BTCUSDT")),
        ("BTCUSDTPERP", ("BTCUSDTPERP", "BTCUSDT")),
        ("BITMART:BTCUSDT", ("BITMART:BTCUSDT", "BTCUSDT")),
        ("bitmart:btcusdt.p", ("BITMART:BTCUSDT.P", "BTCUSDT.P", "BTCUSDT")),
        ("BITMART:PERP", ("BITMART:PERP", "PERP")),
        ("BINANCE:BTCUSDT", ("BINANCE:BTCUSDT",)),
        ("PERPUSDT", ("PERPUSDT",)),
        ("", ("",)),
        (".P", (".P",)),
    ],
)
def test_a_ticker_means_its_literal_name_first(ticker, symbols):
    assert meanings(ticker) == symbols


@pytest.mark.parametrize("ticker", TICKERS)
async def test_an_order_and_a_protection_may_be_asked_for_by_ticker(autojump_clock, ticker):
    async with open_stage() as stage:
        asked = entry(symbol=ticker)
        assert (await stage.engine.place_order(asked)).order.symbol == "BTCUSDT"
        assert (await stage.engine.place_order(asked)).duplicate
        watched = MonitorPosition(id="m", symbol=ticker, side="long", stop_loss=60000)
        assert (await stage.engine.monitor_position(watched)).protection.symbol == "BTCUSDT"
        assert (await stage.engine.monitor_position(watched)).duplicate
        other = MonitorPosition(id="m", symbol=ticker, side="long", stop_loss=60001)
        with pytest.raises(Conflict):
            await stage.engine.monitor_position(other)
        channels = await stage.engine.subscribe_klines(ticker, "1m")
        assert channels == ["futures/klineBin1m:BTCUSDT"]
        async with stage.engine.klines(ticker, "1m"):
            pass
        assert await stage.engine.unsubscribe_klines(ticker, "1m") == channels


@pytest.mark.parametrize(
    "ticker", ["BINANCE:BTCUSDT", "NOPEUSDT.P", "BITMART:", "BTCUSDT.PERP", "BTC"]
)
async def test_what_means_no_symbol_is_refused_as_it_was_written(autojump_clock, ticker):
    async with open_stage() as stage:
        with pytest.raises(BadRequest) as refused:
            await stage.engine.place_order(entry(symbol=ticker))
        assert str(refused.value) == f"unknown symbol {ticker!r}"


async def test_a_symbol_that_the_exchange_lists_by_that_name_is_the_one_that_is_meant(
    autojump_clock,
):
    bitcoin = PaperConfig().symbols[0]
    perpetual = attrs.evolve(bitcoin, symbol="BTCUSDTPERP")
    async with open_stage({"symbols": (bitcoin, perpetual)}) as stage:
        for ticker in ("BTCUSDTPERP", "BITMART:BTCUSDTPERP"):
            placed = await stage.engine.place_order(entry(ticker, symbol=ticker))
            assert placed.order.symbol == "BTCUSDTPERP"
        del stage.paper.instruments["BTCUSDTPERP"]
        await stage.settle(120)
        with pytest.raises(BadRequest):  # it was listed: it is not taken for another one now
            await stage.engine.place_order(entry("b", symbol="BTCUSDTPERP"))


async def test_a_ticker_is_looked_up_once_a_minute(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.place_order(entry(symbol="BITMART:BTCUSDT.P"))

        def details() -> int:
            return sum("details" in each.path for each in stage.paper.requests)

        before = details()
        for number in range(5):
            await stage.engine.place_order(entry(f"o{number}", symbol="BITMART:BTCUSDT.P"))
        assert details() == before


async def test_an_exchange_that_does_not_answer_makes_no_other_symbol_of_a_ticker(autojump_clock):
    async with open_stage() as stage:
        stage.paper.fail("/contract/public/details", times=100_000)
        with pytest.raises(Unavailable):
            await stage.engine.place_order(entry(symbol="ETHUSDTPERP"))
        assert not stage.engine.state.orders


async def test_an_id_of_letters_and_digits_is_the_client_order_id_of_the_first_attempt(
    autojump_clock,
):
    async with open_stage() as stage:
        id = "01JBX5Y8T0Q2W3E4R5T6Y7Z8A9"
        await stage.engine.place_order(entry(id))
        await stage.until(lambda: stage.engine.state.orders[id].exchange_order_id)
        assert [each["client_order_id"] for each in stage.submits(1)] == [id]
