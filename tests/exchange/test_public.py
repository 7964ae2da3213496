"""Contracts, prices and bars."""

from decimal import Decimal

import pytest

from bitmart_engine.exchange import Meaning, OutcomeUnknown, Refused
from bitmart_engine.model.events import PastTrade
from bitmart_engine.model.timeframes import Timeframe

DETAILS = "/contract/public/details"
KLINE = "/contract/public/kline"
MARKET_TRADE = "/contract/public/market-trade"


def contract(**fields):
    return {
        "symbol": "BTCUSDT",
        "product_type": 1,
        "base_currency": "BTC",
        "quote_currency": "USDT",
        "last_price": "65000.1",
        "contract_size": "0.001",
        "min_leverage": "1",
        "max_leverage": "100",
        "price_precision": "0.1",
        "vol_precision": "1",
        "max_volume": "1000000",
        "market_max_volume": "500000",
        "min_volume": "1",
        "status": "Trading",
        **fields,
    }


async def only(fake, client, **fields):
    fake.answers.clear()
    fake.says(DETAILS, {"symbols": [contract(**fields)]})
    found = await client.instruments("BTCUSDT")
    return found[0] if found else None


async def test_a_contract_is_read(fake, client):
    instrument = await only(fake, client)
    assert fake.params == {"symbol": "BTCUSDT"}
    assert instrument.symbol == "BTCUSDT"
    assert instrument.tick_size == Decimal("0.1")
    assert instrument.contract_size == Decimal("0.001")
    limits = (instrument.min_size, instrument.max_size, instrument.market_max_size)
    assert limits == (1, 1_000_000, 500_000)
    assert (instrument.min_leverage, instrument.max_leverage) == (1, 100)
    assert instrument.trading


async def test_a_delisted_contract_is_there_and_not_trading(fake, client):
    assert not (await only(fake, client, status="Delisted")).trading
    assert (await only(fake, client, status=None)).trading


async def test_what_is_missing_has_the_careful_value(fake, client):
    instrument = await only(
        fake, client, market_max_volume=None, min_volume="0", min_leverage=None, vol_precision=None
    )
    assert instrument.market_max_size == 1_000_000
    assert instrument.min_size == 1
    assert instrument.min_leverage == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quote_currency": "USD"}, "contract_coin_margined"),
        ({"vol_precision": "10"}, "contract_size_step_unsupported"),
    ],
)
async def test_a_contract_that_does_not_fit_is_left_out_and_counted(fake, client, fields, reason):
    assert await only(fake, client, **fields) is None
    assert fake.counters.counts()[reason] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"price_precision": "0"},
        {"contract_size": "-"},
        {"max_volume": ""},
        {"min_volume": "few"},
        {"symbol": None},
    ],
)
async def test_a_contract_that_cannot_be_read_is_counted_and_no_proof_that_there_is_none(
    fake, client, fields
):
    with pytest.raises(OutcomeUnknown):
        await only(fake, client, **fields)
    assert fake.counters.counts()["contract_unreadable"] == 1


async def test_a_list_without_the_contract_that_was_asked_for_is_no_proof_that_there_is_none(
    fake, client
):
    for rows in ([], [contract(symbol="ETHUSDT")], ["odd"]):
        fake.answers.clear()
        fake.says(DETAILS, {"symbols": rows})
        with pytest.raises(OutcomeUnknown):
            await client.instruments("BTCUSDT")


async def test_the_step_is_read_under_its_other_name_too(fake, client):
    odd = contract(volume_precision="10")
    del odd["vol_precision"]
    fake.says(DETAILS, {"symbols": [odd, contract(), "odd"]})
    assert [each.symbol for each in await client.instruments()] == ["BTCUSDT"]
    assert fake.params == {}


async def test_an_unknown_symbol_is_refused_as_such(fake, client):
    fake.says(DETAILS, code=40012, status=400, message="SYMBOL_NOT_EXIST")
    with pytest.raises(Refused) as refused:
        await client.instruments("NOPE")
    assert refused.value.meaning is Meaning.INSTRUMENT


@pytest.mark.parametrize("data", [None, {}, {"symbols": None}, []])
async def test_an_answer_without_contracts_is_a_failed_query(fake, client, data):
    fake.says(DETAILS, data)
    with pytest.raises(OutcomeUnknown):
        await client.instruments()


async def test_the_last_price_is_that_of_the_symbol(fake, client):
    fake.says(DETAILS, {"symbols": [contract(symbol="X", last_price="1"), contract()]})
    assert await client.last_price("BTCUSDT") == Decimal("65000.1")


@pytest.mark.parametrize("rows", [[], [contract(symbol="X")], [contract(last_price="0")]])
async def test_no_last_price_is_a_failed_query_and_not_zero(fake, client, rows):
    fake.says(DETAILS, {"symbols": rows})
    with pytest.raises(OutcomeUnknown, match="no last_price"):
        await client.last_price("BTCUSDT")


@pytest.mark.parametrize("price", ["", "-", None])
async def test_a_last_price_that_is_no_number_is_a_failed_query(fake, client, price):
    fake.says(DETAILS, {"symbols": [contract(last_price=price)]})
    with pytest.raises(OutcomeUnknown, match="last_price"):
        await client.last_price("BTCUSDT")


def bar(at, close="3"):
    return {
        "timestamp": at,
        "open_price": "1",
        "high_price": "4",
        "low_price": "0.5",
        "close_price": close,
        "volume": "10",
    }


async def test_bars_are_read_and_sorted(fake, client):
    fake.says(KLINE, [bar(120), bar(60)])
    bars = await client.klines("BTCUSDT", Timeframe.M1, 60, 120)
    assert [each.open_time_s for each in bars] == [60, 120]
    first = bars[0]
    assert (first.symbol, first.timeframe) == ("BTCUSDT", Timeframe.M1)
    assert (first.open, first.high, first.low, first.close) == (1, 4, Decimal("0.5"), 3)
    assert first.volume == 10
    assert fake.params == {
        "symbol": "BTCUSDT",
        "step": "1",
        "start_time": "60",
        "end_time": "120",
    }


@pytest.mark.parametrize("inclusive", [(True, True), (True, False), (False, True)])
async def test_a_long_range_is_asked_for_in_pieces_and_no_bar_is_missed(fake, client, inclusive):
    def held(start, end):
        first, last = inclusive
        for at in range(0, 1_000_000, 900):
            if (start < at < end) or (first and at == start) or (last and at == end):
                yield bar(at)

    async def answer(request):
        start, end = (int(request.url.params[name]) for name in ("start_time", "end_time"))
        rows = list(held(start, end))
        assert len(rows) <= 500
        fake.answers[KLINE] = []
        fake.says(KLINE, rows)
        response = fake.answers[KLINE].pop()
        fake.does(KLINE, answer)
        return response

    fake.does(KLINE, answer)
    bars = await client.klines("BTCUSDT", Timeframe.M15, 1, 900 * 1100 - 1)
    assert [each.open_time_s for each in bars] == [900 * n for n in range(1, 1100)]
    assert [int(each.url.params["step"]) for each in fake.requests] == [15, 15, 15]


@pytest.mark.parametrize(("start", "end"), [(60, 0), (0, 60 * 500 * 20)])
async def test_a_range_that_is_empty_or_endless_is_a_mistake(fake, client, start, end):
    with pytest.raises(ValueError, match="empty or too long"):
        await client.klines("BTCUSDT", Timeframe.M1, start, end)
    assert not fake.requests


@pytest.mark.parametrize("bad", [{"low_price": ""}, {"timestamp": None}, {"high_price": "x"}])
async def test_a_bar_that_cannot_be_read_fails_the_query_rather_than_hide_a_low(fake, client, bad):
    fake.says(KLINE, [bar(60), {**bar(120), **bad}])
    with pytest.raises(OutcomeUnknown):
        await client.klines("BTCUSDT", Timeframe.M1, 60, 120)


async def test_past_trades_have_their_price_and_their_second(fake, client):
    trade = {"symbol": "BTCUSDT", "price": "65000.1", "qty": "0.01", "time": 1785726001}
    fake.says(MARKET_TRADE, [trade, {**trade, "price": "64999", "time": 1785726000}])
    assert await client.past_trades("BTCUSDT") == [
        PastTrade("BTCUSDT", Decimal("65000.1"), 1785726001),
        PastTrade("BTCUSDT", Decimal(64999), 1785726000),
    ]
    assert fake.params == {"symbol": "BTCUSDT", "limit": "100"}


@pytest.mark.parametrize("bad", [{"price": ""}, {"time": None}])
async def test_a_past_trade_that_cannot_be_read_fails_the_query(fake, client, bad):
    trade = {"symbol": "BTCUSDT", "price": "65000.1", "qty": "0.01", "time": 1785726001}
    fake.says(MARKET_TRADE, [{**trade, **bad}])
    with pytest.raises(OutcomeUnknown):
        await client.past_trades("BTCUSDT")
