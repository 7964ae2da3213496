"""The way between the user and the engine that is there now."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from .run import Run

__all__ = ["Answers"]


class Answers(httpx.AsyncBaseTransport):
    """From the user to the engine that is there now, and back; an answer is lost now and then."""

    def __init__(self, run: Run, rng: random.Random) -> None:
        self._run = run
        self._rng = rng

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        run = self._run
        if run.lives.process is None:
            raise httpx.ConnectError("no engine listens", request=request)
        answer = await run.lives.process.ask(request)
        body = await answer.aread()
        run.trace("user", request.method, request.url.path, answer.status_code, body.decode()[:300])
        run.watch.secrets(f"{request.method} {request.url.path}", body.decode())
        if run.weather.calm_since is None and self._rng.random() < 0.05:
            run.trace.fault("answer to the user lost")
            raise httpx.ReadError("connection reset", request=request)
        return answer
