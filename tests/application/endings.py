"""What flows have in common: the end of a trade, as the application is told of it."""

from __future__ import annotations

from typing import Any

import trio

from .play import Play

__all__ = ["HERE", "close_signal", "flat_again"]

HERE = {"exchange_protection": False}
"""Stop and target are the engine's alone."""


async def close_signal(play: Play, parent: str, kind: str) -> Any:
    """Return when the signals of a close of what `parent` opened say that it is filled; the body."""
    heard = play.application.orders.heard

    def found() -> list[Any]:
        return [
            each.body
            for each in heard
            if (each.kind, each.status) == (kind, "FILLED")
            and each.body.get("parent_client_order_id") == parent
        ]

    await play.until(found, lambda: f"no {kind} FILLED whose parent is {parent}")
    return found()[0]


async def flat_again(play: Play) -> None:
    """Everything is flat and told; the price is where the flows begin."""
    await play.until(lambda: not any(each.size for each in play.paper.books.positions.values()))
    await play.until(lambda: play.engine.outbox().in_flight == 0)
    play.move(65100)
    await trio.sleep(0.05)
