"""Limits on connections to the control API: the exchange's sockets come first.

A connection costs a descriptor. A peer that has all it may have, or a gate that is full, gives up the connection that
has waited longest without asking anything; only where all of them are asking is the new one refused. So nobody who
merely holds connections keeps others out.
"""

from __future__ import annotations

import errno
import resource
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

import trio
from attrs import frozen

from ..logs import get_logger
from ..model.errors import Unavailable
from .connection import Connection, raw_refusal

__all__ = ["Gate", "Room", "room_within_limits"]

log = get_logger()

KEPT_FOR_THE_ENGINE = 192
"""Descriptors that no control connection takes: sockets to the exchange and to receivers of callbacks, the journal."""
REFUSED_AT_ONCE = 16
"""Refused connections that are still given their answer at a time; more are just closed."""
ANSWERED_WITHIN_S = 1.0
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
LOGGED_EVERY_S = 1.0

Talk = Callable[[Connection], Awaitable[None]]


@frozen(kw_only=True)
class Room:
    """Limits: connections in all and by peer, and how many of them may be readers of events, which stay."""

    total: int = 256
    per_peer: int = 32

    @property
    def readers(self) -> int:
        return max(1, self.total * 3 // 4)

    @property
    def readers_per_peer(self) -> int:
        return max(1, self.per_peer * 3 // 4)


def room_within_limits() -> Room:
    """The usual room, or less where the process may not have many descriptors."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return Room()
    total = max(8, min(Room().total, allowed - KEPT_FOR_THE_ENGINE))
    return Room(total=total, per_peer=min(Room().per_peer, max(4, total // 2)))


class Gate:
    """The open connections, and the rule by which one more is accepted."""

    def __init__(
        self,
        refusal: Callable[[str], str | None],
        count: Callable[[str], None],
        room: Room | None = None,
    ) -> None:
        """`refusal` says why a peer is not even listened to; None if it is."""
        self.connections: set[Connection] = set()
        self._refusal = refusal
        self._count = count
        self._room = room or room_within_limits()
        self._refusing = 0
        self._failures: Counter[str] = Counter()
        self._logged_at = -LOGGED_EVERY_S

    async def accept(
        self, listener: trio.SocketListener, talk: Talk, connections: trio.Nursery
    ) -> None:
        """Accept until cancelled; each connection is a task in `connections`."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                stream = await listener.accept()
            except OSError as failure:
                if failure.errno not in OUT_OF_DESCRIPTORS:
                    raise
                self._cannot_accept(failure)
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S
                self._let_in(stream, talk, connections)

    def check_reader(self, connection: Connection) -> None:
        """Let a connection become a reader of events, which stays for long. Raises Unavailable."""
        readers = [each for each in self.connections if each.reads_events]
        same = [each for each in readers if each.peer == connection.peer]
        if len(readers) >= self._room.readers or len(same) >= self._room.readers_per_peer:
            self._count("control_reader_refused")
            raise Unavailable(f"{len(same)} readers of events are connected from there already", 5)
        connection.reads_events = True

    def hang_up(self) -> None:
        """Close every connection now."""
        for each in self.connections:
            each.hang_up()

    def _let_in(self, stream: trio.SocketStream, talk: Talk, connections: trio.Nursery) -> None:
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:  # gone already
            stream.socket.close()
            return
        why = self._refusal(address)
        if why is not None:
            self._count("control_connection_not_allowed")
            self._turn_away(stream, raw_refusal(403, why), connections)
            return
        peer = _network(address)
        if not self._make_room(peer):
            self._count("control_connection_refused")
            full = f"there are {self._room.per_peer} connections from there already, or too many in all"
            answer = raw_refusal(503, full, {"retry-after": "1"})
            self._turn_away(stream, answer, connections)
            return
        connection = Connection(stream, peer, self._count)
        self.connections.add(connection)
        connections.start_soon(self._see_out, connection, talk)

    async def _see_out(self, connection: Connection, talk: Talk) -> None:
        try:
            with connection.scope:
                await talk(connection)
        finally:
            self.connections.discard(connection)
            connection.stream.socket.close()

    def _make_room(self, peer: str) -> bool:
        """Whether there is room for one more from `peer`, perhaps in place of one that waits."""
        same = [each for each in self.connections if each.peer == peer]
        if len(same) >= self._room.per_peer:
            return self._give_up_longest_waiting(same)
        if len(self.connections) >= self._room.total:
            return self._give_up_longest_waiting(self.connections)
        return True

    def _give_up_longest_waiting(self, among: Iterable[Connection]) -> bool:
        waiting = [each for each in among if not each.asked]
        if not waiting:
            return False
        longest = min(waiting, key=lambda each: each.since)
        self._count("control_connection_given_up")
        self.connections.discard(longest)
        longest.hang_up()
        return True

    def _turn_away(
        self, stream: trio.SocketStream, answer: bytes, connections: trio.Nursery
    ) -> None:
        if self._refusing >= REFUSED_AT_ONCE:
            stream.socket.close()
            return
        self._refusing += 1
        connections.start_soon(self._answer_and_close, stream, answer)

    async def _answer_and_close(self, stream: trio.SocketStream, answer: bytes) -> None:
        """A socket that is closed with something unread loses the answer: wait for the peer to have it."""
        try:
            with trio.move_on_after(ANSWERED_WITHIN_S), suppress(trio.BrokenResourceError):
                await stream.send_all(answer)
                await stream.send_eof()
                while await stream.receive_some(4096):
                    pass
        finally:
            self._refusing -= 1
            stream.socket.close()

    def _cannot_accept(self, failure: OSError) -> None:
        """Say so once a second, and give up what waits: others need the descriptors more."""
        self._failures[failure.strerror or str(failure)] += 1
        self._count("control_connection_not_accepted")
        self._give_up_longest_waiting(self.connections)
        if trio.current_time() - self._logged_at >= LOGGED_EVERY_S:
            self._logged_at = trio.current_time()
            log.error(
                "control_accept_failing", why=dict(self._failures), open=len(self.connections)
            )
            self._failures.clear()


def _network(address: str) -> str:
    """The peer that a connection counts for: an IPv4 address, or the /64 of an IPv6 one, which one machine has."""
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return address if known.is_loopback else known.exploded[:19]
    return str(known)
