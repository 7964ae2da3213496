"""The judge at work during a run: what can be checked the moment it happens.

It sees the exchange's books, what is on disk in the journal, what arrives at the exchange and at the receiver, and what
the user is answered, and nothing of the engine itself. What can only be seen when everything has come to rest is for
`tests.support.judge`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import trio
from attrs import define, field

from bitmart_engine.paper import Order, PaperExchange
from tests.support.judge import Row, Violation

from .chronicle import Chronicle, Guard
from .closes import Closes
from .exposure import Exposure
from .halts_kept import HaltsKept
from .holdings import Holdings
from .network import Sender
from .prices import Prices, WildPrints
from .trace import Trace

__all__ = ["Watch"]

SUBMIT = "/contract/private/submit-order"
OPEN_ORDERS = "/contract/private/get-open-orders"
POSITIONS = "/contract/private/position-v2"
DETAILS = "/contract/public/details"
OPENS = (1, 4)
NOT_HELD = ("rejected", "expired", "cancelled", "waiting")
"""What an entry order is said to be when the exchange holds nothing of it that could still fill."""
STOPPED_WITHIN_S = 15.0
"""How soon a stop that a trade has touched is being closed, while nothing is wrong."""
STOPPED_AFTER_TROUBLE_S = 150.0
"""The same for a stop that was touched while something was wrong, from the end of that on."""
NAKED_AT_MOST_S = 10.0
"""How long contracts with a promised stop may be held and kept by nobody, while nothing is wrong."""
QUICK_AFTER_S = 45.0
"""How long the world must have been calm for prices to be sure to come: half-open connections are noticed by then."""
ENTERED_WITHIN_S = 45.0
"""How long ago the price may have been in the zone of an entry that goes out: a network is slow, a disk is full."""
REACHED_BEFORE_S = 90.0
"""How long before it became what it is a protection's stop or target may have been reached for it to close."""
STUCK_S = 15.0
"""How long after a disk has refused to write it may not have been tried again, and a request may be under way."""
SECRETS_MARK = "s3cr3t"


@define(eq=False)
class Watch:
    """Every method is told of something that happened; `broken` is called for each promise that it breaks."""

    paper: PaperExchange
    chronicle: Chronicle
    exposure: Exposure
    trace: Trace
    broken: Callable[[Violation], None]
    calm_since: Callable[[], float | None]
    """Since when nothing is wrong and an engine is ready; None while that is not so."""
    disk_refused_at: Callable[[], float]
    holdings: Holdings
    prices: Prices = field(factory=Prices)
    wild: WildPrints = field(factory=WildPrints)
    mild_since: Callable[[], float | None] = lambda: None
    """Since when nothing is wrong but what answers claim of limits, and what they say of others' symbols."""
    closes: Closes = field(init=False)
    halts: HaltsKept = field(init=False)
    _read: dict[str, set[str]] = field(factory=dict)
    """By the name of a process, what of the exchange it has read."""
    _told: dict[str, int] = field(factory=dict)
    """By lane, how many of what is owed have arrived."""
    _touched: dict[str, tuple[float, str]] = field(factory=dict)
    """By protection, when its stop was first reached, and the stop."""
    _reached: set[tuple[str, str]] = field(factory=set)
    """Protections and levels of theirs that a trade has reached."""

    def __attrs_post_init__(self) -> None:
        self.halts = HaltsKept(self.chronicle, self.broken)
        self.closes = Closes(
            self.chronicle,
            self.broken,
            self._closes_there,
            lambda symbol: self.paper.instruments[symbol].market_max_size > 0,
        )

    def _closes_there(self, symbol: str, side: str) -> bool:
        """Whether an order that closes that side works at the exchange, whoever made it."""
        return any(
            each.side.is_close and each.side.direction.name.lower() == side
            for each in self.paper.books.ledger.working(symbol)
        )

    # What happens

    def written(self, process: Sender) -> None:
        """Something may have been committed."""
        now = trio.current_time()
        rows = self.chronicle.read(now)
        if self.chronicle.shortened:
            self.broken(Violation("the journal is kept", process.name, self.chronicle.shortened))
        for row in rows:
            self.trace("journal", row.seq, row.kind, _short(row.body))
            self._claims(row)
            self.halts.written(row.kind, row.body, now)
            if row.kind == "EntryIntended":
                self._enters(row.body, now)
                self.halts.intended(row.body, self._is_there(row.body["client_order_id"]))
            elif row.kind == "ProtectionMoved":
                self._moves(row.body, now)
        if rows:
            self.look()

    def served(self, process: Sender, path: str, body: bytes, status: int, answer: bytes) -> None:
        """The exchange took a request."""
        if path in (OPEN_ORDERS, POSITIONS) and status == 200:
            self._read.setdefault(process.name, set()).add(path)
        if path == SUBMIT and (sent := json.loads(body))["symbol"] in self.paper.instruments:
            self._submitted(process, sent)
            if sent["side"] not in OPENS:
                self.closes.submitted(sent, answer)
        self.look()

    def left(self, path: str, body: bytes) -> None:
        """A request left the engine."""
        if path == SUBMIT and (sent := json.loads(body))["side"] in OPENS:
            self.halts.left(sent.get("client_order_id", ""), trio.current_time())

    def traded(self, symbol: str, price: Decimal, stood: bool = True) -> None:
        """A trade happened in the market; without `stood` it is told together with the one that follows."""
        now = trio.current_time()
        skew_s = self.paper.clock_skew_ms / 1000
        self.prices.traded(symbol, price, now, stood=stood, skew_s=skew_s)
        for guard in self.chronicle.alive.values():
            if guard.symbol != symbol:
                continue
            for level in (guard.stop_loss, guard.take_profit):
                if level is not None and reaches(guard, level, price):
                    self._reached.add((guard.id, level))
            if guard.state == "armed" and _stops(guard, price):
                self._touched.setdefault(guard.id, (now, str(guard.stop_loss)))
        self._overdue(now)
        self.look()

    def told_wildly(self, symbol: str, price: Decimal, slow_s: float) -> None:
        """A trade was told that nobody made, over a network that is slow by so much at most."""
        self.wild.told(symbol, price, trio.current_time(), slow_s)

    def heard(self, path: str, asked_at: float, answer: bytes) -> None:
        """An answer of the exchange has arrived."""
        if path == DETAILS:
            self.wild.heard(asked_at, trio.current_time(), answer)

    def received(self, key: str, body: Mapping[str, Any]) -> None:
        """A callback arrived."""
        what = body.get("event") or body.get("kind") or "balance"
        about = body.get("order_id") or body.get("position_id") or body.get("client_order_id")
        self.trace("callback", key, what, about)
        lane = self.chronicle.lanes.get(key)
        if lane is None and key in self.chronicle.forgotten:
            return  # it was under way when what it tells of was forgotten
        if lane is None:
            self.broken(Violation("journalled before it is told", key, str(dict(body))))
            return
        position = self.chronicle.owed[lane].index(key)
        if position > self._told.get(lane, 0):
            detail = f"number {position + 1} arrived as number {self._told.get(lane, 0) + 1}"
            self.broken(Violation("in order", lane, detail))
        if position == self._told.get(lane, 0):
            self._told[lane] = position + 1
        self.secrets("callback", str(body))

    def said(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """The user was answered that something is promised."""
        id = body["id"]
        known = self.chronicle.state if path == "/api/place-order" else self.chronicle.guards
        if id not in known:
            self.broken(Violation("accepted is durable", id, f"{path} was accepted, not on disk"))

    def forget(self) -> None:
        """The journal is another one: of what it owes, so much has arrived as can have."""
        self.halts.forget()
        for lane, count in self._told.items():
            self._told[lane] = min(count, len(self.chronicle.owed.get(lane, ())))

    def secrets(self, where: str, text: str) -> None:
        """Something was said to somebody."""
        if SECRETS_MARK in text:
            self.broken(Violation("secrets stay secret", where, text[:300]))

    def look(self) -> None:
        """How long is what is held unprotected?"""
        self.holdings.look()
        self.exposure.look(trio.current_time())
        self.closes.look(trio.current_time(), self.mild_since())
        self.halts.look(trio.current_time(), self.calm_since())
        for id, at_risk_s in self.exposure.in_calm_s.items():
            if at_risk_s > NAKED_AT_MOST_S:
                detail = f"nobody has kept its stop for {at_risk_s:.1f} s, and nothing is wrong"
                self.broken(Violation("never naked", id, detail))

    # What follows

    def _submitted(self, process: Sender, body: Mapping[str, Any]) -> None:
        client_id = body.get("client_order_id", "")
        if client_id in self.chronicle.lost:
            return  # it was under way when its order was forgotten
        if client_id not in self.chronicle.intended:
            stuck = trio.current_time() - self.disk_refused_at() < STUCK_S
            if body["side"] in OPENS or not stuck:
                self.broken(Violation("intent before order", client_id, "it is not on disk"))
            self.chronicle.unwritten.add(client_id)
        missing = {OPEN_ORDERS, POSITIONS} - self._read.get(process.name, set())
        if body["side"] in OPENS and missing:
            detail = f"{process.name} opens something, and has not read {sorted(missing)}"
            self.broken(Violation("agrees before it opens", client_id, detail))

    def _claims(self, row: Row) -> None:
        """Whether what was committed of an order is what the exchange's books say, or said before."""
        if row.kind not in ("EntryObserved", "EntryMoved"):
            return
        id, to = row.body["id"], row.body["to"]
        orders = self._orders(id)
        filled = sum(each.deal_size for each in orders)
        claimed = row.body.get("filled", 0)
        if claimed > filled:
            detail = f"{claimed} contracts are said to be filled, {filled} are"
            self.broken(Violation("no fill is made up", id, detail))
        alive = [each for each in orders if each.is_working]
        if to in NOT_HELD and alive:
            detail = f"it is said to be {to}, and can still fill: {alive}"
            self.broken(Violation("unknown stays unknown", id, detail))
        if row.kind == "EntryMoved" and to in NOT_HELD and filled:
            detail = f"it is said to be {to}, and {filled} contracts are filled"
            self.broken(Violation("unknown stays unknown", id, detail))

    def _is_there(self, client_order_id: str) -> bool:
        """Whether the exchange has an order of this id already."""
        return self.paper.books.ledger.by_client_id(client_order_id) is not None

    def _enters(self, body: Mapping[str, Any], now: float) -> None:
        """Whether the price was in the zone of an order that is about to go out; one at the market only if it stood."""
        id, price = body["id"], body["price"]
        if self._is_there(body["client_order_id"]):
            return  # it was found
        request = self.chronicle.requests[id]
        symbol, at = request["symbol"], now - ENTERED_WITHIN_S
        since = self.prices.since if price is not None else self.prices.that_stood_since
        prices = since(symbol, at)
        low, high = Decimal(request["zone_min"]), Decimal(request["zone_max"])
        if prices and not any(low <= each <= high for each in prices):
            there = f"prices were from {min(prices)} to {max(prices)} in {ENTERED_WITHIN_S:g} s"
            kind = "market" if price is None else "limit"
            detail = f"it goes out ({kind}) for {low} to {high}, and {there}"
            self.broken(Violation("no entry at a price that was not", id, detail))

    def _moves(self, body: Mapping[str, Any], now: float) -> None:
        """Whether what is closed for a price was closed for one that was, and what is told to be gone is gone."""
        guard = self.chronicle.guards.get(body["id"])
        if guard is None or guard.id in self.holdings.excused:
            return
        reason = body.get("closing_for")
        level = {"stop_loss": guard.stop_loss, "take_profit": guard.take_profit}.get(reason or "")
        if body["to"] == "closing" and level is not None and (guard.id, level) not in self._reached:
            at = guard.was_since_s - REACHED_BEFORE_S
            prices = self.prices.since(guard.symbol, at)
            others = self.prices.dated_since(guard.symbol, at, now)
            if reason == "stop_loss":
                others += self.wild.since(guard.symbol, now)
            if prices and not any(reaches(guard, level, each) for each in (*prices, *others)):
                there = f"prices have been from {min(prices)} to {max(prices)}"
                detail = f"it closes for its {reason} {level}, and {there}"
                self.broken(Violation("no close at a price that was not", guard.id, detail))
        if body["to"] == "closed":
            self.holdings.look()
            left = min(guard.covered - self.holdings.gone(guard), self._nobody_elses(guard))
            if left > 0:
                detail = f"it is told to be closed, and {left} of its contracts are held"
                self.broken(Violation("closed is told when it is gone", guard.id, detail))
            self.holdings.written_off[guard.id] += self.holdings.left(guard)

    def _nobody_elses(self, guard: Guard) -> int:
        """Contracts on a protection's side that are neither the owner's own nor another protection's."""
        key = (guard.symbol, guard.side)
        others = sum(
            max(self.holdings.left(each), each.remaining * each.watches)
            for each in self.chronicle.guards.values()
            if each is not guard and (each.symbol, each.side) == key
        )
        return self.holdings.held(key) - self.holdings.own(key) - others

    def _orders(self, id: str) -> list[Order]:
        by_client_id = self.paper.books.ledger.by_client_id
        found = map(by_client_id, self.chronicle.attempts.get(id, ()))
        lost = self.holdings.books.lost
        return [each for each in found if each is not None and each.order_id not in lost]

    def _overdue(self, now: float) -> None:
        calm_since = self.calm_since()
        for id, (at, stop) in list(self._touched.items()):
            guard = self.chronicle.guards.get(id)
            if guard is None or guard.state != "armed" or guard.stop_loss != stop:
                del self._touched[id]
                continue
            if calm_since is None:
                continue
            quick = at > calm_since + QUICK_AFTER_S and at > guard.since_s + 5
            looked_up = quick or at // 60 > guard.since_s // 60 + 1
            limit_s = STOPPED_WITHIN_S if quick else STOPPED_AFTER_TROUBLE_S
            if looked_up and now - max(at, calm_since) > limit_s:
                detail = f"its stop {stop} was touched {now - at:.1f} s ago, and it is armed still"
                self.broken(Violation("no touched stop is missed", id, detail))
                del self._touched[id]


def _stops(guard: Guard, price: Decimal) -> bool:
    return guard.stop_loss is not None and reaches(guard, guard.stop_loss, price)


def reaches(guard: Guard, level: str, price: Decimal) -> bool:
    """Whether a price is at the stop or the target of a protection, or beyond it."""
    below = (level == guard.stop_loss) is (guard.side == "long")
    return price <= Decimal(level) if below else price >= Decimal(level)


def _short(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
