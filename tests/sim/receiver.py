"""The application that callbacks go to. It writes down what arrives, under whatever key."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from attrs import define, field

__all__ = ["HOOK", "Receiver"]

HOOK = "http://127.0.0.1:9/hook"


@define(eq=False)
class Receiver:
    """`received` is told of every callback: its key and its body."""

    rng: random.Random
    received: Callable[[str, Mapping[str, Any]], None]
    failing: float = 0.0
    """How likely it is that it takes down what it is sent, and then fails."""
    receipts: list[tuple[str, Mapping[str, Any], int]] = field(factory=list)

    def take(self, request: httpx.Request, body: bytes) -> int:
        """The status of the answer; 0 for none."""
        key, told = request.headers["Idempotency-Key"], json.loads(body)
        status = 200
        if self.rng.random() < self.failing:
            status = self.rng.choice((500, 503, 0))
        self.receipts.append((key, told, status))
        self.received(key, told)
        return status
