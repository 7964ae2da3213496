"""Waiting for what the exchange says of one of our orders."""

from __future__ import annotations

import trio

__all__ = ["OrderNews"]


class OrderNews:
    """Lets tasks wait for the next news of a client order id. Whoever takes news in calls `wake`."""

    def __init__(self) -> None:
        self._events: dict[str, trio.Event] = {}

    def wake(self, client_order_id: str) -> None:
        """There is news of this order."""
        event = self._events.pop(client_order_id, None)
        if event is not None:
            event.set()

    async def wait_news(self, client_order_id: str, timeout_s: float) -> bool:
        """Wait for the next news of this order. False if there was none in time. A checkpoint."""
        event = self._events.setdefault(client_order_id, trio.Event())
        with trio.move_on_after(timeout_s):
            await event.wait()
            return True
        return False
