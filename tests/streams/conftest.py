from __future__ import annotations

import pytest
import trio

from bitmart_engine.counters import Counters

from .fake import FakeExchange


@pytest.fixture
async def exchange(nursery: trio.Nursery) -> FakeExchange:
    return FakeExchange(nursery)


@pytest.fixture
def counters() -> Counters:
    return Counters()
