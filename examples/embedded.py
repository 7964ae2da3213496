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

import attrs
import trio

from bitmart_engine import Engine, Kline, PlaceOrder, Settings, open_engine
from bitmart_engine.paper import open_paper_exchange

SYMBOL = "BTCUSDT"


@asynccontextmanager
async def chosen_exchange(live: bool) -> AsyncIterator[Settings]:
    """Settings for BitMart, or for a paper exchange that is open as long as the block lasts."""
    settings = Settings.from_environment()
    if live:
        yield settings
        return
    async with open_paper_exchange() as paper:
        yield attrs.evolve(
            settings,
            public_ws_uri=paper.public_ws_uri,
            private_ws_uri=paper.private_ws_uri,
            rest_uri=paper.rest_uri,
            api_key=paper.config.api_key,
            api_secret=paper.config.api_secret,
            api_memo=paper.config.api_memo,
            mode="paper",
            state_dir=":memory:",
        )


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
    async with chosen_exchange(live) as settings, open_engine(settings) as engine:
        kline = await watch(engine, 5)
        if settings.missing_credentials:
            print("no credentials: that was all")
            return
        with trio.move_on_after(30):
            await buy(engine, kline)
    print("everything is closed")


if __name__ == "__main__":
    trio.run(main, "--live" in sys.argv)
