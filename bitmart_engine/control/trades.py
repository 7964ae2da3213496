"""GET /api/trades: what entries, and monitored positions, came to."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..model.decimals import plain
from ..model.positions import CloseReason
from ..model.sides import PositionSide
from ..model.trades import Trade as Kept
from ..model.trades import TradeState, rounded
from .answers import answer
from .pieces import Pieces, encoded_list
from .queries import span_asked
from .wire import Answer, Contracts, DecimalText, Next, UnixMs, about, list_of, view_of

__all__ = ["Trade", "TradeList", "endpoints", "trade_view"]


@frozen(kw_only=True, slots=False)
class Trade:
    """An entry with what closed it. Money is in USDT. null: `unknown` says why; of what is open still: so far."""

    id: Annotated[str, about("of the entry order, or of the protection where that has none")]
    symbol: str
    side: PositionSide | None
    state: TradeState
    reason: Annotated[CloseReason | None, about("what the last close was for")]
    order_id: str | None
    protection_id: str | None
    size: Contracts | None
    closed_size: Contracts | None
    entry_price: Annotated[DecimalText | None, about("the average, to 8 decimals")]
    exit_price: Annotated[DecimalText | None, about("the average, to 8 decimals")]
    fees: Annotated[
        DecimalText | None, about("the exchange's, each counted as a cost whatever its sign")
    ]
    funding: Annotated[DecimalText | None, about("not known; it is in no number here")]
    gross_pnl: Annotated[DecimalText | None, about("without fees")]
    realised_pnl: Annotated[DecimalText | None, about("after fees")]
    percent: Annotated[
        DecimalText | None, about("`realised_pnl` in percent of what the entry was worth")
    ]
    risk: Annotated[
        DecimalText | None, about("what would have been lost at the first stop, without fees")
    ]
    r: Annotated[DecimalText | None, about("`realised_pnl` in multiples of `risk`")]
    stop_slippage: Annotated[
        DecimalText | None,
        about("by how much worse than its level a stop was filled; below zero: better"),
    ]
    opened_ms: UnixMs | None
    closed_ms: Annotated[UnixMs | None, about("the last fill that closed; unix ms")]
    duration_ms: UnixMs | None
    unknown: Annotated[dict[str, str], about("why what is null is not known, by its name")]


@frozen(kw_only=True, slots=False)
class TradeList(Answer):
    """A page of trades, the latest begun first."""

    trades: Annotated[Pieces, list_of("Trade")]
    next: Next


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/trades."""
    routes = Blueprint("trades", __name__)

    @routes.get("/api/trades")
    async def listed() -> Response:
        asked = span_asked()
        found = await engine.trades(
            symbol=asked.symbol, since_ms=asked.since_ms, after=asked.after, limit=asked.limit + 1
        )
        page = found[: asked.limit]
        return answer(
            TradeList(
                trades=await encoded_list(page, trade_view),
                next=page[-1].id if len(found) > len(page) else None,
            )
        )

    return routes


def trade_view(trade: Kept) -> Trade:
    """One trade."""
    return view_of(
        Trade,
        trade,
        entry_price=_shown(trade.entry_price),
        exit_price=_shown(trade.exit_price),
        funding=None,
        gross_pnl=_shown(trade.gross_pnl),
        realised_pnl=_shown(trade.realised_pnl),
        percent=_shown(trade.percent),
        r=_shown(trade.r),
        stop_slippage=_shown(trade.stop_slippage),
        unknown=dict(trade.unknown),
    )


def _shown(value: Decimal | None) -> str | None:
    return None if value is None else plain(rounded(value))
