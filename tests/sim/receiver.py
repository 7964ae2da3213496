"""The application that callbacks and signals go to. It writes down what arrives, under whatever key, and reads it.

What it cannot read is a promise broken: `tests.application` says what the application on the other side needs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from attrs import define, field

from tests.application.receivers import BALANCE_SIGNALS, ORDER_SIGNALS, Answer, Application
from tests.support.judge import Violation

__all__ = ["APPLICATION", "HOOK", "HOOK_PATH", "SECRET", "SIGNALS", "Receiver"]

HOOK_PATH = "/hook"
APPLICATION = "http://127.0.0.1:9"
HOOK = f"{APPLICATION}{HOOK_PATH}"
SECRET = "s3cr3t-of-the-application"
SIGNALS = (ORDER_SIGNALS, BALANCE_SIGNALS)
OF_AN_ATTEMPT = ("retry_count",)
"""What differs from one attempt to the next to deliver the same."""
UNUSABLE = (400, 401, 404, 405, 413, 415, 422)


@define(eq=False)
class Receiver:
    """`received` is told of every callback: its key and its body; `broken` of what the application cannot read."""

    rng: random.Random
    received: Callable[[str, Mapping[str, Any]], None]
    broken: Callable[[Violation], None]
    clock: Callable[[], int]
    """Unix time in ms as the application's machine has it, which is the engine's."""
    failing: float = 0.0
    """How likely it is that it takes down what it is sent, and then fails."""
    receipts: list[tuple[str, Mapping[str, Any], int]] = field(factory=list)
    application: Application = field(factory=lambda: Application(SECRET, hook=HOOK_PATH))

    def take(self, request: httpx.Request, body: bytes) -> int:
        """The status of the answer; 0 for none."""
        key = request.headers["Idempotency-Key"]
        status = 200
        if self.rng.random() < self.failing:
            status = self.rng.choice((500, 503, 0))
        self._read(key, request.url.path, dict(request.headers), body)
        self.note(key, request.url.path, body, status)
        return status

    def hear(
        self, key: str, path: str, headers: Mapping[str, str], body: bytes, *, failing: bool
    ) -> tuple[int, dict[str, str]]:
        """The status of the application's answer, 500 where it is `failing` after it took it, and more headers."""
        given = self._read(key, path, headers, body)
        status = given.status
        if status != 429:
            if failing or self.rng.random() < self.failing:
                status = 500
            self.note(key, path, body, status)
        return status, dict(given.headers)

    def _read(self, key: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        given = self.application.take(path, headers, body, self.clock())
        assert given is not None, "whether it is there, the network decides"
        self.application.visits.clear()
        promise = "the application can read what it is told"
        for complaint in given.complaints:
            self.broken(Violation(promise, key, f"{complaint}, in {body.decode()}"))
        if given.status in UNUSABLE:
            said = f"{given.status} {given.body.decode()}, to {body.decode()}"
            self.broken(Violation(promise, key, said))
        return given

    def note(self, key: str, path: str, body: bytes, status: int) -> None:
        """Something has arrived, and is answered so."""
        told = json.loads(body)
        if path in SIGNALS:
            told = {name: each for name, each in told.items() if name not in OF_AN_ATTEMPT}
        self.receipts.append((key, told, status))
        self.received(key, told)
