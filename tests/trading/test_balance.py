"""The balance: from the stream, read over REST, and told to the application in the form of its contract."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bitmart_engine import BalanceUpdate
from bitmart_engine.settings import SettingError, Settings
from tests.support.stage import open_stage, open_theatre
from tests.trading.application import BALANCE, BASE, ORDERS, SIGNALS, Application

ASSETS = "/contract/private/assets-detail"


def usdt(available: str, currency: str = "USDT") -> BalanceUpdate:
    return BalanceUpdate(
        currency=currency,
        available=Decimal(available),
        frozen=Decimal(0),
        position_deposit=Decimal(0),
    )


def pay_in(stage, amount) -> None:
    """The account gets `amount` more, and the stream says so."""
    books = stage.paper.books if hasattr(stage.paper, "books") else stage.paper._books
    books.account.balance += Decimal(amount)
    stage.engine._core.on_event(usdt(str(books.account.balance)))


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
        assert stage.engine.dropped()["balance_read_failed"] == 1
        assert stage.engine.balance().source == "rest"


async def test_an_answer_that_is_older_than_a_push_is_dropped(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        stage.network.slow_s = 2
        await stage.settle(59.5)
        stage.engine._core.on_event(usdt("7"))
        await stage.settle(5)
        assert stage.engine.balance().balance == usdt("7")


async def test_what_a_push_leaves_out_stays_and_other_currencies_are_not_it(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        stage.engine._core.on_event(usdt("7"))
        stage.engine._core.on_event(usdt("9", "USDC"))
        stage.engine._core.on_event(BalanceUpdate(currency="USDT", available=Decimal(8)))
        assert stage.engine.balance().balance == usdt("8")


async def test_pushes_cause_no_reads_while_there_is_nobody_to_tell(autojump_clock):
    async with open_stage() as stage:
        await stage.settle()
        asked = stage.network.arrived.count(ASSETS)
        for _ in range(20):
            stage.engine._core.on_event(usdt("7"))
            await stage.settle(0.5)
        assert stage.network.arrived.count(ASSETS) == asked


async def test_a_change_is_signalled_as_the_contract_says_and_no_change_is_not(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        application = stage.receiver.answer = Application(stage.paper.now_ms)
        await stage.settle()
        pay_in(stage, "7.50")
        pay_in(stage, "0")
        await stage.settle(3)
        pay_in(stage, "0")
        await stage.settle(3)
        first, last = application.balances
        assert first["available_balance"] == "10000"
        assert last == {
            "asset": "USDT",
            "available_balance": "10007.5",
            "frozen_balance": "0",
            "equity": "10007.5",
            "unrealized_pnl": "0",
            "position_deposit": "0",
            "timestamp": last["timestamp"],
            "context": {"source": "bitmart_ws_worker", "from": "rest"},
            "retry_count": 0,
            "payload_version": "1.0",
            "trace_id": last["trace_id"],
        }
        assert last["timestamp"].startswith("2026-08-03T")
        assert last["trace_id"] != first["trace_id"]
        assert application.faults == []


async def test_the_equity_of_a_position_is_told_as_the_exchange_has_it(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        application = stage.receiver.answer = Application(stage.paper.now_ms)
        await stage.bought()
        await stage.until(lambda: application.balances[-1]["position_deposit"] != "0", within=3)
        last = application.balances[-1]
        assert Decimal(last["equity"]) > Decimal(last["available_balance"])
        assert application.faults == []


async def test_nothing_is_signalled_before_the_equity_was_read(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        application = stage.receiver.answer = Application(stage.paper.now_ms)
        stage.paper.fail(ASSETS, times=3, status=500)
        stage.engine._core.on_event(usdt("7"))
        await stage.settle(9)
        assert application.balances == []
        await stage.settle(9)
        assert [each["available_balance"] for each in application.balances] == ["10000"]
        assert application.faults == []


async def test_pushes_without_end_do_not_keep_the_balance_from_being_told(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        application = stage.receiver.answer = Application(stage.paper.now_ms)
        await stage.settle()
        stage.network.slow_s = 0.5
        for amount in range(100):
            stage.engine._core.on_event(usdt(str(amount)))
            await stage.settle(0.1)
        assert 2 <= len(application.balances) <= 10
        assert application.faults == []


async def test_while_a_signal_is_owed_only_the_latest_balance_waits(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        application = Application(stage.paper.now_ms)
        await stage.settle()
        stage.receiver.answer = lambda request: 500
        for _ in range(20):
            pay_in(stage, 1)
            await stage.settle(1)
        assert len(stage.engine.state.owed) == 1
        stage.receiver.answer = application
        stage.receiver.requests.clear()
        await stage.settle(50)
        told = [each["available_balance"] for each in application.balances]
        assert told == ["10001", "10020"]


async def test_a_signal_that_was_owed_is_sent_by_the_next_engine_and_then_the_present_balance(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path), **SIGNALS) as theatre:
        theatre.receiver.answer = lambda request: 500
        async with theatre.engine() as stage:
            await stage.settle()
            pay_in(stage, 1)
            await stage.settle()
        application = theatre.receiver.answer = Application(theatre.paper.now_ms)
        async with theatre.engine() as stage:
            await stage.settle(3)
            told = [each["available_balance"] for each in application.balances]
            assert told == ["10000", "10001"]


async def test_without_address_or_secret_nothing_is_signalled(autojump_clock):
    async with open_stage(trading_app_base_uri=BASE) as stage:
        await stage.bought()
        await stage.settle()
        assert stage.receiver.events(BALANCE) == []


async def test_off_in_place_of_the_path_stops_balance_signals_alone(autojump_clock):
    async with open_stage(**SIGNALS, trading_app_balance_signal_path="off") as stage:
        await stage.bought()
        await stage.settle()
        assert {str(each.extensions["url"]) for each in stage.receiver.requests} >= {ORDERS}
        assert not any("balance" in each.extensions["url"] for each in stage.receiver.requests)


async def test_a_404_to_the_first_signal_stops_them_until_the_next_start(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path), **SIGNALS) as theatre:
        theatre.receiver.answer = lambda request: (
            404 if request.extensions["url"] == BALANCE else 202
        )
        for starts in (1, 2):
            async with theatre.engine() as stage:
                await stage.settle()
                pay_in(stage, 1)
                await stage.settle(130)
                assert len(stage.receiver.events(BALANCE)) == starts


async def test_a_404_after_a_signal_was_taken_stops_nothing(autojump_clock):
    async with open_stage(**SIGNALS) as stage:
        await stage.settle()
        stage.receiver.answer = lambda request: 404
        pay_in(stage, 1)
        await stage.settle(3)
        stage.receiver.answer = lambda request: 202
        pay_in(stage, 1)
        await stage.settle(3)
        assert len(stage.receiver.events(BALANCE)) == 3


def test_another_word_than_off_in_place_of_the_path_is_refused():
    with pytest.raises(SettingError, match="TRADING_APP_BALANCE_SIGNAL_PATH=of: must be a path"):
        Settings(trading_app_balance_signal_path="of")
