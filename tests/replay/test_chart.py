"""The drawing of a replay: a file of its own that any browser shows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from decimal import Decimal

import pytest
from attrs import evolve

from bitmart_engine.model.sides import PositionSide
from bitmart_engine.paper import DEFAULT_SYMBOLS
from bitmart_engine.replay.candles import Candle
from bitmart_engine.replay.chart import MOST_CANDLES, drawing, page
from bitmart_engine.replay.playing import Played, Rules
from bitmart_engine.replay.report import Report, report_of
from bitmart_engine.replay.trades import Execution

AT = 1_704_153_600_000
SVG = "{http://www.w3.org/2000/svg}"


def report(count: int = 5, closed: bool = True, id: str = "a") -> Report:
    """A long that is bought in the second candle and sold in the fourth."""
    candles = [
        Candle(AT + 60_000 * at, *map(Decimal, (100 + at, 105 + at, 98 + at, 101 + at)))
        for at in range(count)
    ]
    bought = Execution(
        at_ms=AT + 60_000,
        trade=id,
        side=PositionSide.LONG,
        opens=True,
        price=Decimal(101),
        size=1,
        fee=Decimal(0),
    )
    sold = evolve(bought, at_ms=AT + 180_000, opens=False, price=Decimal(104), reason="take_profit")
    played = Played(
        executions=[bought, sold] if closed else [bought], orders=[], end_ms=AT + 60_000 * count
    )
    return report_of(played, candles, 60_000, Rules(instrument=DEFAULT_SYMBOLS[0]))


def counted(text: str, kind: str, name: str) -> int:
    found = ElementTree.fromstring(text).iter(f"{SVG}{name}")  # our own drawing
    return sum(each.get("class") == kind for each in found)


def test_every_candle_entry_and_exit_is_drawn():
    text = drawing(report())
    assert counted(text, "up", "rect") == 5
    assert (counted(text, "in", "circle"), counted(text, "out", "circle")) == (1, 1)
    assert counted(text, "way won", "path") == 1


def test_what_is_open_at_the_end_has_no_exit():
    text = drawing(report(closed=False))
    assert (counted(text, "in", "circle"), counted(text, "out", "circle")) == (1, 0)


def test_many_candles_are_drawn_as_fewer():
    text = drawing(report(3 * MOST_CANDLES))
    assert counted(text, "up", "rect") == MOST_CANDLES
    assert "a candle is 3m 00s" in text


def test_one_candle_without_a_trade_is_drawn():
    one = report(1)
    flat = evolve(one, trades=[], candles=[Candle(AT, *[Decimal(100)] * 4)])
    assert counted(drawing(flat), "up", "rect") == 1


@pytest.mark.parametrize("draw", [drawing, page])
def test_a_drawing_is_one_file_that_loads_and_runs_nothing(draw):
    text = draw(report()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|<script|@import|url\(|\bsrc=|\bhref=", text)


@pytest.mark.parametrize("draw", [drawing, page])
def test_no_id_breaks_a_drawing(draw):
    text = draw(report(id="<b>&\x00\x1b]\ud800"))
    assert "<b>" not in text
    assert "\x00" not in text
    text.encode()
    if draw is drawing:
        ElementTree.fromstring(text)  # our own drawing
