"""The exchange's books: what the owner asks of them, what the market does to them, what happens to the owner.

Plain synchronous code. Prices and times are handed in, what happened is handed out as pushes; there is no IO, no
clock and no task in it. How orders fill is in `matching.py`. A trade fills what it reaches, then sets off what waits
for a price: stops and targets of positions (`plans.py`), then plan and trailing orders (`pending.py`).
"""

from __future__ import annotations

from decimal import Decimal

import attrs

from .account import Transfer
from .codes import Refusal
from .matching import Matching
from .orders import Action, Direction, Mode, Order, OrderRequest, State, crosses, priority, reaches
from .pending import Waiting
from .pushes import OrderPush

__all__ = ["Books"]


class Books(Matching):
    """All that the exchange knows of the account, and all that can be done to it."""

    # -- what the owner asks ------------------------------------------------------------------

    def submit(self, request: OrderRequest, now_ms: int, *, order_id: int | None = None) -> Order:
        """Take an order, or raise `Refusal` and change nothing. The order returned is as it is after matching.

        `order_id` is the id that it has already.
        """
        self.check_client_id(request.client_order_id, now_ms)
        last = self.last[request.symbol]
        leverage, open_type = self.account.settings_for(request)
        if request.side.is_close:
            request = attrs.evolve(request, size=self._closable(request))
        self.account.check_affordable(request, last, leverage, self.account_view.available())
        matches = request.price is None or crosses(request, last)
        refused = request.mode is Mode.MAKER_ONLY and matches
        if refused and self.config.maker_only_refusal == "reply":
            raise Refusal(self.config.maker_only_refusal_code)

        if not request.side.is_close:
            self.account.leverage[request.symbol] = leverage
            self.account.open_type[request.symbol] = open_type
        order_id = self._accept(request, leverage, open_type, now_ms, order_id=order_id)
        liquidity = self.config.liquidity
        whole = matches and (liquidity is None or liquidity >= request.size)
        if refused:
            self.cancel(order_id, now_ms)
            return self.orders[order_id]
        if request.mode is Mode.FOK and not whole:
            self._end_remainder(order_id, now_ms)
            return self.orders[order_id]
        self._budget = liquidity
        if matches:
            self._match(order_id, last, now_ms, is_maker=False)
        if request.mode is Mode.IOC and self.orders[order_id].is_working:
            self._end_remainder(order_id, now_ms)
        return self.orders[order_id]

    def _closable(self, request: OrderRequest) -> int:
        """The size a closing order may have: 40021 without a position, 40020 (or cut) beyond what is free."""
        direction = request.side.direction
        held = self.account.position(request.symbol, direction).size
        if not held:
            raise Refusal(40021)
        free = held - self.account_view.frozen_size(request.symbol, direction)
        if request.size <= free:
            return request.size
        if self.config.close_more_than_held == "cut" and free > 0:
            return free
        raise Refusal(40020)

    def amend(self, order_id: int, price: Decimal | None, size: int | None, now_ms: int) -> None:
        """Give a resting limit order another price, another size, or both, at the same id. It may match at once."""
        order, last = self.orders[order_id], self.last[self.orders[order_id].symbol]
        changed = attrs.evolve(
            order, price=price or order.price, size=size or order.size, update_ms=now_ms
        )
        if changed.size <= order.deal_size:
            raise Refusal(40044)
        request = OrderRequest(
            symbol=order.symbol, side=order.side, size=changed.remaining, price=changed.price
        )
        if order.side.is_close:
            held = self.account.position(order.symbol, order.side.direction).size
            frozen = self.account_view.frozen_size(order.symbol, order.side.direction)
            if request.size > held - frozen + order.remaining:
                raise Refusal(40020)
        freed = self.account.order_margin(order, last)
        available = self.account_view.available() + freed
        self.account.check_affordable(request, last, order.leverage, available)
        matches = crosses(request, last)
        if matches and order.mode is Mode.MAKER_ONLY:
            raise Refusal(self.config.maker_only_refusal_code)
        self.ledger.put(changed)
        self._pushes.append(OrderPush(action=Action.SUBMITTED, order=changed))
        self._tell_balance()
        self._budget = self.config.liquidity
        if matches:
            self._match(order_id, last, now_ms, is_maker=False)

    def check_client_id(self, client_order_id: str, now_ms: int) -> None:
        """Refuse (40050) a client's id that is taken: by an order, or by one that waits to be one."""
        if not client_order_id:
            return
        if self.plans.by_client_id(client_order_id) or self.pending.by_client_id(client_order_id):
            raise Refusal(40050)
        taken, reuse_s = (
            self.ledger.by_client_id(client_order_id),
            self.config.client_order_id_reuse_s,
        )
        if taken is None:
            return
        if reuse_s is None or taken.is_working or now_ms < taken.update_ms + reuse_s * 1000:
            raise Refusal(40050)

    def transfer(self, transfer: Transfer) -> None:
        """Money comes in, or goes out as far as it is available (42000)."""
        self.account.transfer(transfer, self.account_view.available())
        self._tell_balance()

    # -- what waits for a price ---------------------------------------------------------------

    def wait(self, one: Waiting) -> None:
        """Take a plan order or a trailing order, or its newer version."""
        self.pending.put(one)
        self._tell_waiting(one, Action.SUBMITTED)

    def withdraw(self, order_id: int, now_ms: int) -> None:
        """End one that waits."""
        one = self.pending.take(order_id)
        ended = attrs.evolve(one.order, state=State.FINISHED, update_ms=now_ms)
        if one.is_trailing:
            self.ledger.put(ended)
        self._tell_waiting(attrs.evolve(one, order=ended), Action.CANCELLED)

    def _enter(self, one: Waiting, now_ms: int) -> None:
        """The price has come; what cannot be taken now is gone."""
        try:
            if one.is_trailing:
                self.submit(one.request(), now_ms, order_id=one.order_id)
            else:
                self.submit(one.request(), now_ms)
                entered_ = attrs.evolve(one.order, state=State.FINISHED, update_ms=now_ms)
                self._tell_waiting(attrs.evolve(one, order=entered_), Action.MATCHED)
        except Refusal:
            self.pending.put(one)
            self.withdraw(one.order_id, now_ms)

    def _tell_waiting(self, one: Waiting, action: Action) -> None:
        if one.is_trailing or self.config.plan_order_push:
            self._pushes.append(OrderPush(action=action, order=one.order))

    # -- what the market does -----------------------------------------------------------------

    def trade(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """A trade at `price` happened: it fills what it reaches, then sets off plan orders."""
        self.last[symbol] = price
        if not self.ledger.has_working(symbol) and not self.plans and not self.pending:
            return
        self._budget = self.config.liquidity
        reached = [o for o in self.ledger.working(symbol) if reaches(o, price)]
        for order in sorted(reached, key=priority):
            if self.orders[order.order_id].is_working:
                at = price if order.price is None else order.price
                self._match(order.order_id, at, now_ms, is_maker=order.price is not None)
        for plan in self.plans.take_triggered(symbol, price):
            held = self.account.position(symbol, plan.direction).size
            size = held if plan.size is None else min(plan.size, held)
            self._close(symbol, plan.direction, size, now_ms, plan.kind, plan=plan)
        for one in self.pending.take_set_off(symbol, price):
            self._enter(one, now_ms)

    # -- what happens to the owner ------------------------------------------------------------

    def close_by_hand(
        self, symbol: str, direction: Direction, size: int | None, now_ms: int
    ) -> Order:
        """Close a position as its owner would in the exchange's app: a market order without a client id."""
        _, size = self._part_of(symbol, direction, size)
        return self._close(symbol, direction, size, now_ms, "market")

    def liquidate(self, symbol: str, direction: Direction, size: int | None, now_ms: int) -> Order:
        """Liquidate a position, or `size` contracts of it, and cancel the orders that belong to it."""
        held, size = self._part_of(symbol, direction, size)
        for order in self.ledger.working(symbol):
            if order.side.direction is direction:
                self.cancel(order.order_id, now_ms, Action.CANCELLED_BY_LIQUIDATION)
        action = Action.PARTIAL_LIQUIDATION if size < held else Action.BANKRUPTCY
        return self._close(symbol, direction, size, now_ms, "liquidate", action=action)

    def _part_of(self, symbol: str, direction: Direction, size: int | None) -> tuple[int, int]:
        """What is held, and how much of it `size` means (ValueError). No liquidity bounds what is forced."""
        held = self.account.position(symbol, direction).size
        size = held if size is None else size
        if not 0 < size <= held:
            name = direction.name.lower()
            raise ValueError(f"cannot close {size} contracts of {symbol} {name}: {held} held")
        self._budget = None
        return held, size
