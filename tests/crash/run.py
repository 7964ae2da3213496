"""One run: an exchange, an application, and an engine that is killed again and again on one state directory.

The exchange and the receiver of callbacks live in this process, behind real sockets, so that their books can be read
directly; the engine is a process of its own, started anew after each kill.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from bitmart_engine.paper import (
    ManualMarket,
    PaperConfig,
    PaperExchange,
    open_paper_exchange,
)
from tests.support.app import App
from tests.support.books import Books, asked_of
from tests.support.judge import Evidence, Row, Violation, judge, read_journal
from tests.support.points import POINTS
from tests.support.wishes import UNGUARDED

from .hatchery import EngineProcess, Hatchery
from .receiver import Receiver, open_receiver
from .traffic import Market, Traders, Trouble

__all__ = ["AT_RANDOM", "Doom", "Outcome", "dooms", "play"]

AT_RANDOM = "at random"
REQUEST_VALID_S = 5
"""A minute is what BitMart may take; here an order whose answer was lost is to be known sooner."""
PATIENCE_S = 15.0
"""How long a life may go on, once the engine is ready, without coming to the point at which it is to end."""
STARTS_WITHIN_S = 60.0
"""How long it may take to be ready, among faults and on a busy machine."""
MORE_AFTER_S = 2.0
"""How soon there is more to do for an engine that has not come to that point."""
FREQUENT = ("promise kept", "intent journalled", "callback due", "callback delivered")
SETTLED_WITHIN_S = 90.0
SLOW_S = 5.0
LOOKS = 10
"""How often it is looked at again, because something was journalled meanwhile."""
LAST_ROWS = 40
TRADERS = 3
COMMITS = ("before commit", "after commit")


@frozen
class Doom:
    """When a life ends: at a named point the `times`-th time, or after so many events and a moment."""

    point: str
    times: int
    pause_s: float = 0.0


@define
class Outcome:
    """What a run came to."""

    seed: int
    kills: Counter[str] = field(factory=Counter)
    counts: Counter[str] = field(factory=Counter)
    recovery_s: list[float] = field(factory=list)
    violations: list[Violation] = field(factory=list)
    evidence: str = ""
    """Where what the engine logged and kept can be looked at, if something was broken."""
    last_events: dict[str, list[str]] = field(factory=dict)


def dooms(seed: int, kills: int) -> list[Doom]:
    """How the lives of a run end. Over any twenty runs in a row every point has its turn many times."""
    rng = random.Random(f"dooms:{seed}")
    made = []
    for number in range(kills):
        turn = seed * kills + number
        if rng.random() < 0.2:
            made.append(Doom(AT_RANDOM, rng.randint(1, 120), rng.uniform(0, 0.03)))
        else:
            point = POINTS[turn % len(POINTS)]
            made.append(
                Doom(
                    point, rng.randint(1, 20 if point in COMMITS else 3 if point in FREQUENT else 1)
                )
            )
    return made


async def play(seed: int, kills: int, hatchery: Hatchery) -> Outcome:
    """Run and judge."""
    outcome = Outcome(seed)
    directory = Path(tempfile.mkdtemp(prefix=f"crash-{seed}-"))
    rng = random.Random(f"run:{seed}")
    config = PaperConfig(
        seed=seed,
        balance=Decimal(1_000_000),
        liquidity=rng.choice((4, 4, None)),
        push_before_reply=rng.random() < 0.3,
        timestamp_window_ms=REQUEST_VALID_S * 1000,
        order_visibility_delay_ms=rng.choice((0, 0, 300)),
        maker_only_refusal=rng.choice(("reply", "reply", "cancel")),
    )
    async with (
        open_paper_exchange(config, market=ManualMarket()) as paper,
        open_receiver(random.Random(f"receiver:{seed}")) as receiver,
        httpx.AsyncClient(timeout=10) as client,
    ):
        run = _Run(seed, outcome, directory, paper, receiver, App(client), hatchery)
        try:
            await run.live_and_die(dooms(seed, kills))
        finally:
            if outcome.violations:
                outcome.evidence = str(directory)
            else:
                shutil.rmtree(directory)
    return outcome


class _Run:
    def __init__(
        self,
        seed: int,
        outcome: Outcome,
        directory: Path,
        paper: PaperExchange,
        receiver: Receiver,
        app: App,
        hatchery: Hatchery,
    ) -> None:
        self.outcome = outcome
        self.directory = directory
        self.paper = paper
        self.receiver = receiver
        self.app = app
        self.hatchery = hatchery
        self.market = Market(paper, random.Random(f"market:{seed}"))
        self.trouble = Trouble(paper, random.Random(f"trouble:{seed}"))
        self.traders = Traders(
            app, paper, self.market, random.Random(f"traders:{seed}"), receiver.url
        )
        self.flushed = False
        self.books = Books(paper)

    @property
    def state_directory(self) -> Path:
        return self.directory / "state"

    @property
    def events(self) -> int:
        """How much has been observed to happen so far."""
        seen = len(self.paper.requests) + len(self.paper.frames) + len(self.receiver.receipts)
        return seen + self.app.answers

    async def live_and_die(self, ends: Sequence[Doom]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.market.run)
            trading, troubling = trio.CancelScope(), trio.CancelScope()
            traded = trio.Event()
            nursery.start_soon(self._trade, trading, traded)
            nursery.start_soon(_within, troubling, self.trouble.run)
            for doom in ends:
                await self._life(doom)
                if self.outcome.violations:
                    break
            else:
                async with self._engine() as (engine, born):
                    await self._settle(engine, born, traded, troubling)
                if engine.code != 0:
                    self._died(engine)
            nursery.cancel_scope.cancel()
        if not self.outcome.violations:
            self._judge()

    async def _trade(self, scope: trio.CancelScope, traded: trio.Event) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                for _ in range(TRADERS):
                    nursery.start_soon(self.traders.run)
        traded.set()

    # Lives

    @asynccontextmanager
    async def _engine(self, doom: Doom | None = None) -> AsyncIterator[tuple[EngineProcess, float]]:
        """An engine process, from its start to its end, which is brought about here if need be."""
        settings = {
            "public_ws_uri": self.paper.public_ws_uri,
            "private_ws_uri": self.paper.private_ws_uri,
            "rest_uri": self.paper.rest_uri,
            "api_key": self.paper.config.api_key,
            "api_secret": self.paper.config.api_secret,
            "api_memo": self.paper.config.api_memo,
            "control_address": "127.0.0.1:0",
            "subscribe_delay_ms": 0,
            "request_valid_s": REQUEST_VALID_S,
            "reconnect_delay_s": 0.05,
            "mode": "paper",
            "state_dir": str(self.state_directory),
        }
        named = doom is not None and doom.point != AT_RANDOM
        point, times = (doom.point, doom.times) if doom is not None and named else ("", 0)
        born = trio.current_time()
        engine = await self.hatchery.start(settings, self.directory, point, times)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._find_address, engine)
                yield engine, born
                nursery.cancel_scope.cancel()
        finally:
            self.app.address = None
            with trio.CancelScope(shield=True):
                await self.hatchery.kill(engine)

    async def _find_address(self, engine: EngineProcess) -> None:
        while engine.address is None:
            await trio.sleep(0.005)
        self.app.address = engine.address

    async def _life(self, doom: Doom) -> None:
        begun = self.events
        self.traders.wish_for_more()
        async with self._engine(doom) as (engine, born):
            async with trio.open_nursery() as nursery:
                patience = trio.CancelScope(deadline=trio.current_time() + STARTS_WITHIN_S)
                nursery.start_soon(self._be_patient, patience, born)
                with patience:
                    if doom.point == AT_RANDOM:
                        while self.events < begun + doom.times and engine.code is None:
                            await trio.sleep(0.002)
                        await trio.sleep(doom.pause_s)
                    else:
                        while engine.code is None:
                            with trio.move_on_after(MORE_AFTER_S):
                                await engine.ended.wait()
                            self.traders.wish_for_more()
                nursery.cancel_scope.cancel()
            reached = engine.code is not None
            await self.hatchery.kill(engine)
        if engine.code != -signal.SIGKILL:
            self._died(engine)
        self.outcome.kills[doom.point if reached else AT_RANDOM] += 1

    async def _be_patient(self, patience: trio.CancelScope, born: float) -> None:
        await self._time_recovery(born)
        patience.deadline = trio.current_time() + PATIENCE_S

    async def _time_recovery(self, born: float) -> None:
        """Wait until the engine is ready, and note how long that took; if it was long, what it waited for."""
        last = ["no engine"]
        while missing := await self.app.missing():
            last = missing
            await trio.sleep(0.02)
        took = trio.current_time() - born
        self.outcome.recovery_s.append(took)
        if took > SLOW_S:
            self.outcome.counts[f"recovery over {SLOW_S:g} s: {last[0]}"] += 1

    def _died(self, engine: EngineProcess) -> None:
        log = (self.directory / "engine.log").read_text().splitlines()
        detail = f"exit code {engine.code}: {' | '.join(log[-3:])[-2000:]}"
        self.outcome.violations.append(
            Violation("only a kill ends it", f"seed {self.outcome.seed}", detail)
        )

    # The end

    async def _settle(
        self,
        engine: EngineProcess,
        born: float,
        traded: trio.Event,
        troubling: trio.CancelScope,
    ) -> None:
        """Let everything come to rest, see what is there, let every stop fire, and look again."""
        self.traders.stop = True
        self.receiver.well = True
        self.market.steady = True
        troubling.cancel()
        self.paper.clear_faults()
        await self._time_recovery(born)
        await traded.wait()
        await self._until(engine, "every order ended", self._orders_ended)
        for _ in range(LOOKS):
            await self._until(engine, "everything came to rest", self._at_rest)
            before = self._journal()
            standing = await self._evidence()
            standing.journal = self._journal()
            if len(standing.journal) == len(before):
                break  # otherwise something ended just then, and is being told
        self._take(judge(standing))
        self.flushed = True
        for part in ("0.7", "2"):
            for symbol, centre in self.market.centre.items():
                if symbol != UNGUARDED:
                    self.market.centre[symbol] = centre * Decimal(part)
            await self._until(engine, "the new prices were seen", self._prices_seen)
            await self._until(engine, "everything closed came to rest", self._at_rest)
        await self._until(engine, "every protection ended", self._unguarded)
        await self._until(engine, "everything was told", self._at_rest)
        self.evidence = await self._evidence()
        await self.app.ask("POST", "/stop")
        with trio.move_on_after(10):
            await engine.ended.wait()

    async def _until(self, engine: EngineProcess, what: str, condition: Callable[[], Any]) -> None:
        with trio.move_on_after(SETTLED_WITHIN_S):
            while engine.code is None:
                if await condition():
                    return
                await trio.sleep(0.1)
        print(f"seed {self.outcome.seed}: not in time: {what}", file=sys.stderr)

    async def _orders_ended(self) -> bool:
        """Whether all entry orders have; those with a long time to wait are cancelled."""
        shown = await self._shown("orders")
        for each in shown.values():
            patient = float(each["timeout_seconds"]) > 10 or each["state"] != "waiting"
            if patient and each["state"] in ("waiting", "open", "partially_filled"):
                await self.app.cancel(each["id"])
        states = {each["state"] for each in (await self._shown("orders")).values()}
        return states <= {"filled", "cancelled", "expired", "rejected"}

    async def _prices_seen(self) -> bool:
        """Whether the engine has seen what the market is like now of everything it guards, however busy the machine."""
        shown = await self._shown("positions")
        guarded = {
            each["symbol"] for each in shown.values() if each["state"] in ("armed", "closing")
        }
        prices = (await self.app.ask("GET", "/status")).body["prices"]
        return all(
            symbol in prices
            and abs(Decimal(prices[symbol]["last"]) / self.market.centre[symbol] - 1)
            < Decimal("0.05")
            for symbol in guarded - {UNGUARDED}
        )

    async def _at_rest(self) -> bool:
        shown = await self._shown("positions")
        resting = all(each["state"] != "closing" for each in shown.values())
        return resting and not await self._owed() and not await self.app.missing()

    async def _unguarded(self) -> bool:
        shown = await self._shown("positions")
        states = {each["state"] for each in shown.values()}
        return states <= {"closed", "released", "pending_fill"}

    async def _owed(self) -> int:
        owed: int = (await self.app.ask("GET", "/status")).body["outbox"]["owed"]
        return owed

    async def _shown(self, what: str) -> dict[str, dict[str, Any]]:
        answer = await self.app.ask("GET", f"/api/{what}?limit=1000")
        return {each["id"]: each for each in answer.body[what]}

    # What there is to be seen

    async def _evidence(self) -> Evidence:
        return Evidence(
            **asked_of(self.app),
            shown_orders=await self._shown("orders"),
            shown_positions=await self._shown("positions"),
            owed=await self._owed(),
            orders=self.books.orders(),
            held=self.books.held(),
            received=[(each.key, each.body, each.status) for each in self.receiver.receipts],
            unguarded=UNGUARDED,
            now_ms=self.paper.now_ms(),
            flushed=self.flushed,
        )

    def _journal(self) -> list[Row]:
        return read_journal(self.state_directory / "engine.sqlite3")

    def _judge(self) -> None:
        self.evidence.journal = self._journal()
        self._take(judge(self.evidence))
        counts = self.outcome.counts
        keys = {each.key for each in self.receiver.receipts}
        counts["orders accepted"] = len(self.app.placed)
        counts["positions monitored"] = len(self.app.monitored)
        counts["orders at the exchange"] = len(self.paper.books.orders)
        counts["fills"] = len(self.paper.books.fills)
        counts["closes"] = self.books.closes()
        counts["callbacks"] = len(keys)
        counts["callbacks delivered again"] = len(self.receiver.receipts) - len(keys)
        counts["requests repeated"] = self.app.repeated

    def _take(self, violations: list[Violation]) -> None:
        for each in violations:
            if each not in self.outcome.violations:
                self.outcome.violations.append(each)
                self.outcome.last_events[each.subject] = self._last_events(each.subject)

    def _last_events(self, subject: str) -> list[str]:
        """What the journal last said of it: of a symbol and a side, of all that was promised there."""
        told, subjects = [], {subject}
        for row in self._journal():
            made = row.body.get("protection", {})
            if f"{made.get('symbol')} {made.get('side')}" == subject:
                subjects.add(made["id"])
            text = json.dumps(row.body)
            if any(f'"{each}"' in text for each in subjects):
                told.append(f"{row.seq} {row.kind} {text[:400]}")
        return told[-LAST_ROWS:]


async def _within(scope: trio.CancelScope, function: Callable[[], Any]) -> None:
    with scope:
        await function()
