"""Instruments and leverage are asked for once, remembered, and survive an exchange that does not answer."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
import trio

from bitmart_engine.exchange.errors import Meaning, NotSent, Refused
from bitmart_engine.model.errors import BadRequest, Unavailable
from bitmart_engine.trading.account.leverage import Leverage
from bitmart_engine.trading.market.instruments import Instruments
from tests.support.stage import BTC


class Exchange:
    """Answers with what it is given, in turn; the last answer stays."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def _answer(self, *asked):
        self.asked.append(asked)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def instruments(self, symbol=None, *, urgency=None):
        return self._answer(symbol)

    async def position_settings(self, symbol):
        return self._answer(symbol)

    async def submit_leverage(self, symbol, leverage, open_type):
        return self._answer(symbol, leverage, open_type)


def refused(meaning):
    return Refused(1, "no", 400, meaning, "/path")


async def test_an_instrument_is_asked_for_once_a_minute(autojump_clock):
    exchange = Exchange([BTC])
    instruments = Instruments(exchange)
    assert instruments.known("BTCUSDT") is None
    assert await instruments.get("BTCUSDT") is BTC
    assert await instruments.get("BTCUSDT") is BTC
    assert len(exchange.asked) == 1
    autojump_clock.jump(61)
    await instruments.get("BTCUSDT")
    assert len(exchange.asked) == 2


async def test_an_instrument_is_read_again_at_once_when_asked_for(autojump_clock):
    coarser = attrs.evolve(BTC, tick_size=Decimal(1))
    exchange = Exchange([BTC], [coarser], NotSent("down"))
    instruments = Instruments(exchange)
    await instruments.get("BTCUSDT")
    assert await instruments.refresh("BTCUSDT") is coarser
    assert instruments.known("BTCUSDT") is coarser
    assert await instruments.refresh("BTCUSDT") is coarser
    assert await instruments.refresh("ETHUSDT") is None


async def test_a_new_reading_is_waited_for_two_seconds_at_most(autojump_clock):
    exchange = Exchange([BTC])
    instruments = Instruments(exchange)
    await instruments.get("BTCUSDT")
    autojump_clock.jump(61)

    async def never(symbol=None, *, urgency=None):
        await trio.sleep_forever()

    exchange.instruments = never
    with trio.fail_after(2.1):
        assert await instruments.get("BTCUSDT") is BTC


async def test_what_is_armed_is_read_again_in_the_background_once_a_minute(autojump_clock):
    coarser = attrs.evolve(BTC, tick_size=Decimal(1))
    exchange = Exchange([BTC], NotSent("down"), [coarser])
    instruments = Instruments(exchange)
    await instruments.get("BTCUSDT")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(instruments.keep_fresh, lambda: ["BTCUSDT"])
        await trio.sleep(70)
        assert instruments.known("BTCUSDT") is BTC, "the exchange did not answer"
        await trio.sleep(60)
        assert instruments.known("BTCUSDT") is coarser
        nursery.cancel_scope.cancel()
    assert len(exchange.asked) == 3


@pytest.mark.parametrize("failure", [NotSent("down"), refused(Meaning.RATE)])
async def test_an_old_instrument_is_better_than_none(autojump_clock, failure):
    instruments = Instruments(Exchange([BTC], failure))
    await instruments.get("BTCUSDT")
    autojump_clock.jump(61)
    assert await instruments.get("BTCUSDT") is BTC


@pytest.mark.parametrize("failure", [NotSent("down"), refused(Meaning.RATE)])
async def test_an_instrument_that_was_never_read_is_unavailable(failure):
    with pytest.raises(Unavailable, match="could not be asked about BTCUSDT"):
        await Instruments(Exchange(failure)).get("BTCUSDT")


@pytest.mark.parametrize("answer", [[], [BTC], refused(Meaning.INSTRUMENT)])
async def test_a_symbol_that_the_exchange_does_not_list_is_a_bad_request(answer):
    with pytest.raises(BadRequest, match="unknown symbol 'NOPEUSDT'"):
        await Instruments(Exchange(answer)).get("NOPEUSDT")


async def test_a_delisted_symbol_is_a_bad_request():

    with pytest.raises(BadRequest, match="not trading"):
        await Instruments(Exchange([attrs.evolve(BTC, trading=False)])).get("BTCUSDT")


async def test_whoever_needs_many_symbols_gets_them_all_in_one_request(autojump_clock):
    listed = [attrs.evolve(BTC, symbol=f"S{number}USDT") for number in range(500)]
    listed.append(attrs.evolve(BTC, symbol="GONEUSDT", trading=False))
    exchange = Exchange(*[[each] for each in listed[:3]], listed)
    instruments = Instruments(exchange)

    async def get_all():
        async with trio.open_nursery() as nursery:
            for each in listed[:500]:
                nursery.start_soon(instruments.get, each.symbol)

    for each in listed[:3]:
        await instruments.get(each.symbol)
    await get_all()
    assert exchange.asked == [("S0USDT",), ("S1USDT",), ("S2USDT",), (None,)]
    with pytest.raises(BadRequest, match="not trading"):
        await instruments.get("GONEUSDT")
    assert exchange.asked[4:] == [("GONEUSDT",)]
    autojump_clock.jump(61)
    await get_all()
    assert exchange.asked[5:] == [(None,)]


class Setting:
    leverage, open_type = Decimal(10), "isolated"


async def test_a_setting_that_is_known_costs_no_request():
    exchange = Exchange(Setting)
    leverage = Leverage(exchange)
    await leverage.learn("BTCUSDT")
    await leverage.learn("BTCUSDT")
    await leverage.ensure("BTCUSDT", Decimal(10), "isolated")
    assert exchange.asked == [("BTCUSDT",)]
    leverage.forget("BTCUSDT")
    await leverage.ensure("BTCUSDT", Decimal(10), "isolated")
    assert len(exchange.asked) == 2


async def test_a_setting_that_cannot_be_read_is_set_when_it_is_needed():
    exchange = Exchange(NotSent("down"), None)
    leverage = Leverage(exchange)
    await leverage.learn("BTCUSDT")
    await leverage.ensure("BTCUSDT", Decimal(10), "isolated")
    assert exchange.asked[-1] == ("BTCUSDT", Decimal(10), "isolated")
