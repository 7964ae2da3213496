"""When garbage is collected, and that a host's collector is left alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio

from bitmart_engine import open_paper_engine
from bitmart_engine.collecting import (
    AT_LATEST_S,
    LOOK_EVERY_S,
    THRESHOLDS,
    Collector,
    owning_the_process,
)
from bitmart_engine.paper import ManualMarket


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.enable()


class Full:
    """Counts full collections."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        self.times += phase == "start" and info["generation"] == 2


@pytest.fixture
def full() -> Iterator[Full]:
    count = Full()
    gc.callbacks.append(count)
    yield count
    gc.callbacks.remove(count)


def test_nothing_is_collected_during_a_start_and_what_it_made_is_frozen() -> None:
    with owning_the_process() as collector:
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
        collector.started()
        assert gc.isenabled()
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() >= len(made)


def test_the_collector_is_as_it_was_afterwards() -> None:
    gc.set_threshold(701, 11, 12)
    with owning_the_process() as collector:
        collector.started()
    assert gc.get_threshold() == (701, 11, 12)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def collecting(near: list[bool], full: Full, for_s: float) -> tuple[int, int]:
    """How often it was asked whether something is near, and how often everything was collected, in that time."""
    asked = 0

    async def quiet() -> bool:
        nonlocal asked
        asked += 1
        return not near[0]

    before = full.times
    with trio.move_on_after(for_s):
        await Collector(lambda: 0.0).run(quiet)
    return asked, full.times - before


@pytest.fixture
def many_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "get_count", lambda: (0, 0, 5))


async def test_garbage_is_left_where_it_is_while_little_was_made(
    autojump_clock: object, full: Full
) -> None:
    gc.collect()
    assert await collecting([False], full, 10 * LOOK_EVERY_S) == (0, 0)


@pytest.mark.usefixtures("many_made")
async def test_all_is_collected_when_nothing_is_near(autojump_clock: object, full: Full) -> None:
    assert await collecting([False], full, 3.5 * LOOK_EVERY_S) == (3, 3)


@pytest.mark.usefixtures("many_made")
async def test_a_price_that_is_near_puts_it_off_but_not_for_ever(
    autojump_clock: object, full: Full
) -> None:
    asked, collected = await collecting([True], full, AT_LATEST_S - 1)
    assert asked > 100
    assert collected == 0
    assert (await collecting([True], full, AT_LATEST_S + 1))[1] == 1


async def test_an_embedded_engine_changes_nothing_about_the_collector_of_its_host() -> None:
    gc.set_threshold(702, 9, 8)
    async with open_paper_engine(market=ManualMarket()) as (engine, _):
        assert gc.get_threshold() == (702, 9, 8)
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
        assert engine.event_loop() is None
        assert await engine.nothing_near()
    assert gc.get_threshold() == (702, 9, 8)
