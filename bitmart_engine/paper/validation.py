"""Turns the JSON of a request into the books' nouns, or refuses it with the exchange's code. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any, TypeVar

from .codes import Refusal
from .instruments import PaperInstrument, digits, on_grid
from .orders import Mode, OrderRequest, Side

Instruments = Mapping[str, PaperInstrument]
E = TypeVar("E", bound=IntEnum)
CLIENT_ID_LENGTH = 32


def order_request(body: Mapping[str, Any], instruments: Instruments) -> OrderRequest:
    """A submit-order body, checked for form: symbol, side, type, mode, size, price, client id, settings, presets."""
    instrument = instrument_of(body, instruments)
    side = enumeration(body.get("side"), Side, 40041)
    kind = body.get("type") or "limit"
    if kind not in ("limit", "market"):
        raise Refusal(40042)
    mode = enumeration(body.get("mode") or 1, Mode, 40011)
    if mode is Mode.MAKER_ONLY and kind == "market":
        raise Refusal(40011)
    return OrderRequest(
        symbol=instrument.symbol,
        side=side,
        type=kind,
        mode=mode,
        size=size_of(body, instrument, kind),
        price=price_of(body, "price", instrument, required=True) if kind == "limit" else None,
        client_order_id=client_order_id_of(body),
        leverage=leverage_of(body) if not side.is_close else None,
        open_type=open_type_of(body) if not side.is_close else None,
        stop_price=preset_of(body, "preset_stop_loss_price", instrument, side),
        target_price=preset_of(body, "preset_take_profit_price", instrument, side),
        stop_price_type=whole(body.get("preset_stop_loss_price_type") or 1),
        target_price_type=whole(body.get("preset_take_profit_price_type") or 1),
    )


def instrument_of(values: Mapping[str, Any], instruments: Instruments) -> PaperInstrument:
    """The instrument that `symbol` names (40034)."""
    symbol = values.get("symbol")
    if not isinstance(symbol, str) or symbol not in instruments:
        raise Refusal(40034)
    return instruments[symbol]


def optional_symbol(values: Mapping[str, Any], instruments: Instruments) -> str | None:
    """The symbol, if one is named (40034)."""
    return instrument_of(values, instruments).symbol if values.get("symbol") else None


def enumeration(value: object, kind: type[E], code: int) -> E:
    """A member of an enumeration, given as its number and nothing else."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return kind(value)
        except ValueError:
            pass
    raise Refusal(code)


def whole(value: object) -> int:
    """A whole number, given as one or as its digits (40011)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = digits(value)
    if number is None:
        raise Refusal(40011)
    return number


def size_of(body: Mapping[str, Any], instrument: PaperInstrument, kind: str) -> int:
    """The size in contracts: whole (40011), and within the instrument's range (40044)."""
    size = whole(body.get("size"))
    largest = instrument.max_size if kind == "limit" else instrument.market_max_size
    if not instrument.min_size <= size <= largest:
        raise Refusal(40044)
    return size


def price_of(
    body: Mapping[str, Any], name: str, instrument: PaperInstrument, *, required: bool = False
) -> Decimal | None:
    """A price: a positive number (40011) on the tick grid (40043)."""
    value = body.get(name)
    if value in (None, "") and not required:
        return None
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        raise Refusal(40011)
    try:
        price = Decimal(value)
    except InvalidOperation:
        raise Refusal(40011) from None
    if not price.is_finite() or price <= 0:
        raise Refusal(40011)
    if not on_grid(price, instrument.tick_size):
        raise Refusal(40043)
    return price


def preset_of(
    body: Mapping[str, Any], name: str, instrument: PaperInstrument, side: Side
) -> Decimal | None:
    """A preset price; only orders that open can have one (40011)."""
    price = price_of(body, name, instrument)
    if price is not None and side.is_close:
        raise Refusal(40011)
    return price


def client_order_id_of(body: Mapping[str, Any]) -> str:
    """The client's id, or an empty text: letters and digits (40048), 32 at most (40049)."""
    value = body.get("client_order_id")
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not (value.isascii() and value.isalnum()):
        raise Refusal(40048)
    if len(value) > CLIENT_ID_LENGTH:
        raise Refusal(40049)
    return value


def leverage_of(body: Mapping[str, Any]) -> int | None:
    """The leverage, or None when it is left out: a whole number (40040)."""
    value = body.get("leverage")
    if value in (None, ""):
        return None
    try:
        return whole(value)
    except Refusal:
        raise Refusal(40040) from None


def open_type_of(body: Mapping[str, Any]) -> str | None:
    """The margin type, or None when it is left out (40045)."""
    value = body.get("open_type")
    if value in (None, ""):
        return None
    if value not in ("isolated", "cross"):
        raise Refusal(40045)
    return str(value)
