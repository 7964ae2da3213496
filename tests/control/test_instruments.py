"""Instruments over HTTP: the one that is asked for is looked up, and what was looked up is listed."""

from __future__ import annotations

from .conftest import Desk

URL = "/api/instruments"


async def test_an_instrument_is_looked_up_by_its_symbol_or_ticker(desk: Desk) -> None:
    (found,) = (await desk.get(f"{URL}?symbol=btcusdt.p"))["instruments"]
    assert (found["symbol"], found["contract_size"], found["trading"]) == ("BTCUSDT", "0.001", True)


async def test_what_was_looked_up_is_listed_by_symbol(desk: Desk) -> None:
    for symbol in ("ETHUSDT", "BTCUSDT"):
        await desk.get(f"{URL}?symbol={symbol}")
    listed = (await desk.get(URL))["instruments"]
    assert [each["symbol"] for each in listed] == ["BTCUSDT", "ETHUSDT"]


async def test_an_unknown_symbol_and_a_wrong_parameter_are_refused(desk: Desk) -> None:
    assert (await desk.ask("GET", f"{URL}?symbol=NOPE")).status_code == 400
    refused = await desk.ask("GET", f"{URL}?sym=BTCUSDT")
    assert (refused.status_code, refused.json()["field"]) == (400, "sym")
