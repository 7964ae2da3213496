"""Checks what a client signed. Its own few lines, so that it never shares a mistake with a client."""

from __future__ import annotations

import hashlib
import hmac

LOGIN_TEXT = "bitmart.WebSocket"


def signature(secret: str, memo: str, timestamp: str, body: str) -> str:
    """Lower-case hex of HMAC-SHA256 over `timestamp#memo#body`, keyed with the secret."""
    text = f"{timestamp}#{memo}#{body}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compare two texts in constant time, whatever characters a stranger puts into one."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
