"""The exchange's books: orders, fills, and the account they change. The matching is here.

Plain synchronous code. Prices and times are handed in, what happened is handed out as pushes; there is no IO, no
clock and no task in it.

How orders fill: a trade at a price fills every resting buy at or above it and every resting sell at or below it, at
the order's own price, best price first, oldest first. An order that is better than the last price when it arrives
(a buy above it, a sell below it) fills at the last price, as a taker. A market order fills at the last price.
`config.liquidity` bounds how many contracts one trade, or one arriving order, can fill; the rest waits for the next
trade. The account's own orders make no public trades.

A trade then sets off what waits for a price: stops and targets of positions (`plans.py`), then plan and trailing
orders (`pending.py`).
"""

from __future__ import annotations

import random
from decimal import Decimal

import attrs

from .account import Account, Transfer
from .codes import Refusal
from .config import PaperConfig
from .instruments import to_grid
from .ledger import Ledger
from .orders import (
    ZERO,
    Action,
    Direction,
    Fill,
    Mode,
    Order,
    OrderRequest,
    State,
    crosses,
    entered,
    priority,
    reaches,
)
from .pending import Pending, Waiting
from .plans import Plan, Plans
from .positions import Position
from .pushes import OrderPush, Push
from .standing import Standing

PROTECTION = Decimal("0.0005")
"""How far from the last price a market order's protective price is, as a part of it."""


class Books:
    """All that the exchange knows of the account. Every change adds to the pushes that `take_pushes` hands out."""

    def __init__(self, config: PaperConfig, rng: random.Random) -> None:
        self.config = config
        self.account = Account(config)
        self.last = {instrument.symbol: instrument.price for instrument in config.symbols}
        self.ledger = Ledger(list(self.last), rng)
        self.standing = Standing(self.account, self.ledger, self.last)
        self.plans = Plans()
        self.pending = Pending()
        self._pushes: list[Push] = []
        self._budget: int | None = None

    # -- reading ------------------------------------------------------------------------------

    @property
    def balance(self) -> Decimal:
        """The wallet: what was there at first, plus realised profit, minus fees."""
        return self.account.balance

    @property
    def orders(self) -> dict[int, Order]:
        """Every order taken, by id."""
        return self.ledger.orders

    @property
    def fills(self) -> list[Fill]:
        """Every fill, oldest first."""
        return self.ledger.fills

    @property
    def positions(self) -> dict[tuple[str, Direction], Position]:
        """What is held, by symbol and direction."""
        return self.account.positions

    def take_pushes(self) -> list[Push]:
        """What happened since the last call, in order."""
        pushes, self._pushes = self._pushes, []
        return pushes

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
        self.account.check_affordable(request, last, leverage, self.standing.available())
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

    def cancel(self, order_id: int, now_ms: int, action: Action = Action.CANCELLED) -> None:
        """End a working order, whatever part of it is filled."""
        ended = attrs.evolve(self.orders[order_id], state=State.FINISHED, update_ms=now_ms)
        self.ledger.put(ended)
        told = attrs.evolve(ended, state=State(self.config.cancel_event_state))
        self._pushes.append(OrderPush(action=action, order=told))
        self._tell_balance()

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
            frozen = self.standing.frozen_size(order.symbol, order.side.direction)
            if request.size > held - frozen + order.remaining:
                raise Refusal(40020)
        freed = self.account.order_margin(order, last)
        available = self.standing.available() + freed
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
        self.account.transfer(transfer, self.standing.available())
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

    # -- the machinery ------------------------------------------------------------------------

    def _closable(self, request: OrderRequest) -> int:
        """The size a closing order may have: 40021 without a position, 40020 (or cut) beyond what is free."""
        direction = request.side.direction
        held = self.account.position(request.symbol, direction).size
        if not held:
            raise Refusal(40021)
        free = held - self.standing.frozen_size(request.symbol, direction)
        if request.size <= free:
            return request.size
        if self.config.close_more_than_held == "cut" and free > 0:
            return free
        raise Refusal(40020)

    def _close(
        self,
        symbol: str,
        direction: Direction,
        size: int,
        now_ms: int,
        kind: str,
        *,
        plan: Plan | None = None,
        action: Action = Action.MATCHED,
    ) -> Order:
        """An order of the exchange's own making; it goes before the owner's closing orders."""
        request = OrderRequest(
            symbol=symbol,
            side=direction.closing_side,
            size=size,
            type=kind,
            price=plan.limit_price if plan else None,
            client_order_id=f"PLAN_{plan.plan_id}" if plan else "",
            trigger=plan.trigger if plan else None,
        )
        leverage, open_type = self.account.settings_for(request)
        order_id = self._accept(request, leverage, open_type, now_ms)
        self._trim_closing(symbol, direction, now_ms, keep=order_id)
        last = self.last[symbol]
        if request.price is None or crosses(request, last):
            self._match(order_id, last, now_ms, is_maker=False, action=action)
        return self.orders[order_id]

    def _accept(
        self,
        request: OrderRequest,
        leverage: int,
        open_type: str,
        now_ms: int,
        *,
        order_id: int | None = None,
    ) -> int:
        """Enter an order into the books and announce it."""
        order = entered(
            request,
            order_id=order_id or self.ledger.new_order_id(),
            leverage=leverage,
            open_type=open_type,
            position_mode=self.account.position_mode,
            now_ms=now_ms,
            shown_price=self._protective_price(request),
        )
        if request.price is None or self.config.pending_push:
            self._pushes.append(OrderPush(action=Action.SUBMITTED, order=order))
        self.ledger.put(attrs.evolve(order, state=State.WORKING))
        if request.price is not None:
            submitted = OrderPush(action=Action.SUBMITTED, order=self.orders[order.order_id])
            self._pushes.append(submitted)
        self._tell_balance()
        return order.order_id

    def _protective_price(self, request: OrderRequest) -> Decimal:
        """What a market order shows in place of a price."""
        if request.price is not None or self.config.market_order_price == "zero":
            return ZERO
        distance = PROTECTION if request.side.is_buy else -PROTECTION
        tick_size = self.account.instruments[request.symbol].tick_size
        return to_grid(self.last[request.symbol] * (1 + distance), tick_size)

    def _end_remainder(self, order_id: int, now_ms: int) -> None:
        """End what did not fill at once: with an event of its own, or with the last event there is."""
        if self.config.remainder_push == "cancel":
            self.cancel(order_id, now_ms)
            return
        ended = attrs.evolve(self.orders[order_id], state=State.FINISHED, update_ms=now_ms)
        self.ledger.put(ended)
        for at in range(len(self._pushes) - 1, -1, -1):
            push = self._pushes[at]
            if isinstance(push, OrderPush) and push.order.order_id == order_id:
                self._pushes[at] = attrs.evolve(push, order=ended)
                break
        self._tell_balance()

    def _match(
        self,
        order_id: int,
        price: Decimal,
        now_ms: int,
        *,
        is_maker: bool,
        action: Action = Action.MATCHED,
    ) -> None:
        """Fill an order at `price`, as far as the liquidity at hand goes."""
        order = self.orders[order_id]
        size = order.remaining if self._budget is None else min(order.remaining, self._budget)
        if not size:
            return
        if self._budget is not None:
            self._budget -= size
        fee_rate = self.config.maker_fee if is_maker else self.config.taker_fee
        _, opening = self.account.legs(order.side, order.symbol, size)
        changed, profit, fee = self.account.apply(
            order.side, order.symbol, price, size, fee_rate, now_ms
        )
        fill = Fill(
            trade_id=self.ledger.new_trade_id(),
            order_id=order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=price,
            size=size,
            fee=fee,
            realised=profit,
            is_maker=is_maker,
            leverage=order.leverage,
            at_ms=now_ms,
        )
        self.fills.append(fill)
        filled = attrs.evolve(
            order,
            deal_size=order.deal_size + size,
            deal_value=order.deal_value + price * size,
            state=State.FINISHED if size == order.remaining else State.WORKING,
            update_ms=now_ms,
        )
        self.ledger.put(filled)
        self._pushes.append(OrderPush(action=action, order=filled, fill=fill))
        for position in changed:
            self._tell_position(position)
        self._tell_balance()
        self.plans.cover(filled, opening, self.ledger.new_order_id)
        for position in changed:
            self._after_reduction(position, now_ms)

    def _after_reduction(self, position: Position, now_ms: int) -> None:
        """What covered contracts that are gone goes too: presets of a flat position, closing orders beyond it."""
        held = self.account.position(position.symbol, position.direction).size
        if not held:
            self.plans.drop(position.symbol, position.direction)
        self._trim_closing(position.symbol, position.direction, now_ms)

    def _trim_closing(
        self, symbol: str, direction: Direction, now_ms: int, keep: int | None = None
    ) -> None:
        """Cancel closing orders, the newest first, until no more is being closed than is held."""
        held = self.account.position(symbol, direction).size
        for order in self.ledger.excess_closing(symbol, direction, held, keep):
            self.cancel(order.order_id, now_ms)

    def _tell_position(self, position: Position) -> None:
        if position.size or self.config.zero_position_push:
            self._pushes.append(self.standing.position(position))

    def _tell_balance(self) -> None:
        self._pushes.append(self.standing.balance())
