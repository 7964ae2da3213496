"""What users ask for, checked against the instrument: errors name the field, what was wrong and what would be right.

Prices that are off the tick grid are moved onto it, always to the careful side, and the move is reported: a zone never
grows, a stop is never later and a target never further than was asked. What a price is off by is no move where it is
the noise of binary fractions, a billionth of the price or less: 65000.10000000001 is 65000.1.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from hashlib import sha256
from typing import Literal

import msgspec
from attrs import Factory, evolve, fields, frozen

from ..model.decimals import plain, shared
from ..model.errors import BadRequest
from ..model.fields import checked
from ..model.identifiers import LONGEST_ID as LONGEST_ORDER_ID
from ..model.identifiers import is_identifier, is_text
from ..model.instruments import NOISE, WHOLE_WITHIN, Instrument
from ..model.orders import EntryOrder, EntryRequest, OrderType, farthest
from ..model.sides import PositionSide

__all__ = [
    "MonitorPosition",
    "PlaceOrder",
    "Risk",
    "Unit",
    "checked_entry",
    "checked_id",
    "checked_levels",
    "checked_metadata",
    "checked_order_id",
    "does_not_fit",
    "fingerprint",
    "is_outdated",
    "moved_prices",
    "on_grid",
    "parse_side",
    "same_request",
    "size_now",
]

LONGEST_ID = 1000
NOTHING: Mapping[str, object] = {}
"""Shared by all that have no metadata; nobody writes to it."""
LONGEST_TIMEOUT_S = 30 * 86_400
WIDEST_TOLERANCE = 5
"""Percent of a price, by which an entry zone may be widened."""
Unit = Literal["base", "contracts"]
"""What `quantity` counts: the base currency, or whole contracts. Source: the setting QUANTITY_UNIT."""


@frozen(field_transformer=checked)
class Risk:
    """How much may be lost at the stop, in USDT: the size of the order follows."""

    amount: Decimal


@frozen(kw_only=True, field_transformer=checked)
class PlaceOrder:
    """An entry order as users ask for it: one of `quantity`, in the unit of QUANTITY_UNIT, `size`, in contracts, and
    `risk`, in USDT at the stop.

    `entry_zone_tolerance_percent` widens the zone by that much of each of its bounds, on both sides.
    """

    id: str
    symbol: str
    side: Literal["long", "short", "buy", "sell"]
    entry_zone_min: Decimal
    entry_zone_max: Decimal
    quantity: Decimal | None = None
    size: int | None = None
    risk: Risk | None = None
    leverage: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    timeout_seconds: Decimal = Decimal(300)
    callback_url: str | None = None
    metadata: Mapping[str, object] = Factory(dict)
    type: Literal["limit", "market"] = "limit"
    post_only: bool = True
    open_type: Literal["isolated", "cross"] = "isolated"
    exchange_protection: bool = True
    enter_anyway: bool = False
    resting_timeout_seconds: Decimal | None = None
    entry_zone_tolerance_percent: Decimal = Decimal(0)


@frozen(kw_only=True, field_transformer=checked)
class MonitorPosition:
    """A position to protections, opened by whomever. Without `size` all of it is guarded."""

    id: str
    symbol: str
    order_id: str | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    side: Literal["long", "short", "buy", "sell"] | None = None
    size: int | None = None
    callback_url: str | None = None
    metadata: Mapping[str, object] = Factory(dict)


def parse_side(side: str) -> PositionSide:
    """Long or short; `buy` and `sell` mean the same for an entry."""
    return PositionSide.LONG if side in ("long", "buy") else PositionSide.SHORT


def checked_id(id: str) -> str:
    """`id` if it can name something: not blank, not endless, and text. Raises BadRequest."""
    if not id.strip() or len(id) > LONGEST_ID or not is_text(id):
        raise BadRequest(f"must be 1 to {LONGEST_ID} characters and not blank", "$.id")
    return id


def checked_order_id(order_id: str | None, known: Container[str]) -> None:
    """Raises BadRequest for an `order_id` that no order can have: neither one of `known` nor one of the exchange."""
    if order_id and order_id not in known and not is_identifier(order_id, LONGEST_ORDER_ID):
        raise BadRequest(f"must be at most {LONGEST_ORDER_ID} printable characters", "$.order_id")


def checked_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """`metadata` if it is JSON, as JSON says it: it goes into the journal and into callbacks. Raises BadRequest."""
    if not metadata:
        return NOTHING
    try:
        return msgspec.json.decode(msgspec.json.encode(metadata), type=dict[str, object])
    except (TypeError, ValueError, RecursionError) as failure:
        raise BadRequest(f"must be a JSON object: {failure}", "$.metadata") from None


def checked_entry(
    asked: PlaceOrder, instrument: Instrument, unit: Unit = "base"
) -> tuple[EntryRequest, dict[str, Decimal]]:
    """The checked request, and the prices that had to be moved onto the tick grid by field.

    `unit` is what its `quantity` counts. Raises BadRequest.
    """
    checked_id(asked.id)
    side = parse_side(asked.side)
    type = OrderType(asked.type)
    for name in ("entry_zone_min", "entry_zone_max", "stop_loss", "take_profit"):
        _check_positive(getattr(asked, name), f"$.{name}")
    low, high = map(instrument.without_noise, (asked.entry_zone_min, asked.entry_zone_max))
    if low > high:
        raise BadRequest(
            f"{plain(asked.entry_zone_min)} is above entry_zone_max {plain(asked.entry_zone_max)}",
            "$.entry_zone_min",
        )
    tolerance = asked.entry_zone_tolerance_percent
    if not 0 <= tolerance <= WIDEST_TOLERANCE:
        raise BadRequest(f"must be from 0 to {WIDEST_TOLERANCE}", "$.entry_zone_tolerance_percent")
    low, high = _zone_asked(asked)
    zone_min = instrument.on_grid(low, ROUND_CEILING)
    zone_max = instrument.on_grid(high, ROUND_FLOOR)
    if zone_min > zone_max:
        raise BadRequest(
            f"no price on the tick grid ({plain(instrument.tick_size)}) lies in the zone",
            "$.entry_zone_min",
        )
    stop_loss, take_profit = checked_levels(
        side, asked.stop_loss, asked.take_profit, instrument, zone_min, zone_max
    )
    if asked.risk is not None and stop_loss is None:
        raise BadRequest("is needed, for the size follows from the risk at the stop", "$.stop_loss")
    per_contract = (
        None
        if stop_loss is None
        else (farthest(side, zone_min, zone_max, stop_loss) * instrument.contract_size)
    )
    size, quantity = _checked_size(asked, instrument, type, unit, per_contract)
    counted = "base" if asked.quantity is None else unit
    if asked.leverage is not None and (error := instrument.leverage_error(asked.leverage)):
        raise BadRequest(error, "$.leverage")
    if not 0 < asked.timeout_seconds <= LONGEST_TIMEOUT_S:
        raise BadRequest(
            f"must be more than 0 and at most {LONGEST_TIMEOUT_S}", "$.timeout_seconds"
        )
    resting = asked.resting_timeout_seconds
    if resting is not None and not 0 < resting <= LONGEST_TIMEOUT_S:
        raise BadRequest(
            f"must be more than 0 and at most {LONGEST_TIMEOUT_S}", "$.resting_timeout_seconds"
        )
    request = EntryRequest(
        id=asked.id,
        symbol=instrument.symbol,
        side=side,
        zone_min=zone_min,
        zone_max=zone_max,
        size=size,
        quantity=quantity,
        type=type,
        post_only=asked.post_only,
        leverage=asked.leverage,
        open_type=asked.open_type,
        stop_loss=stop_loss,
        take_profit=take_profit,
        exchange_protection=asked.exchange_protection,
        timeout_seconds=shared(asked.timeout_seconds),
        asked_quantity=(
            None if asked.quantity is None or counted == "contracts" else shared(asked.quantity)
        ),
        asked=fingerprint(asked, unit),
        enter_anyway=asked.enter_anyway,
        resting_timeout_seconds=None if resting is None else shared(resting),
        entry_zone_tolerance_percent=shared(tolerance),
        quantity_unit=counted,
        risk_amount=None if asked.risk is None else shared(asked.risk.amount),
        callback_url=asked.callback_url,
        metadata=checked_metadata(asked.metadata),
    )
    return request, moved_prices(asked, request)


def moved_prices(asked: PlaceOrder, request: EntryRequest) -> dict[str, Decimal]:
    """The prices of `request` that are not as they were asked for, by field; of the zone, as it was widened."""
    low, high = _zone_asked(asked)
    result = {
        "entry_zone_min": (low, request.zone_min),
        "entry_zone_max": (high, request.zone_max),
        "stop_loss": (asked.stop_loss, request.stop_loss),
        "take_profit": (asked.take_profit, request.take_profit),
    }
    return {
        name: price
        for name, (wanted, price) in result.items()
        if price is not None and (wanted is None or abs(price - wanted) > wanted * NOISE)
    }


def _zone_asked(asked: PlaceOrder) -> tuple[Decimal, Decimal]:
    share = asked.entry_zone_tolerance_percent / 100
    return asked.entry_zone_min * (1 - share), asked.entry_zone_max * (1 + share)


def fingerprint(asked: PlaceOrder, unit: Unit = "base") -> str:
    """A digest of what was asked, by which the same is known again whatever the contract has become by then.

    A number is what it is worth, a side what it means, and a field that says what it would be without is not there.
    A quantity is not the same in another `unit`. Raises BadRequest for metadata that are no JSON.
    """
    said: dict[str, object] = {}
    for each in fields(PlaceOrder):
        value, default = getattr(asked, each.name), each.default
        if each.name == "metadata":
            value, default = checked_metadata(value), NOTHING
        elif each.name == "side":
            value = parse_side(value).value
        if value != default:
            if isinstance(value, Risk):
                value = {"amount": plain(value.amount)}
            said[each.name] = plain(value) if isinstance(value, Decimal) else value
    if asked.quantity is not None and unit != "base":
        said["quantity_unit"] = unit
    return sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:32]


def same_request(known: EntryRequest, again: EntryRequest, instrument: Instrument) -> bool:
    """Whether the same was asked for twice, of a journal that does not keep it: the instrument may have changed."""
    again = evolve(again, asked=known.asked)
    if known.asked_quantity is None and again.quantity == known.quantity:
        known = evolve(known, asked_quantity=again.asked_quantity)  # an older journal's, maybe
    if known.asked_quantity is not None:
        known = evolve(known, size=again.size, quantity=again.quantity)
    return on_grid(known, instrument) == again


def on_grid(request: EntryRequest, instrument: Instrument) -> EntryRequest:
    """The request with its prices on the grid of `instrument`, to the careful side. The zone may be empty then."""
    long = request.side is PositionSide.LONG
    stop, target = request.stop_loss, request.take_profit
    nearer, further = (ROUND_CEILING, ROUND_FLOOR) if long else (ROUND_FLOOR, ROUND_CEILING)
    return evolve(
        request,
        zone_min=instrument.on_grid(request.zone_min, ROUND_CEILING),
        zone_max=instrument.on_grid(request.zone_max, ROUND_FLOOR),
        stop_loss=None if stop is None else instrument.on_grid(stop, nearer),
        take_profit=None if target is None else instrument.on_grid(target, further),
    )


def size_now(request: EntryRequest, instrument: Instrument) -> int:
    """The contracts that were asked for, as `instrument` is now."""
    if request.asked_quantity is None:
        return request.size
    return instrument.size_of(request.asked_quantity)


def does_not_fit(request: EntryRequest, size: int, instrument: Instrument) -> str | None:
    """Why what was accepted cannot be sent any more now that the contract has changed; None if it can.

    `request` is on the grid of `instrument`. Contracts that were asked for as such are for the exchange to refuse.
    """
    if request.zone_min > request.zone_max:
        return f"no price on the tick grid ({plain(instrument.tick_size)}) lies in the zone now"
    risk = evolve(request, quantity=size * instrument.contract_size).risk
    if request.risk_amount is not None and risk is not None and risk > request.risk_amount:
        return f"{size} contracts risk {plain(risk)} now, and {plain(request.risk_amount)} was asked for"
    if request.asked_quantity is None:
        return None
    return instrument.size_error(size, market=request.type is OrderType.MARKET)


def is_outdated(order: EntryOrder, instrument: Instrument) -> bool:
    """Whether an attempt that was refused would be another one with `instrument` as it is now."""
    if order.price is not None and instrument.on_grid(order.price) != order.price:
        return True
    return size_now(order.request, instrument) != order.size


def checked_levels(
    side: PositionSide,
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    instrument: Instrument,
    low: Decimal | None = None,
    high: Decimal | None = None,
) -> tuple[Decimal | None, Decimal | None]:
    """Stop and target on the tick grid, on the right sides of the prices from `low` to `high` and of each other.

    Raises BadRequest.
    """
    _check_positive(stop_loss, "$.stop_loss")
    _check_positive(take_profit, "$.take_profit")
    long = side is PositionSide.LONG
    if stop_loss is not None:
        stop_loss = instrument.on_grid(stop_loss, ROUND_CEILING if long else ROUND_FLOOR)
        edge = low if long else high
        if edge is not None and side.loses_at(edge, stop_loss):
            raise BadRequest(
                f"the stop of a {side.value} must be {'below' if long else 'above'} {plain(edge)},"
                f" not {plain(stop_loss)}",
                "$.stop_loss",
            )
    if take_profit is not None:
        take_profit = instrument.on_grid(take_profit, ROUND_FLOOR if long else ROUND_CEILING)
        edge = high if long else low
        if edge is not None and side.wins_at(edge, take_profit):
            raise BadRequest(
                f"the target of a {side.value} must be {'above' if long else 'below'} {plain(edge)},"
                f" not {plain(take_profit)}",
                "$.take_profit",
            )
    if stop_loss is not None and take_profit is not None and side.loses_at(take_profit, stop_loss):
        raise BadRequest(
            f"the target of a {side.value} must be {'above' if long else 'below'} its stop"
            f" {plain(stop_loss)}, not {plain(take_profit)}",
            "$.take_profit",
        )
    return stop_loss, take_profit


def _checked_size(
    asked: PlaceOrder,
    instrument: Instrument,
    type: OrderType,
    unit: Unit,
    risk_per_contract: Decimal | None,
) -> tuple[int, Decimal]:
    if sum(each is not None for each in (asked.size, asked.quantity, asked.risk)) != 1:
        counts = "contracts" if unit == "contracts" else "base currency"
        raise BadRequest(
            f"give one of quantity ({counts}), size (contracts) and risk (USDT at the stop)",
            "$.quantity",
        )
    if asked.size is not None:
        size, path = asked.size, "$.size"
    elif asked.risk is not None:
        assert risk_per_contract is not None, "it needs a stop"
        path = "$.risk.amount"
        size = _size_by_risk(asked.risk, instrument, risk_per_contract)
    else:
        assert asked.quantity is not None
        _check_positive(asked.quantity, "$.quantity")
        path = "$.quantity"
        size = (
            _contracts(asked.quantity)
            if unit == "contracts"
            else instrument.size_of(asked.quantity)
        )
    if error := instrument.size_error(size, market=type is OrderType.MARKET):
        raise BadRequest(error, path)
    return size, shared(size * instrument.contract_size)


def _size_by_risk(risk: Risk, instrument: Instrument, per_contract: Decimal) -> int:
    """The most contracts that lose no more than the amount at the stop."""
    _check_positive(risk.amount, "$.risk.amount")
    size = int(risk.amount / per_contract)
    while size * per_contract > risk.amount:  # the quotient was rounded
        size -= 1
    if size < instrument.min_size:
        needed = instrument.min_size * per_contract
        raise BadRequest(
            f"{plain(risk.amount)} is less than {plain(needed)}, what the smallest order"
            f" ({instrument.min_size} contracts) risks at this stop",
            "$.risk.amount",
        )
    return size


def _contracts(quantity: Decimal) -> int:
    nearest = quantity.to_integral_value(ROUND_HALF_EVEN)
    if abs(quantity - nearest) > WHOLE_WITHIN:
        raise BadRequest(
            f"must be a whole number of contracts, as QUANTITY_UNIT=contracts says, not {plain(quantity)}",
            "$.quantity",
        )
    return int(nearest)


def _check_positive(value: Decimal | None, path: str) -> None:
    if value is not None and not (value.is_finite() and 0 < value < Decimal("1e15")):
        raise BadRequest("must be a number above 0", path)
