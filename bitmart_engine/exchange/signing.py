"""BitMart's REST signature and the headers that carry it.

Pure functions of what they are given. This module never reads a clock, never logs, and never keeps a secret.
"""

from __future__ import annotations

import hmac

__all__ = ["keyed_headers", "sign", "signed_headers"]

Headers = list[tuple[bytes, bytes]]


def sign(secret: str, memo: str, timestamp_ms: int, body: bytes | str) -> str:
    """Lower-case hex HMAC-SHA256, keyed with `secret`, over `{timestamp_ms}#{memo}#{body}`.

    `body` must be exactly what is sent: the exchange signs the bytes, not their meaning. Source: fact sheet 2.1.
    """
    text = body.encode() if isinstance(body, str) else body
    return hmac.digest(secret.encode(), f"{timestamp_ms}#{memo}#".encode() + text, "sha256").hex()


def keyed_headers(key: str) -> Headers:
    """What a private read carries. The server checks no signature there, so a skewed clock cannot fail a read."""
    return [(b"X-BM-KEY", key.encode())]


def signed_headers(key: str, secret: str, memo: str, timestamp_ms: int, body: bytes) -> Headers:
    """What a private write carries: the key, the signature of `body`, and the time that was signed."""
    return [
        (b"X-BM-KEY", key.encode()),
        (b"X-BM-SIGN", sign(secret, memo, timestamp_ms, body).encode()),
        (b"X-BM-TIMESTAMP", str(timestamp_ms).encode()),
        (b"Content-Type", b"application/json"),
    ]
