"""An exchange that answers what a test tells it to, and keeps what it was asked.

Its clock cannot be read until a test says so: what the client asks by itself then fails, and is not kept.
"""

import json
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.exchange import open_exchange
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

TIME = "/system/time"
KEY, SECRET, MEMO = "key-Aa1234567890", "demo-secret-123", "memo1"


class Fake(httpx.AsyncBaseTransport):
    """Answers are queued by path; an answer is an httpx.Response, an exception, or an async function of the request."""

    def __init__(self):
        self.now_ms = 1_700_000_000_000
        self.requests = []
        self.answers = {}
        self.closed = False

    def says(self, path, data=None, *, code=1000, status=200, message="Ok", **envelope):
        body = {"code": code, "message": message, "trace": "t", **envelope}
        if data is not ...:
            body["data"] = data
        self.answers.setdefault(path, []).append(httpx.Response(status, json=body))

    def does(self, path, answer):
        self.answers.setdefault(path, []).append(answer)

    async def handle_async_request(self, request):
        if request.url.path == TIME and TIME not in self.answers:
            raise httpx.ConnectError("no clock")
        self.requests.append(request)
        queue = self.answers[request.url.path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, content=answer.content)
        return await answer(request)

    async def aclose(self):
        self.closed = True

    @property
    def paths(self):
        return [request.url.path for request in self.requests]

    @property
    def params(self):
        return dict(self.requests[-1].url.params)

    @property
    def body(self):
        return json.loads(self.requests[-1].content)

    @asynccontextmanager
    async def client(self, **settings):
        self.counters = Counters()
        keys = {"api_key": KEY, "api_secret": SECRET, "api_memo": MEMO}
        chosen = {**keys, "submit_valid_s": 0, **settings}
        world = World(wall_ms=lambda: self.now_ms, http_transport=lambda: self)
        async with open_exchange(Settings(**chosen), world, self.counters) as client:
            await trio.testing.wait_all_tasks_blocked()
            self.requests.clear()
            yield client


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
async def client(fake):
    async with fake.client() as client:
        yield client
