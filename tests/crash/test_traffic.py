"""The people of the harness: what they opened by hand, they ask to have guarded until somebody does."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest
import trio
from attrs import define, field

from bitmart_engine.paper import ManualMarket, PaperConfig, open_paper_exchange
from tests.crash.traffic import REFUSALS, Market, Traders, have_guarded
from tests.support.app import App
from tests.support.wishes import MONITORED


@define
class Refusing(App):
    """An application whose engine refuses to guard the first positions that it is asked for."""

    refusals: int = 0
    asked: list[str] = field(factory=list)

    async def monitor(self, body: dict[str, Any]) -> bool:
        self.asked.append(body["id"])
        await trio.lowlevel.checkpoint()
        return len(self.asked) > self.refusals


async def test_a_position_that_is_refused_for_a_moment_is_asked_for_again(autojump_clock):
    async with httpx.AsyncClient() as client:
        app = Refusing(client, refusals=2)
        await have_guarded(app, {"id": "position-1"})
    assert app.asked == ["position-1"] * 3


async def test_a_position_that_nobody_ever_guards_is_said(autojump_clock):
    async with httpx.AsyncClient() as client:
        app = Refusing(client, refusals=REFUSALS)
        with pytest.raises(AssertionError, match="nobody guards position-1"):
            await have_guarded(app, {"id": "position-1"})


async def test_of_two_who_open_by_hand_at_once_each_opens_its_own():
    async with (
        open_paper_exchange(PaperConfig(), market=ManualMarket()) as paper,
        httpx.AsyncClient() as client,
    ):
        app = Refusing(client)
        market = Market(paper, random.Random(1))
        traders = Traders(app, paper, market, random.Random(1), "http://hook")
        paper.fail("/contract/private/submit-order", status=500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traders._monitor, "position-1")
            nursery.start_soon(traders._monitor, "position-2")
    orders = [each for each in paper.books.orders.values() if each.symbol == MONITORED]
    assert len(orders) == 2
    assert sorted(app.asked) == ["position-1", "position-2"]
