"""What an application does with the worker, one flow after the other, each from its first request to its last news.

A flow asserts what the application was told; that nothing was refused as malformed and nothing was missing is asserted
after it (`Play.check`). Flows use ids of their own and leave no position: one engine can play them in any order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import calls, receiving, trades
from .play import Play

__all__ = ["EVERYWHERE", "IN_MEMORY_ONLY", "Flow"]

Flow = Callable[[Play, str], Awaitable[None]]
"""The second argument is put at the end of every id: a run may be repeated with one engine."""

EVERYWHERE: tuple[Flow, ...] = (
    trades.long_to_its_target,
    trades.short_to_its_stop,
    trades.stopped_by_the_exchange,
    trades.refused_by_the_exchange,
    trades.never_reached,
    trades.a_close_that_fails_at_first,
    trades.a_position_of_its_own,
    trades.an_order_of_its_own,
    trades.under_its_own_id,
    calls.asked_twice,
    calls.refusals_and_replies,
    calls.floats_of_seventeen_digits,
    calls.sides_in_all_words,
    calls.klines_for_a_list,
    receiving.balance_and_book,
    receiving.a_slow_receiver,
    receiving.a_dead_receiver,
    receiving.a_receiver_that_crashes_once,
    receiving.answers_that_are_lost,
)
"""Those that are played over sockets too."""
IN_MEMORY_ONLY: tuple[Flow, ...] = (receiving.a_limited_receiver,)
"""Those that take minutes."""
