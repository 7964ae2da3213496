"""What a tick costs with many zones and stops armed on its symbol, none of which fires, and what memory they take.

    python -m tests.benchmarks.bench_armed [how many]

The engine is the real one, with its journal in memory, on a paper exchange in the same process. So many waiting orders
are armed, whose zones lie above and below the price, and as many monitored positions, whose stops and targets do. Each
size is timed on an engine of its own; the ticks go through the same method that the stream's ticks go through. The
memory is what the process grew by with the orders.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from decimal import Decimal
from statistics import median

import structlog
import trio

from bitmart_engine import PlaceOrder, Settings, World, open_engine
from bitmart_engine.engine import Engine
from bitmart_engine.model.events import Tick
from bitmart_engine.model.positions import MonitorRequest
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange

SYMBOL = "BTCUSDT"
PRICE = Decimal(65000)
TICKS = 20_000
ROUNDS = 5
SIZES = (1, 1_000, 100_000)


def settings_for(exchange: PaperExchange) -> Settings:
    return Settings(
        public_ws_uri=exchange.public_ws_uri,
        private_ws_uri=exchange.private_ws_uri,
        rest_uri=exchange.rest_uri,
        api_key=exchange.config.api_key,
        api_secret=exchange.config.api_secret,
        api_memo=exchange.config.api_memo,
        mode="paper",
        state_dir=":memory:",
    )


def far_order(number: int) -> PlaceOrder:
    """A waiting order whose zone is well away from the price, above it or below."""
    away = Decimal(1000 + number % 30_000)
    low = PRICE + away if number % 2 else PRICE - away
    return PlaceOrder(
        id=f"order-{number}",
        symbol=SYMBOL,
        side="long",
        entry_zone_min=low,
        entry_zone_max=low + 1,
        size=1,
        stop_loss=low - 500,
        take_profit=low + 500,
        timeout_seconds=Decimal(86_400),
    )


async def arm_orders(engine: Engine, count: int) -> None:
    """Arm `count` zones."""
    for number in range(count):
        await engine.place_order(far_order(number))


def arm_positions(engine: Engine, count: int) -> None:
    """Arm `count` stops and targets, as if the position were there."""
    room = engine._room
    instrument = room.desk.instruments.known(SYMBOL)
    assert instrument is not None
    for number in range(count):
        engine._store.record(*room.monitoring._promise(guard_request(number), instrument))
        room.guard.cover(f"position-{number}", 10)


def guard_request(number: int) -> MonitorRequest:
    """A position to monitor, without asking the exchange for it; its stop and target are well away from the price."""
    away = Decimal(1000 + number % 30_000)
    return MonitorRequest(
        id=f"position-{number}",
        symbol=SYMBOL,
        side=PositionSide.LONG,
        stop_loss=PRICE - away,
        take_profit=PRICE + away,
    )


def time_ticks(engine: Engine) -> float:
    """Microseconds for one tick, the median of some rounds."""
    steps = random.Random(5)
    prices = [PRICE + Decimal(steps.randint(-4000, 4000)) / 10 for _ in range(TICKS)]
    ticks = [Tick(SYMBOL, price, price, price, 0.0) for price in prices]
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for tick in ticks:
            engine._room.on_tick(tick)
        rounds.append((time.perf_counter() - began) / TICKS * 1e6)
    return median(rounds)


def resident_kb() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4


async def measure(count: int) -> tuple[float, float]:
    """Microseconds a tick, and KB for each thing armed."""
    async with (
        open_paper_exchange(market=ManualMarket()) as exchange,
        open_engine(settings_for(exchange), world=World()) as engine,
    ):
        await engine._room.desk.instruments.get(SYMBOL)
        gc.collect()
        before = resident_kb()
        await arm_orders(engine, count)
        gc.collect()
        taken = (resident_kb() - before) / count
        arm_positions(engine, count)
        assert (len(engine._room.entries), len(engine._room.guard)) == (count, count)
        return time_ticks(engine), taken


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[str_of])
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    first = None
    for count in sizes:
        cost, memory = trio.run(measure, count)
        first = first or cost
        print(
            f"{count:>7,} armed: {cost:6.2f} us a tick, {cost / first:4.2f} of the first, {memory:6.2f} KB an order"
        )


def str_of(logger: object, method: str, event: dict) -> str:  # type: ignore[type-arg]
    return ""


if __name__ == "__main__":
    main()
