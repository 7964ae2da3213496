"""What is made to go wrong on purpose. Data and decisions only: the servers ask, and do it.

Faults of requests are taken in the order in which they were set, each as often as it was asked for. A frozen
channel is one that goes silent while its connection still answers pings.
"""

from __future__ import annotations

from typing import Literal

from attrs import Factory, define, frozen

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


class Faults:
    """All that is wrong at the moment."""

    def __init__(self) -> None:
        self.requests: list[PathFault] = []
        self.frozen: list[Freeze] = []
        self.refused_logins: int | None = 0
        self.refusing_dials = False
        self.hanging_up_dials = False

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
