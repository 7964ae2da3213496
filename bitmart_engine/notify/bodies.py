"""The body of one attempt: a signal counts the attempts before it, so it is made anew for each.

Pure. Only the count is replaced; all else goes out byte for byte as the journal has it, prices with all their digits.
"""

from __future__ import annotations

import msgspec

__all__ = ["COUNTED", "body_of_attempt"]

COUNTED = frozenset({"payload_version", "retry_count"})
"""A body that has both counts its attempts. Those of older journals have no version, and go out untouched."""

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


def body_of_attempt(body: bytes, attempts: int) -> bytes:
    """`body` as it goes out after so many `attempts` to deliver it; `body` itself if it does not count them."""
    if b'"payload_version"' not in body:
        return body
    try:
        parts = _DECODER.decode(body)
    except ValueError:  # no object: nothing of ours that counts
        return body
    if not parts.keys() >= COUNTED:
        return body
    return msgspec.json.encode({**parts, "retry_count": attempts})
