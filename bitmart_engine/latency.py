"""How long what matters takes: from a price to the order it sets off, a commit, a request to the exchange.

A measurement costs the hot path a search in sixteen bounds and two writes into memory that is there already. Counts are
since the start; quantiles are exact, of the last thousand measurements. Times are Trio's clock, in seconds.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping

from attrs import define, field, frozen

__all__ = ["BOUNDS_S", "Histogram", "Latencies", "LatencyStatistics", "Reaction", "kind_of"]

BOUNDS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""A commit takes 0.2 ms, a request to the exchange 10 to 100, and at most 5 s."""
LATELY = 1000
MOST_BEGUN = 1000
"""Reactions that may be under way; of more the oldest are not measured. One that is given up stays among them."""

SUBMIT, CANCEL, SETTING, ACCOUNT, MARKET = "submit", "cancel", "setting", "account", "market"
KINDS = (SUBMIT, CANCEL, SETTING, ACCOUNT, MARKET)
"""Of requests: an order, a cancel, leverage or mode, a read of the account, a read of what is public."""
PRIVATE = "/contract/private/"


@frozen
class LatencyStatistics:
    """How long something took."""

    count: int
    """Since the start."""
    sum_s: float
    within: tuple[tuple[float, int], ...]
    """By bound in seconds, how many took at most so long since the start."""
    p50_s: float | None
    """Of the last thousand; None before the first."""
    p99_s: float | None
    longest_s: float | None
    """Of the last thousand, too."""


class Histogram:
    """Counts of measurements by bound, and the latest of them."""

    __slots__ = ("_counts", "_lately", "_sum_s", "count")

    def __init__(self) -> None:
        self.count = 0
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0
        self._lately = array("d", bytes(8 * LATELY))

    def observe(self, seconds: float) -> None:
        """It took so long, once more."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds
        self._lately[self.count % LATELY] = seconds
        self.count += 1

    def statistics(self) -> LatencyStatistics:
        """What was measured so far."""
        lately = sorted(self._lately[: min(self.count, LATELY)])
        within, so_many = [], 0
        for bound, count in zip(BOUNDS_S, self._counts, strict=False):
            so_many += count
            within.append((bound, so_many))
        return LatencyStatistics(
            self.count,
            self._sum_s,
            tuple(within),
            _quantile(lately, 50),
            _quantile(lately, 99),
            lately[-1] if lately else None,
        )


@define
class Reaction:
    """From a price that sets something off to the moment when its order is handed to the connection."""

    took: Histogram = field(factory=Histogram)
    _began: dict[str, float] = field(factory=dict)

    def begin(self, id: str, at_s: float) -> None:
        """A price that arrived at `at_s` sets `id` off."""
        self._began.pop(id, None)
        self._began[id] = at_s
        if len(self._began) > MOST_BEGUN:
            del self._began[next(iter(self._began))]

    def end(self, id: str, now_s: float) -> None:
        """Its first order goes out; later attempts are not measured, nor what no price set off."""
        began_s = self._began.pop(id, None)
        if began_s is not None:
            self.took.observe(now_s - began_s)


@define
class Latencies:
    """Everything that is measured of one engine."""

    entry: Reaction = field(factory=Reaction)
    close: Reaction = field(factory=Reaction)
    commit: Histogram = field(factory=Histogram)
    requests: dict[str, Histogram] = field(factory=lambda: {kind: Histogram() for kind in KINDS})
    """By kind, of those that were answered, however."""
    unanswered: dict[str, int] = field(factory=lambda: dict.fromkeys(KINDS, 0))

    def statistics(self) -> Mapping[str, LatencyStatistics]:
        """By what it is: `tick_to_entry`, `tick_to_close`, `journal_commit`, and `request_` with the kind."""
        found = {
            "tick_to_entry": self.entry.took,
            "tick_to_close": self.close.took,
            "journal_commit": self.commit,
            **{f"request_{kind}": each for kind, each in self.requests.items()},
        }
        return {name: each.statistics() for name, each in found.items()}


def kind_of(path: str) -> str:
    """The kind of a request to an endpoint."""
    if not path.startswith(PRIVATE):
        return MARKET
    verb = path.removeprefix(PRIVATE)
    if verb.startswith("cancel-"):
        return CANCEL
    if verb in ("submit-leverage", "set-position-mode"):
        return SETTING
    return SUBMIT if verb.startswith("submit-") else ACCOUNT


def _quantile(ordered: list[float], percent: int) -> float | None:
    """The smallest that so many percent do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
