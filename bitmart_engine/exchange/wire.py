"""What BitMart's REST answers look like, and how a row becomes one of our nouns.

Numbers come as text, as numbers, as `""` or as `-`, and ids as either; every field is therefore read leniently, and a
field that says nothing is None. What a row cannot be without (an order's id and state, a position's size) is read
strictly: a row that lacks it raises `Unreadable`, because a row left out would look like an order that is gone.
No float is ever made, and nothing here does IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec
from attrs import frozen

from ..model.decimals import decimal_or_none, to_contracts
from ..model.events import Kline, OrderState, OrderUpdate, PositionUpdate
from ..model.instruments import Instrument
from ..model.sides import OrderSide, PositionSide
from ..model.timeframes import Timeframe

__all__ = [
    "Balance",
    "Envelope",
    "LeftOut",
    "PositionSettings",
    "Unreadable",
    "balance_of",
    "envelope_of",
    "fields_of",
    "instrument_of",
    "kline_of",
    "needed",
    "needed_decimal",
    "order_of",
    "position_of",
    "rows_of",
    "settings_of",
    "text_of",
    "whole_of",
]

ABSENT = msgspec.Raw(b"")


class Unreadable(ValueError):
    """An answer is not what BitMart's answers are."""


class LeftOut(ValueError):
    """A contract that the engine does not trade, and why."""


class Envelope(msgspec.Struct):
    """What every answer is wrapped in. The gateway says `msg` where everybody else says `message`."""

    code: int | str
    message: str | None = None
    msg: str | None = None
    data: msgspec.Raw = ABSENT

    @property
    def number(self) -> int | None:
        """The code as a number; some endpoints write it as text."""
        try:
            return int(self.code)
        except ValueError:
            return None

    @property
    def words(self) -> str:
        """What the exchange says about it."""
        return self.message or self.msg or ""


@frozen(kw_only=True)
class Balance:
    """The futures account in one currency, in units of it."""

    currency: str
    available: Decimal
    frozen: Decimal
    position_deposit: Decimal
    equity: Decimal
    unrealized: Decimal


@frozen(kw_only=True)
class PositionSettings:
    """What a symbol is set to, and what is held of it in contracts. None: the exchange did not say."""

    symbol: str
    leverage: Decimal | None
    open_type: str | None
    """`isolated` or `cross`."""
    position_mode: str | None
    """`hedge_mode` or `one_way_mode`."""
    held: Mapping[PositionSide, int]
    """Both sides are always there; 0 is flat."""


_envelope = msgspec.json.Decoder(Envelope)
_rows = msgspec.json.Decoder(list[msgspec.Raw] | None)
_fields = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def envelope_of(body: bytes) -> Envelope | None:
    """The envelope, or None where the body is something else (HTML from a proxy, say)."""
    try:
        return _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def rows_of(data: msgspec.Raw) -> list[msgspec.Raw]:
    """The rows of a list; `null` is an empty one. Raises Unreadable for anything else, an absent list too."""
    try:
        return _rows.decode(data) or []
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("data is not a list") from None


def fields_of(data: msgspec.Raw | bytes) -> dict[str, Any]:
    """The fields of an object. Raises Unreadable for anything else."""
    try:
        return _fields.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("data is not an object") from None


def text_of(value: Any) -> str:
    """An id or a word as text; `""` where there is none."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def decimal_of(value: Any) -> Decimal | None:
    """A number, however it was written; None where there is none."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value)
    return decimal_or_none(value) if isinstance(value, str) else None


def whole_of(value: Any) -> int | None:
    """A whole number, however it was written; None where there is none."""
    number = decimal_of(value)
    return int(number) if number is not None and number == number.to_integral_value() else None


def positive_of(value: Any) -> Decimal | None:
    """A number above zero; None for zero, which is how BitMart says that there is none."""
    number = decimal_of(value)
    return number if number is not None and number > 0 else None


def needed(row: Mapping[str, Any], name: str) -> Any:
    """A field that the row is nothing without."""
    value = row.get(name)
    if value is None or value == "":
        raise Unreadable(f"a row without {name}")
    return value


def needed_decimal(row: Mapping[str, Any], name: str) -> Decimal:
    """A number that the row is nothing without."""
    number = decimal_of(needed(row, name))
    if number is None:
        raise Unreadable(f"a row whose {name} is not a number")
    return number


def order_of(raw: msgspec.Raw) -> OrderUpdate:
    """One order, as `order`, `get-open-orders` and `order-history` show it. Raises Unreadable."""
    row = fields_of(raw)
    try:
        state = OrderState(whole_of(row.get("state")) or 0)
    except ValueError:
        raise Unreadable("an order whose state is unknown") from None
    deal_size = whole_of(row.get("deal_size") or 0)
    if deal_size is None:
        raise Unreadable("an order whose deal_size is not a whole number")
    side = whole_of(row.get("side"))
    return OrderUpdate(
        order_id=text_of(needed(row, "order_id")),
        symbol=text_of(needed(row, "symbol")).upper(),
        state=state,
        client_order_id=text_of(row.get("client_order_id")),
        side=OrderSide(side) if side in (1, 2, 3, 4) else None,
        type=text_of(row.get("type")).lower() or None,
        price=decimal_of(row.get("price")),
        size=whole_of(row.get("size")),
        deal_size=deal_size,
        deal_avg_price=decimal_of(row.get("deal_avg_price")),
        leverage=text_of(row.get("leverage")) or None,
        open_type=text_of(row.get("open_type")).lower() or None,
        position_mode=text_of(row.get("position_mode")) or None,
        create_time_ms=whole_of(row.get("create_time")),
        update_time_ms=whole_of(row.get("update_time")),
        raw=bytes(raw),
    )


def position_of(row: Mapping[str, Any]) -> list[PositionUpdate]:
    """What one row of `position-v2` says: one side, or both for a one-way row, of which one at least is flat.

    `current_amount` says how much there is; a one-way row tells the side by the sign. Raises Unreadable.
    """
    symbol = text_of(needed(row, "symbol")).upper()
    amount = decimal_of(row.get("current_amount"))
    if amount is None:
        amount = needed_decimal(row, "position_amount")
    size = whole_of(abs(amount))
    if size is None:
        raise Unreadable(f"a position of {amount} contracts")

    named = text_of(row.get("position_side")).lower()
    if named in ("long", "short"):
        held = PositionSide(named)
        sides = [held]
    elif named == "both":
        signed = decimal_of(row.get("position_amount")) or amount
        held = PositionSide.SHORT if min(signed, amount) < 0 else PositionSide.LONG
        sides = list(PositionSide)
    else:
        raise Unreadable("a position without a side")

    entry = positive_of(row.get("entry_price")) or positive_of(row.get("open_avg_price"))
    return [
        PositionUpdate(
            symbol=symbol,
            side=side,
            size=size if side is held else 0,
            entry_price=entry if size and side is held else None,
            liquidation_price=(
                positive_of(row.get("liquidation_price")) if size and side is held else None
            ),
            update_time_ms=whole_of(row.get("timestamp")),
        )
        for side in sides
    ]


def settings_of(symbol: str, rows: list[dict[str, Any]]) -> PositionSettings:
    """What the rows of one symbol say together. A side that is held speaks before one that is flat."""
    held = dict.fromkeys(PositionSide, 0)
    speaking: dict[str, Any] = {}
    for row in rows:
        sizes = {each.side: each.size for each in position_of(row)}
        for side, size in sizes.items():
            held[side] += size
        if not speaking or any(sizes.values()):
            speaking = row
    modes = {"both": "one_way_mode", "long": "hedge_mode", "short": "hedge_mode"}
    return PositionSettings(
        symbol=symbol,
        leverage=positive_of(speaking.get("leverage")),
        open_type=text_of(speaking.get("open_type")).lower() or None,
        position_mode=modes.get(text_of(speaking.get("position_side")).lower()),
        held=held,
    )


def balance_of(currency: str, rows: list[dict[str, Any]]) -> Balance:
    """The account in `currency`. A currency that is not listed is one of which there is nothing."""
    row = next((each for each in rows if text_of(each.get("currency")) == currency), None)

    def amount(name: str) -> Decimal:
        return Decimal(0) if row is None else needed_decimal(row, name)

    return Balance(
        currency=currency,
        available=amount("available_balance"),
        frozen=amount("frozen_balance"),
        position_deposit=amount("position_deposit"),
        equity=amount("equity"),
        unrealized=amount("unrealized"),
    )


def kline_of(symbol: str, timeframe: Timeframe, row: Mapping[str, Any]) -> Kline:
    """One bar. Raises Unreadable."""
    return Kline(
        symbol=symbol,
        timeframe=timeframe,
        open_time_s=int(needed_decimal(row, "timestamp")),
        open=needed_decimal(row, "open_price"),
        high=needed_decimal(row, "high_price"),
        low=needed_decimal(row, "low_price"),
        close=needed_decimal(row, "close_price"),
        volume=decimal_of(row.get("volume")) or Decimal(0),
    )


def instrument_of(row: Mapping[str, Any]) -> Instrument:
    """One contract. Raises Unreadable, and LeftOut for one that the engine's arithmetic does not fit."""
    symbol = text_of(needed(row, "symbol"))
    if text_of(row.get("quote_currency")).upper() == "USD":
        raise LeftOut("coin-margined contract left out")
    step = decimal_of(row.get("vol_precision", row.get("volume_precision")))
    if step is not None and step > 1:
        raise LeftOut("contract with a size step above 1 left out")
    tick_size, contract_size = (
        positive_of(row.get("price_precision")),
        positive_of(row.get("contract_size")),
    )
    if tick_size is None or contract_size is None:
        raise Unreadable("a contract without tick size or contract size")
    max_size = to_contracts(needed_decimal(row, "max_volume"))
    market_max = decimal_of(row.get("market_max_volume"))
    return Instrument(
        symbol=symbol,
        tick_size=tick_size,
        contract_size=contract_size,
        min_size=max(1, int(needed_decimal(row, "min_volume").to_integral_value(ROUND_CEILING))),
        max_size=max_size,
        market_max_size=max_size if market_max is None else to_contracts(market_max),
        min_leverage=positive_of(row.get("min_leverage")) or Decimal(1),
        max_leverage=needed_decimal(row, "max_leverage"),
        trading=text_of(row.get("status") or "Trading").lower() == "trading",
    )
