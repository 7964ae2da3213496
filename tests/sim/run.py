"""One run: market, exchange, network, disk, user, receiver, and engines that come and go on one directory.

Everything in it is in one process and in simulated time; what it comes to depends on the seed alone.
"""

from __future__ import annotations

import gc
import json
import random
import shutil
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import httpx
import structlog
import trio
from attrs import define, evolve, field, frozen

from bitmart_engine import Settings
from bitmart_engine.paper import ManualMarket, PaperConfig, PaperExchange, open_paper_exchange
from bitmart_engine.store import JournalUnavailable
from tests.app import App
from tests.books import Books, asked_of
from tests.judge import Evidence, Violation, judge
from tests.points import POINTS
from tests.wishes import UNGUARDED

from .chronicle import Chronicle
from .clockwork import now_ms, run_seeded
from .disk import Disk
from .exposure import Exposure
from .market import Market, real_month
from .network import Network
from .process import Doom, Process
from .pushes import Pushes
from .receiver import Receiver
from .rest import Rest
from .trace import Trace
from .user import User
from .watch import SECRETS_MARK, Watch
from .weather import Weather

__all__ = ["Choices", "Outcome", "play"]

OVER = "the run is over"
PACES_S = (40.0, 80.0, 160.0)
"""How long on average between two wishes of the user: some are busy, some are not."""
READY_AFTER_S = 30.0
"""How long an engine must have been ready, and nothing wrong, for the world to count as calm."""
RACES = 0.3
"""How likely the market is to be quicker than a request, in a storm with races."""
MEMORY = Path("/dev/shm")


@frozen(kw_only=True)
class Choices:
    """What a run is, besides its seed."""

    hours: float = 1.0
    only: frozenset[str] = frozenset()
    """The kinds of trouble there may be; all, if empty."""
    several_there: bool = True
    """Whether there may be several orders on one side whose stops the exchange keeps too."""
    real: bool = False
    """Whether BTCUSDT follows the real month."""
    unhurried: bool = False
    """Whether the user asks for half as much, which is less to play."""


@define
class Outcome:
    """What a run came to."""

    seed: int
    violations: list[Violation] = field(factory=list)
    at_s: float = 0.0
    """When it ended, in simulated seconds."""
    last_events: dict[str, list[str]] = field(factory=dict)
    faults: Counter[str] = field(factory=Counter)
    counts: Counter[str] = field(factory=Counter)
    exposed_ms: list[int] = field(factory=list)
    exposed_in_calm_s: float = 0.0
    worked_s: float = 0.0
    """Processor time."""


def play(seed: int, choices: Choices, file: TextIO | None = None) -> Outcome:
    """Run and judge. `file` takes the whole trace."""
    parent = MEMORY if MEMORY.is_dir() else None
    directory = Path(tempfile.mkdtemp(prefix=f"sim-{seed}-", dir=parent))
    trace = Trace(file)
    outcome = Outcome(seed, faults=trace.faults)
    try:
        run_seeded(seed, _play, seed, choices, outcome, trace, directory)
    finally:
        shutil.rmtree(directory)
        gc.collect()
    return outcome


async def _play(
    seed: int, choices: Choices, outcome: Outcome, trace: Trace, directory: Path
) -> None:
    rng = random.Random(f"run:{seed}")
    config = PaperConfig(
        seed=seed,
        ticker_interval_s=60,  # nobody listens to tickers
        api_secret=f"{SECRETS_MARK}-{rng.getrandbits(64):x}",
        api_memo=f"{SECRETS_MARK}-memo",
        balance=Decimal(1_000_000),
        liquidity=rng.choice((3, 4, 8, None)),
        push_before_reply=rng.random() < 0.3,
        pending_push=rng.random() < 0.3,
        order_visibility_delay_ms=rng.choice((0, 0, 300, 900)),
        maker_only_refusal=rng.choice(("reply", "reply", "cancel")),
        position_push_when_flat=rng.random() < 0.3,
        close_more_than_held=rng.choice(("refuse", "cut")),
        snapshot_on_subscribe=rng.random() < 0.3,
        enforce_rate_limits=rng.random() < 0.5,
    )
    async with (
        open_paper_exchange(
            config, market=ManualMarket(), now_ms=now_ms, serve_sockets=False
        ) as paper,
        trio.open_nursery() as nursery,
    ):
        await _Run(seed, choices, outcome, trace, directory, paper, nursery).run()
        nursery.cancel_scope.cancel()


class _Run:
    def __init__(
        self,
        seed: int,
        choices: Choices,
        outcome: Outcome,
        trace: Trace,
        directory: Path,
        paper: PaperExchange,
        nursery: trio.Nursery,
    ) -> None:
        def rng(what: str) -> random.Random:
            return random.Random(f"{what}:{seed}")

        self.choices = choices
        self.outcome = outcome
        self.trace = trace
        self.directory = directory
        self.paper = paper
        self.nursery = nursery
        self.rng = rng("processes")
        self.skew_ms = self.rng.choice((0, 0, 700, -700, 20_000, -20_000))
        self.process: Process | None = None
        self.ready_since: float | None = None
        self.chronicle = Chronicle(directory / "state" / "engine.sqlite3")
        self.exposure = Exposure(
            paper, self.chronicle, lambda: self.process is not None and self.process.up, self._calm
        )
        self.watch = Watch(
            paper,
            self.chronicle,
            self.exposure,
            trace,
            self._broken,
            self._calm_since,
            lambda: self.disk.refused_at,
        )
        self.receiver = Receiver(rng("receiver"), self.watch.received)
        self.network = Network(
            paper,
            self.receiver.take,
            nursery,
            rng("network"),
            trace,
            self.watch.served,
            self._race,
        )
        self.disk = Disk(rng("disk"), trace, self.watch.written)
        real = real_month(rng("month").randrange(40_000)) if choices.real else None
        paper.hub.passing = pushes = Pushes(rng("pushes"), trace)
        self.market = Market(paper, rng("market"), trace, pushes, self.watch.traded, real)
        self.app = App(
            httpx.AsyncClient(transport=_Answers(self, rng("answers")), timeout=None),
            address="http://127.0.0.1:8089",
            pause_s=3.0,
        )
        self.user = User(
            self.app,
            paper,
            self.market.centre,
            self.chronicle,
            rng("user"),
            trace,
            self.watch.said,
            self._broken,
            choices.several_there,
            rng("pace").choice(PACES_S) * (2 if choices.unhurried else 1),
        )
        self.chance = rng("races")
        self.weather = Weather(
            paper,
            self.network,
            self.disk,
            self.receiver,
            pushes,
            rng("weather"),
            trace,
            only=choices.only,
        )
        self.rest = Rest(self.app, self.user, self.market, trace, self._broken)
        self.over = trio.CancelScope()
        self.books = Books(paper)

    # The whole

    async def run(self) -> None:
        self._listen_to_logs()
        try:
            with self.over:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.market.run)
                    nursery.start_soon(self._processes)
                    nursery.start_soon(self.user.run)
                    nursery.start_soon(self._tidy)
                    await self.weather.run(self.choices.hours * 3600, self._calmed)
                    await self._end()
                    self._finish()
        finally:
            self._sum_up()
            self.chronicle.close()

    def _listen_to_logs(self) -> None:
        def heard(logger: Any, method: str, event: Any) -> Any:
            text = str(event).replace(str(self.directory), "DIRECTORY")
            self.watch.secrets("log", text)
            self.trace("log", method, text)
            raise structlog.DropEvent

        structlog.configure(processors=[heard], cache_logger_on_first_use=False)

    async def _tidy(self) -> None:
        while True:
            await trio.sleep(7200)
            gc.collect()

    def _race(self, path: str, body: bytes) -> None:
        """Just before a request is taken the market is quicker: a cancel finds its order filled, a price is gone."""
        if "races" not in self.weather.kinds or self.chance.random() > RACES:
            return
        if path == "/contract/private/cancel-order":
            order = self.paper.books.orders.get(int(json.loads(body).get("order_id") or 0))
            if order is not None and order.is_working and order.price is not None:
                self.trace.fault("filled before it was cancelled", order.client_order_id)
                self.market.to(order.symbol, order.price)
        elif path == "/contract/private/submit-order":
            symbol = json.loads(body)["symbol"]
            self.trace.fault("price gone before the order came", symbol)
            part = Decimal(self.chance.uniform(-1, 1)) / 500
            self.market.to(symbol, self.paper.last_price(symbol) * (1 + part))

    # Processes

    async def _processes(self) -> None:
        """Engines, one after the other, until the run is over."""
        number = 0
        while True:
            number += 1
            settings = self._settings()
            self.process = process = Process(
                f"engine-{number}",
                settings,
                self.network,
                self.disk,
                self.trace,
                random.Random(f"{number}:{self.outcome.seed}"),
                lambda: now_ms() + self.skew_ms,
                self._came_up,
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._doom, process)
                nursery.start_soon(self._await_ready, process)
                await process.run()
                nursery.cancel_scope.cancel()
            self.ready_since = None
            self.watch.look()
            if process.died_of == OVER:
                return
            self.outcome.counts[f"ended: {process.died_of}"] += 1
            if process.failure is not None and not _disk_was_full_to_the_end(process.failure):
                detail = _explained(process.failure)
                self._broken(Violation("only a kill ends it", process.name, detail))
            if process.died_of != "stopped":
                self.trace.faults["killed"] += 1
            await trio.sleep(self.rng.choice((0.1, 0.5, 2, 2, 5, 15, self.rng.uniform(0, 60))))

    def _came_up(self) -> None:
        self.watch.look()

    async def _doom(self, process: Process) -> None:
        """Have the process die, or stop, some time in a storm."""
        while True:
            await trio.sleep(self.rng.expovariate(1 / 120))
            if "kills" in self.weather.kinds:
                break
        if self.rng.random() < 0.12 and process.up:
            self.trace("process", process.name, "is asked to stop")
            await self.app.ask("POST", "/stop")
            return
        if self.rng.random() < 0.6:
            process.meet(
                Doom(self.rng.choice(POINTS), self.rng.randint(1, 4), self.rng.random() < 0.7)
            )
        else:
            process.meet(Doom("", self.rng.randint(1, 400), self.rng.random() < 0.7))

    async def _await_ready(self, process: Process) -> None:
        while True:
            await trio.sleep(5)
            if not process.ready:
                self.ready_since = None
            elif self.ready_since is None:
                self.ready_since = trio.current_time()

    def _settings(self) -> Settings:
        config = self.paper.config
        return Settings(
            public_ws_uri="ws://exchange/api?protocol=1.1",
            private_ws_uri="ws://exchange/user?protocol=1.1",
            rest_uri="http://exchange",
            api_key=config.api_key,
            api_secret=config.api_secret,
            api_memo=config.api_memo,
            mode="paper",
            state_dir=str(self.directory / "state"),
        )

    # Calm

    def _calm_since(self) -> float | None:
        if self.weather.calm_since is None or self.ready_since is None:
            return None
        return max(self.weather.calm_since, self.ready_since) + READY_AFTER_S

    def _calm(self) -> bool:
        since = self._calm_since()
        return since is not None and trio.current_time() >= since

    async def _calmed(self) -> None:
        """At the end of a calm everything has to agree."""
        self.user.resting = True
        await self.rest.until("everything asked was answered", self.rest.answered)
        await self.rest.until("everything came to rest, and stays so", self.rest.stays_at_rest)
        self._take(judge(await self._evidence(over=False)))
        self.user.resting = self.market.still = False

    # The end

    async def _end(self) -> None:
        """Let everything come to rest, see what is there, let every stop fire, and look again."""
        self.user.resting = self.market.steady = True
        await self.rest.until("everything asked was answered", self.rest.answered)
        await self.rest.until("every order ended", self.rest.orders_ended)
        await self.rest.until("everything came to rest", self.rest.at_rest)
        self._take(judge(await self._evidence()))
        for part in ("0.7", "2"):
            for symbol, centre in self.market.centre.items():
                if symbol != UNGUARDED:
                    self.market.centre[symbol] = centre * Decimal(part)
            for _ in range(4):
                for symbol in self.market.centre:
                    self.market.to(symbol, self.market.centre[symbol])
                await trio.sleep(5)
            await self.rest.until("everything closed came to rest", self.rest.at_rest)
        await self.rest.until("every protection ended", self.rest.unguarded)
        await self.rest.until("everything was told", self.rest.at_rest)
        self._take(judge(evolve(await self._evidence(), flushed=True)))

    # What there is to be seen

    async def _evidence(self, *, over: bool = True) -> Evidence:
        return Evidence(
            **asked_of(self.app),
            shown_orders=await self.rest.shown("orders"),
            shown_positions=await self.rest.shown("positions"),
            owed=await self.rest.owed(),
            unwritten=frozenset(self.watch.unwritten),
            reduced=self._reduced(),
            orders=self.books.orders(),
            held=self.books.held(),
            received=list(self.receiver.receipts),
            unguarded=UNGUARDED,
            now_ms=now_ms() + self.skew_ms,
            journal=self.chronicle.rows,
            over=over,
        )

    def _reduced(self) -> frozenset[tuple[str, str]]:
        """The positions of which somebody closed something who is neither an engine nor a stop at the exchange."""
        return frozenset(
            (each.symbol, each.side.direction.name.lower())
            for each in self.paper.books.orders.values()
            if each.side.is_close and not each.client_order_id
        )

    def _take(self, violations: list[Violation]) -> None:
        for each in violations:
            self._broken(each)

    def _broken(self, violation: Violation) -> None:
        """A promise is broken: that ends the run."""
        if violation not in self.outcome.violations:
            self.trace("judge", violation)
            self.outcome.violations.append(violation)
            names = [violation.subject, *self.chronicle.attempts.get(violation.subject, ())]
            names += [id for id, who in self.chronicle.intended.items() if who == violation.subject]
            self.outcome.last_events[violation.subject] = self.trace.last_about(*names)
        self._finish()

    def _finish(self) -> None:
        """End it all, whatever still goes on: also an engine that would not end by itself."""
        if self.process is not None:
            self.process.kill(OVER)
        self.over.cancel()

    def _sum_up(self) -> None:
        outcome, books = self.outcome, self.paper.books
        outcome.at_s = trio.current_time()
        outcome.exposed_ms = self.exposure.intervals_ms
        outcome.exposed_in_calm_s = self.exposure.longest_in_calm_s
        outcome.counts.update(
            {
                "orders asked for": len(self.user.asked),
                "orders accepted": len(self.app.placed),
                "positions monitored": len(self.app.monitored),
                "orders at the exchange": len(books.orders),
                "fills": len(books.fills),
                "closes": self.books.closes(),
                "callbacks": len({key for key, _, _ in self.receiver.receipts}),
                "callbacks delivered again": len(self.receiver.receipts)
                - len({key for key, _, _ in self.receiver.receipts}),
                "requests repeated": self.app.repeated,
                "requests served": len(self.paper.requests),
                "journal records": len(self.chronicle.rows),
            }
        )


class _Answers(httpx.AsyncBaseTransport):
    """From the user to the engine that is there now, and back; an answer is lost now and then."""

    def __init__(self, run: _Run, rng: random.Random) -> None:
        self._run = run
        self._rng = rng

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        run = self._run
        if run.process is None:
            raise httpx.ConnectError("no engine listens", request=request)
        answer = await run.process.ask(request)
        body = await answer.aread()
        run.trace("user", request.method, request.url.path, answer.status_code, body.decode()[:300])
        run.watch.secrets(f"{request.method} {request.url.path}", body.decode())
        if run.weather.calm_since is None and self._rng.random() < 0.05:
            run.trace.fault("answer to the user lost")
            raise httpx.ReadError("connection reset", request=request)
        return answer


def _disk_was_full_to_the_end(failure: BaseException) -> bool:
    """Whether all that an engine ends with is that it could not write what it had not promised."""
    if isinstance(failure, BaseExceptionGroup):
        return all(map(_disk_was_full_to_the_end, failure.exceptions))
    return isinstance(failure, JournalUnavailable)


def _explained(failure: BaseException) -> str:
    if isinstance(failure, BaseExceptionGroup):
        return "; ".join(_explained(each) for each in failure.exceptions)
    return f"{type(failure).__name__}: {failure}"[:500]
