"""Fills that the exchange books and tells late: an order is cancelled, and everything says that less of it was filled.

Its pushes, its row and the list of its trades agree, so there is nothing to doubt by; the position alone has grown,
which may be anybody's. Some seconds later the exchange says how much was filled. Seen of exchanges whose cancel
overtakes the last fill on its way into the books that are read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import trio
from attrs import define, field

from bitmart_engine.paper import Order, PaperExchange
from tests.support.wishes import GUARDED_HERE

from .chronicle import Chronicle
from .market import Market
from .pushes import ORDERS
from .trace import Trace
from .troubles import Kinds

__all__ = ["Belated"]

PRIVATE = "/contract/private"
ORDER_ROWS = (f"{PRIVATE}/order", f"{PRIVATE}/order-history", f"{PRIVATE}/get-open-orders")
TRADES = f"{PRIVATE}/trades"
RESTED_MS = 4_000
"""How long an order has rested at least: one that is cancelled sooner may have been refused for crossing."""
LATE_S = (7.0, 20.0)
"""Longer than four reads take that agree with each other."""
UNFILLED = {"deal_size": "0", "deal_avg_price": "0", "last_trade": None}


@define(eq=False)
class Belated:
    """`rng` makes the generator of a kind. What is said of an order in `untold` is said as if none of it was filled."""

    paper: PaperExchange
    market: Market
    chronicle: Chronicle
    rng: Callable[[str], random.Random]
    trace: Trace
    alone: Callable[[], bool]
    """Whether nothing else goes wrong: what is told once may be lost in another trouble, and then for good."""
    untold: dict[int, list[Any]] = field(factory=dict)
    """By the exchange's order id, the rows of the latest push as they should have been."""

    def kinds(self) -> Kinds:
        return {"fills told late": self._fills_told_late}

    async def _fills_told_late(self) -> None:
        """An order fills, in part or all of it, and in the same moment is cancelled; the fill is told later."""
        rng = self.rng("fills told late")
        try:
            while True:
                await trio.sleep(rng.expovariate(1 / 8))
                order = self._resting(rng)
                if order is not None and self.alone():
                    await self._fill_untold(order, rng.uniform(*LATE_S))
        finally:
            self.untold.clear()

    def _resting(self, rng: random.Random) -> Order | None:
        """An order of the engine's that rests, nothing of which is filled, and whose contracts have a promised stop."""
        now_ms, intended = self.paper.now_ms(), self.chronicle.intended
        guarded = {each.entry_id for each in self.chronicle.alive.values()}
        found = [
            each
            for each in self.paper.books.ledger.working(GUARDED_HERE)
            if intended.get(each.client_order_id) in guarded
            and each.price is not None
            and not each.deal_size
            and not each.side.is_close
            and now_ms - each.create_ms > RESTED_MS
        ]
        return rng.choice(found) if found else None

    async def _fill_untold(self, order: Order, late_s: float) -> None:
        assert order.price is not None, "only what rests at a price is chosen"
        self.untold[order.order_id] = []
        self.market.to(order.symbol, order.price)
        now = self.paper.books.orders[order.order_id]
        self.trace.fault("fill told late", order.client_order_id, now.deal_size, "of", order.size)
        if now.is_working:
            self.paper.cancel_by_hand(order.client_order_id)
        await trio.sleep(late_s)
        rows = self.untold.pop(order.order_id)
        if rows:
            self.paper.hub.publish_later(ORDERS, rows, None)

    # What is said meanwhile

    def pushed(self, topic: str, frame: str) -> str:
        """A push as it leaves."""
        if not self.untold or topic != ORDERS:
            return frame
        said = json.loads(frame)
        for each in said["data"]:
            order_id = int(each["order"]["order_id"])
            if order_id in self.untold:
                self.untold[order_id] = [{**each, "order": dict(each["order"])}]
                each["order"].update(UNFILLED)
        return json.dumps(said)

    def answered(self, path: str, content: bytes) -> bytes:
        """An answer as it leaves."""
        if not self.untold or path not in (*ORDER_ROWS, TRADES):
            return content
        said = json.loads(content)
        rows = said.get("data")
        if path == TRADES and isinstance(rows, list):
            said["data"] = [each for each in rows if int(each["order_id"]) not in self.untold]
        else:
            for each in rows if isinstance(rows, list) else [rows]:
                if isinstance(each, dict) and int(each.get("order_id") or 0) in self.untold:
                    each.update({name: UNFILLED[name] for name in UNFILLED if name in each})
        return json.dumps(said).encode()
