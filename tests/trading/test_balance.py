"""The balance: from the stream, read over REST, and told to the application."""

from __future__ import annotations

from decimal import Decimal

from bitmart_engine import BalanceUpdate
from bitmart_engine.model.decimals import plain
from tests.stage import open_stage, open_theatre

ASSETS = "/contract/private/assets-detail"
BASE = "http://127.0.0.1:9"
URL = f"{BASE}/api/ws-worker/balance"
SIGNALS = {"trading_app_base_uri": BASE, "trading_app_shared_secret": "shared"}


def usdt(available: str, currency: str = "USDT") -> BalanceUpdate:
    return BalanceUpdate(
        currency=currency,
        available=Decimal(available),
        frozen=Decimal(0),
        position_deposit=Decimal(0),
    )


async def test_the_balance_is_read_at_the_start_and_follows_what_is_pushed(autojump_clock):
    async with open_stage() as stage:
        assert stage.engine.balance() is None
        await stage.until(lambda: stage.engine.balance() is not None)
        before = stage.engine.balance().balance
        await stage.bought()
        await stage.settle()
        known = stage.engine.balance()
        assert known.source == "push"
        assert known.balance.position_deposit > 0
        assert known.balance.available < before.available


async def test_without_pushes_it_is_read_every_minute_and_after_a_failure_soon(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        asked = stage.network.arrived.count(ASSETS)
        stage.paper.fail(ASSETS, times=1, status=500)
        await stage.settle(66)
        assert stage.network.arrived.count(ASSETS) == asked + 2
        assert stage.engine.dropped()["balance could not be read"] == 1
        assert stage.engine.balance().source == "rest"


async def test_an_answer_that_is_older_than_a_push_is_dropped(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        stage.network.slow_s = 2
        await stage.settle(59.5)
        stage.engine._room.on_event(usdt("7"))
        await stage.settle(5)
        assert stage.engine.balance().balance == usdt("7")


async def test_what_a_push_leaves_out_stays_and_other_currencies_are_not_it(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        stage.engine._room.on_event(usdt("7"))
        stage.engine._room.on_event(usdt("9", "USDC"))
        stage.engine._room.on_event(BalanceUpdate(currency="USDT", available=Decimal(8)))
        assert stage.engine.balance().balance == usdt("8")


async def test_a_change_is_signalled_and_no_change_is_not(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.settle()
        stage.engine._room.on_event(usdt("7.50"))
        stage.engine._room.on_event(usdt("7.5"))
        await stage.settle()
        first, last = stage.receiver.events(URL)
        assert first["available"] != last["available"]
        assert last == {
            "kind": "BALANCE",
            "currency": "USDT",
            "available": "7.5",
            "frozen": "0",
            "position_deposit": "0",
            "source": "push",
            "at_ms": last["at_ms"],
        }
        assert all("X-WS-Worker-Signature" in each.headers for each in stage.receiver.requests)


async def test_while_a_signal_is_owed_only_the_latest_balance_waits(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: 500
        for available in range(100):
            stage.engine._room.on_event(usdt(str(available)))
            await stage.settle(0.1)
        assert len(stage.engine.state.owed) == 1
        stage.receiver.answer = lambda request: 200
        stage.receiver.requests.clear()
        await stage.settle(30)
        assert [each["available"] for each in stage.receiver.events(URL)] == ["0", "99"]


async def test_a_signal_that_was_owed_is_sent_by_the_next_engine_and_then_the_present_balance(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path), **SIGNALS) as theatre:
        theatre.receiver.answer = lambda request: 500
        async with theatre.engine() as stage:
            stage.engine._room.on_event(usdt("7"))
            await stage.settle()
        theatre.receiver.answer = lambda request: 200
        theatre.receiver.requests.clear()
        async with theatre.engine() as stage:
            await stage.settle()
            told = [each["available"] for each in stage.receiver.events(URL)]
            assert told[0] == "7"
            assert told[1:] == [plain(stage.engine.balance().balance.available)]


async def test_without_address_or_secret_nothing_is_signalled(autojump_clock):
    async with open_stage(trading_app_base_uri=BASE) as stage:
        await stage.bought()
        await stage.settle()
        assert stage.receiver.events(URL) == []
