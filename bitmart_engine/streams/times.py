"""Times on the wire, whichever way BitMart wrote them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["unix_ms"]

WHOLE = re.compile(r"[0-9]{1,20}", re.ASCII)
PER_MS = ((10**17, 10**6), (10**14, 10**3), (10**11, 1))
"""From which number on a time is in ns, in us, or in ms, and how many of those are a millisecond. Below it is in s."""


def unix_ms(said: str) -> int | None:
    """The time that a text says, Unix time in ms: RFC 3339 (UTC without a zone), or a number in s, ms, us or ns.

    None where it says none. Raises ValueError for what is no time.
    """
    if not said:
        return None
    if WHOLE.fullmatch(said):
        number = int(said)
        if not number:
            return None
        return next((number // per for least, per in PER_MS if number >= least), number * 1000)
    at = datetime.fromisoformat(said)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
