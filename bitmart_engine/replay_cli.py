"""The command that plays orders over recorded candles: `replay`. It needs no engine, no account and no network."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .logs import configure_logs
from .process import fail, say
from .remote.tables import Column, Screen, facts, table

if TYPE_CHECKING:
    from .paper import PaperInstrument

__all__ = ["replay"]

RIGHT = {"size", "in", "out", "held", "gross", "fees", "net", "R"}


def _number(least: str, most: str, *, above: bool = False) -> Any:
    """Makes a decimal number of an option's text, within bounds."""
    low, high = Decimal(least), Decimal(most)

    def convert(
        context: click.Context, parameter: click.Parameter, value: str | None
    ) -> Decimal | None:
        if value is None:
            return None
        try:
            number = Decimal(value)
            fits = low <= number <= high and not (above and number == low)
        except InvalidOperation:
            fits = False
        if not fits:
            bound = "above" if above else "from"
            raise click.BadParameter(f"{value!r} is not a number {bound} {least} to {most}")
        return number

    return convert


POSITIVE = _number("0", "1e15", above=True)
FEE = _number("-0.01", "0.1")


@click.command()
@click.argument("candles", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--orders",
    required=True,
    type=click.Path(path_type=Path),
    help="Bodies of place-order, each with the time `at` which it is placed: JSON lines, or an array.",
)
@click.option("--symbol", default="BTCUSDT", show_default=True, help="What the candles are of.")
@click.option(
    "--tick-size",
    callback=POSITIVE,
    metavar="NUMBER",
    help="Of a symbol that the paper exchange lacks.",
)
@click.option(
    "--contract-size", callback=POSITIVE, metavar="NUMBER", help="The same; in the base currency."
)
@click.option(
    "--path",
    type=click.Choice(["nearer", "worst"]),
    default="nearer",
    show_default=True,
    help="Which extreme of a candle comes first: the nearer to its open, or the stop's side.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is chance.")
@click.option(
    "--maker-fee",
    callback=FEE,
    metavar="NUMBER",
    help="Part of the value traded.  [default: the paper exchange's, 0.0002]",
)
@click.option(
    "--taker-fee",
    callback=FEE,
    metavar="NUMBER",
    help="The same.  [default: the paper exchange's, 0.0006]",
)
@click.option(
    "--balance",
    callback=POSITIVE,
    metavar="NUMBER",
    help="USDT to begin with.  [default: the paper exchange's, 10000]",
)
@click.option(
    "--quantity-unit",
    type=click.Choice(["base", "contracts"]),
    default="base",
    show_default=True,
    help="What `quantity` counts, as QUANTITY_UNIT says it of an engine.",
)
@click.option(
    "--every-candle",
    is_flag=True,
    help="Play quiet candles, too, in which nothing can happen: slower, with the same result.",
)
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw candles, entries, exits and stops: a file of type .svg, or .html with the table.",
)
@click.option("--json", "as_json", is_flag=True, help="The report as one JSON document.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="error",
    show_default=True,
)
def replay(
    candles: Path,
    orders: Path,
    symbol: str,
    tick_size: Decimal | None,
    contract_size: Decimal | None,
    path: str,
    seed: int,
    maker_fee: Decimal | None,
    taker_fee: Decimal | None,
    balance: Decimal | None,
    quantity_unit: str,
    every_candle: bool,
    chart: Path | None,
    as_json: bool,
    log_level: str,
) -> None:
    """Play orders over the candles of FILE, and say what they would have made.

    The real engine trades on the paper exchange, on a clock that jumps. FILE is CSV: time, open, high, low, close,
    volume, with or without a header; times are ISO 8601, or s or ms since 1970. Funding and liquidations are not
    played. Nothing is left behind.

    \b
    bitmart-engine replay btc-1m.csv --orders orders.jsonl
    bitmart-engine replay btc-1m.csv --orders orders.jsonl --path worst --chart trades.html
    """
    from .replay.candles import CandleError, interval_ms, read_candles
    from .replay.orders import OrderError, read_orders
    from .replay.playing import Rules, instrument_of, play
    from .replay.report import report_of

    configure_logs(log_level, None)
    if chart is not None and chart.suffix.lower() not in (".svg", ".html"):
        raise click.UsageError(f"--chart {chart}: the name must end in .svg or .html")
    began = time.monotonic()
    contract = _contract(symbol.upper(), tick_size, contract_size)
    given: dict[str, Any] = {
        "path": path,
        "seed": seed,
        "unit": quantity_unit,
        "maker_fee": maker_fee,
        "taker_fee": taker_fee,
        "balance": balance,
    }
    rules = Rules(instrument=contract, **_only_given(given))
    try:
        read = read_candles(candles)
        every_ms = interval_ms(read)
        first_ms, end_ms = read[0].at_ms, read[-1].at_ms + every_ms
        asked = read_orders(orders, instrument_of(contract), rules.unit, first_ms, end_ms)
        played = play(read, asked, rules)
    except (CandleError, OrderError) as error:
        fail(str(error), 2)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    report = report_of(played, read, every_ms, rules)
    if as_json:
        say([json.dumps(report.as_json(), indent=2)])
    else:
        _say_tables(report, time.monotonic() - began)
    if chart is not None:
        _draw(report, chart)


def _contract(
    symbol: str, tick_size: Decimal | None, contract_size: Decimal | None
) -> PaperInstrument:
    """The contract that is traded: one of the paper exchange's, with what the options change of it."""
    from attrs import evolve

    from .paper import DEFAULT_SYMBOLS, PaperInstrument

    known = {each.symbol: each for each in DEFAULT_SYMBOLS}
    changes: dict[str, Any] = {"tick_size": tick_size, "contract_size": contract_size}
    given = _only_given(changes)
    if symbol in known:
        return evolve(known[symbol], **given)
    if len(given) < len(changes):
        raise click.UsageError(
            f"--symbol {symbol}: the paper exchange has {', '.join(known)}; another one needs --tick-size and"
            " --contract-size"
        )
    return PaperInstrument(symbol, price=Decimal(1), **given)


def _only_given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _draw(report: Any, file: Path) -> None:
    from .replay.chart import drawing, page

    try:
        draw = page if file.suffix.lower() == ".html" else drawing
        file.write_text(draw(report), encoding="utf-8")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", 2)


def _say_tables(report: Any, took_s: float) -> None:
    from .replay.report import COLUMNS, facts_of, rows

    screen = Screen.of(sys.stdout, report.candles[-1].at_ms)
    columns = [Column(name, right=name in RIGHT, id=name == "id") for name in COLUMNS]
    lines = table(columns, rows(report), screen) or ["no trades"]
    unfilled = table(
        [Column("unfilled", id=True), Column("state"), Column("why")],
        [(each["id"], each["state"], each["why"]) for each in report.unfilled],
        screen,
    )
    say([*lines, "", *unfilled, *([""] if unfilled else []), *facts(facts_of(report), screen)])
    click.echo(f"played in {took_s:.1f} s", err=True)
