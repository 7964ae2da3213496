"""How the application knows that a request is the worker's: it is signed, over this body, within a minute of now."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from .answers import header

__all__ = ["signature", "why_not_ours"]

TIMESTAMP = "X-WS-Worker-Timestamp"
SIGNATURE = "X-WS-Worker-Signature"
LARGEST_SKEW_MS = 60_000


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of timestamp, line feed, body."""
    return hmac.new(secret.encode(), timestamp.encode() + b"\n" + body, hashlib.sha256).hexdigest()


def why_not_ours(secret: str, headers: Mapping[str, str], body: bytes, now_ms: int) -> str:
    """Why a request is refused with 401; empty where it is signed with `secret`, over this body, now."""
    timestamp, given = header(headers, TIMESTAMP), header(headers, SIGNATURE)
    if not timestamp or not given:
        return "Missing signature"
    if not timestamp.isascii() or not timestamp.isdigit():
        return "Timestamp is no number of milliseconds"
    if abs(now_ms - int(timestamp)) > LARGEST_SKEW_MS:
        return "Timestamp is more than 60 s off"
    if not hmac.compare_digest(signature(secret, timestamp, body).encode(), given.encode()):
        return "Signature does not match"
    return ""
