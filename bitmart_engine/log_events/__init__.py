"""Every event that is logged or counted: its id, what it means, and what to do where there is something to do.

The ids are an interface: alerts and searches are made of them, and `dropped` in `/status` is keyed by them. An id is
never given another meaning. The sentence is the `message` of a line in the log, and may be put better at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from . import running, trading, wire

__all__ = ["AREAS", "SENTENCES", "add_message", "put_into_words"]

Line = MutableMapping[str, Any]
"""A line of the log before it is written: its fields by name."""

AREAS: Mapping[str, Mapping[str, str]] = {
    "Engine and process": running.ENGINE,
    "Journal": running.JOURNAL,
    "Control API": running.CONTROL,
    "Notifications and signals": running.NOTIFICATIONS,
    "Connections and prices": wire.STREAMS,
    "REST API of the exchange": wire.REST,
    "Orders": trading.ORDERS,
    "Protections and closes": trading.PROTECTIONS,
    "Account": trading.ACCOUNT,
}
"""Id to sentence, by what it is about: the chapters of `OPERATING.md`."""

SENTENCES: Mapping[str, str] = {id: said for area in AREAS.values() for id, said in area.items()}


def add_message(_logger: object, _method: str, line: Line) -> Line:
    """A processor of log lines: an event of the catalogue gets its sentence as `message`, for machines."""
    sentence = SENTENCES.get(str(line.get("event")))
    if sentence is not None:
        line.setdefault("message", sentence)
    return line


def put_into_words(_logger: object, _method: str, line: Line) -> Line:
    """A processor of log lines: an event of the catalogue is followed by its sentence, for people."""
    sentence = SENTENCES.get(str(line.get("event")))
    if sentence is not None:
        line["event"] = f"{line['event']}: {sentence}"
    return line
