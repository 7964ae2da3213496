"""Fan-out: one event in, a copy to every listener that asked for it.

Publishing is synchronous and never blocks. A listener without a capacity gets everything; one with a capacity that is
too slow loses its oldest events, and is told how many in their place. The bus never reorders and never waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

import trio
from attrs import frozen

from ..counters import Counters
from ..model.timeframes import Timeframe

__all__ = ["Bus", "Lagged", "Listener"]

E = TypeVar("E")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@frozen
class Lagged:
    """Here `missed` events were dropped, because this listener was too slow for its capacity."""

    missed: int


class Listener(Generic[E]):
    """A subscription to a bus, made by `Bus.listen`. It listens inside its `with`, or `async with`, block.

    It is read by `async for`, or `receive`.
    Iteration ends when the block is left or the bus is closed; what was queued before the bus closed is still read.
    """

    def __init__(
        self,
        bus: Bus,
        types: tuple[type[E], ...],
        wanted: Callable[[Any], bool],
        capacity: float,
    ) -> None:
        self._bus = bus
        self._types = types
        self._wanted = wanted
        self._send, self._receive = trio.open_memory_channel[E](capacity)
        self._missed = 0

    def __enter__(self) -> Listener[E]:
        self._bus._attach(self, self._types)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bus._detach(self, self._types)
        self._send.close()
        self._receive.close()

    async def __aenter__(self) -> Listener[E]:
        """As `with`: `async with` is taken too, and is no checkpoint."""
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __aiter__(self) -> Listener[E]:
        return self

    async def __anext__(self) -> E | Lagged:
        try:
            return await self.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None

    async def receive(self) -> E | Lagged:
        """The next event, or `Lagged` where some were dropped. A checkpoint; cancelled, it takes nothing.

        Raises trio.EndOfChannel once the bus is closed and all was read, trio.ClosedResourceError outside the block.
        """
        if self._missed:
            await trio.lowlevel.checkpoint()
            return self._lagged()
        return await self._receive.receive()

    def receive_nowait(self) -> E | Lagged:
        """As `receive`, but raises trio.WouldBlock where that would wait."""
        return self._lagged() if self._missed else self._receive.receive_nowait()

    def _lagged(self) -> Lagged:
        missed, self._missed = self._missed, 0
        return Lagged(missed)

    def _offer(self, event: E) -> bool:
        """Queue the event if this listener wants it. Returns False if an older one had to go for it."""
        if not self._wanted(event):
            return True
        try:
            self._send.send_nowait(event)
        except trio.WouldBlock:
            self._receive.receive_nowait()
            self._missed += 1
            self._send.send_nowait(event)
            return False
        return True

    def _end(self) -> None:
        self._send.close()


class _Tap:
    """Calls somebody with every event, at once."""

    def __init__(self, observer: Callable[[Any], None]) -> None:
        self._observer = observer

    def _offer(self, event: Any) -> bool:
        self._observer(event)
        return True

    def _end(self) -> None:
        """There is nothing to read to its end."""


class Bus:
    """Carries normalized events from the connections to whoever listens."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._listeners: dict[type[Any], list[Listener[Any] | _Tap]] = {}
        self._closed = False

    @overload
    def listen(
        self,
        a: type[A],
        /,
        *,
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        capacity: float = math.inf,
    ) -> Listener[A]: ...
    @overload
    def listen(
        self,
        a: type[A],
        b: type[B],
        /,
        *,
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        capacity: float = math.inf,
    ) -> Listener[A | B]: ...
    @overload
    def listen(
        self,
        a: type[A],
        b: type[B],
        c: type[C],
        /,
        *,
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        capacity: float = math.inf,
    ) -> Listener[A | B | C]: ...
    @overload
    def listen(
        self,
        a: type[A],
        b: type[B],
        c: type[C],
        d: type[D],
        /,
        *more: type[D],
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        capacity: float = math.inf,
    ) -> Listener[A | B | C | D]: ...
    def listen(
        self,
        *types: type[Any],
        symbol: str | None = None,
        timeframe: Timeframe | None = None,
        capacity: float = math.inf,
    ) -> Listener[Any]:
        """A listener for events of `types`, and of one symbol or timeframe if given.

        Events that have no symbol or timeframe (`PrivateReady`, say) pass those filters. `capacity` is how many
        events may wait, at least one; without it nothing is ever dropped.
        """
        if capacity < 1:
            raise ValueError(f"a listener needs room for at least one event, not {capacity}")

        def wanted(event: Any) -> bool:
            return (symbol is None or getattr(event, "symbol", symbol) == symbol) and (
                timeframe is None or getattr(event, "timeframe", timeframe) is timeframe
            )

        return Listener(self, types, wanted, capacity)

    def observe(self, observer: Callable[[Any], None], *types: type[Any]) -> None:
        """Have `observer` called, synchronously, with every event of `types`. It must neither fail nor take long."""
        for each in types:
            self._listeners.setdefault(each, []).append(_Tap(observer))

    def publish(self, event: object) -> None:
        """Give the event to everybody who listens for it. Never blocks, never fails."""
        for listener in self._listeners.get(type(event), ()):
            if not listener._offer(event):
                self._counters.add("event_dropped_for_slow_listener", type=type(event).__name__)

    def close(self) -> None:
        """End every listener's iteration, now and in the future. Idempotent."""
        self._closed = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener._end()
        self._listeners.clear()

    def _attach(self, listener: Listener[Any], types: tuple[type[Any], ...]) -> None:
        if self._closed:
            listener._end()
            return
        for each in types:
            self._listeners.setdefault(each, []).append(listener)

    def _detach(self, listener: Listener[Any], types: tuple[type[Any], ...]) -> None:
        for each in types:
            listeners = self._listeners.get(each, [])
            if listener in listeners:
                listeners.remove(listener)
