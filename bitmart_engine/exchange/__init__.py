"""BitMart's REST API: signing, one call at a time, who goes first, and whose fault it is when a call fails."""

from .budget import Urgency
from .client import ExchangeClient, ExchangeStatistics, open_exchange
from .errors import (
    MEANINGS,
    CredentialsMissing,
    CutShort,
    ExchangeError,
    Meaning,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from .orders import SubmitOrder
from .rows import Balance, PlanOrder, PositionSettings
from .turns import EndpointStatistics

__all__ = [
    "MEANINGS",
    "Balance",
    "CredentialsMissing",
    "CutShort",
    "EndpointStatistics",
    "ExchangeClient",
    "ExchangeError",
    "ExchangeStatistics",
    "Meaning",
    "NotSent",
    "OutcomeUnknown",
    "PlanOrder",
    "PositionSettings",
    "Refused",
    "SubmitOrder",
    "Urgency",
    "open_exchange",
]
