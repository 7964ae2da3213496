"""GET /api/fills: what the account's orders matched, each match a thing of its own with what it cost."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response

from ..engine import Engine
from ..model.fills import AccountFill as Kept
from ..model.fills import Liquidity, Whose
from .answers import answer
from .pieces import Pieces, encoded_list
from .queries import span_asked
from .wire import (
    Answer,
    Contracts,
    DecimalText,
    Next,
    OrderSideName,
    UnixMs,
    about,
    list_of,
    view_of,
)

__all__ = ["AccountFill", "FillList", "endpoints", "fill_view"]


@frozen(kw_only=True, slots=False)
class AccountFill:
    """One match of an order of the account, of whomever it is. null: not known, or not yet."""

    id: Annotated[str, about("as the exchange numbers it")]
    symbol: str
    side: OrderSideName | None
    price: DecimalText
    size: Contracts
    fee: Annotated[
        DecimalText | None,
        about("as the exchange gave it: whether a cost has a minus is not established"),
    ]
    fee_currency: str | None
    liquidity: Liquidity | None
    realised: Annotated[
        DecimalText | None, about("what the exchange says that it earned, without fees, in USDT")
    ]
    whose: Whose | None
    order_id: Annotated[
        str | None, about("the entry order that filled, or that opened what was closed")
    ]
    protection_id: str | None
    exchange_order_id: str
    client_order_id: str | None
    at_ms: UnixMs


@frozen(kw_only=True, slots=False)
class FillList(Answer):
    """A page of fills, the newest first."""

    fills: Annotated[Pieces, list_of("AccountFill")]
    read_until_ms: Annotated[
        UnixMs | None,
        about("up to when the exchange's own list was read since the start; null: not yet"),
    ]
    next: Next


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/fills."""
    routes = Blueprint("fills", __name__)

    @routes.get("/api/fills")
    async def listed() -> Response:
        asked = span_asked()
        found = await engine.fills(
            symbol=asked.symbol, since_ms=asked.since_ms, after=asked.after, limit=asked.limit + 1
        )
        page = found[: asked.limit]
        return answer(
            FillList(
                fills=await encoded_list(page, fill_view),
                read_until_ms=engine.fills_read_until_ms,
                next=page[-1].id if len(found) > len(page) else None,
            )
        )

    return routes


def fill_view(fill: Kept) -> AccountFill:
    """One fill."""
    return view_of(
        AccountFill,
        fill,
        side=None if fill.side is None else fill.side.name.lower(),
        client_order_id=fill.client_order_id or None,
    )
