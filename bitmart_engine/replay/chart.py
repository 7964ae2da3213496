"""A replay as one drawing: candles, and for each trade its entry, its exit, its stop and its target. Plain SVG text.

A drawing has room for some hundreds of candles. Of more, several are drawn as one, with the extremes of all, and the
heading says how long that is. Everything is in the file: it loads nothing and runs nothing. Places are rounded to a
tenth of a pixel, so that the same replay gives the same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape as escaped
from typing import Final

from attrs import field, frozen

from ..model.decimals import plain
from ..model.sides import PositionSide
from .candles import Candle
from .report import COLUMNS, Report, facts_of, lasted, money, rows, time_of
from .trades import Trade

__all__ = ["drawing", "page"]

WIDTH, HEIGHT = 1200, 640
LEFT, RIGHT, TOP, BOTTOM = 12, 84, 56, 34
EDGE = 44
"""No time is written further left, where half of it would be cut off."""
MOST_CANDLES = 480
LINES = 6
"""About how many prices, and times, are written at the edges."""
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
HOUR_MS: Final = 3_600_000
TIME_STEPS_MS = (
    *(60_000, 300_000, 900_000, HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS),
    *(24 * HOUR_MS, 48 * HOUR_MS, 120 * HOUR_MS, 240 * HOUR_MS, 720 * HOUR_MS, 2160 * HOUR_MS),
)

STYLE = """
text{font:12px system-ui,sans-serif;fill:#444}
.title{font-size:15px;font-weight:600;fill:#111}
.grid{stroke:#e6e6e6}.up{stroke:#2a9d6f;fill:#2a9d6f}.down{stroke:#c8553d;fill:#c8553d}
.won{stroke:#2a9d6f}.lost{stroke:#c8553d}.way{stroke-width:1.5;stroke-dasharray:4 3;fill:none}
.stop{stroke:#c8553d}.target{stroke:#2a9d6f}.level{stroke-width:1.2}
.in{fill:#1f5fbf;stroke:#fff}.out{fill:#fff;stroke:#1f5fbf;stroke-width:2}
"""


@frozen
class _Scale:
    """From times and prices to pixels."""

    from_ms: int
    to_ms: int
    low: Decimal
    high: Decimal
    width: float = field(init=False, default=WIDTH - LEFT - RIGHT)
    height: float = field(init=False, default=HEIGHT - TOP - BOTTOM)

    def x(self, ms: int) -> float:
        return LEFT + self.width * (ms - self.from_ms) / (self.to_ms - self.from_ms)

    def y(self, price: Decimal) -> float:
        return TOP + self.height * float((self.high - price) / (self.high - self.low))


def drawing(report: Report) -> str:
    """The drawing, a whole SVG document."""
    bars, together = _merged(report.candles)
    every_ms = report.every_ms * together
    scale = _scale(report, bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' role="img">',
        f"<title>{_safe(_title(report))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *_heading(report, every_ms),
        *_grid(scale),
        *_candles(bars, every_ms, scale),
        *(line for trade in report.trades for line in _trade(trade, scale)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def page(report: Report) -> str:
    """The drawing and the trades as one HTML page, which loads nothing."""
    heading = "".join(f"<th>{_safe(name)}</th>" for name in COLUMNS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>"
        for row in rows(report)
    )
    facts = "\n".join(
        f"<dt>{_safe(name)}</dt><dd>{_safe(text)}</dd>" for name, text in facts_of(report)
    )
    unfilled = "\n".join(
        f"<li>{_safe(each['id'])}: {_safe(each['state'])}, {_safe(each['why'])}</li>"
        for each in report.unfilled
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{_safe(_title(report))}</title>
<style>
body{{font:14px system-ui,sans-serif;margin:1rem}}svg{{max-width:100%;height:auto}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e6e6e6}}
dt{{float:left;width:9rem;color:#666}}
</style>
{drawing(report)}<table>
<thead><tr>{heading}</tr></thead>
<tbody>
{body}
</tbody></table>
<dl>
{facts}
</dl>
{f"<p>Not filled:</p><ul>{unfilled}</ul>" if unfilled else ""}
</html>
"""


def _safe(text: str) -> str:
    """Text of others as markup: what is not seen, and may not stand in XML, is replaced."""
    return escaped(
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def _title(report: Report) -> str:
    symbol, all = report.rules.instrument.symbol, report.totals
    return f"{symbol}: {all.trades} trades, net {money(all.net)}"


def _heading(report: Report, every_ms: int) -> Iterator[str]:
    first, last = report.candles[0].at_ms, report.candles[-1].at_ms + report.every_ms
    yield _text(LEFT, 22, _title(report), "title")
    legend = (
        f"{time_of(first)} to {time_of(last)} UTC, a candle is {lasted(every_ms // 1000)}; dot: entry, ring: exit,"
        " lines: stop (red), target (green)"
    )
    yield _text(LEFT, 42, legend)


def _merged(candles: Sequence[Candle]) -> tuple[list[Candle], int]:
    """Candles to draw, and how many make one of them. Missing ones count as if they were there."""
    together = -(-len(candles) // MOST_CANDLES)
    groups = (candles[at : at + together] for at in range(0, len(candles), together))
    return [
        Candle(
            group[0].at_ms,
            group[0].open,
            max(each.high for each in group),
            min(each.low for each in group),
            group[-1].close,
        )
        for group in groups
    ], together


def _scale(report: Report, bars: Sequence[Candle]) -> _Scale:
    """Room for all candles, and for the levels that are within half their range of them."""
    low, high = min(each.low for each in bars), max(each.high for each in bars)
    room = (high - low) / 2
    levels = [
        level
        for trade in report.trades
        for level in (trade.stop_loss, trade.take_profit, trade.average_in, trade.average_out)
        if level is not None and low - room <= level <= high + room
    ]
    low, high = min([low, *levels]), max([high, *levels])
    edge = (high - low) / 30 or high / 1000
    first, last = report.candles[0].at_ms, report.candles[-1].at_ms + report.every_ms
    return _Scale(first, last, low - edge, high + edge)


def _grid(scale: _Scale) -> Iterator[str]:
    step = _round_step((scale.high - scale.low) / LINES)
    price = (scale.low / step).to_integral_value(rounding="ROUND_CEILING") * step
    while price <= scale.high:
        yield _line(LEFT, scale.y(price), WIDTH - RIGHT, scale.y(price), "grid")
        yield _text(WIDTH - RIGHT + 6, scale.y(price) + 4, plain(price))
        price += step
    lasts = scale.to_ms - scale.from_ms
    every = next((each for each in TIME_STEPS_MS if lasts / each <= LINES + 2), lasts)
    at = -(-scale.from_ms // every) * every
    while at < scale.to_ms:
        x = scale.x(at)
        yield _line(x, TOP, x, HEIGHT - BOTTOM, "grid")
        label = time_of(at)[:10] if every >= 24 * HOUR_MS else time_of(at)[5:16]
        yield _text(max(x, EDGE), HEIGHT - BOTTOM + 18, label, anchor="middle")
        at += every


def _round_step(least: Decimal) -> Decimal:
    """A round number, `least` or a little more."""
    unit = Decimal(1).scaleb(least.adjusted())
    return next(step * unit for step in STEPS if step * unit >= least)


def _candles(bars: Sequence[Candle], every_ms: int, scale: _Scale) -> Iterator[str]:
    wide = max(0.8, scale.width / max(1, len(bars)) * 0.7)
    for bar in bars:
        kind = "up" if bar.close >= bar.open else "down"
        x = scale.x(min(bar.at_ms + every_ms // 2, scale.to_ms))
        top, bottom = scale.y(max(bar.open, bar.close)), scale.y(min(bar.open, bar.close))
        yield (
            f'<path class="{kind}" d="M{x:.1f} {scale.y(bar.high):.1f}V{scale.y(bar.low):.1f}"/>'
            f'<rect class="{kind}" x="{x - wide / 2:.1f}" y="{top:.1f}" width="{wide:.1f}"'
            f' height="{max(bottom - top, 0.5):.1f}"/>'
        )


def _trade(trade: Trade, scale: _Scale) -> Iterator[str]:
    x_in, x_out = scale.x(trade.entry_ms), scale.x(trade.exit_ms)
    y_in, y_out = scale.y(trade.average_in), scale.y(trade.average_out)
    yield f"<g><title>{_safe(_story(trade))}</title>"
    for level, name in ((trade.stop_loss, "stop"), (trade.take_profit, "target")):
        if level is not None and scale.low <= level <= scale.high:
            y = scale.y(level)
            yield _line(x_in, y, max(x_out, x_in + 6), y, f"level {name}")
    yield _line(x_in, y_in, x_out, y_out, f"way {'won' if trade.net > 0 else 'lost'}")
    yield f'<circle class="in" cx="{x_in:.1f}" cy="{y_in:.1f}" r="4"/>'
    if not trade.open:
        yield f'<circle class="out" cx="{x_out:.1f}" cy="{y_out:.1f}" r="4"/>'
    yield "</g>"


def _story(trade: Trade) -> str:
    """What is shown of a trade where the mouse is over it."""
    side = "long" if trade.side is PositionSide.LONG else "short"
    return (
        f"{trade.id}: {side} {trade.size}, in {plain(trade.average_in)} at {time_of(trade.entry_ms)},"
        f" {trade.reason} {plain(trade.average_out)} at {time_of(trade.exit_ms)}, net {money(trade.net)}"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_safe(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'
