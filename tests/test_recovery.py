"""After an end of whatever kind, the next engine on the same state directory takes everything up again."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
import trio
from attrs import evolve

from bitmart_engine import MonitorPosition
from bitmart_engine.guarding import Unguarded
from bitmart_engine.model.errors import BadRequest, NotFound, Unavailable
from bitmart_engine.model.notifications import Notification
from bitmart_engine.paper import DEFAULT_SYMBOLS, PaperInstrument
from bitmart_engine.store import JournalError, JournalLocked
from bitmart_engine.store.records import NotificationOwed
from bitmart_engine.trading.entries.entries import Entries
from bitmart_engine.trading.resuming import Resuming
from tests.support.stage import HOOK, SUBMIT, entry, open_stage, open_theatre

OPEN_ORDERS = "/contract/private/get-open-orders"
POSITIONS = "/contract/private/position-v2"


class Crash(BaseException):
    """The process is gone."""


@asynccontextmanager
async def crashing(theatre, tmp_path):
    """An engine whose process ends where the block ends: what it had on disk is what the next one finds."""
    lives = tmp_path / "lives"
    left = tmp_path / "left"
    try:
        async with theatre.engine(state_dir=str(lives)) as stage:
            yield stage
            await stage.engine._store.durable()
            shutil.copytree(lives, left, ignore=shutil.ignore_patterns("*.lock"))
            raise Crash
    except* Crash:
        pass
    shutil.rmtree(lives)
    left.rename(lives)


async def test_a_waiting_order_waits_again_and_is_placed(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            assert stage.state() == "waiting"
            await stage.until(stage.prices_come)
            stage.move(64995)
            await stage.until(lambda: stage.state() == "open")


async def test_a_deadline_that_passed_meanwhile_is_expired_and_said_so(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995, timeout_seconds=Decimal(60))
        await trio.sleep(100)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.state() == "expired", within=2)
            await stage.until(lambda: stage.receiver.names() == ["timeout"])


async def test_a_position_is_guarded_again_and_its_stop_fires(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought(exchange_protection=False)
            await stage.settle(10)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            assert stage.guarded() == "armed"
            await stage.until(stage.prices_come)
            stage.move(64400)
            await stage.until(lambda: stage.guarded() == "closed")


async def test_an_order_filled_while_away_is_protected_and_told(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(exchange_protection=False)
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open")
            await stage.settle()
        theatre.paper.set_price("BTCUSDT", Decimal(65000))
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "armed")
            await stage.until(lambda: stage.receiver.names()[-1] == "filled")
            found = stage.engine.found()
            assert (found.filled_while_away, found.adopted) == (1, 0)


async def test_a_position_closed_while_away_ends_as_closed(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought()
            await stage.settle(10)
        theatre.paper.set_price("BTCUSDT", Decimal(64400))
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "closed")
            await stage.until(lambda: stage.receiver.names()[-1] == "closed")
            assert stage.engine.found().closed_while_away == 1
            assert stage.submits(2, 3) == []


async def test_a_submit_that_a_crash_cut_off_is_looked_up_and_not_sent_again(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place()
            await stage.until(stage.prices_come)
            theatre.paper.delay(SUBMIT, 3600, after=True)
            stage.move(65000)
            await stage.until(lambda: len(stage.paper.books.orders) == 1)
            assert stage.state() in ("submitting", "open")
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.state() in ("open", "filled"))
            assert len(stage.paper.books.orders) == 1


async def test_a_close_that_a_crash_cut_off_is_found_and_not_doubled(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought(exchange_protection=False)
            await stage.settle(10)
            theatre.paper.freeze("futures/order", until="forever")
            theatre.paper.delay(SUBMIT, 3600, after=True)
            stage.move(64400)
            await stage.until(lambda: len(stage.paper.books.orders) == 2)
            assert stage.guarded() == "closing"
        theatre.paper.clear_faults()
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.guarded() == "closed")
            assert stage.protection().reason == "stop_loss"
            assert len(stage.paper.books.orders) == 2


async def test_what_was_owed_is_delivered_and_what_was_viewed_is_streamed(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        theatre.receiver.answer = lambda request: None
        async with crashing(theatre, tmp_path) as stage:
            await stage.engine.subscribe_klines("ETHUSDT", ["1h"])
            await stage.place(entry_zone_max=64995)
            await stage.engine.cancel_order("a")
            await stage.settle()
        keys = {each.headers["Idempotency-Key"] for each in theatre.receiver.requests}
        theatre.receiver.requests.clear()
        theatre.receiver.answer = lambda request: 200
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.receiver.names() == ["cancelled"])
            assert {each.headers["Idempotency-Key"] for each in theatre.receiver.requests} == keys
            await stage.until(
                lambda: any(
                    "futures/klineBin1H:ETHUSDT" in c.topics for c in stage.paper.hub.connections
                )
            )


async def test_a_cancel_that_was_asked_for_is_carried_out(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place()
            await stage.until(stage.prices_come)
            stage.move(65000)
            await stage.until(lambda: stage.state() == "open")
            theatre.paper.fail("/contract/private/cancel-order", times=1000)
            await stage.engine.cancel_order("a")
        theatre.paper.clear_faults()
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: stage.state() == "cancelled")


async def test_nothing_is_opened_until_the_exchange_was_read_and_closes_pass(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought("held", exchange_protection=False)
            await stage.place(entry_zone_min=64300, entry_zone_max=64450, stop_loss=64000)
            await stage.settle(10)
        theatre.paper.fail(POSITIONS, times=100_000)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(stage.prices_come)
            stage.move(64400)
            await stage.until(lambda: stage.guarded("held") == "closed")
            await stage.settle(20)
            assert stage.state() == "waiting"
            assert "orders and positions not read yet" in stage.engine.not_ready()
            theatre.paper.clear_faults()
            await stage.until(lambda: stage.state() in ("open", "filled"), within=120)


@pytest.mark.parametrize("path", [OPEN_ORDERS, POSITIONS])
async def test_an_account_without_orders_is_not_taken_for_read_while_a_list_cannot_be(
    path, autojump_clock
):
    async with open_theatre() as theatre:
        theatre.paper.fail(path, status=502, times=100_000)
        async with theatre.engine() as stage:
            await stage.settle(30)
            assert "orders and positions not read yet" in stage.engine.not_ready()
            theatre.paper.clear_faults()
            await stage.until(lambda: not stage.engine.not_ready(), within=60)


async def test_a_monitored_position_and_its_moved_stop_are_remembered(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.open_by_hand()
            await stage.engine.monitor_position(
                MonitorPosition(
                    id="m", symbol="BTCUSDT", stop_loss=Decimal(64000), callback_url=HOOK
                )
            )
            await stage.engine.change_protection("m", stop_loss=Decimal(64700))
            await stage.settle(10)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            assert stage.protection("m").stop_loss == Decimal(64700)
            await stage.until(stage.prices_come)
            stage.move(64650)
            await stage.until(lambda: stage.guarded("m") == "closed")


async def test_the_same_request_after_a_restart_is_a_duplicate(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            again = await stage.engine.place_order(entry(entry_zone_max=64995))
            assert again.duplicate


# A disk that does not take it


async def test_while_the_journal_cannot_be_written_nothing_is_promised_and_stops_still_fire(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre, theatre.engine(state_dir=str(tmp_path / "s")) as stage:
        await stage.bought("held", exchange_protection=False)
        await stage.settle(10)
        database = stage.engine._store._journal._database
        commit, broken = database.commit, OSError(28, "No space left on device")

        def full(units):
            raise broken

        database.commit = full
        with pytest.raises(Unavailable, match="the journal cannot be written: the disk is full"):
            await stage.place("new", entry_zone_max=64995)
        assert "new" not in stage.engine.state.orders
        with pytest.raises(Unavailable):
            await stage.engine.change_protection("held", stop_loss=Decimal(64600))
        assert "the disk is full" in stage.engine.not_ready()[0]
        stage.move(64400)
        await stage.until(lambda: stage.guarded("held") == "closed")
        assert stage.receiver.names()[-1] != "closed"
        database.commit = commit
        await stage.until(lambda: stage.engine.trouble() is None)
        await stage.until(lambda: stage.receiver.names()[-1] == "closed")
        await stage.place("new", entry_zone_max=64000, entry_zone_min=63900, stop_loss=63000)


async def test_an_order_whose_promise_fails_was_never_there_for_whoever_cancels_it_meanwhile(
    tmp_path, autojump_clock
):
    async def slowly(function, *arguments):
        await trio.sleep(0.5)
        return function(*arguments)

    async with open_theatre() as theatre:
        theatre.world = evolve(theatre.world, run_blocking=slowly)
        async with theatre.engine(state_dir=str(tmp_path / "s")) as stage:
            await stage.settle(10)
            database = stage.engine._store._journal._database
            commit = database.commit

            def full(units):
                raise OSError(28, "No space left on device")

            async def place():
                with pytest.raises(Unavailable):
                    await stage.place("new", entry_zone_max=64995)

            database.commit = full
            async with trio.open_nursery() as nursery:
                nursery.start_soon(place)
                await trio.sleep(0.1)
                with pytest.raises(NotFound):
                    await stage.engine.cancel_order("new")
            database.commit = commit
            await stage.until(lambda: stage.engine.trouble() is None)
            await stage.place("new", entry_zone_max=64995)
            await stage.engine.cancel_order("new")
            await stage.settle(30)
            assert stage.receiver.names() == ["cancelled"]


async def test_a_second_engine_on_the_same_directory_is_refused_by_naming_the_first(
    tmp_path, autojump_clock
):
    async with open_theatre() as theatre, theatre.engine(state_dir=str(tmp_path / "s")):
        with pytest.raises(JournalLocked, match="process"):
            async with theatre.engine(state_dir=str(tmp_path / "s")):
                pass


async def test_a_directory_of_demo_trading_is_not_used_for_real_money(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        async with theatre.engine(state_dir=str(tmp_path / "s"), mode="demo"):
            pass
        with pytest.raises(JournalError, match="belongs to demo trading, and this is live"):
            async with theatre.engine(state_dir=str(tmp_path / "s"), mode="live"):
                pass


async def test_a_dead_letter_is_kept_and_sent_again_when_asked(tmp_path, autojump_clock):
    async with open_theatre() as theatre:
        theatre.receiver.answer = lambda request: 404
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995)
            await stage.engine.cancel_order("a")
            await stage.until(lambda: stage.engine.state.dead)
        theatre.receiver.answer = lambda request: 200
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            (letter,) = stage.engine.state.dead.values()
            assert "404" in letter.why
            before = len(theatre.receiver.requests)
            await stage.engine.retry_notification(letter.notification.id)
            await stage.until(lambda: len(theatre.receiver.requests) == before + 1)
            await stage.until(lambda: not stage.engine.state.owed)
            assert stage.engine.state.dead == {}


async def test_a_callback_that_an_older_engine_owes_goes_out_as_it_was(tmp_path, autojump_clock):
    older = b'{"event":"placed","order_id":"a","entry_price":"65000","quantity":"0.01"}'
    async with open_theatre() as theatre:
        theatre.receiver.answer = lambda request: 500
        async with crashing(theatre, tmp_path) as stage:
            note = Notification(
                id="n",
                lane="a",
                url=HOOK,
                kind="placed",
                body=older,
                created_ms=stage.engine.now_ms(),
            )
            stage.engine._store.record(NotificationOwed(note))
        theatre.receiver.answer = lambda request: 200
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: not stage.engine.state.owed)
        assert {request.content for request in theatre.receiver.requests} == {older}


async def test_a_request_with_any_metadata_is_a_duplicate_after_a_restart_too(
    tmp_path, autojump_clock
):
    odd = {"plan": 7, "share": Decimal("0.10"), "é": [None, True, {"deep": 1.5}]}
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.place(entry_zone_max=64995, metadata=odd)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            again = await stage.engine.place_order(entry(entry_zone_max=64995, metadata=odd))
            assert again.duplicate


# What cannot be taken up as it was

ODD = "币安人生USDT"


def with_a_symbol_called(name: str) -> dict[str, object]:
    """An exchange that lists one more contract, under that name."""
    more = PaperInstrument(
        name, price=Decimal("65000"), tick_size=Decimal("0.1"), contract_size=Decimal("0.001")
    )
    return {"symbols": (*DEFAULT_SYMBOLS, more)}


async def test_a_symbol_that_is_not_ascii_is_traded_and_guarded_across_a_restart(
    tmp_path, autojump_clock
):
    async with open_theatre(paper=with_a_symbol_called(ODD)) as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought(symbol=ODD, exchange_protection=False)
            await stage.place(
                "b", symbol=ODD, entry_zone_min=60000, entry_zone_max=60001, stop_loss=59000
            )
            await stage.settle(5)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            await stage.until(lambda: not stage.engine.not_ready())
            assert (stage.guarded(), stage.state("b")) == ("armed", "waiting")
            await stage.until(lambda: stage.prices_come(ODD))
            stage.move(64400, ODD)
            await stage.until(lambda: stage.guarded() == "closed")
            assert stage.held(ODD) == 0


@pytest.mark.parametrize("name", ["BTC USDT", 'BTC"USDT', "BTC@USDT", "BTC\u200bUSDT", "B" * 300])
async def test_a_symbol_that_no_channel_can_be_called_after_is_refused_before_it_is_recorded(
    name, autojump_clock
):
    async with open_stage(paper=with_a_symbol_called(name)) as stage:
        with pytest.raises(BadRequest):
            await stage.place(symbol=name)
        with pytest.raises(BadRequest):
            await stage.engine.monitor_position(
                MonitorPosition(id="m", symbol=name, side="long", stop_loss=Decimal(64000))
            )
        assert not stage.engine.state.orders
        assert not stage.engine.state.protections


async def test_what_cannot_be_taken_up_is_said_and_keeps_nothing_else_from_it(
    tmp_path, autojump_clock, monkeypatch
):
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought("a", exchange_protection=False)
            await stage.place(
                "bad",
                symbol="ETHUSDT",
                entry_zone_min=3000,
                entry_zone_max=3001,
                stop_loss=2900,
                take_profit=4000,
            )
            await stage.settle(5)
        resume, broken = Entries.resume, True

        def failing(self, id):
            if id == "bad" and broken:
                raise RecursionError("too deep")
            resume(self, id)

        monkeypatch.setattr(Entries, "resume", failing)
        async with theatre.engine(state_dir=str(tmp_path / "lives")) as stage:
            assert any("order 'bad'" in each for each in stage.engine.not_ready())
            assert stage.engine.dropped()["not_resumed"] == 1
            await stage.until(lambda: stage.engine.found() is not None)
            broken = False
            await stage.until(lambda: not stage.engine.not_ready(), within=100)
            await stage.until(stage.prices_come)
            stage.move(64400)
            await stage.until(lambda: stage.guarded() == "closed")


async def test_a_start_that_fails_ends_with_its_error(tmp_path, autojump_clock, monkeypatch):
    def failing(self):
        raise ZeroDivisionError

    monkeypatch.setattr(Resuming, "resume", failing)
    async with open_theatre() as theatre:
        with trio.fail_after(60), pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
            async with theatre.engine(state_dir=str(tmp_path / "lives")):
                pass


# Without credentials


@pytest.mark.parametrize("missing", [("api_key", "api_secret", "api_memo"), ("api_memo",)])
async def test_a_start_without_credentials_is_refused_while_something_hangs_on_them(
    missing, tmp_path, autojump_clock
):
    gone = dict.fromkeys(missing, "")
    async with open_theatre() as theatre:
        async with crashing(theatre, tmp_path) as stage:
            await stage.bought("a", exchange_protection=False)
            await stage.place("b", entry_zone_max=64995)
        where = str(tmp_path / "lives")
        with pytest.raises(Unguarded) as refused:
            async with theatre.engine(state_dir=where, **gone):
                pass
        said = str(refused.value)
        assert "BITMART_API_MEMO" in said
        assert "armed protection 'a' of BTCUSDT" in said
        assert "waiting order 'b' of BTCUSDT" in said
        assert "--prices-only" in said
        async with theatre.engine(state_dir=where, prices_only=True, **gone) as stage:
            assert len(stage.engine.unguarded()) == 3
            assert any("unguarded" in each for each in stage.engine.not_ready())
        async with theatre.engine(state_dir=where) as stage:
            assert not stage.engine.unguarded()
            assert stage.guarded() == "armed"
        async with theatre.engine(state_dir=str(tmp_path / "new"), **gone) as stage:
            assert not stage.engine.unguarded()
