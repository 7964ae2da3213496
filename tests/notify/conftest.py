"""A receiver that answers what a test tells it to, and an outbox over it."""

from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.notifications import Notification
from bitmart_engine.notify import open_outbox
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

BEGUN_MS = 1_700_000_000_000


class Receiver(httpx.AsyncBaseTransport):
    """Answers by host name: a status, an exception, an async function of the request; a list is used up one by one."""

    def __init__(self):
        self.answers = {}
        self.got = []
        self.closed = False

    async def handle_async_request(self, request):
        self.got.append((trio.current_time(), request))
        await trio.lowlevel.checkpoint()
        answer = self.answers.get(request.headers["Host"], 200)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer)
        return await answer(request)

    async def aclose(self):
        self.closed = True

    @property
    def ids(self):
        return [request.headers["Idempotency-Key"] for _, request in self.got]

    @property
    def times(self):
        return [at for at, _ in self.got]


class Box:
    """One outbox in a world of its own. Names resolve to 10.0.0.1 unless `names` says otherwise."""

    def __init__(self):
        self.receiver = Receiver()
        self.events = []
        self.names = {}
        self.endings = {}
        self.counters = Counters()
        self.settings = {}

    async def resolve(self, host, port):
        self.events.append(("resolve", host, port))
        found = self.names.get(host, ["10.0.0.1"])
        if isinstance(found, Exception):
            raise found
        return found

    async def durable(self):
        await trio.lowlevel.checkpoint()
        self.events.append("durable")

    def settled(self, notification, ending):
        self.endings[notification.id] = ending
        self.events.append((notification.id, ending.settlement.value))

    @property
    def settlements(self):
        return [event for event in self.events if event[-1] in ("delivered", "dead")]

    @staticmethod
    def wall_ms():
        return BEGUN_MS + round(trio.current_time() * 1000)

    @asynccontextmanager
    async def open(self, **settings):
        world = World(wall_ms=self.wall_ms, http_transport=lambda: self.receiver)
        async with open_outbox(
            Settings(**settings),
            world,
            self.counters,
            durable=self.durable,
            settled=self.settled,
            resolve=self.resolve,
        ) as outbox:
            yield outbox

    @staticmethod
    def note(
        id,
        lane="o1",
        url="http://app.test/hook",
        body=b'{"event":"placed"}',
        age_s=0,
        kind="placed",
    ):
        return Notification(
            id=id,
            lane=lane,
            url=url,
            body=body,
            kind=kind,
            created_ms=Box.wall_ms() - round(age_s * 1000),
        )


@pytest.fixture
def box():
    return Box()
