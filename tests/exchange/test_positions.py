"""Positions, their settings, and the account."""

from decimal import Decimal

import pytest

from bitmart_engine.exchange import OutcomeUnknown
from bitmart_engine.model.events import PositionUpdate
from bitmart_engine.model.sides import PositionSide

PATH = "/contract/private/position-v2"
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def row(side="long", amount="10", **fields):
    return {
        "symbol": "BTCUSDT",
        "leverage": "5",
        "open_type": "isolated",
        "position_side": side,
        "position_amount": amount,
        "current_amount": amount,
        "entry_price": "65000.2",
        "open_avg_price": "65000.1",
        "liquidation_price": "52000.1",
        "timestamp": 1785726000123,
        **fields,
    }


def flat(side, **fields):
    return row(side, "0", entry_price="0", open_avg_price="0", liquidation_price="0", **fields)


async def sizes(client, symbol="BTCUSDT"):
    return {each.side: each.size for each in await client.positions(symbol)}


async def test_a_hedge_mode_position_is_read_by_side(fake, client):
    fake.says(PATH, [row("long"), flat("short")])
    assert await client.positions("BTCUSDT") == [
        PositionUpdate(
            symbol="BTCUSDT",
            side=LONG,
            size=10,
            entry_price=Decimal("65000.2"),
            liquidation_price=Decimal("52000.1"),
            update_time_ms=1785726000123,
        ),
        PositionUpdate(symbol="BTCUSDT", side=SHORT, size=0, update_time_ms=1785726000123),
    ]
    assert fake.params == {"symbol": "BTCUSDT"}


async def test_both_sides_can_be_held(fake, client):
    fake.says(PATH, [row("short", "3"), row("long", "10")])
    assert await sizes(client) == {LONG: 10, SHORT: 3}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"position_amount": "7", "current_amount": "7"}, {LONG: 7, SHORT: 0}),
        ({"position_amount": "-7", "current_amount": "7"}, {LONG: 0, SHORT: 7}),
        ({"position_amount": "-7", "current_amount": "-7"}, {LONG: 0, SHORT: 7}),
        ({"position_amount": "-7", "current_amount": None}, {LONG: 0, SHORT: 7}),
        ({"position_amount": "", "current_amount": "-7"}, {LONG: 0, SHORT: 7}),
        ({"position_amount": "0", "current_amount": "0"}, {LONG: 0, SHORT: 0}),
    ],
)
async def test_a_one_way_position_tells_its_side_by_the_sign(fake, client, fields, expected):
    fake.says(PATH, [row("both", **fields)])
    assert await sizes(client) == expected


async def test_the_current_amount_says_whether_there_is_a_position(fake, client):
    fake.says(PATH, [row("long", current_amount="0", position_amount="5"), row("short", "0")])
    assert await sizes(client) == {LONG: 0, SHORT: 0}


async def test_all_positions_are_those_that_are_held(fake, client):
    fake.says(PATH, [row("long"), flat("short"), row("both", "-2", symbol="ethusdt")])
    held = [(each.symbol, each.side, each.size) for each in await client.positions()]
    assert held == [("BTCUSDT", LONG, 10), ("ETHUSDT", SHORT, 2)]
    assert fake.params == {}


async def test_other_symbols_in_the_answer_say_nothing(fake, client):
    fake.says(PATH, [row("long", symbol="ETHUSDT", position_side="odd"), flat("long")])
    assert await sizes(client) == {LONG: 0, SHORT: 0}


async def test_an_answer_without_rows_is_checked_against_the_whole_account(fake, client):
    fake.says(PATH, [])
    fake.says(PATH, [row("short", "4"), row("long", "1", symbol="ETHUSDT")])
    assert await sizes(client) == {LONG: 0, SHORT: 4}
    assert len(fake.requests) == 2
    fake.answers.clear()
    fake.says(PATH, [])
    assert await sizes(client) == {LONG: 0, SHORT: 0}


@pytest.mark.parametrize("symbol", ["BTCUSDT", None])
@pytest.mark.parametrize("data", [None, ..., {}, "", 0, False])
async def test_anything_but_a_list_of_positions_says_nothing_of_what_is_held(
    fake, client, data, symbol
):
    fake.says(PATH, data)
    with pytest.raises(OutcomeUnknown):
        await client.positions(symbol)


@pytest.mark.parametrize(
    "bad",
    [
        {"current_amount": "0.5"},
        {"current_amount": "", "position_amount": "much"},
        {"current_amount": None, "position_amount": None},
        {"position_side": ""},
        {"symbol": ""},
    ],
)
async def test_a_position_that_cannot_be_read_fails_the_query_rather_than_look_flat(
    fake, client, bad
):
    fake.says(PATH, [row(**bad)])
    with pytest.raises(OutcomeUnknown):
        await client.positions("BTCUSDT")
    with pytest.raises(OutcomeUnknown):
        await client.positions()


@pytest.mark.parametrize("data", [..., {}, "", 5])
async def test_an_answer_without_a_list_fails_the_query(fake, client, data):
    fake.says(PATH, data)
    with pytest.raises(OutcomeUnknown):
        await client.positions("BTCUSDT")


async def test_the_settings_of_a_flat_symbol_are_read_too(fake, client):
    fake.says(PATH, [flat("long", leverage="7", open_type="Cross"), flat("short", leverage="7")])
    settings = await client.position_settings("BTCUSDT")
    assert settings.leverage == 7
    assert settings.open_type == "cross"
    assert settings.position_mode == "hedge_mode"
    assert settings.held == {LONG: 0, SHORT: 0}


async def test_the_side_that_is_held_says_the_settings(fake, client):
    fake.says(PATH, [flat("long", leverage="7"), row("short", "2", leverage="3")])
    settings = await client.position_settings("BTCUSDT")
    assert (settings.leverage, settings.held) == (3, {LONG: 0, SHORT: 2})


async def test_one_way_settings_say_so_and_unknown_ones_stay_unknown(fake, client):
    fake.says(PATH, [row("both", "-2", leverage="0", open_type=None)])
    settings = await client.position_settings("BTCUSDT")
    assert settings.position_mode == "one_way_mode"
    assert (settings.leverage, settings.open_type) == (None, None)
    assert settings.held == {LONG: 0, SHORT: 2}
    fake.answers.clear()
    fake.says(PATH, [])
    settings = await client.position_settings("BTCUSDT")
    assert (settings.leverage, settings.position_mode) == (None, None)


async def test_leverage_and_mode_go_out_as_text(fake, client):
    fake.says("/contract/private/submit-leverage", {"leverage": "5"})
    await client.submit_leverage("BTCUSDT", Decimal("5.0"), "isolated")
    assert fake.body == {"symbol": "BTCUSDT", "leverage": "5", "open_type": "isolated"}
    fake.says("/contract/private/set-position-mode", {"position_mode": "hedge_mode"})
    await client.set_position_mode("hedge_mode")
    assert fake.body == {"position_mode": "hedge_mode"}


async def test_a_position_mode_that_is_not_said_is_a_failed_query(fake, client):
    fake.says("/contract/private/get-position-mode", {})
    with pytest.raises(OutcomeUnknown):
        await client.position_mode()


async def test_the_balance_is_that_of_the_currency(fake, client):
    usdt = {
        "currency": "USDT",
        "available_balance": "900.5",
        "frozen_balance": "4.5",
        "position_deposit": "95",
        "equity": "1000.1",
        "unrealized": "-0.1",
    }
    fake.says("/contract/private/assets-detail", [{"currency": "BTC"}, usdt])
    balance = await client.balance()
    assert (balance.available, balance.frozen) == (Decimal("900.5"), Decimal("4.5"))
    assert (balance.position_deposit, balance.equity) == (95, Decimal("1000.1"))
    assert balance.unrealized == Decimal("-0.1")
    assert (await client.balance("USDC")).equity == 0
    with pytest.raises(OutcomeUnknown):
        await client.balance("BTC")


async def test_an_unreadable_position_of_a_symbol_in_which_we_have_nothing_is_left_out(
    fake, client
):
    client.concerns = {"BTCUSDT"}.__contains__
    fake.says(PATH, [row("long", "odd", symbol="ETHUSDT"), row("long", "3")])
    held = await client.positions()
    assert [(each.symbol, each.size) for each in held] == [("BTCUSDT", 3)]
    assert held.left_out == {"ETHUSDT"}
    with pytest.raises(OutcomeUnknown):
        await client.positions("ETHUSDT")
    fake.answers.clear()
    fake.says(PATH, [row("long", "odd")])
    with pytest.raises(OutcomeUnknown):
        await client.positions()
