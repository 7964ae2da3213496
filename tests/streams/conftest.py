from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from bitmart_engine.tally import Tally

from .fake import FakeExchange


@pytest.fixture(autouse=True)
def clock() -> MockClock:
    """Time starts at 0, and jumps ahead whenever every task waits."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
async def exchange(nursery: trio.Nursery) -> FakeExchange:
    return FakeExchange(nursery)


@pytest.fixture
def tally() -> Tally:
    return Tally()
