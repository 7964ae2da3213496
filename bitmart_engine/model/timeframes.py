"""The nine kline timeframes that BitMart streams."""

from __future__ import annotations

from enum import Enum

__all__ = ["Timeframe"]


class Timeframe(Enum):
    """A kline interval, named as users name it: `1m` ... `1w` (upper case is accepted)."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"

    def __init__(self, text: str) -> None:
        unit = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}[text[-1]]
        self.seconds = int(text[:-1]) * unit
        """Length of one bar in seconds."""

    __hash__ = object.__hash__
    """By identity, as they compare. Enum's own is slow, and every kline is looked up by its timeframe a few times."""

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """The timeframe called `text`, in either case. Raises ValueError naming what is allowed."""
        try:
            return cls(text.lower())
        except ValueError:
            allowed = ", ".join(each.value for each in cls)
            raise ValueError(f"unknown timeframe {text!r}; one of {allowed}") from None
