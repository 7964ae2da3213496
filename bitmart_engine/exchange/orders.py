"""An order on its way out: checked where it is made, encoded once, byte for byte as it is signed and sent.

Nothing here rounds or corrects: an order that does not fit is the caller's mistake, and says so.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal

import msgspec
from attrs import frozen

from ..model.decimals import plain
from ..model.sides import OrderSide

__all__ = ["SubmitOrder", "encode_order"]

MAKER_ONLY = 4
CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9]{1,32}")


@frozen(kw_only=True)
class SubmitOrder:
    """An order to send. Raises ValueError for one that BitMart could not take in any case.

    `size` is in contracts, prices are in the quote currency. `leverage` and `open_type` are left out when None: then
    what is set for the symbol holds; with a position open they must be the position's. The presets are the stop and
    the target that the exchange itself keeps, for orders that open.
    """

    symbol: str
    side: OrderSide
    size: int
    client_order_id: str
    type: Literal["limit", "market"] = "limit"
    price: Decimal | None = None
    maker_only: bool = False
    leverage: Decimal | None = None
    open_type: Literal["isolated", "cross"] | None = None
    preset_stop_loss: Decimal | None = None
    preset_take_profit: Decimal | None = None

    def __attrs_post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size {self.size} is not at least 1 contract")
        if not CLIENT_ORDER_ID.fullmatch(self.client_order_id):
            raise ValueError("client_order_id must be 1 to 32 letters and digits")
        if (self.price is None) is (self.type == "limit"):
            raise ValueError("a limit order has a price, and a market order has none")
        if self.maker_only and self.type != "limit":
            raise ValueError("only a limit order can be maker-only")
        if self.side.closes and (self.preset_stop_loss or self.preset_take_profit):
            raise ValueError("only an order that opens can carry a stop or a target")


class Body(msgspec.Struct, omit_defaults=True):
    """The body of `submit-order`: sizes are integers, prices are text. Source: fact sheet 5.4."""

    symbol: str
    side: int
    type: str
    size: int
    client_order_id: str
    price: str | None = None
    mode: int | None = None
    leverage: str | None = None
    open_type: str | None = None
    preset_stop_loss_price: str | None = None
    preset_take_profit_price: str | None = None


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


_encoder = msgspec.json.Encoder()


def encode_order(order: SubmitOrder) -> bytes:
    """The body of `submit-order`."""
    return _encoder.encode(
        Body(
            symbol=order.symbol,
            side=int(order.side),
            type=order.type,
            size=order.size,
            client_order_id=order.client_order_id,
            price=_text(order.price),
            mode=MAKER_ONLY if order.maker_only else None,
            leverage=_text(order.leverage),
            open_type=order.open_type,
            preset_stop_loss_price=_text(order.preset_stop_loss),
            preset_take_profit_price=_text(order.preset_take_profit),
        )
    )
