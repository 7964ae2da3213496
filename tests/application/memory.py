"""The receivers without sockets: requests that are in memory already are answered by the application there."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import trio
from attrs import define

from .receivers import Application

__all__ = ["Door"]


@define(eq=False)
class Door(httpx.AsyncBaseTransport):
    """Hands requests to `application`, which takes them at once and answers after its `slow_s`."""

    application: Application
    now_ms: Callable[[], int]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError while the application is dead."""
        body = await request.aread()
        given = self.application.take(request.url.path, dict(request.headers), body, self.now_ms())
        if given is None:
            raise httpx.ConnectError("connection refused", request=request)
        await trio.sleep(self.application.slow_s)
        return httpx.Response(
            given.status,
            headers={"Content-Type": "application/json", **given.headers},
            stream=httpx.ByteStream(given.body),
        )

    take = handle_async_request
    """As the stage of the engine's tests calls it."""
