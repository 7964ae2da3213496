"""The account's fills, in the running engine: pushed, read where pushes were missed, kept once, and whose they are."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve

from bitmart_engine import BadRequest, Liquidity, TradeState, Unavailable, Whose
from bitmart_engine.feed import Gap, Happening
from bitmart_engine.model.fills import AccountFill
from bitmart_engine.model.sides import OrderSide
from bitmart_engine.store.fills import FILE_NAME, FillTable
from tests.support.stage import Stage, open_stage, open_theatre

TRADES = "/contract/private/trades"


async def fills(stage: Stage, **asked: Any) -> list[AccountFill]:
    """The oldest first."""
    return (await stage.engine.fills(**asked))[::-1]


async def closed(stage: Stage, id: str = "a") -> None:
    await stage.engine.close_position(id)
    await stage.until(lambda: stage.guarded(id) == "closed")
    await stage.settle(0.1)


async def test_a_fill_that_was_pushed_is_kept_with_its_fee_and_whose_it_is(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await closed(stage)
        entry, close = await fills(stage)
        order = stage.order()
        assert (entry.whose, entry.order_id, entry.protection_id) == (Whose.ENTRY, "a", "a")
        assert (close.whose, close.order_id, close.protection_id) == (Whose.CLOSE, "a", "a")
        assert entry.exchange_order_id == order.exchange_order_id
        assert entry.client_order_id == order.client_order_id
        assert entry.side is OrderSide.BUY_OPEN_LONG
        assert close.side is OrderSide.SELL_CLOSE_LONG
        assert (entry.price, entry.size) == (order.average_price, 10)
        booked = stage.paper.books.fills
        assert [(each.id, abs(each.fee or 0)) for each in (entry, close)] == [
            (str(each.trade_id), each.fee.quantize(Decimal("1e-8"))) for each in booked
        ]
        assert entry.fee_currency == "USDT"


async def test_the_list_says_later_whether_it_was_maker_or_taker(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await closed(stage)
        assert [each.liquidity for each in await fills(stage)] == [None, None]
        await stage.settle(30)
        assert [each.liquidity for each in await fills(stage)] == [Liquidity.MAKER, Liquidity.TAKER]


async def test_what_was_missed_while_the_engine_was_down_is_read(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            before = await fills(stage)
        stage.move(64400)  # the stop at the exchange acts, and nobody listens
        async with theatre.engine() as stage:
            assert await fills(stage) == before
            await stage.settle(90)
            entry, close = await fills(stage)
            assert entry.id == before[0].id
            assert (close.whose, close.protection_id) == (Whose.EXCHANGE_STOP, "a")
            assert close.order_id == "a"


async def test_a_fill_that_is_pushed_and_read_again_and_again_is_there_once(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        for _ in range(3):
            stage.engine._core.fills.read_soon()
            await stage.settle(30)
        assert stage.network.arrived.count(TRADES) >= 3
        assert len(await fills(stage)) == 1


async def test_a_fill_of_an_order_that_somebody_else_sent_is_by_hand(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.wait_ready()
        await stage.open_by_hand(size=3)
        await stage.settle(0.1)
        (fill,) = await fills(stage)
        assert (fill.whose, fill.size, fill.order_id) == (Whose.BY_HAND, 3, None)


async def test_pages_go_on_where_the_one_before_ended(autojump_clock):
    async with open_stage() as stage:
        await stage.engine.wait_ready()
        for size in range(1, 6):
            await stage.open_by_hand(size=size)
            await stage.settle(1)
        page = await stage.engine.fills(limit=2)
        assert [each.size for each in page] == [5, 4]
        rest = await stage.engine.fills(after=page[-1].id, limit=9)
        assert [each.size for each in rest] == [3, 2, 1]
        assert [e.size for e in await stage.engine.fills(since_ms=page[-1].at_ms)] == [5, 4]
        assert await stage.engine.fills(symbol="ETHUSDT") == []
        with pytest.raises(BadRequest, match="no fill has the id"):
            await stage.engine.fills(after="none")


async def test_more_than_one_answer_holds_is_read_in_parts(autojump_clock):
    async with open_stage() as stage:
        stage.engine._core.fills.take = lambda update: None  # type: ignore[method-assign]
        for _ in range(450):
            await stage.open_by_hand(size=1)
            await stage.settle(0.1)
        stage.engine._core.fills.read_soon()
        await stage.settle(60)
        assert len(await stage.engine.fills(limit=1000)) == 450


async def test_a_list_that_cannot_be_read_is_asked_for_again_and_keeps_no_stop_waiting(
    autojump_clock,
):
    async with open_stage() as stage:
        stage.paper.fail(TRADES, times=3, status=500)
        await stage.bought()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed", within=5)
        await stage.settle(200)
        assert stage.engine.dropped()["fills_read_failed"] == 3
        assert all(each.liquidity for each in await fills(stage))


async def test_a_disk_that_takes_no_fills_takes_nothing_else_down(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path)) as theatre, theatre.engine() as stage:
        await stage.settle(1)
        table = stage.engine._core.fills._table
        put, fails = table.put, [3]

        def full(some: object) -> list[AccountFill]:
            if fails[0]:
                fails[0] -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return put(some)  # type: ignore[arg-type]

        table.put = full  # type: ignore[method-assign,assignment]
        await stage.bought()
        await closed(stage)
        await stage.settle(20)
        assert stage.engine.dropped()["task_crashed"] >= 1
        assert [each.whose for each in await fills(stage)] == [Whose.ENTRY, Whose.CLOSE]


async def test_a_file_that_is_none_is_put_aside_and_the_fills_are_read_again(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
        (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 100)
        async with theatre.engine() as stage:
            await stage.settle(60)
            assert [each.whose for each in await fills(stage)] == [Whose.ENTRY]
            assert stage.engine.dropped()["fills_put_aside"] == 1
        assert (tmp_path / f"{FILE_NAME}.unusable-1").exists()


async def test_fills_are_forgotten_with_the_history(autojump_clock, tmp_path):
    async with open_theatre(state_dir=str(tmp_path), history_days=1) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
            (fill,) = await fills(stage)
        table = FillTable(tmp_path)
        table.open()
        table.put([evolve(fill, id="old", at_ms=fill.at_ms - 86_400_000)])
        table.close()
        async with theatre.engine() as stage:
            await stage.settle(1)
            assert await fills(stage) == [fill]


async def test_without_its_table_the_fills_are_unavailable_and_not_none(autojump_clock):
    async with open_stage() as stage:
        await stage.settle(1)
        stage.engine._core.fills._table.close()
        with pytest.raises(Unavailable, match="cannot be read"):
            await stage.engine.fills()


async def test_a_fill_is_an_event_and_again_when_more_is_known(autojump_clock):
    async with open_stage() as stage:
        with stage.engine.feed.read([Happening.FILL]) as reader:
            await stage.bought()
            await stage.settle(30)
            some = await reader.some(10)
        told = [each.what for each in some if not isinstance(each, Gap)]
        assert [each.liquidity for each in told] == [None, Liquidity.MAKER]  # type: ignore[union-attr]


async def test_a_trade_is_told_with_what_it_came_to_and_listed_the_same(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.until(lambda: "closed" in stage.receiver.names())
        told = next(each for each in stage.receiver.events() if each["event"] == "closed")
        await stage.settle(1)
        (trade,) = await stage.engine.trades()
        entry, close = stage.paper.books.fills
        gross = (close.price - entry.price) * 10 * Decimal("0.001")
        fees = entry.fee + close.fee
        assert trade.gross_pnl == gross
        assert abs((trade.fees or 0) - fees) < Decimal("1e-7")
        assert trade.realised_pnl == gross - (trade.fees or 0)
        assert trade.risk == (entry.price - 64500) * 10 * Decimal("0.001")
        assert trade.r == trade.realised_pnl / trade.risk
        assert trade.stop_slippage == 64500 - close.price
        assert set(trade.unknown) == {"funding"}
        assert trade.state is TradeState.CLOSED
        assert Decimal(told["realised_pnl"]) == trade.realised_pnl
        assert Decimal(told["fees"]) == trade.fees
        assert abs(Decimal(told["r"]) - trade.r) < Decimal("1e-7")


async def test_a_short_that_won_is_mirrored(autojump_clock):
    async with open_stage() as stage:
        await stage.bought(side="short", stop_loss=65500, take_profit=64500)
        stage.move(64400)
        await stage.until(lambda: stage.guarded() == "closed")
        await stage.settle(1)
        (trade,) = await stage.engine.trades()
        entry, close = stage.paper.books.fills
        assert trade.gross_pnl == (entry.price - close.price) * 10 * Decimal("0.001")
        assert (trade.gross_pnl or 0) > 0


async def test_a_trade_whose_fills_were_pushed_before_a_restart_is_told_whole(
    autojump_clock, tmp_path
):
    async with open_theatre(state_dir=str(tmp_path)) as theatre:
        async with theatre.engine() as stage:
            await stage.bought()
        async with theatre.engine() as stage:
            await stage.engine.wait_ready()
            await closed(stage)
            await stage.until(lambda: "closed" in stage.receiver.names())
            (told,) = [e for e in stage.receiver.events() if e["event"] == "closed"]
            (trade,) = await stage.engine.trades()
            assert Decimal(told["realised_pnl"]) == trade.realised_pnl


async def test_what_somebody_else_closed_has_no_pnl_and_says_why(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()
        await stage.open_by_hand(side=3, size=10)
        await stage.until(lambda: stage.guarded() == "closed", within=200)
        await stage.settle(5)
        (trade,) = await stage.engine.trades()
        assert (trade.realised_pnl, trade.entry_price) == (None, stage.order().average_price)
        assert "closed by others" in trade.unknown["realised_pnl"]
        (told,) = [e for e in stage.receiver.events() if e["event"] == "closed"]
        assert "realised_pnl" not in told


async def test_a_bug_in_the_money_of_a_position_ends_it_all_the_same(autojump_clock):
    async with open_stage() as stage:
        await stage.bought()

        def broken(*_: object) -> None:
            raise RuntimeError("a bug")

        stage.engine._core.protections._came_to = broken  # type: ignore[assignment]
        await closed(stage)
        assert stage.engine.dropped()["event_crashed"] == 1


async def test_trades_are_paged_from_the_latest_begun(autojump_clock):
    async with open_stage() as stage:
        for id in ("a", "b", "c"):
            stage.move(65000)
            await stage.bought(id)
            await closed(stage, id)
        page = await stage.engine.trades(limit=2)
        assert [each.id for each in page] == ["c", "b"]
        assert [each.id for each in await stage.engine.trades(after="b")] == ["a"]
        last = page[0].opened_ms or 0
        assert [each.id for each in await stage.engine.trades(since_ms=last)] == ["c"]
        with pytest.raises(BadRequest, match="no trade has the id"):
            await stage.engine.trades(after="none")
