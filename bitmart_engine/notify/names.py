"""Looking up the names of receivers: in a few threads of its own, which nobody else waits for.

A name server that does not answer holds a thread for as long as the system likes, 20 s say, whoever gave up meanwhile.
So lookups for callbacks share no thread with the journal or the exchange, and the end waits for none of them. A name is
looked up by one thread at a time, however many want it; and names that failed lately, and those never asked for before,
have threads apart from those that are known to resolve, so that dead names do not delay them.

Nothing is kept for later use, with one exception: what is found too late, after whoever wanted it gave up, serves the
next who asks. Otherwise a name that always takes longer than an attempt could never be reached.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, final

import trio
from attrs import define, field

from .turns import Standing

__all__ = ["Names"]

THREADS = {Standing.PROVEN: 8, Standing.NEW: 16, Standing.FAILING: 16}
LOOKUPS = 1000
"""Those that wait for a thread included; a name beyond that has to be asked for again."""
LATE_S = 300.0
"""How long what was found too late may be used."""
REMEMBERED = 1000

K = TypeVar("K")
V = TypeVar("V")
LookUp = Callable[[str, int], Sequence[str]]
"""Blocks until it has the addresses of (host, port). Raises OSError."""


@define(eq=False)
class _Lookup:
    wanted: int = 0
    over: trio.Event = field(factory=trio.Event)
    found: Sequence[str] | None = None


def _ask_the_system(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("not a host name") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@final
class Names:
    """Looks names up as long as `nursery` is open."""

    def __init__(self, nursery: trio.Nursery, look_up: LookUp = _ask_the_system) -> None:
        self._nursery = nursery
        self._look_up = look_up
        self._threads = {each: trio.CapacityLimiter(most) for each, most in THREADS.items()}
        self._lookups: dict[tuple[str, int], _Lookup] = {}
        self._late: dict[tuple[str, int], tuple[float, Sequence[str]]] = {}
        """What was found when nobody wanted it any more, and until when it may be used."""
        self._resolved: dict[str, bool] = {}
        """Whether a name resolved, and in time, when it was last asked for."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of `host`. Raises OSError. Cancelling it leaves the lookup to itself."""
        await trio.lowlevel.checkpoint()
        name = (host, port)
        until, late = self._late.pop(name, (0, ()))
        if trio.current_time() < until:
            return late
        lookup = self._lookups.get(name)
        if lookup is None:
            if len(self._lookups) >= LOOKUPS:
                raise OSError("too many names are being looked up")
            lookup = self._lookups[name] = _Lookup()
            self._nursery.start_soon(self._run, name, lookup)
        lookup.wanted += 1
        try:
            await lookup.over.wait()
        except trio.Cancelled:
            self._remember(host, resolved=False)
            raise
        finally:
            lookup.wanted -= 1
        if lookup.found is None:
            raise OSError("the name does not resolve")
        return lookup.found

    async def _run(self, name: tuple[str, int], lookup: _Lookup) -> None:
        """One lookup. It belongs to nobody: who asked for it may be gone when it is over."""
        host, port = name
        resolved = self._resolved.get(host)
        standing = {None: Standing.NEW, True: Standing.PROVEN, False: Standing.FAILING}[resolved]
        try:
            lookup.found = await trio.to_thread.run_sync(
                partial(self._look_up, host, port),
                limiter=self._threads[standing],
                abandon_on_cancel=True,
            )
        except OSError:
            lookup.found = None
        lookup.over.set()
        del self._lookups[name]
        if lookup.wanted:
            self._remember(host, resolved=lookup.found is not None)
        elif lookup.found is not None:
            _put_last(self._late, name, (trio.current_time() + LATE_S, lookup.found))

    def _remember(self, host: str, *, resolved: bool) -> None:
        _put_last(self._resolved, host, resolved)


def _put_last(known: dict[K, V], key: K, value: V) -> None:
    """Put it in as the newest; the oldest goes where there are too many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
