"""The messages of GET /events as JSON Schema: one schema for each type of event."""

from __future__ import annotations

from collections.abc import Mapping

from ..feed import Happening
from ..model.events import OrderState
from ..model.sides import OrderSide, PositionSide
from .enums import name_of, one_of
from .shapes import (
    CONTRACTS,
    COUNT,
    DECIMAL,
    FLAG,
    MS,
    TEXT,
    Schema,
    always,
    maybe,
    named,
    record,
)

__all__ = ["OF_EVENTS"]

ORDER_UPDATE = record(
    order_id=TEXT,
    symbol=TEXT,
    state=name_of(OrderState),
    client_order_id=TEXT,
    side=maybe(name_of(OrderSide)),
    type=maybe(TEXT),
    action=maybe({"type": "integer"}),
    price=maybe(DECIMAL),
    size=maybe(CONTRACTS),
    deal_size=CONTRACTS,
    deal_size_known=FLAG,
    deal_avg_price=maybe(DECIMAL),
    leverage=maybe(TEXT),
    open_type=maybe(TEXT),
    position_mode=maybe(TEXT),
    create_time_ms=maybe(MS),
    update_time_ms=maybe(MS),
    last_fill=maybe(named("Fill")),
    plan_order_id={**TEXT, "description": "of the stop or target that it was made of"},
    trigger_price=maybe(DECIMAL),
)

POSITION_UPDATE = record(
    symbol=TEXT,
    side=one_of(PositionSide),
    size=CONTRACTS,
    entry_price=maybe(DECIMAL),
    liquidation_price=maybe(DECIMAL),
    update_time_ms=maybe(MS),
    open_time_ms=maybe(MS),
)

BALANCE_UPDATE = record(
    currency=TEXT, available=DECIMAL, frozen=maybe(DECIMAL), position_deposit=maybe(DECIMAL)
)

WITHDRAWN: Schema = {
    **record(id=TEXT, state=always("withdrawn")),
    "description": "it could not be kept safe: there is no such order, or protection, after all",
}

SHOWN_BY_TYPE: Mapping[Happening, tuple[str, ...]] = {
    Happening.KLINE: ("Kline",),
    Happening.ORDER: ("OrderUpdate",),
    Happening.POSITION: ("PositionUpdate",),
    Happening.BALANCE: ("BalanceUpdate",),
    Happening.ENTRY: ("Order", "Withdrawn"),
    Happening.PROTECTION: ("Position", "Withdrawn"),
}


def _event(type: Happening) -> Schema:
    shown = [named(each) for each in SHOWN_BY_TYPE[type]]
    return record(
        id=COUNT,
        type=always(type.value),
        at_ms=MS,
        symbol={"type": "null"} if type is Happening.BALANCE else TEXT,
        data=shown[0] if len(shown) == 1 else {"anyOf": shown},
    )


def _name(type: Happening) -> str:
    return f"{type.value.capitalize()}Event"


EVENT: Schema = {
    "description": "what one message of the event stream says",
    "oneOf": [*(named(_name(each)) for each in Happening), named("Lagged")],
    "discriminator": {
        "propertyName": "type",
        "mapping": {
            **{each.value: named(_name(each))["$ref"] for each in Happening},
            "lagged": named("Lagged")["$ref"],
        },
    },
}

OF_EVENTS: Mapping[str, Schema] = {
    "Event": EVENT,
    **{_name(each): _event(each) for each in Happening},
    "Lagged": {
        **record(type=always("lagged"), missed=maybe(COUNT)),
        "description": "so many events were dropped here; null: nobody can know how many",
    },
    "OrderUpdate": ORDER_UPDATE,
    "PositionUpdate": POSITION_UPDATE,
    "BalanceUpdate": BALANCE_UPDATE,
    "Fill": record(trade_id={"type": "integer"}, price=DECIMAL, size=CONTRACTS),
    "Withdrawn": WITHDRAWN,
}
