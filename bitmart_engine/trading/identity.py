"""Client order ids, derived from what they stand for.

BitMart takes 1 to 32 letters and digits (fact sheet 5.4); the ids of our users are any text. A digest of the id gives a
name that is always valid, that is the same after a restart, and that two ids do not share (124 bits).
"""

from __future__ import annotations

from hashlib import sha256

__all__ = ["close_client_order_id", "entry_client_order_id"]


def entry_client_order_id(entry_id: str, attempt: int) -> str:
    """The client order id of the given attempt (from 1) to submit an entry order."""
    return _derived("e", entry_id, attempt)


def close_client_order_id(protection_id: str, attempt: int) -> str:
    """The client order id of the given attempt (from 1) to close what a protection covers."""
    return _derived("c", protection_id, attempt)


def _derived(kind: str, id: str, attempt: int) -> str:
    seed = f"{kind}:{attempt}:{id}".encode("utf-8", "surrogatepass")
    return kind + sha256(seed).hexdigest()[:31]
