"""One WebSocket connection's life: dial, handshake, login, subscribe, read, until something ends it.

`Connection.run` lives it once and returns an `Ending` that says precisely what ended it. It never reconnects and never
outlives its caller. Whatever ends it, the socket is closed before `run` returns: politely, within a second, where no
send was cut off half way. The read loop does nothing that waits, so that it always drains.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import final

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection

from ..causes import Cause, cause_of
from ..counters import Counters
from ..logs import get_logger
from ..settings import Settings
from ..world import World
from . import wire
from .activity_stream import ActivityStream
from .dialling import CannotConnect, dial, shake_hands
from .endings import Ending, closed_because, failed_because, first_of
from .ledger import RETRYABLE, Ledger
from .topics import parse
from .wire import Credentials, Frame, FrameError

__all__ = ["Connection", "Handlers", "State"]

LOGIN_TIMEOUT = 10.0
PING_TIMEOUT = 10.0
"""How long sending a ping may take."""
PONG_TIMEOUT = 5.0
SILENCE_TIMEOUT = 20.0
"""Without a byte from the exchange for so long, the connection is dead. BitMart's own limit for us is the same. What a
pong looks like is told in several ways (fact sheet 3.3), so any byte counts as one."""

CLOSE_TIMEOUT = 1.0

log = get_logger()


class State(Enum):
    """Where a connection stands, or the link that keeps it."""

    CONNECTING = "connecting"
    LOGGING_IN = "logging_in"
    SUBSCRIBING = "subscribing"
    UP = "up"
    WAITING = "waiting"
    LOGIN_REFUSED = "login_refused"
    CLOSED = "closed"


@frozen(kw_only=True)
class Handlers:
    """Whom a connection tells. All are synchronous and must not raise."""

    state: Callable[[State], None]
    frame: Callable[[Frame], None]
    """Data, also such as arrives before its subscription is acknowledged."""
    acknowledged: Callable[[str], None]
    refused: Callable[[str, str], None]


@final
class Connection:
    """One connection. `run` it once; the other methods may be called at any time, and wait for nothing."""

    def __init__(
        self,
        uri: str,
        credentials: Credentials | None,
        ledger: Ledger,
        handlers: Handlers,
        settings: Settings,
        world: World,
        counters: Counters,
    ) -> None:
        self._uri = uri
        self._credentials = credentials
        self._ledger = ledger
        self._handlers = handlers
        self._settings = settings
        self._world = world
        self._counters = counters
        self._scope = trio.CancelScope()
        self._ending: Ending | None = None
        self._stream: ActivityStream | None = None
        self._works_since: float | None = None
        self._login: trio.Event = trio.Event()
        self.signed: tuple[float, int] | None = None
        """When the login was signed: Trio's clock in s, and the exchange's in ms as we know it."""
        self._changed: trio.Event = trio.Event()

    @property
    def last_received_at(self) -> float | None:
        """When bytes last arrived, on Trio's clock."""
        return self._stream.last_received_at if self._stream else None

    def wake(self) -> None:
        """The wanted topics, or the ledger, have changed."""
        self._changed.set()

    def end(
        self,
        reason: str,
        *,
        login_refused: bool = False,
        hopeless: bool = False,
        renewed: bool = False,
        cause: Cause | None = None,
    ) -> None:
        """End the connection. The first reason counts."""
        if self._ending is None:
            lived = 0.0 if self._works_since is None else trio.current_time() - self._works_since
            self._ending = Ending(reason, lived, login_refused, hopeless, renewed, cause)
        self._scope.cancel()

    async def run(self) -> Ending:
        """Live the connection to its end. Cancelled, it closes the socket first, within `CLOSE_TIMEOUT`."""
        async with trio.open_nursery() as outside:
            outside.start_soon(self._end_when_cancelled)
            with trio.CancelScope(shield=True):  # bounded: all that waits in there ends with _scope
                ending = await self._live()
            outside.cancel_scope.cancel()
        return ending

    async def _end_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.end("closed by us")

    async def _live(self) -> Ending:
        try:
            async with trio.open_nursery() as library:
                # The library's reader lives outside our scope, for it has to see the close handshake through.
                websocket = None
                with self._scope:
                    websocket = await self._open(library)
                    if websocket is not None:
                        await self._talk(websocket)
                if websocket is not None and self._stream and not self._stream.sending:
                    with trio.move_on_after(CLOSE_TIMEOUT):
                        await websocket.aclose()
                library.cancel_scope.cancel()
        except ExceptionGroup as failures:
            # Most likely of the library's reader. A connection is retried, whatever it was.
            failure = first_of(failures)
            reason = failed_because(failure)
            if reason is None:
                log.error("connection_crashed", uri=self._uri, exc_info=failures)
                self._counters.count("connection_crashed")
                reason = f"unexpected {type(failure).__name__}: {self._redact(str(failure))}"
            self.end(reason, cause=cause_of(failure))
        finally:
            if self._stream is not None:
                await trio.aclose_forcefully(self._stream)
        assert self._ending is not None
        return self._ending

    async def _open(self, library: trio.Nursery) -> WebSocketConnection | None:
        """Dial and shake hands; None if that ended the connection."""
        self._handlers.state(State.CONNECTING)
        try:
            self._stream = await dial(self._uri, self._world)
            return await shake_hands(library, self._stream, self._uri)
        except CannotConnect as error:
            self.end(str(error), cause=error.cause)
            return None

    async def _talk(self, websocket: WebSocketConnection) -> None:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(self._read, websocket)
            if self._credentials is not None:
                await self._log_in(websocket, self._credentials)
            self._works_since = trio.current_time()
            self._handlers.state(State.SUBSCRIBING)
            tasks.start_soon(self._keep_alive, websocket)
            tasks.start_soon(self._watch_for_silence)
            tasks.start_soon(self._keep_subscribed, websocket)

    async def _log_in(self, websocket: WebSocketConnection, credentials: Credentials) -> None:
        self._handlers.state(State.LOGGING_IN)
        with trio.move_on_after(LOGIN_TIMEOUT):
            wall_ms = self._world.wall_ms()
            self.signed = (trio.current_time(), wall_ms)
            await self._send(websocket, wire.access(credentials, wall_ms))
            await self._login.wait()
            return
        self.end(f"no answer to the login within {LOGIN_TIMEOUT:g} s")
        await trio.lowlevel.checkpoint()

    async def _read(self, websocket: WebSocketConnection) -> None:
        while True:
            try:
                message = await websocket.get_message()
            except ConnectionClosed as closed:
                self.end(closed_because(closed.reason))
                return
            self._receive(message)

    def _receive(self, message: str | bytes) -> None:
        try:
            frame = wire.decode(message)
        except FrameError as error:
            self._counters.add("frame_malformed", error=str(error), start=str(message[:200]))
            return
        if frame.is_pong:
            return
        if frame.action == "access":
            self._logged_in(frame)
        elif frame.success is not None and frame.action in ("subscribe", "unsubscribe"):
            self._answered(frame)
        elif frame.group and frame.data:
            self._handlers.frame(frame)
        else:
            self._counters.add("frame_unexpected", text=self._redact(str(message[:200])))

    def _logged_in(self, frame: Frame) -> None:
        if frame.success:
            self._login.set()
            return
        error = self._redact(frame.error or "no reason given")
        temporary = any(text in error for text in RETRYABLE)
        self.end(f"login refused: {error}", login_refused=not temporary)

    def _answered(self, frame: Frame) -> None:
        """Answers come one for each topic, bound by `group`."""
        topic = parse(frame.group or "").name
        further = self._ledger.note_answer(topic, trio.current_time())
        if frame.success and frame.action == "subscribe":
            if self._ledger.acknowledged(topic):
                self._handlers.acknowledged(topic)
        elif frame.action == "subscribe":
            error = self._redact(frame.error or "no reason given")
            if self._ledger.refused(topic, error, trio.current_time()):
                self._handlers.refused(topic, error)
            else:
                self._counters.add("subscription_refused_for_now", topic=topic, error=error)
        elif not frame.success:
            self._counters.add("unsubscription_refused", topic=topic, error=frame.error)
        if further or self._ledger.all_answered or frame.success is False:
            self.wake()

    async def _keep_subscribed(self, websocket: WebSocketConnection) -> None:
        """Say what has to be said, one frame at a time with the pause between them; then wait for news."""
        up = False
        while True:
            self._changed = trio.Event()
            if self._ledger.hopeless:
                self.end("every subscription was refused", hopeless=True)
                return
            if not up and self._ledger.settled:
                up = True
                self._handlers.state(State.UP)
            repeated = self._ledger.repeated
            frame = self._ledger.next_frame(trio.current_time())
            if self._ledger.repeated > repeated:
                self._counters.add(
                    "subscription_sent_again", self._ledger.repeated - repeated, frame=frame
                )
            if frame is not None:
                await self._send(websocket, frame)
                await trio.sleep(self._settings.subscribe_delay_ms / 1000)
                continue
            with trio.move_on_at(self._ledger.next_due_at()):
                await self._changed.wait()

    async def _keep_alive(self, websocket: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._settings.ping_interval_s)
            with trio.move_on_after(PING_TIMEOUT) as patience:
                await self._send(websocket, wire.PING)
            if patience.cancelled_caught:
                self.end(f"a ping could not be sent within {PING_TIMEOUT:g} s")
                return

    async def _watch_for_silence(self) -> None:
        """Silence is told by bytes, so protocol pings of the exchange count. A slow ping setting gets longer."""
        assert self._stream is not None
        limit = max(SILENCE_TIMEOUT, self._settings.ping_interval_s + PONG_TIMEOUT)
        while True:
            dead_at = self._stream.last_received_at + limit
            if trio.current_time() >= dead_at:
                break
            await trio.sleep_until(dead_at)
        self.end(f"silent for {limit:g} s")

    async def _send(self, websocket: WebSocketConnection, text: str) -> None:
        """Send a frame, or end the connection. A send that is cut off may leave half a frame: `_live` sees to that."""
        try:
            await websocket.send_message(text)
        except ConnectionClosed as closed:
            self.end(closed_because(closed.reason))
            await trio.lowlevel.checkpoint()

    def _redact(self, text: str) -> str:
        return self._credentials.redact(text) if self._credentials else text
