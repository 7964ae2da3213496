"""What is made to go wrong on purpose. Data and decisions only: the servers ask, and do it.

Faults of requests are taken in the order in which they were set, each as often as it was asked for. A frozen
channel is one that goes silent while its connection still answers pings.
"""

from __future__ import annotations

from typing import Literal

from attrs import Factory, define, frozen

from .oddities import Oddities

Kind = Literal["lose_reply", "fail", "delay", "refuse", "gateway"]
Cure = Literal["resubscribe", "reconnect", "forever"]


@define
class PathFault:
    """The next `times` requests to `path`, or to any (`*`), go wrong. `after` says whether they are taken all the same.

    `code` is what a refusal has.
    """

    path: str
    kind: Kind
    times: int
    after: bool = True
    status: int = 500
    body: str | None = None
    seconds: float = 0
    code: int = 0


@frozen
class Freeze:
    """A silent channel: topics that begin with `pattern` (or all, `*`), on the connections that it is about."""

    pattern: str
    until: Cure
    connections: frozenset[int]
    cured: set[tuple[int, str]] = Factory(set)

    def covers(self, topic: str) -> bool:
        return self.pattern == "*" or topic.startswith(self.pattern)

    def silences(self, connection: int, topic: str) -> bool:
        if not self.covers(topic):
            return False
        if self.until == "forever":
            return True
        return connection in self.connections and (connection, topic) not in self.cured


@define
class Claim:
    """What the rate limit headers of the next `times` answers of a path, or of any (`*`), say, whatever is so."""

    path: str
    times: int
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        return {
            "x-bm-ratelimit-remaining": str(self.remaining),
            "x-bm-ratelimit-limit": str(self.limit),
            "x-bm-ratelimit-reset": str(self.reset_s),
        }


class Faults:
    """All that is wrong at the moment."""

    def __init__(self) -> None:
        self.requests: list[PathFault] = []
        self.frozen: list[Freeze] = []
        self.refused_logins: int | None = 0
        self.refusing_dials = False
        self.hanging_up_dials = False
        self.refused_channels: str | None = None
        """Topics that begin so (or all, `*`) cannot be subscribed."""
        self.claims: list[Claim] = []
        self.oddities = Oddities()

    def plan(self, fault: PathFault) -> None:
        """Add a fault of requests (ValueError)."""
        if not fault.path.startswith("/") and fault.path != "*":
            raise ValueError(f"path must be * or begin with /, not {fault.path!r}")
        if fault.times < 1:
            raise ValueError(f"times must be 1 or more, not {fault.times}")
        if not 100 <= fault.status <= 599:
            raise ValueError(f"status must be an HTTP status, not {fault.status}")
        self.requests.append(fault)

    def take(self, path: str) -> PathFault | None:
        """The fault that the request at hand meets, counted down."""
        for fault in self.requests:
            if fault.path in ("*", path):
                fault.times -= 1
                if fault.times <= 0:
                    self.requests.remove(fault)
                return fault
        return None

    def claim(self, path: str) -> Claim | None:
        """What the headers of the answer at hand claim, counted down."""
        for claim in self.claims:
            if claim.path in ("*", path):
                claim.times -= 1
                if claim.times <= 0:
                    self.claims.remove(claim)
                return claim
        return None

    def refuses_channel(self, topic: str) -> bool:
        """Whether a topic cannot be subscribed at the moment."""
        refused = self.refused_channels
        return refused is not None and (refused == "*" or topic.startswith(refused))

    def takes_login(self) -> bool:
        """Whether the login at hand is looked at, or refused whatever it says."""
        if self.refused_logins is None:
            return False
        if self.refused_logins > 0:
            self.refused_logins -= 1
            return False
        return True

    def is_silent(self, connection: int, topic: str) -> bool:
        return any(freeze.silences(connection, topic) for freeze in self.frozen)

    def resubscribed(self, connection: int, topic: str) -> None:
        """A subscribe frame named the topic: that cures what waits for it."""
        for freeze in self.frozen:
            if freeze.until == "resubscribe" and freeze.covers(topic):
                freeze.cured.add((connection, topic))

    def clear(self) -> None:
        """Everything works again."""
        self.requests.clear()
        self.frozen.clear()
        self.refused_logins = 0
        self.refusing_dials = self.hanging_up_dials = False
        self.refused_channels = None
        self.claims.clear()
        self.oddities.clear()
