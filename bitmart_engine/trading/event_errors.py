"""Errors in dealing with one event: counted, logged, and a reason to compare with the exchange soon.

They must not end the engine with contracts held: the next process would be told the same, and end as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define

from ..counters import Counters
from ..logs import get_logger
from .agreement import Agreement

__all__ = ["EventErrors"]

log = get_logger()


@define
class EventErrors:
    """Survives what fails while an event is dealt with."""

    _counters: Counters
    _agreement: Agreement

    @contextmanager
    def surviving(self, what: str, **facts: object) -> Iterator[None]:
        """Whatever fails in the block ends nothing else: the stops go on."""
        try:
            yield
        except Exception as failure:
            self._counters.count("event_crashed")
            log.error("event_crashed", what=what, exc_info=failure, **facts)
            self._agreement.doubt()
