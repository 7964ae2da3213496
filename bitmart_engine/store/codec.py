"""Records as text and back: JSON, so that an operator can read the journal with the `sqlite3` shell.

Prices stay exact (a Decimal is a string), enums are their values, a record's kind is the name of its class. Adding a
field with a default to a class keeps old journals readable; renaming or removing one needs a migration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, assert_never, get_args
from zlib import crc32

import msgspec

from . import records as r
from .archive import Packed
from .records import Record

__all__ = ["KINDS", "Subject", "decode", "encode", "pack", "subject_of", "unpack", "unpacking"]

T = TypeVar("T")

KINDS: dict[str, type[Record]] = {each.__name__: each for each in get_args(Record)}

Subject = tuple[str, str]
"""What a record speaks of: "order", "protection", "futures_order", "notification", "view" or "entries", and its id."""

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def encode(record: Record) -> tuple[str, str]:
    """The record's kind, and its body as JSON. Raises TypeError or ValueError if the body holds what JSON cannot."""
    return type(record).__name__, pack(record)


def decode(kind: str, body: bytes | str) -> Record:
    """The record again. Raises ValueError for a kind that does not exist or a body that is not one of that kind."""
    if kind not in KINDS:
        raise ValueError(f"there is no record named {kind!r}")
    return unpack(KINDS[kind], body)


def pack(thing: object) -> str:
    """Any value made of attrs classes, as JSON."""
    return _ENCODER.encode(thing).decode()


def unpack(type_: type[T], body: bytes | str) -> T:
    """The value again. Raises ValueError (`msgspec.ValidationError`, `msgspec.DecodeError`)."""
    decoder = _DECODERS.get(type_)
    if decoder is None:
        _DECODERS[type_] = decoder = msgspec.json.Decoder(type_)
    decoded: T = decoder.decode(body)
    return decoded


def unpacking(type_: type[T]) -> Callable[[Packed], T]:
    """What brings back a packed value of that type, if it is what was written. Raises ValueError."""

    def unpack_checked(packed: Packed) -> T:
        if crc32(packed.body) != packed.check32:
            raise ValueError(f"what is kept of a {type_.__name__} is not what was written")
        return unpack(type_, packed.body)

    return unpack_checked


def subject_of(record: Record) -> Subject:
    """The one thing whose state `record` changes."""
    match record:
        case r.EntryAccepted():
            return "order", record.order.id
        case (
            r.EntryIntended()
            | r.EntrySigned()
            | r.EntryObserved()
            | r.EntryMoved()
            | r.EntryAnnounced()
            | r.EntryCancelAsked()
            | r.EntryForgotten()
        ):
            return "order", record.id
        case r.ProtectionOpened():
            return "protection", record.protection.id
        case (
            r.ProtectionCovers()
            | r.ProtectionForgotten()
            | r.ProtectionKept()
            | r.ProtectionLevelled()
            | r.ProtectionMoved()
            | r.CloseIntended()
            | r.CloseObserved()
            | r.FiredObserved()
        ):
            return "protection", record.id
        case r.FuturesOrderSeen():
            return "futures_order", record.order.order_id
        case r.NotificationOwed():
            return "notification", record.notification.id
        case r.NotificationSettled():
            return "notification", record.id
        case r.ViewChanged():
            return "view", ""
        case r.EntriesHalted() | r.EntriesPaused():
            return "entries", ""
        case _:
            assert_never(record)
