"""How long ids and symbols may be, whoever names them: the exchange, a caller, a journal of an earlier version.

An id goes into URLs, topics, log lines and the journal. One without end is a mistake or an attack, and never an id.
"""

from __future__ import annotations

__all__ = ["LONGEST_ID", "LONGEST_SYMBOL", "is_identifier", "is_text"]

LONGEST_ID = 64
"""Characters of an order id, a client order id, or any other word of the exchange. BitMart's ids have 16 digits, a
client order id has at most 32 characters, and `PLAN_` with an id fits too."""
LONGEST_SYMBOL = 40


def is_identifier(text: str, longest: int = LONGEST_ID) -> bool:
    """Whether `text` can be an id: not empty, not longer than `longest` characters, and printable."""
    return 0 < len(text) <= longest and text.isprintable()


def is_text(value: str) -> bool:
    """Whether `value` can be sent and kept: a lone half of a surrogate pair is no text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
