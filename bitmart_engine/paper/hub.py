"""Who listens to what: open WebSocket connections, their topics, and the order in which private pushes leave.

Nothing here waits for a client: a frame goes into a connection's bounded queue or the connection is closed.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from .delays import PUSHES, DelayLine, Delays
from .faults import Faults

NORMAL_CLOSURE = 1000

Passing = Callable[[int, str, str], Sequence[str]]
"""What leaves on a connection (by its number) when a frame of a topic is to leave: that, and maybe others."""


def in_order(connection: int, topic: str, frame: str) -> Sequence[str]:
    """Each frame leaves once, and when it is its turn."""
    return (frame,)


class Connection:
    """One client's socket, as the hub sees it: its topics, and the queue of frames that its writer drains.

    `expires_at` is when its login ends, on Trio's clock; `close_code` is what the exchange closes it with.
    """

    def __init__(self, number: int, private: bool, queue: int, scope: trio.CancelScope) -> None:
        self.number = number
        self.private = private
        self.topics: set[str] = set()
        self.logged_in = False
        self.expires_at = math.inf
        self.close_code = NORMAL_CLOSURE
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

    def __init__(self, faults: Faults, delays: Delays) -> None:
        self._faults = faults
        self._delays = delays
        self._lines = {name: DelayLine() for name in PUSHES}
        self._numbers = 0
        self._waiting: deque[Outgoing] = deque()
        self._subscribers: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
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
        for topic in list(connection.topics):
            self.unsubscribe(connection, topic)

    def subscribe(self, connection: Connection, topic: str) -> None:
        """A client wants a topic; wanting it twice is wanting it."""
        connection.topics.add(topic)
        self._subscribers[topic][connection] = None

    def unsubscribe(self, connection: Connection, topic: str) -> None:
        """A client does not want a topic any more, if it ever did."""
        connection.topics.discard(topic)
        if topic in self._subscribers:
            self._subscribers[topic].pop(connection, None)
            if not self._subscribers[topic]:
                del self._subscribers[topic]

    def is_wanted(self, topic: str) -> bool:
        return topic in self._subscribers

    def publish(self, topic: str, data: object, group: str | None = None) -> None:
        """Send data to everybody who subscribed the topic and for whom it is not frozen."""
        if not self.is_wanted(topic):
            return
        text = self._faults.oddities.push(topic, {"group": group or topic, "data": data})
        name = self._delays.name_of(topic)
        self._lines[name].put(self._delays.of_push(name), lambda: self._deliver(topic, text))

    def _deliver(self, topic: str, text: str) -> None:
        for connection in list(self._subscribers.get(topic, ())):
            if not self._faults.is_silent(connection.number, topic):
                for frame in self.passing(connection.number, topic, text):
                    connection.send(frame)

    async def run(self) -> None:
        """Deliver what is late, until cancelled."""
        async with trio.open_nursery() as nursery:
            for line in self._lines.values():
                nursery.start_soon(line.run)

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
        dropped = [one for one in self.connections if chosen(one)]
        dropped.sort(key=lambda one: one.number)
        for connection in dropped:
            connection.abort()
        return len(dropped)
