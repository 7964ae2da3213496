"""How the application knows that a notification is ours: a signature over the time and the body.

Pure functions of what they are given. This module never reads a clock, never logs, and never keeps a secret.
"""

from __future__ import annotations

import hmac

__all__ = ["SIGNATURE_HEADER", "TIMESTAMP_HEADER", "sign", "signature_headers"]

TIMESTAMP_HEADER = "X-WS-Worker-Timestamp"
SIGNATURE_HEADER = "X-WS-Worker-Signature"


def sign(secret: str, timestamp_ms: int, body: bytes) -> str:
    """Lower-case hex HMAC-SHA256, keyed with `secret`, over the Unix time in ms, a line feed, and `body`."""
    return hmac.digest(secret.encode(), f"{timestamp_ms}\n".encode() + body, "sha256").hex()


def signature_headers(secret: str, timestamp_ms: int, body: bytes) -> dict[str, str]:
    """The two headers of one attempt; none without a secret."""
    if not secret:
        return {}
    return {
        TIMESTAMP_HEADER: str(timestamp_ms),
        SIGNATURE_HEADER: sign(secret, timestamp_ms, body),
    }
