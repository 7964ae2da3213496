"""An application that was written for the old worker works with this engine, and not one of its lines changes."""

from __future__ import annotations

import httpx
import pytest
import trio

from .client import open_client
from .flows import EVERYWHERE, IN_MEMORY_ONLY
from .play import WEBHOOK_TOKEN, play_in_memory
from .receivers import BALANCE_SIGNALS, Application
from .run import run_over_sockets

HERE = {"exchange_protection": False}


@pytest.mark.parametrize("flow", [*EVERYWHERE, *IN_MEMORY_ONLY], ids=lambda flow: flow.__name__)
async def test_in_memory_the_application_is_told_all_that_it_needs(flow, autojump_clock):
    async with play_in_memory() as play:
        await flow(play, "1")
        play.check()


async def test_over_sockets_one_engine_plays_the_whole_run():
    await run_over_sockets()


async def test_an_application_that_sends_contracts_gets_contracts(autojump_clock):
    async with play_in_memory(quantity_unit="contracts") as play:
        reply = await play.place("a", more=HERE, quantity=10.0)
        assert (reply.body["size"], float(reply.body["quantity_base"])) == (10, 0.01)
        assert (await play.bought("a"))["quantity"] == 10
        refused = await play.client.post(
            "/api/place-order",
            {
                "id": "b",
                "symbol": "BTCUSDT",
                "side": "long",
                "entry_zone_min": 64990.0,
                "entry_zone_max": 65010.0,
                "quantity": 0.01,
            },
        )
        assert refused.status == 400
        assert "quantity" in refused.error
        play.move(66001)
        await play.told("a", "closed")
        play.check()


async def test_a_list_of_symbols_is_not_given_up_where_subscribing_is_lenient(autojump_clock):
    async with play_in_memory(subscribe_lenient=True) as play:
        replies = await play.client.subscribe(["NOSUCHUSDT", "BTCUSDT"], "1m")
        assert [reply.ok for reply in replies] == [True, True]
        assert "NOSUCHUSDT" in replies[0].body["refused"]


async def test_an_older_application_that_has_no_balance_route_is_asked_once(autojump_clock):
    older = Application(webhook_token=WEBHOOK_TOKEN)
    older.balances.exists = False
    async with play_in_memory(older) as play:
        await play.until(lambda: play.application.answered(404))
        for number in range(3):
            await play.order_of_its_own(f"APP{number}", 1)
            await play.signalled(f"APP{number}", "ENTRY", "FILLED")
            await trio.sleep(60)
        assert [each.path for each in play.application.answered(404)] == [BALANCE_SIGNALS]


async def test_a_wrong_password_is_refused_in_words_that_the_application_can_keep(autojump_clock):
    async with play_in_memory() as play:
        transport = play.client.http._transport
        assert isinstance(transport, httpx.MockTransport)
        async with open_client("http://worker:wrong@127.0.0.1:8089", transport) as stranger:
            reply = await stranger.status()
        assert reply.status == 401
        assert reply.error
