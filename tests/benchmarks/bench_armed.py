"""What a tick costs with many zones and stops armed on its symbol, none of which fires, and what memory they take.

    python -m tests.benchmarks.bench_armed [how many] [how many more]...

The engines are real ones, with their journals in memory, on a paper exchange in the same process: one for each size,
all of them at once. On each so many waiting orders are armed, whose zones lie above and below the price, and as many
monitored positions, whose stops and targets do. The ticks go through the method that the stream's ticks go through, a
round on each engine in turn, so that whatever else the machine does meets them all. The memory is what the process
grew by with the orders, each of them with the protection that it promises.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from contextlib import AsyncExitStack
from decimal import Decimal
from statistics import median

import structlog
import trio

from bitmart_engine import PlaceOrder, Settings, open_engine
from bitmart_engine.engine import Engine
from bitmart_engine.model.events import Tick
from bitmart_engine.model.positions import MonitorRequest
from bitmart_engine.model.sides import PositionSide
from bitmart_engine.paper import ManualMarket, PaperExchange, open_paper_exchange

SYMBOL = "BTCUSDT"
PRICE = Decimal(65000)
TICKS = 2_000
ROUNDS = 51
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
    room = engine._core
    instrument = room.instruments.known(SYMBOL)
    assert instrument is not None
    for number in range(count):
        request = guard_request(number)
        engine._store.record(*room.monitoring._promise(request, instrument, None, read=True))
        room.protections.cover(f"position-{number}", 10)


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


def some_ticks() -> list[Tick]:
    steps = random.Random(5)
    prices = [PRICE + Decimal(steps.randint(-4000, 4000)) / 10 for _ in range(TICKS)]
    return [Tick(SYMBOL, price, price, price, 0.0) for price in prices]


def time_ticks(engine: Engine, ticks: list[Tick]) -> float:
    """Microseconds for one tick."""
    on_tick = engine._core.on_tick
    began = time.perf_counter()
    for tick in ticks:
        on_tick(tick)
    return (time.perf_counter() - began) / len(ticks) * 1e6


def resident_kb() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4


async def measure(sizes: tuple[int, ...]) -> None:
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(open_paper_exchange(market=ManualMarket()))
        engines = {}
        for count in sorted(sizes, reverse=True):
            engine = await stack.enter_async_context(open_engine(settings_for(exchange)))
            await engine._core.instruments.get(SYMBOL)
            gc.collect()
            before = resident_kb()
            await arm_orders(engine, count)
            gc.collect()
            print(f"{count:>7,} armed: {(resident_kb() - before) / count:.2f} KB an order")
            arm_positions(engine, count)
            assert (len(engine._core.entries), len(engine._core.protections.index)) == (
                count,
                count,
            )
            engines[count] = engine
        ticks = some_ticks()
        costs: dict[int, list[float]] = {count: [] for count in sizes}
        for _ in range(ROUNDS):
            for count in sizes:
                costs[count].append(time_ticks(engines[count], ticks))
        for count in sizes:
            ratios = [
                cost / first for cost, first in zip(costs[count], costs[sizes[0]], strict=True)
            ]
            print(
                f"{count:>7,} armed: {median(costs[count]):.2f} us a tick, {median(ratios):.2f} of the first"
            )
            assert (
                len(engines[count]._core.entries)
                == len(engines[count]._core.protections.index)
                == count
            )


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[str_of])
    trio.run(measure, tuple(map(int, sys.argv[1:])) or SIZES)


def str_of(logger: object, method: str, event: dict) -> str:  # type: ignore[type-arg]
    return ""


if __name__ == "__main__":
    main()
