"""GET /api/instruments: what an order for a symbol has to fit, and how much of the base currency one contract is."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen
from quart import Blueprint, Response, request

from ..engine import Engine
from ..model.instruments import Instrument as Kept
from .answers import answer
from .queries import check_parameters
from .wire import Answer, Contracts, DecimalText, about, view_of

__all__ = ["Instrument", "InstrumentList", "endpoints"]


@frozen(kw_only=True, slots=False)
class Instrument:
    """One contract as the exchange lists it."""

    symbol: str
    tick_size: Annotated[DecimalText, about("in the quote currency")]
    contract_size: Annotated[DecimalText, about("of the base currency in one contract")]
    min_size: Contracts
    max_size: Contracts
    market_max_size: Contracts
    min_leverage: DecimalText
    max_leverage: DecimalText
    trading: Annotated[bool, about("whether it is traded at all now")]


@frozen(kw_only=True, slots=False)
class InstrumentList(Answer):
    """Instruments by symbol: the one that was asked for, or those that were looked up since the start."""

    instruments: list[Instrument]


def endpoints(engine: Engine) -> Blueprint:
    """GET /api/instruments."""
    routes = Blueprint("instruments", __name__)

    @routes.get("/api/instruments")
    async def listed() -> Response:
        check_parameters(request.args, ("symbol",))
        symbol = request.args.get("symbol")
        found = [await engine.instrument(symbol)] if symbol else engine.instruments_known()
        return answer(InstrumentList(instruments=[_view(each) for each in found]))

    return routes


def _view(instrument: Kept) -> Instrument:
    return view_of(Instrument, instrument)
