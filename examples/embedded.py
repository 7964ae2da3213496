"""Another Trio program with the engine in its own nursery.

    python examples/embedded.py            # on a paper exchange of its own
    python examples/embedded.py --live     # on BitMart, by the environment and .env (BITMART_DEMO=1: its demo hosts)

It watches a few klines, places an order around the price, waits for the fill, and leaves the block; leaving it ends
everything that the engine runs. On BitMart without credentials it watches klines only.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from bitmart_engine import Engine, Kline, PlaceOrder, Settings, open_engine, open_paper_engine

SYMBOL = "BTCUSDT"


@asynccontextmanager
async def chosen_engine(live: bool) -> AsyncIterator[Engine]:
    """An engine on BitMart, or on a paper exchange of its own, that runs as long as the block lasts."""
    if live:
        async with open_engine(Settings.from_environment()) as engine:
            yield engine
    else:
        async with open_paper_engine() as (engine, _):
            yield engine


async def watch(engine: Engine, count: int) -> Kline:
    """Print a few klines as they come; the last of them."""
    async with engine.klines(SYMBOL, "1m") as klines:
        async for kline in klines:
            if isinstance(kline, Kline):
                print(f"{kline.symbol} {kline.timeframe.value} close {kline.close}")
                count -= 1
                if count == 0:
                    return kline
    raise RuntimeError("the engine stopped")


async def buy(engine: Engine, kline: Kline) -> str:
    """Place an order around the price and wait until it is filled or over; the state it ended in."""
    price = kline.close
    placed = await engine.place_order(
        PlaceOrder(
            id=f"embedded-{kline.open_time_s}",
            symbol=SYMBOL,
            side="long",
            entry_zone_min=price * 99 / 100,
            entry_zone_max=price * 101 / 100,
            size=10,
            stop_loss=price * 95 / 100,
            take_profit=price * 110 / 100,
        )
    )
    id = placed.order.id
    print(f"order {id}: {placed.order.state.value}")
    state = (await engine.wait_order_ended(id)).state.value
    print(f"order {id}: {state}, protection {engine.state.protections[id].state.value}")
    return state


async def main(live: bool = False) -> None:
    async with chosen_engine(live) as engine:
        kline = await watch(engine, 5)
        if engine.without_account:
            print("no credentials: that was all")
            return
        with trio.move_on_after(30):
            await engine.wait_ready()
            await buy(engine, kline)
    print("everything is closed")


if __name__ == "__main__":
    trio.run(main, "--live" in sys.argv)
