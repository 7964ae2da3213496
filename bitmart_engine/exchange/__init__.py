"""BitMart's REST API: signing, one call at a time, and whose fault it is when a call fails."""

from .client import ExchangeClient, open_exchange
from .errors import (
    MEANINGS,
    CredentialsMissing,
    ExchangeError,
    Meaning,
    NotSent,
    OutcomeUnknown,
    Refused,
)
from .orders import SubmitOrder
from .rows import Balance, PositionSettings

__all__ = [
    "MEANINGS",
    "Balance",
    "CredentialsMissing",
    "ExchangeClient",
    "ExchangeError",
    "Meaning",
    "NotSent",
    "OutcomeUnknown",
    "PositionSettings",
    "Refused",
    "SubmitOrder",
    "open_exchange",
]
