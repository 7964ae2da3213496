"""What the engine takes from outside itself: the wall clock, sockets, randomness.

Durations and deadlines come from Trio's own clock. Everything else that is not decided by the engine comes through a
`World`, so that a test can put a mock clock, in-memory streams and a seeded generator in its place.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar, TypeVarTuple

import httpx
import trio
from attrs import Factory, frozen

from .causes import Cause
from .collecting import Collector
from .loop_watch import LoopWatch

__all__ = ["Dial", "Run", "TlsFailed", "World", "dial_tcp"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Dial = Callable[[str, int, bool], Awaitable[trio.abc.Stream]]
"""Opens a byte stream to (host, port), over TLS if the third argument says so. Raises OSError."""


class TlsFailed(OSError):
    """There is a connection, but no TLS over it."""

    cause = Cause.TLS


class Run(Protocol):
    """Runs something that blocks: in a thread, or in a simulation the same without one. Never abandons it."""

    async def __call__(self, sync_fn: Callable[[*Ts], T], *args: *Ts) -> T: ...


async def dial_tcp(host: str, port: int, tls: bool) -> trio.abc.Stream:
    """A TCP connection, wrapped in TLS where asked for. Raises OSError: TlsFailed where the TLS handshake failed."""
    stream = await trio.open_tcp_stream(host, port)
    if not tls:
        return stream
    secure = trio.SSLStream(stream, _tls(), server_hostname=host, https_compatible=True)
    try:
        await secure.do_handshake()
    except BaseException as failure:
        await trio.aclose_forcefully(stream)
        if isinstance(failure, trio.BrokenResourceError):
            raise TlsFailed(f"TLS handshake with {host}:{port} failed") from failure
        raise
    return secure


@cache
def _tls() -> ssl.SSLContext:
    """One for all connections: reading the system's certificates takes 50 ms, in which nothing else would run."""
    return ssl.create_default_context()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _boot() -> tuple[str, int] | None:
    """Linux tells both; elsewhere nothing is known."""
    try:
        id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return id, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    except (OSError, AttributeError):
        return None


def _no_boot() -> None:
    """A clock that is not the machine's has nothing to do with its boot."""


def _go_on(point: str) -> None:
    """Nothing happens here."""


@frozen(kw_only=True)
class World:
    """Everything from outside. The defaults are the real thing."""

    wall_ms: Callable[[], int] = _wall_ms
    """Unix time in milliseconds. It may be set at any moment: inside the engine it is the engine's time, which cannot
    (see `clocks`)."""

    machine_ms: Callable[[], int] = Factory(lambda self: self.wall_ms, takes_self=True)
    """The same as the machine has it: for what others compare with their own clock."""

    boot: Callable[[], tuple[str, int] | None] = Factory(
        lambda self: _boot if self.wall_ms is _wall_ms else _no_boot, takes_self=True
    )
    """The id of this boot of the machine, and for how many ms it has been up, sleep included; None if that is not
    known."""

    dial: Dial = dial_tcp
    """How connections to the exchange are opened."""

    http_transport: Callable[[], httpx.AsyncBaseTransport] | None = None
    """Makes the transport for the exchange's REST API, and the one for callbacks, in place of those over sockets. Each
    is closed by whoever asked for it."""

    random: random.Random = Factory(random.Random)
    """For jitter only."""

    run_blocking: Run | None = None
    """How the journal's reads and writes are run: in a thread of their own unless given."""

    loop_watch: LoopWatch | None = None
    """Measures how long the event loop is held; `serve` has one. None: the loop is its owner's affair."""

    collector: Collector | None = None
    """Decides when garbage is collected, where the process is the engine's alone; `serve` has one."""

    reached: Callable[[str], None] = _go_on
    """Told the name of each point at which a crash would hurt most. It goes on; a crash test does not.

    Those around a commit are told in the journal's thread.
    """
