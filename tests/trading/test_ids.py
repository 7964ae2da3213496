"""Client order ids that the account used before, and journals that know less than the exchange."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal

import pytest

from bitmart_engine.trading.identity import entry_client_order_id, new_engine_id
from tests.support.stage import SUBMIT, meant, open_stage, open_theatre

ORDER = "/contract/private/order"


async def filled_before(theatre, tmp_path, life="first", **changes):
    """An engine of another life filled an order called `a`, and its position was closed."""
    async with theatre.engine(state_dir=str(tmp_path / life)) as stage:
        await stage.bought("a", **changes)
        symbol = stage.order("a").symbol
        sides = {"long": 3, "short": 2}
        await stage.open_by_hand(sides[stage.order("a").request.side.value], 10, symbol)
        await stage.until(lambda: stage.guarded() == "closed")
        return stage.order("a")


async def test_a_fresh_state_directory_never_takes_an_old_fill_for_the_new_orders(
    autojump_clock, tmp_path
):
    async with open_theatre() as theatre:
        old = await filled_before(theatre, tmp_path)
        assert old.client_order_id == "a"
        async with theatre.engine(state_dir=str(tmp_path / "second")) as stage:
            await stage.settle(60)
            await stage.place("a")
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open")
            assert stage.order().client_order_id not in ("a", "")
            assert stage.order().filled == 0
            stage.move(65000)
            await stage.until(lambda: stage.state() == "filled")
            assert stage.protection().remaining == 10
            assert stage.order().exchange_order_id != old.exchange_order_id


@pytest.mark.parametrize(
    "other",
    [{"symbol": "ETHUSDT", "side": 1, "size": 10}, {"side": 4, "size": 10}, {"side": 1, "size": 9}],
)
async def test_an_order_of_somebody_else_under_our_id_is_not_adopted(autojump_clock, other):
    async with open_stage() as stage:
        await stage.place("a")
        await stage.until(stage.prices_come)
        await by_hand(stage, client_order_id="a", **other)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "open", within=15)
        assert stage.order().client_order_id == entry_client_order_id(
            "a", 2, stage.order().engine_id
        )
        assert (stage.order().filled, stage.guarded()) == (0, "pending_fill")
        assert stage.engine.dropped()["client_order_id_taken"] == 1


async def by_hand(stage, **body):
    """A resting order, far away, or a market order, that the engine knows nothing of."""
    import hmac

    import httpx

    config = stage.paper.config
    body = {"symbol": "BTCUSDT", "type": "market", **body}
    text = json.dumps(body)
    stamp = str(stage.paper.now_ms())
    sign = hmac.new(
        config.api_secret.encode(), f"{stamp}#{config.api_memo}#{text}".encode(), "sha256"
    )
    headers = {
        "X-BM-KEY": config.api_key,
        "X-BM-TIMESTAMP": stamp,
        "X-BM-SIGN": sign.hexdigest(),
    }
    async with httpx.AsyncClient(transport=stage.paper.rest_transport()) as client:
        answer = await client.post(f"http://paper{SUBMIT}", content=text, headers=headers)
    assert answer.json()["code"] == 1000, answer.text


async def test_an_order_whose_ids_are_all_taken_is_rejected_and_says_so(autojump_clock):
    async with open_stage(request_valid_s=1) as stage:
        await stage.place("a", timeout_seconds=Decimal(600))
        await stage.until(stage.prices_come)
        stage.paper.refuse(SUBMIT, 40050, times=100)
        stage.move(65000)
        await stage.until(lambda: stage.state() == "rejected", within=120)
        await stage.until(lambda: stage.receiver.names() == ["failed"])
        (failed,) = stage.receiver.events()
        assert failed["reason"] == "id_taken"
        ids = [body["client_order_id"] for body in stage.sent()]
        assert len(ids) == len(set(ids)) == 5


async def test_an_id_that_the_exchange_would_not_take_is_derived_with_the_engines_name(
    autojump_clock,
):
    async with open_stage() as stage:
        await stage.place("order-1")
        await stage.until(stage.prices_come)
        stage.move(65000)
        await stage.until(lambda: stage.state("order-1") == "open")
        order = stage.order("order-1")
        assert order.engine_id
        assert order.client_order_id == entry_client_order_id("order-1", 1, order.engine_id)
        assert order.client_order_id != entry_client_order_id("order-1", 1)


def test_two_engines_never_have_the_same_name():
    import random

    names = {new_engine_id(random.Random(seed), 5) for seed in range(100)}
    names |= {new_engine_id(random.Random(1), at_ms) for at_ms in range(100)}
    assert len(names) == 199 + (0 if (5 in range(100)) else 1)


async def test_a_close_goes_out_under_an_id_that_no_other_engine_derives(autojump_clock):
    async with open_theatre() as theatre:
        ids = []
        for _ in range(2):
            async with theatre.engine() as stage:
                await stage.bought("order-1")
                await stage.engine.close_position("order-1")
                await stage.until(lambda: stage.guarded("order-1") == "closed")
                ids += [body["client_order_id"] for body in stage.submits(3)]
        assert len(set(ids)) == 2


def copied(directory, to):
    """A copy of a journal, as `sqlite3 .backup` makes it."""
    to.mkdir()
    with (
        sqlite3.connect(directory / "engine.sqlite3") as source,
        sqlite3.connect(to / "engine.sqlite3") as target,
    ):
        source.backup(target)
    for extra in directory.iterdir():
        if extra.suffix not in (".sqlite3", ".lock") and "sqlite3" not in extra.name:
            (to / extra.name).write_bytes(extra.read_bytes())


@pytest.mark.parametrize("id", ["a", "order-1"])
@pytest.mark.parametrize("away_s", [1, 400])
async def test_an_order_that_waits_in_a_restored_journal_and_has_filled_is_found_and_protected(
    autojump_clock, tmp_path, id, away_s
):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "now")) as stage:
            await stage.place(id)
            await stage.until(stage.prices_come)
            copied(tmp_path / "now", tmp_path / "then")
            stage.move(65000)
            await stage.until(lambda: stage.state(id) == "open")
            stage.move(65000)
            await stage.until(lambda: stage.state(id) == "filled")
            await stage.settle(away_s)
        async with theatre.engine(state_dir=str(tmp_path / "then")) as stage:
            await stage.until(lambda: stage.state(id) == "filled", within=5)
            assert (stage.guarded(id), stage.protection(id).remaining) == ("armed", 10)
            stage.move(65000)
            await stage.settle(5)
            assert len(stage.sent()) == 1


async def test_an_order_that_waits_in_a_restored_journal_and_is_open_is_found_in_its_attempt(
    autojump_clock, tmp_path
):
    async with open_theatre({"maker_only_refusal": "cancel"}) as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "now")) as stage:
            await stage.place("order-1")
            await stage.until(stage.prices_come)
            copied(tmp_path / "now", tmp_path / "then")
            stage.move("65000")
            stage.paper.books.last["BTCUSDT"] = Decimal("64999.8")
            await stage.until(lambda: stage.state("order-1") == "open")
            sent = stage.order("order-1").client_order_id
            attempts = len(stage.sent())
            assert attempts > 1
        async with theatre.engine(state_dir=str(tmp_path / "then")) as stage:
            await stage.until(lambda: stage.state("order-1") == "open", within=5)
            assert stage.order("order-1").client_order_id == sent
            await stage.settle(5)
            assert len(stage.sent()) == attempts


async def test_an_attempt_that_is_known_to_have_ended_unfilled_is_not_counted_again_at_a_start(
    autojump_clock, tmp_path
):
    async with open_theatre({"maker_only_refusal": "cancel"}) as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "now")) as stage:
            await stage.place("order-1", timeout_seconds=Decimal(3600))
            await stage.until(stage.prices_come)
            stage.move("65000")
            stage.paper.books.last["BTCUSDT"] = Decimal("64999.8")
            stage.network.slow_s = 0.1
            await stage.until(lambda: len(stage.sent()) == 1)
            stage.paper.fail(SUBMIT, status=429, times=10_000)
            await stage.until(lambda: stage.order("order-1").spent == 1)
            stage.move("66000")
            stage.network.slow_s = 0
            await stage.until(lambda: stage.state("order-1") == "waiting")
            copied(tmp_path / "now", tmp_path / "then")
        stage.paper.clear_faults()
        async with theatre.engine(state_dir=str(tmp_path / "then")) as stage:
            await stage.settle(10)
            assert (stage.state("order-1"), stage.order("order-1").spent) == ("waiting", 1)


@pytest.mark.parametrize("filled", [False, True])
async def test_an_order_whose_answer_is_lost_in_a_restored_journal_is_found_in_a_later_attempt(
    autojump_clock, tmp_path, filled
):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "now")) as stage:
            await stage.place("a", timeout_seconds=Decimal(3600))
            await stage.until(stage.prices_come)
            stage.paper.refuse(SUBMIT, 40050)
            stage.move(65000)
            await stage.until(lambda: stage.state("a") == "unknown")
            await stage.settle(1)
            copied(tmp_path / "now", tmp_path / "then")
            await stage.until(lambda: stage.state("a") == "open", within=20)
            sent = stage.order("a").client_order_id
            assert sent != "a"
            if filled:
                stage.move(65000)
                await stage.until(lambda: stage.state("a") == "filled")
        becomes = "filled" if filled else "open"
        async with theatre.engine(state_dir=str(tmp_path / "then")) as stage:
            await stage.until(lambda: stage.state("a") == becomes, within=5)
            assert stage.order("a").client_order_id == sent
            if filled:
                assert (stage.guarded("a"), stage.protection("a").remaining) == ("armed", 10)
            await stage.settle(100)
            assert stage.state("a") == becomes
            assert len(stage.sent()) == 2


async def test_a_start_asks_once_for_each_symbol_however_many_orders_wait(autojump_clock, tmp_path):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path)) as stage:
            for number in range(30):
                await stage.place(f"o{number}", timeout_seconds=Decimal(3600))
        before = len(theatre.paper.requests)
        async with theatre.engine(state_dir=str(tmp_path)) as stage:
            await stage.settle(5)
            paths = [each.path for each in meant(list(stage.paper.requests)[before:])]
            assert paths.count("/contract/private/order-history") == 1
            assert paths.count("/contract/private/trades") == 1
            assert len([each for each in paths if "private" in each]) < 12


async def test_an_overdue_order_of_a_journal_expires_once_the_exchange_was_asked(
    autojump_clock, tmp_path
):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path)) as stage:
            await stage.place("a", timeout_seconds=Decimal(2))
        import trio

        await trio.sleep(10)
        theatre.paper.fail("/contract/private/order-history", times=2, status=500)
        async with theatre.engine(state_dir=str(tmp_path)) as stage:
            await stage.settle(0.3)
            assert stage.state() == "waiting"
            await stage.until(lambda: stage.state() == "expired", within=10)


async def test_a_close_that_a_restored_journal_does_not_know_is_found_and_others_stay_covered(
    autojump_clock, tmp_path
):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "now")) as stage:
            for id in ("a", "b"):
                await stage.bought(id, take_profit=None, exchange_protection=False)
            copied(tmp_path / "now", tmp_path / "then")
            await stage.engine.close_position("b")
            await stage.until(lambda: stage.guarded("b") == "closed")
            (sent,) = stage.submits(3)
        async with theatre.engine(state_dir=str(tmp_path / "then")) as stage:
            await stage.until(lambda: stage.guarded("b") == "closed", within=5)
            assert stage.protection("b").close.client_order_id == sent["client_order_id"]
            await stage.open_by_hand(size=3)
            await stage.settle(70)
            assert (stage.guarded("a"), stage.protection("a").remaining) == ("armed", 10)
            stage.move(64000)
            await stage.until(lambda: stage.guarded("a") == "closed")
            await stage.settle(5)
            assert stage.held() == 3
            assert len(stage.submits(3)) == 2, "b was not closed again"
