"""The client against an exchange that shares no line with it: the paper exchange, in memory and over sockets."""

from contextlib import asynccontextmanager
from decimal import Decimal

import attrs
import pytest

from bitmart_engine.counters import Counters
from bitmart_engine.exchange import Meaning, Refused, SubmitOrder, Urgency, open_exchange
from bitmart_engine.model.events import OrderState
from bitmart_engine.model.sides import OrderSide, PositionSide
from bitmart_engine.model.timeframes import Timeframe
from bitmart_engine.paper import ManualMarket, PaperConfig, open_paper_exchange
from bitmart_engine.settings import Settings
from bitmart_engine.world import World
from tests.support.stage import meant

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
NOW_MS = 1_785_726_000_000

BUY = SubmitOrder(
    symbol="BTCUSDT",
    side=OrderSide.BUY_OPEN_LONG,
    size=10,
    client_order_id="in1",
    price=Decimal("64000"),
)
CLOSE = SubmitOrder(
    symbol="BTCUSDT",
    side=OrderSide.SELL_CLOSE_LONG,
    size=10,
    client_order_id="out1",
    type="market",
)


@asynccontextmanager
async def meet(*, sockets=False, ahead_ms=0, **config):
    async with open_paper_exchange(
        PaperConfig(**config),
        market=ManualMarket(),
        now_ms=lambda: NOW_MS,
        serve_sockets=sockets,
    ) as paper:
        settings = Settings(
            api_key="paper-key",
            api_secret="paper-secret",
            api_memo="paper",
            rest_uri=paper.rest_uri if sockets else "http://paper",
        )
        world = World(
            wall_ms=lambda: NOW_MS + ahead_ms,
            http_transport=None if sockets else paper.rest_transport,
        )
        async with open_exchange(settings, world, Counters()) as client:
            yield paper, client


@pytest.mark.parametrize("sockets", [False, True])
@pytest.mark.parametrize("mode", ["hedge_mode", "one_way_mode"])
async def test_an_order_lives_and_its_position_is_closed(sockets, mode):
    async with meet(sockets=sockets, position_mode=mode) as (paper, client):
        assert await client.position_mode() == mode
        await client.submit_leverage("BTCUSDT", Decimal(7), "isolated")
        settings = await client.position_settings("BTCUSDT")
        assert (settings.leverage, settings.open_type) == (7, "isolated")
        assert settings.position_mode == mode
        assert settings.held == {LONG: 0, SHORT: 0}
        assert await client.find_order("BTCUSDT", "in1") is None

        order_id = await client.submit_order(
            attrs.evolve(
                BUY, preset_stop_loss=Decimal("60000.5"), preset_take_profit=Decimal(90000)
            )
        )
        (working,) = await client.open_orders()
        assert working.order_id == order_id
        assert (await client.order("BTCUSDT", order_id)).state is OrderState.CHECK
        assert (await client.find_order("BTCUSDT", "in1")).order_id == order_id
        assert await client.order_history("BTCUSDT") == []

        paper.set_price("BTCUSDT", Decimal("64000"))
        found = await client.find_order("BTCUSDT", "in1")
        assert found.filled
        assert (found.deal_size, found.deal_avg_price) == (10, 64000)
        assert [(each.side, each.size) for each in await client.positions()] == [(LONG, 10)]
        held = {each.side: each.size for each in await client.positions("BTCUSDT")}
        assert held == {LONG: 10, SHORT: 0}
        assert (await client.position_settings("BTCUSDT")).held == {LONG: 10, SHORT: 0}
        assert (await client.balance()).equity > 0

        await client.submit_order(CLOSE)
        assert await client.positions(urgency=Urgency.CLOSE) == []
        flat = await client.positions("BTCUSDT", urgency=Urgency.CLOSE)
        assert {each.size for each in flat} == {0}
        assert (await client.find_order("BTCUSDT", "out1")).filled


async def refusal(call):
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.meaning


async def test_what_the_exchange_refuses_is_named_for_what_it_is():
    async with meet() as (_paper, client):
        assert await refusal(client.submit_order(CLOSE)) is Meaning.POSITION_GONE
        assert await refusal(client.order("BTCUSDT", "1")) is Meaning.NO_SUCH_ORDER
        cancel = client.cancel_order("BTCUSDT", client_order_id="none")
        assert await refusal(cancel) is Meaning.NO_SUCH_ORDER
        assert await refusal(client.instruments("NOPEUSDT")) is Meaning.INSTRUMENT
        assert await refusal(client.submit_leverage("BTCUSDT", Decimal(999), "cross")) in (
            Meaning.LEVERAGE,
            Meaning.INVALID,
        )
        rich = attrs.evolve(BUY, size=900_000)
        assert await refusal(client.submit_order(rich)) is Meaning.FUNDS

        order_id = await client.submit_order(BUY)
        assert await refusal(client.submit_order(BUY)) is Meaning.DUPLICATE_ID
        await client.cancel_order("BTCUSDT", order_id=order_id)
        assert (await client.order("BTCUSDT", order_id)).final


async def test_a_maker_only_order_that_crosses_may_be_told_by_its_refusal():
    async with meet() as (_paper, client):
        crossing = attrs.evolve(BUY, price=Decimal("66000"), maker_only=True)
        with pytest.raises(Refused) as refused:
            await client.submit_order(crossing)
        assert refused.value.may_be_crossing


async def test_a_wrong_clock_is_put_right_by_the_exchanges():
    async with meet(ahead_ms=-600_000) as (paper, client):
        order_id = await client.submit_order(BUY)
        assert [each.order_id for each in await client.open_orders("BTCUSDT")] == [order_id]
        paths = [each.path for each in meant(paper.requests)]
        assert paths.count("/contract/private/submit-order") == 2


async def test_contracts_prices_and_bars_are_read():
    async with meet() as (_paper, client):
        every = {each.symbol: each for each in await client.instruments()}
        (one,) = await client.instruments("BTCUSDT")
        assert every["BTCUSDT"] == one
        assert (one.tick_size, one.contract_size) == (Decimal("0.1"), Decimal("0.001"))
        assert await client.last_price("BTCUSDT") == 65000
        end_s = NOW_MS // 1000
        bars = await client.klines("BTCUSDT", Timeframe.M1, end_s - 600 * 60, end_s)
        assert len({each.open_time_s for each in bars}) == len(bars)
        assert all(each.low <= each.close <= each.high for each in bars)
        assert await client.server_time_ms() == NOW_MS
