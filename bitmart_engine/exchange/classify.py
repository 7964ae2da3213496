"""What an answer means: taken, refused, or nobody knows.

One pure function over (path, HTTP status, body). It decides by the code in the envelope, since BitMart refuses with
HTTP 200 too; an answer without a code is never taken for a refusal, because a proxy in between may have sent it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from .errors import MEANINGS, Meaning, OutcomeUnknown, Refused
from .wire import envelope_of

__all__ = ["CANCEL", "DETAILS", "ORDER", "SUBMIT", "classify"]

DETAILS = "/contract/public/details"
ORDER = "/contract/private/order"
SUBMIT = "/contract/private/submit-order"
CANCEL = "/contract/private/cancel-order"

OK = 1000
UNKNOWN_PATH = 30000
SYSTEM_ERROR = 40012
UNAVAILABLE = 30014
BODY_NOT_JSON = 30018

ORDER_PATHS = frozenset({SUBMIT, CANCEL})
PROVES_NOTHING = frozenset({SYSTEM_ERROR, UNAVAILABLE})
"""On an order path these may be said of a request that was taken. Source: fact sheet 6.2, 6.3 (40012, 30014)."""
SAID_WITH_5XX = frozenset({UNAVAILABLE, BODY_NOT_JSON})
TOO_MANY_REQUESTS = 429

SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")
LONGEST_MESSAGE = 300


def classify(
    path: str, status: int, body: bytes, redact: Callable[[str], str] = lambda text: text
) -> msgspec.Raw:
    """The data of a success, as raw JSON (empty where there is none). Raises Refused or OutcomeUnknown.

    `redact` removes secrets from what the exchange says, should it ever repeat one.
    """
    envelope = envelope_of(body)
    code = envelope.number if envelope else None
    if envelope is None or code is None:
        if status == TOO_MANY_REQUESTS:
            raise Refused(status, "too many requests", status, Meaning.RATE, path)
        raise OutcomeUnknown(f"HTTP {status}, and not an answer of the exchange", path)

    message = SIGNATURE.sub("***", redact(envelope.words))[:LONGEST_MESSAGE]
    if code == OK:
        if 200 <= status < 300:
            return envelope.data
        raise OutcomeUnknown(f"HTTP {status} with the code of a success", path)
    if path in ORDER_PATHS and code in PROVES_NOTHING:
        raise OutcomeUnknown(f"{code} {message}", path)
    if status >= 500 and code not in SAID_WITH_5XX:
        raise OutcomeUnknown(f"HTTP {status}: {code} {message}", path)
    raise Refused(code, message, status, _meaning(path, status, code, message), path)


def _meaning(path: str, status: int, code: int, message: str) -> Meaning:
    if path == DETAILS and code == SYSTEM_ERROR and "symbol" in message.lower():
        return Meaning.INSTRUMENT
    if path == ORDER and status == 404 and code != UNKNOWN_PATH:
        return Meaning.NO_SUCH_ORDER
    if status == TOO_MANY_REQUESTS:
        return Meaning.RATE
    return MEANINGS.get(code, Meaning.OTHER)
