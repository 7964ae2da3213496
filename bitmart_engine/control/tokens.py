"""The token in a body: for senders that can set no header, such as the alerts of TradingView.

Only where an order is placed or a position monitored, and only where `CTRL_TOKEN` is set. It is taken out of the body
before anything else is made of it: it is in no log, no journal, no error and no digest of a request. Whoever shows the
token, here or in a header, may send the JSON as text/plain: browsers let any page send that, so nobody else may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import attrs
import msgspec
from quart import request
from werkzeug.exceptions import HTTPException

from ..model.errors import BadRequest
from .access import AccessRule, Asker
from .bodies import MAX_BODY_BYTES, decode_parts, parse, raw_body

__all__ = ["is_shown_in_body", "read_sent"]

TAKEN_BY = frozenset({("POST", "/api/place-order"), ("POST", "/api/monitor-position")})
FIELD = "token"

T = TypeVar("T", bound=attrs.AttrsInstance)


async def is_shown_in_body(rule: AccessRule, asker: Asker) -> bool:
    """Whether the present request has no credentials in its headers, and the token in its body. A checkpoint."""
    if asker.authorization or (asker.method, asker.path) not in TAKEN_BY:
        return False
    try:
        raw: bytes = await request.get_data(as_text=False)  # type: ignore[assignment]
    except HTTPException:  # too long, or too late: for others to say, to those who may know
        return False
    return rule.is_token(_token_in(raw))


async def read_sent(kind: type[T], rule: AccessRule) -> T:
    """The body of the present request as a `kind`, without the token. Raises BadRequest, NotJson, TooLarge."""
    asker = Asker.of(request)
    raw = await raw_body(
        takes_text=lambda raw: rule.shown_by(asker) or rule.is_token(_token_in(raw))
    )
    if not raw:
        raise BadRequest("a JSON body is needed; GET /help has an example")
    parts = dict(parse(raw))
    if FIELD in parts and not rule.is_token(_text(parts)):
        why = "is not the CTRL_TOKEN" if rule.token else "must be left out: no CTRL_TOKEN is set"
        raise BadRequest(why, f"$.{FIELD}")
    parts.pop(FIELD, None)
    return decode_parts(kind, parts)


def _token_in(raw: bytes) -> bytes:
    """What is in the place of a token in a body; empty if nothing is, or nothing can be read."""
    if len(raw) > MAX_BODY_BYTES:
        return b""
    try:
        return _text(parse(raw.strip()))
    except BadRequest:
        return b""


def _text(parts: Mapping[str, msgspec.Raw]) -> bytes:
    try:
        return msgspec.json.decode(parts[FIELD], type=str).encode()
    except (KeyError, msgspec.DecodeError):
        return b""
