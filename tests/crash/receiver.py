"""The application that callbacks go to: it writes down all that arrives, and is not always well."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import trio
from attrs import define, field, frozen

__all__ = ["Receipt", "Receiver", "open_receiver"]


@frozen
class Receipt:
    """One callback that arrived. `status` is what was answered; 0 for a connection that was closed without a word."""

    key: str
    body: dict[str, object]
    status: int


@define
class Receiver:
    """Answers 200, and now and then (until `well`) fails before or after writing down what it was sent."""

    rng: random.Random
    url: str = ""
    well: bool = False
    receipts: list[Receipt] = field(factory=list)

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection carries one callback."""
        connection = h11.Connection(h11.SERVER)
        key, body = "", b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Request):
                    key = dict(event.headers)[b"idempotency-key"].decode()
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return  # the engine was killed in the middle of sending
            status = self._status()
            self.receipts.append(Receipt(key, json.loads(body), status))
            if status:
                headers = [("content-length", "0"), ("connection", "close")]
                answer = h11.Response(status_code=status, headers=headers)
                end = h11.EndOfMessage()
                parts = (connection.send(answer), connection.send(end))
                await stream.send_all(b"".join(part or b"" for part in parts))
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    def _status(self) -> int:
        if self.well:
            return 200
        return self.rng.choices((200, 500, 0), (96, 2, 2))[0]


@asynccontextmanager
async def open_receiver(rng: random.Random) -> AsyncIterator[Receiver]:
    """A receiver that listens as long as the block lasts."""
    receiver = Receiver(rng)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    receiver.url = f"http://127.0.0.1:{port}/hook"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, receiver.serve, listeners)
        yield receiver
        nursery.cancel_scope.cancel()
