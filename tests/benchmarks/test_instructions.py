"""How many instructions of ours a tick takes to its order, and to a close: a figure that no load on a machine changes.

Counted are the bytecode instructions of the package, without the paper exchange, from the trade to the call of the
transport. What libraries, the disk and the operating system take on top is timed by `bench_order`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
from attrs import define
from trio._core import _run as scheduler

import bitmart_engine
from tests.support.stage import SUBMIT, Network, open_stage

PACKAGE = str(Path(bitmart_engine.__file__).parent)
PAPER = str(Path(PACKAGE) / "paper")
TOLERANCE = 0.1
TO_ORDER, TO_CLOSE = 6_642, 7_863
"""By Python 3.11. Whoever changes the path by more than a tenth says so here."""

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="each Python has instructions of its own"
)


@define
class Count:
    """Instructions until the first order was handed to the transport."""

    instructions: int = 0
    sent: bool = False


@contextmanager
def counting() -> Iterator[Count]:
    """Counts until an order leaves. Tasks that were there before are counted from their next step on."""
    count = Count()

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        count.instructions += event == "opcode" and not count.sent
        return step

    def called(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code is Network.handle_async_request.__code__:
            count.sent |= frame.f_locals["request"].url.path == SUBMIT
        if count.sent or not code.co_filename.startswith(PACKAGE):
            return None
        if code.co_filename.startswith(PAPER):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield count
    finally:
        sys.settrace(before)


async def instructions() -> tuple[int, int]:
    """Of a tick to its order, and of one to a close."""
    async with open_stage() as stage:
        await stage.bought("warm")
        await stage.settle(70)
        stage.move(64400)
        await stage.until(lambda: stage.guarded("warm") == "closed")
        stage.move(66000)
        await stage.place("a")
        await stage.settle(70)
        with counting() as to_order:
            stage.move(65000)
            await stage.until(lambda: to_order.sent)
        stage.move(64990)
        await stage.until(lambda: stage.state() == "filled")
        await stage.settle(2)
        for plan in stage.paper.books.plans.waiting():
            stage.paper.books.plans.cancel(plan.plan_id)  # it is not to act before the close
        with counting() as to_close:
            stage.move(64400)
            await stage.until(lambda: to_close.sent)
    return to_order.instructions, to_close.instructions


async def test_the_way_of_a_tick_to_its_order_and_to_a_close_is_as_long_as_it_is_said_to_be(
    autojump_clock, monkeypatch
):
    """A bar may come just before the trade, and is read, too: of several orders of the tasks the shortest counts."""
    monkeypatch.setattr(scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    found = []
    for seed in range(1, 6):
        monkeypatch.setattr(scheduler, "_r", Random(seed))  # which task runs first is not chance
        found.append(await instructions())
    shortest = [min(each) for each in zip(*found, strict=True)]
    assert shortest == pytest.approx([TO_ORDER, TO_CLOSE], rel=TOLERANCE)
