"""What a replay says at its end: as JSON, and as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from attrs import fields, frozen

from ..model.decimals import plain
from .candles import Candle
from .playing import Played, Rules
from .trades import Totals, Trade, totals_of, trades_of

__all__ = ["Report", "report_of"]

NOT_PLAYED = "funding and liquidations are not played"


@frozen(kw_only=True)
class Report:
    """All that came of a replay."""

    rules: Rules
    candles: Sequence[Candle]
    every_ms: int
    trades: Sequence[Trade]
    unfilled: Sequence[Mapping[str, str]]
    totals: Totals

    def as_json(self) -> Mapping[str, object]:
        """The whole report; amounts and prices as decimal text, times in ms."""
        rules = self.rules
        return {
            "candles": {
                "symbol": rules.instrument.symbol,
                "count": len(self.candles),
                "interval_s": self.every_ms // 1000,
                "from_ms": self.candles[0].at_ms,
                "to_ms": self.candles[-1].at_ms + self.every_ms,
            },
            "rules": {
                "path": rules.path,
                "seed": rules.seed,
                "maker_fee": plain(rules.maker_fee),
                "taker_fee": plain(rules.taker_fee),
                "balance": plain(rules.balance),
                "not_played": NOT_PLAYED,
            },
            "trades": [_trade(each) for each in self.trades],
            "unfilled": [dict(each) for each in self.unfilled],
            "totals": {
                each.name: _said(getattr(self.totals, each.name)) for each in fields(Totals)
            },
        }


def report_of(played: Played, candles: Sequence[Candle], every_ms: int, rules: Rules) -> Report:
    """The report of a replay that has ended."""
    contract_size = rules.instrument.contract_size
    trades = trades_of(
        played.executions, played.plans(), contract_size, candles[-1].close, played.end_ms
    )
    totals = totals_of(trades, played.executions, candles, every_ms, contract_size, rules.balance)
    unfilled = [
        {"id": order.id, "state": order.state.value, "why": why} for order, why in played.unfilled()
    ]
    return Report(
        rules=rules,
        candles=candles,
        every_ms=every_ms,
        trades=trades,
        unfilled=unfilled,
        totals=totals,
    )


def _trade(trade: Trade) -> Mapping[str, object]:
    return {
        "id": trade.id,
        "side": trade.side.value,
        "size": trade.size,
        "entry_ms": trade.entry_ms,
        "average_in": plain(trade.average_in),
        "exit_ms": trade.exit_ms,
        "average_out": plain(trade.average_out),
        "exit_reason": trade.reason,
        "closed_by": trade.closed_by,
        "open": trade.open,
        "held_s": (trade.exit_ms - trade.entry_ms) // 1000,
        "gross": plain(trade.gross),
        "fees": plain(trade.fees),
        "net": plain(trade.net),
        "stop_loss": _said(trade.stop_loss),
        "take_profit": _said(trade.take_profit),
        "risk": _said(trade.risk),
        "r": _said(trade.r),
    }


def _said(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value


def time_of(ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasted(seconds: int) -> str:
    """How long something took, in the two largest units."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {left:02}s"


COLUMNS = (
    *("id", "side", "size", "entry (UTC)", "in", "exit", "out", "held"),
    *("gross", "fees", "net", "R"),
)


def rows(report: Report) -> Iterator[tuple[str, ...]]:
    """A row of the table of trades for each of them."""
    for each in report.trades:
        yield (
            each.id,
            each.side.value,
            str(each.size),
            time_of(each.entry_ms),
            plain(each.average_in),
            each.reason,
            plain(each.average_out),
            lasted((each.exit_ms - each.entry_ms) // 1000),
            money(each.gross),
            money(each.fees),
            money(each.net),
            "-" if each.r is None else f"{each.r:.2f}",
        )


def money(amount: Decimal) -> str:
    """An amount for people."""
    text = f"{amount:.2f}"
    return "0.00" if text == "-0.00" else text


def facts_of(report: Report) -> Iterator[tuple[str, str]]:
    """The totals, for people."""
    all, rules = report.totals, report.rules
    yield "trades", f"{all.trades}: {all.won} won, {all.lost} lost"
    yield "net", f"{money(all.net)} (gross {money(all.gross)}, fees {money(all.fees)})"
    if all.r is not None:
        yield "R", f"{all.r:.2f}"
    yield "balance", f"{money(rules.balance)} -> {money(all.balance)}"
    yield (
        "max drawdown",
        f"{money(all.max_drawdown)} ({all.max_drawdown_percent} %), at the close of a candle",
    )
    yield "exposure", f"{lasted(all.exposure_s)} ({all.exposure_percent} %)"
    yield (
        "played",
        f"{len(report.candles)} candles of {lasted(report.every_ms // 1000)}, {time_of(report.candles[0].at_ms)}"
        f" to {time_of(report.candles[-1].at_ms + report.every_ms)}, path {rules.path}, seed {rules.seed}",
    )
    yield (
        "fees",
        f"maker {plain(rules.maker_fee * 100)} %, taker {plain(rules.taker_fee * 100)} %; {NOT_PLAYED}",
    )
