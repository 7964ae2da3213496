"""The application's book of exchange orders, in the running engine."""

from __future__ import annotations

from attrs import evolve

from bitmart_engine.model.events import OrderState, OrderUpdate
from bitmart_engine.model.futures_orders import FuturesStatus
from bitmart_engine.settings import IN_MEMORY
from tests.support.stage import open_stage, open_theatre


def push(update_time: int, state: int, deal_size: int) -> OrderUpdate:
    """A push, as the normalizer hands it on."""
    raw = (
        '{"action":1,"order":{"order_id":"7","client_order_id":"c7","symbol":"BTCUSDT","size":"10",'
        f'"state":{state},"deal_size":"{deal_size}","update_time":{update_time}}}}}'
    )
    return OrderUpdate(order_id="7", symbol="BTCUSDT", state=OrderState(state), raw=raw.encode())


async def test_an_older_update_never_undoes_a_newer_one(autojump_clock):
    async with open_stage() as stage:
        room, state = stage.engine._core, stage.engine.state
        room.on_event(push(200, 4, 10))
        kept = state.futures_orders["7"]
        for update in (push(100, 2, 0), push(200, 4, 10), push(150, 2, 4)):
            room.on_event(update)
        assert state.futures_orders["7"] is kept
        assert kept.status is FuturesStatus.FILLED
        assert state.futures_order_of("c7") is kept


async def test_an_event_that_cannot_be_kept_is_counted_and_harms_nothing(autojump_clock):
    async with open_stage() as stage:
        bad = evolve(push(1, 2, 0), raw=b'{"order":{"order_id":"7","symbol":"B","size":"1e30"}}')
        stage.engine._core.on_event(bad)
        stage.engine._core.on_event(evolve(bad, raw=b""))
        assert stage.engine.dropped()["futures_order_event_invalid"] == 1
        assert not stage.engine.state.futures_orders


async def test_the_book_survives_a_restart(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            before = dict(stage.engine.state.futures_orders)
        assert before
        async with theatre.engine() as stage:
            assert dict(stage.engine.state.futures_orders).items() >= before.items()
            order = stage.order()
            assert stage.engine.state.futures_order_of(order.client_order_id) is not None


async def test_an_order_that_ended_while_nobody_listened_is_asked_about(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.place()
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open")
            id = stage.order().exchange_order_id
            assert stage.engine.state.futures_orders[id].status is FuturesStatus.PENDING
        stage.move(64900)
        async with theatre.engine(state_dir=IN_MEMORY) as other:
            other.engine._core.on_event(push(1, 2, 0))  # nobody knows this one
            await other.settle(30)
            assert other.engine.dropped()["futures_order_not_found"] == 1
        async with theatre.engine() as stage:
            await stage.until(
                lambda: stage.engine.state.futures_orders[id].status is FuturesStatus.FILLED
            )


async def test_a_listing_that_fails_proves_nothing(autojump_clock):
    async with open_stage() as stage:
        stage.engine._core.on_event(push(1, 2, 0))
        stage.paper.fail("/contract/private/get-open-orders", times=100, status=500)
        await stage.settle(15)
        assert stage.engine.dropped()["futures_orders_read_failed"] == 1
        assert stage.engine.state.futures_orders["7"].status is FuturesStatus.PENDING
