"""One run: market, exchange, network, disk, user, receiver, and engines that come and go on one directory.

Everything in it is in one process and in simulated time; what it comes to depends on the seed alone.
"""

from __future__ import annotations

import gc
import json
import random
import shutil
import tempfile
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import httpx
import structlog
import trio
from attrs import evolve

from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange
from tests.support.app import App
from tests.support.books import Books
from tests.support.judge import Violation, judge
from tests.support.wishes import UNGUARDED

from .answers import Answers
from .belated import Belated
from .choices import Choices, Outcome
from .chronicle import Chronicle
from .clockwork import now_ms, run_seeded
from .disk import Disk
from .doorway import HARMLESS, Doorway
from .evidence import evidence_of, sum_up
from .exposure import Exposure
from .facts import facts
from .halts import Halts
from .holdings import Holdings
from .lives import Lives
from .machine import Machine
from .market import Market, real_month
from .misuse import Misuse
from .network import Network
from .oddities import Oddities
from .owner import Owner
from .parts import Parts
from .pushes import Pushes
from .receiver import APPLICATION, Receiver
from .rest import Rest
from .restoring import Restoring
from .starts import Starts
from .trace import Trace
from .troubles import Kinds, Troubles
from .unread import Unread
from .user import User
from .watch import Watch
from .weather import Weather
from .windows import Windows

__all__ = ["Choices", "Outcome", "play"]

PACES_S = (40.0, 80.0, 160.0)
"""How long on average between two wishes of the user: some are busy, some are not."""
READY_AFTER_S = 30.0
"""How long an engine must have been ready, and nothing wrong, for the world to count as calm."""
RACES = 0.3
"""How likely the market is to be quicker than a request, in a storm with races."""
HALTED_SEEDS = (0, 3)
"""What is left of their seeds when divided by eight: hours in which the user halts. No kept seed is one of them."""
MEMORY = Path("/dev/shm")


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
    async with (
        open_paper_exchange(
            facts(seed, choices), market=ManualMarket(), now_ms=now_ms, serve_sockets=False
        ) as paper,
        trio.open_nursery() as nursery,
    ):
        await Run(seed, choices, outcome, trace, directory, paper, nursery).run()
        nursery.cancel_scope.cancel()


class Run:
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

        self.seed = seed
        self.choices = choices
        self.outcome = outcome
        self.trace = trace
        self.directory = directory
        self.paper = paper
        self.nursery = nursery
        self.chronicle = Chronicle(directory / "state" / "engine.sqlite3")
        self.books = Books(paper)
        self.holdings = Holdings(paper, self.books, self.chronicle, self._broken)
        self.exposure = Exposure(
            paper, self.chronicle, self.holdings, lambda: self.lives.up, self._calm
        )
        self.watch = Watch(
            paper,
            self.chronicle,
            self.exposure,
            trace,
            self._broken,
            self._calm_since,
            lambda: self.disk.refused_at,
            self.holdings,
        )
        self.receiver = Receiver(
            rng("receiver"), self.watch.received, self._broken, lambda: self.lives.now_ms()
        )
        self.doorway = Doorway(self.receiver, rng("doorway"), trace, self._broken)
        self.network = Network(
            paper,
            self.receiver.take,
            nursery,
            rng("network"),
            trace,
            self.watch.served,
            self._race,
        )
        self.network.heard = self.watch.heard
        self.network.left = self.watch.left
        if choices.world > 2:
            self.network.doorway = self.doorway
        self.disk = Disk(rng("disk"), trace, self.watch.written)
        real = real_month(rng("month").randrange(40_000)) if choices.real else None
        paper.hub.passing = pushes = Pushes(rng("pushes"), trace)
        pushes.told_wildly = lambda symbol, price: self.watch.told_wildly(
            symbol, price, self.network.now.slow_s
        )
        self.market = Market(paper, rng("market"), trace, pushes, self.watch.traded, real)
        self.app = App(
            httpx.AsyncClient(transport=Answers(self, rng("answers")), timeout=None),
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
            rng("habits") if choices.world > 1 else None,
        )
        self.chance = rng("races")
        self.lives = Lives(
            seed,
            directory,
            paper,
            self.network,
            self.disk,
            trace,
            self.app,
            rng("processes"),
            lambda: "kills" in self.weather.kinds,
            self.watch.look,
            self._broken,
            lambda how: outcome.counts.update((f"ended: {how}",)),
        )
        self.owner = Owner(paper, self.chronicle, self.holdings, cache(rng), trace)
        self.machine = Machine(
            paper, self.lives, self.chronicle, self.disk, cache(rng), trace, self._broken
        )
        self.restoring = Restoring(
            paper,
            self.lives,
            self.chronicle,
            self.holdings,
            self.watch,
            self.receiver,
            self.app,
            self.user,
            cache(rng),
            trace,
        )
        self.lives.between = self.restoring.between
        self.misuse = Misuse(self, rng("misuse"))
        self.starts = Starts(
            self.lives, self.chronicle, rng("starts"), trace, self._broken, self.watch.secrets
        )
        if choices.world > 2:
            self.lives.wrongly = self.starts.between
            self.lives.signals_to = APPLICATION
            self.user.forms = rng("forms")
        self.oddities = Oddities(paper, pushes, self.market, self.chronicle, cache(rng), trace)
        self.windows = Windows(paper, self.network, cache(rng), trace)
        self.unread = Unread(paper, self.lives, cache(rng), trace)
        self.belated = Belated(
            paper, self.market, self.chronicle, cache(rng), trace, lambda: self.weather.is_mild()
        )
        self.parts = Parts(
            paper,
            self.network,
            self.lives,
            self.market,
            self.chronicle,
            self.owner,
            self.user,
            cache(rng),
            trace,
        )
        self.halts = Halts(self.app, self.user, rng("halts"), trace)
        pushes.told = self.belated.pushed
        self.network.said = self.belated.answered
        around = (paper, self.network, self.disk, self.receiver, pushes)
        drawn = rng("weather")
        self.weather = Weather(
            *around,
            drawn,
            trace,
            Troubles(*around, drawn, trace).kinds(),
            self._newer() if choices.world > 1 else {},
            rng("newer weather"),
            only=choices.only,
            later={**self.parts.kinds(), **self.windows.kinds()} if choices.world > 3 else {},
            later_rng=rng("later weather"),
        )
        self.weather.cleared = self.doorway.clear
        mild_since = self.weather.nothing_but_since
        self.lives.mild_since = lambda: mild_since("unreadable rows", *HARMLESS)
        self.watch.mild_since = lambda: self.lives.up_and(
            mild_since("unreadable rows", "false limits", *HARMLESS)
        )
        self.rest = Rest(
            self.app, self.user, self.market, trace, self._broken, self.weather.longer_s
        )
        self.over = trio.CancelScope()

    def _newer(self) -> Kinds:
        """The kinds of trouble that the first world does not have."""
        rooms: list[Any] = [self.oddities, self.owner, self.machine, self.restoring]
        if self.choices.world > 2:
            rooms += [self.unread, self.belated, self.doorway]
        return {name: kind for room in rooms for name, kind in room.kinds().items()}

    # The whole

    async def run(self) -> None:
        self._listen_to_logs()
        try:
            with self.over:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.market.run)
                    nursery.start_soon(self.lives.run)
                    nursery.start_soon(self.user.run)
                    nursery.start_soon(self._tidy)
                    if self.choices.world > 2:
                        nursery.start_soon(self.misuse.go_on)
                    if self.choices.world > 3 and self.seed % 8 in HALTED_SEEDS:
                        nursery.start_soon(self._halt_now_and_then)
                    await self.weather.run(self.choices.hours * 3600, self._calmed)
                    await self._end()
                    self._finish()
        finally:
            sum_up(self)
            self.chronicle.close()

    async def _halt_now_and_then(self) -> None:
        try:
            await self.halts.run()
        except AssertionError as failure:
            self._broken(Violation("answers are what they should be", "halts", str(failure)))

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
            if symbol not in self.paper.instruments:
                return  # it can be no order
            self.trace.fault("price gone before the order came", symbol)
            part = Decimal(self.chance.uniform(-1, 1)) / 500
            self.market.to(symbol, self.paper.last_price(symbol) * (1 + part))

    # Calm

    def _calm_since(self) -> float | None:
        if self.weather.calm_since is None or self.lives.ready_since is None:
            return None
        return max(self.weather.calm_since, self.lives.ready_since) + READY_AFTER_S

    def _calm(self) -> bool:
        since = self._calm_since()
        return since is not None and trio.current_time() >= since

    async def _calmed(self) -> None:
        """At the end of a calm everything has to agree."""
        self.user.resting = True
        await self.rest.until("everything asked was answered", self.rest.answered)
        await self.rest.until("everything came to rest, and stays so", self.rest.stays_at_rest)
        self._take(judge(await evidence_of(self, over=False)))
        self.user.resting = self.market.still = False

    # The end

    async def _end(self) -> None:
        """Let everything come to rest, see what is there, let every stop fire, and look again."""
        self.user.resting = self.market.steady = True
        if self.choices.world > 3:
            self.halts.over = True
            await self.halts.resume()
        await self.rest.until("everything asked was answered", self.rest.answered)
        await self.rest.until("every order ended", self.rest.orders_ended)
        await self.rest.until("everything came to rest", self.rest.at_rest)
        self._take(judge(await evidence_of(self)))
        for part in ("0.7", "2"):
            for symbol, centre in self.market.centre.items():
                if symbol != UNGUARDED:
                    self.market.centre[symbol] = self._beyond(symbol, centre, part)
            for _ in range(4):
                for symbol in self.market.centre:
                    self.market.to(symbol, self.market.centre[symbol])
                await trio.sleep(5)
            await self.rest.until("everything closed came to rest", self.rest.at_rest)
        await self.rest.until("every protection ended", self.rest.unguarded)
        await self.rest.until("everything was told", self.rest.at_rest)
        self._take(judge(evolve(await evidence_of(self), flushed=True)))

    def _beyond(self, symbol: str, centre: Decimal, part: str) -> Decimal:
        """A price beyond every stop and target on one side."""
        if self.choices.world == 1:
            return centre * Decimal(part)
        lowest, highest = self.market.extremes[symbol]
        return min(lowest, centre) * Decimal("0.7") if part == "0.7" else highest * Decimal("1.5")

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
        self.lives.end()
        self.over.cancel()
