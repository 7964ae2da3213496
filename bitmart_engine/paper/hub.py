"""Who listens to what: open WebSocket connections, their topics, and the order in which private pushes leave.

Nothing here waits for a client: a frame goes into a connection's bounded queue or the connection is closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from .faults import Faults
from .wire import encode

PRIVATE_TOPICS = ("futures/order", "futures/position", "futures/asset:USDT")

Passing = Callable[[int, str, str], Sequence[str]]
"""What leaves on a connection (by its number) when a frame of a topic is to leave: that, and maybe others."""


def in_order(connection: int, topic: str, frame: str) -> Sequence[str]:
    """Each frame leaves once, and when it is its turn."""
    return (frame,)


class Connection:
    """One client's socket, as the hub sees it: its topics, and the queue of frames that its writer drains."""

    def __init__(self, number: int, private: bool, queue: int, scope: trio.CancelScope) -> None:
        self.number = number
        self.private = private
        self.topics: set[str] = set()
        self.logged_in = False
        self.overflowed = False
        self._scope = scope
        self._send, self.outgoing = trio.open_memory_channel[str](queue)

    def send(self, frame: str) -> None:
        """Queue a frame; a client that lets its queue fill up loses its connection."""
        try:
            self._send.send_nowait(frame)
        except trio.WouldBlock:
            self.overflowed = True
            self.abort()

    def finish(self) -> None:
        """No more frames: the writer sends what is queued, then closes."""
        self._send.close()

    def abort(self) -> None:
        """Close the stream under the client's feet, without a word."""
        self._scope.cancel()


@define(eq=False)
class Gate:
    """Holds pushes back until the reply to the request that caused them is out."""

    is_open: bool = False


@define
class Outgoing:
    """A private frame's content, and the gate it waits at."""

    topic: str
    data: object
    gate: Gate | None = field(default=None)


class Hub:
    """All connections of one exchange."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._numbers = 0
        self._waiting: deque[Outgoing] = deque()
        self.connections: set[Connection] = set()
        self.opened = 0
        self.overflowed = 0
        self.passing: Passing = in_order
        """Replaced by whoever wants pushes to come twice, or in another order."""

    def open(self, private: bool, queue: int, scope: trio.CancelScope) -> Connection:
        """A client arrived."""
        self._numbers += 1
        self.opened += 1
        connection = Connection(self._numbers, private, queue, scope)
        self.connections.add(connection)
        return connection

    def close(self, connection: Connection) -> None:
        """A client is gone."""
        self.connections.discard(connection)
        self.overflowed += connection.overflowed

    def is_wanted(self, topic: str) -> bool:
        return any(topic in connection.topics for connection in self.connections)

    def publish(self, topic: str, data: object, group: str | None = None) -> None:
        """Send data to everybody who subscribed the topic and for whom it is not frozen."""
        text: str | None = None
        for connection in list(self.connections):
            if topic in connection.topics and not self._faults.is_silent(connection.number, topic):
                text = text or encode({"group": group or topic, "data": data})
                for frame in self.passing(connection.number, topic, text):
                    connection.send(frame)

    def publish_later(self, topic: str, data: object, gate: Gate | None) -> None:
        """Queue private data behind what is queued already, and behind its gate."""
        self._waiting.append(Outgoing(topic, data, gate))
        self.flush()

    def flush(self) -> None:
        """Send what no gate holds back. The order of private frames never changes."""
        while self._waiting and (self._waiting[0].gate is None or self._waiting[0].gate.is_open):
            outgoing = self._waiting.popleft()
            self.publish(outgoing.topic, outgoing.data)

    def drop(self, chosen: Callable[[Connection], bool]) -> int:
        """Close the streams of the chosen connections; how many there were."""
        dropped = [connection for connection in self.connections if chosen(connection)]
        for connection in dropped:
            connection.abort()
        return len(dropped)
