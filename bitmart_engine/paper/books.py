"""The exchange's books: orders, fills, and the account they change. The matching is here.

Plain synchronous code. Prices and times are handed in, what happened is handed out as pushes; there is no IO, no
clock and no task in it.

How orders fill: a trade at a price fills every resting buy at or above it and every resting sell at or below it, at
the order's own price, best price first, oldest first. An order that is better than the last price when it arrives
(a buy above it, a sell below it) fills at the last price, as a taker. A market order fills at the last price.
`config.liquidity` bounds how many contracts one trade, or one arriving order, can fill; the rest waits for the next
trade. The account's own orders make no public trades.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import attrs
from attrs import frozen

from .account import Account
from .codes import Refusal
from .instruments import PaperConfig
from .orders import ZERO, Action, Direction, Fill, Mode, Order, OrderRequest, State
from .positions import Position
from .pushes import BalancePush, OrderPush, PositionPush, Push


@frozen(kw_only=True)
class Plan:
    """The preset stop and target of one order, for the contracts it has filled so far."""

    plan_id: int
    parent_id: int
    symbol: str
    direction: Direction
    size: int
    stop_price: Decimal | None
    target_price: Decimal | None

    def triggered(self, price: Decimal) -> str | None:
        """The order type that a last price of `price` sets off; the stop wins over the target."""
        sign = self.direction.sign
        if self.stop_price is not None and (price - self.stop_price) * sign <= 0:
            return "stop_loss"
        if self.target_price is not None and (price - self.target_price) * sign >= 0:
            return "take_profit"
        return None


class Books:
    """All that the exchange knows of the account. Every change adds to the pushes that `take_pushes` hands out."""

    def __init__(self, config: PaperConfig, rng: random.Random) -> None:
        self.config = config
        self.account = Account(config)
        self.last = {instrument.symbol: instrument.price for instrument in config.symbols}
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.plans: dict[int, Plan] = {}
        self._client_ids: set[str] = set()
        self._working: dict[str, dict[int, None]] = {symbol: {} for symbol in self.last}
        self._pushes: list[Push] = []
        self._rng = rng
        self._next_order_id = 3_000_000_000_000_000 + rng.randrange(10**13)
        self._next_trade_id = 1_000_000_000 + rng.randrange(10**9)
        self._budget: int | None = None

    # -- reading ------------------------------------------------------------------------------

    @property
    def balance(self) -> Decimal:
        """The wallet: what was there at first, plus realised profit, minus fees."""
        return self.account.balance

    @property
    def positions(self) -> dict[tuple[str, Direction], Position]:
        """What is held, by symbol and direction."""
        return self.account.positions

    def working(self, symbol: str | None = None) -> Iterator[Order]:
        """Orders that can still fill, oldest first within a symbol."""
        for name in [symbol] if symbol else list(self._working):
            for order_id in list(self._working[name]):
                yield self.orders[order_id]

    def order_margin(self) -> Decimal:
        """What working orders lock of the balance."""
        return sum(
            (self.account.order_margin(order, self.last[order.symbol]) for order in self.working()),
            ZERO,
        )

    def available(self) -> Decimal:
        """What is left of the balance for new orders."""
        return self.balance - self.account.position_margin() - self.order_margin()

    def frozen_size(self, symbol: str, direction: Direction) -> int:
        """Contracts of a position that working orders are about to close."""
        side = direction.closing_side
        return sum(order.remaining for order in self.working(symbol) if order.side is side)

    def balance_now(self) -> BalancePush:
        """The balance as it would be pushed now."""
        return BalancePush(
            available=self.available(),
            position_margin=self.account.position_margin(),
            order_margin=self.order_margin(),
        )

    def positions_now(self) -> list[PositionPush]:
        """The positions held, as they would be pushed now."""
        return [self._position_push(position) for position in self.positions.values()]

    def orders_now(self) -> list[OrderPush]:
        """The working orders, as they would be pushed now."""
        return [OrderPush(action=Action.SUBMITTED, order=order) for order in self.working()]

    def take_pushes(self) -> list[Push]:
        """What happened since the last call, in order."""
        pushes, self._pushes = self._pushes, []
        return pushes

    # -- what the owner asks ------------------------------------------------------------------

    def submit(self, request: OrderRequest, now_ms: int) -> Order:
        """Take an order, or raise `Refusal` and change nothing. The order returned is as it is after matching."""
        if request.client_order_id and request.client_order_id in self._client_ids:
            raise Refusal(40050)
        last = self.last[request.symbol]
        leverage, open_type = self.account.settings_for(request)
        if request.side.is_close:
            request = attrs.evolve(request, size=self._closable(request))
        self.account.check_affordable(request, last, leverage, self.available())
        matches = request.price is None or crosses(request, last)
        refused = request.mode is Mode.MAKER_ONLY and matches
        if refused and self.config.maker_only_refusal == "reply":
            raise Refusal(self.config.maker_only_refusal_code)

        if not request.side.is_close:
            self.account.leverage[request.symbol] = leverage
            self.account.open_type[request.symbol] = open_type
        order_id = self._accept(request, leverage, open_type, now_ms)
        liquidity = self.config.liquidity
        whole = matches and (liquidity is None or liquidity >= request.size)
        if refused or (request.mode is Mode.FOK and not whole):
            self.cancel(order_id, now_ms)
            return self.orders[order_id]
        self._budget = liquidity
        if matches:
            self._match(order_id, last, now_ms, is_maker=False)
        if request.mode is Mode.IOC and self.orders[order_id].is_working:
            self.cancel(order_id, now_ms)
        return self.orders[order_id]

    def cancel(self, order_id: int, now_ms: int, action: Action = Action.CANCELLED) -> None:
        """End a working order, whatever part of it is filled."""
        order = self.orders[order_id]
        self._put(attrs.evolve(order, state=State.FINISHED, update_ms=now_ms))
        self._pushes.append(OrderPush(action=action, order=self.orders[order_id]))
        self._tell_balance()

    # -- what the market does -----------------------------------------------------------------

    def trade(self, symbol: str, price: Decimal, now_ms: int) -> None:
        """A trade at `price` happened: it fills what it reaches, then sets off presets."""
        self.last[symbol] = price
        if not self._working[symbol] and not self.plans:
            return
        self._budget = self.config.liquidity
        reached = [o for o in self.working(symbol) if reaches(o, price)]
        for order in sorted(reached, key=priority):
            if self.orders[order.order_id].is_working:
                at = price if order.price is None else order.price
                self._match(order.order_id, at, now_ms, is_maker=order.price is not None)
        for plan in list(self.plans.values()):
            if plan.symbol != symbol or plan.plan_id not in self.plans:
                continue
            kind = plan.triggered(price)
            if kind is not None:
                del self.plans[plan.plan_id]
                held = self.account.position(symbol, plan.direction).size
                size = min(plan.size, held)
                self._close(symbol, plan.direction, size, now_ms, kind, plan_id=plan.plan_id)

    # -- what happens to the owner ------------------------------------------------------------

    def close_by_hand(
        self, symbol: str, direction: Direction, size: int | None, now_ms: int
    ) -> Order:
        """Close a position as its owner would in the exchange's app: a market order without a client id."""
        return self._forced(symbol, direction, size, now_ms, "market", Action.MATCHED)

    def liquidate(self, symbol: str, direction: Direction, size: int | None, now_ms: int) -> Order:
        """Liquidate a position, or `size` contracts of it, and cancel the orders that belong to it."""
        held = self.account.position(symbol, direction).size
        for order in self.working(symbol):
            if order.side.direction is direction:
                self.cancel(order.order_id, now_ms, Action.CANCELLED_BY_LIQUIDATION)
        partial = size is not None and size < held
        action = Action.PARTIAL_LIQUIDATION if partial else Action.BANKRUPTCY
        return self._forced(symbol, direction, size, now_ms, "liquidate", action)

    def _forced(
        self,
        symbol: str,
        direction: Direction,
        size: int | None,
        now_ms: int,
        kind: str,
        action: Action,
    ) -> Order:
        held = self.account.position(symbol, direction).size
        size = held if size is None else size
        if not 0 < size <= held:
            raise ValueError(
                f"cannot close {size} contracts of {symbol} {direction.name.lower()}: {held} held"
            )
        return self._close(symbol, direction, size, now_ms, kind, action=action, bounded=False)

    # -- the machinery ------------------------------------------------------------------------

    def _closable(self, request: OrderRequest) -> int:
        """The size a closing order may have: 40021 without a position, 40020 (or cut) beyond what is free."""
        direction = request.side.direction
        held = self.account.position(request.symbol, direction).size
        if not held:
            raise Refusal(40021)
        free = held - self.frozen_size(request.symbol, direction)
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
        plan_id: int | None = None,
        action: Action = Action.MATCHED,
        bounded: bool = True,
    ) -> Order:
        """A market order of the exchange's own making; it goes before the owner's closing orders."""
        request = OrderRequest(
            symbol=symbol,
            side=direction.closing_side,
            size=size,
            type=kind,
            client_order_id="" if plan_id is None else f"PLAN_{plan_id}",
        )
        leverage, open_type = self.account.settings_for(request)
        plan = "" if plan_id is None else str(plan_id)
        order_id = self._accept(request, leverage, open_type, now_ms, plan)
        self._trim_closing(symbol, direction, now_ms, keep=order_id)
        if not bounded:
            self._budget = None
        self._match(order_id, self.last[symbol], now_ms, is_maker=False, action=action)
        return self.orders[order_id]

    def _accept(
        self,
        request: OrderRequest,
        leverage: int,
        open_type: str,
        now_ms: int,
        plan_order_id: str = "",
    ) -> int:
        """Enter an order into the books and announce it."""
        order = Order(
            order_id=self._new_id(),
            symbol=request.symbol,
            side=request.side,
            type=request.type,
            size=request.size,
            price=request.price,
            mode=request.mode,
            client_order_id=request.client_order_id,
            leverage=leverage,
            open_type=open_type,
            position_mode=self.account.position_mode,
            state=State.PENDING,
            create_ms=now_ms,
            update_ms=now_ms,
            plan_order_id=plan_order_id,
            stop_price=request.stop_price,
            target_price=request.target_price,
            stop_price_type=request.stop_price_type,
            target_price_type=request.target_price_type,
        )
        if request.client_order_id:
            self._client_ids.add(request.client_order_id)
        if request.price is None or self.config.pending_push:
            self._pushes.append(OrderPush(action=Action.SUBMITTED, order=order))
        self._put(attrs.evolve(order, state=State.WORKING))
        if request.price is not None:
            submitted = OrderPush(action=Action.SUBMITTED, order=self.orders[order.order_id])
            self._pushes.append(submitted)
        self._tell_balance()
        return order.order_id

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
            trade_id=self._next_trade_id,
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
        self._next_trade_id += self._rng.randint(1, 9)
        self.fills.append(fill)
        filled = attrs.evolve(
            order,
            deal_size=order.deal_size + size,
            deal_value=order.deal_value + price * size,
            state=State.FINISHED if size == order.remaining else State.WORKING,
            update_ms=now_ms,
        )
        self._put(filled)
        self._pushes.append(OrderPush(action=action, order=filled, fill=fill))
        for position in changed:
            self._tell_position(position)
        self._tell_balance()
        self._keep_plan(filled, opening)
        for position in changed:
            self._after_reduction(position, now_ms)

    def _keep_plan(self, order: Order, size: int) -> None:
        """The presets of an order cover each part of it as it fills."""
        if not size or (order.stop_price is None and order.target_price is None):
            return
        for plan in self.plans.values():
            if plan.parent_id == order.order_id:
                self.plans[plan.plan_id] = attrs.evolve(plan, size=plan.size + size)
                return
        plan_id = self._new_id()
        self.plans[plan_id] = Plan(
            plan_id=plan_id,
            parent_id=order.order_id,
            symbol=order.symbol,
            direction=order.side.direction,
            size=size,
            stop_price=order.stop_price,
            target_price=order.target_price,
        )

    def _after_reduction(self, position: Position, now_ms: int) -> None:
        """What covered contracts that are gone goes too: presets of a flat position, closing orders beyond it."""
        held = self.account.position(position.symbol, position.direction).size
        if not held:
            for plan in list(self.plans.values()):
                if (plan.symbol, plan.direction) == (position.symbol, position.direction):
                    del self.plans[plan.plan_id]
        self._trim_closing(position.symbol, position.direction, now_ms)

    def _trim_closing(
        self, symbol: str, direction: Direction, now_ms: int, keep: int | None = None
    ) -> None:
        """Cancel closing orders, the newest first, until no more is being closed than is held."""
        held = self.account.position(symbol, direction).size
        side = direction.closing_side
        closing = [order for order in self.working(symbol) if order.side is side]
        total = sum(order.remaining for order in closing)
        closing.sort(key=lambda order: (order.price is not None, order.order_id))
        while closing and total > held:
            order = closing.pop()
            if order.order_id != keep:
                total -= order.remaining
                self.cancel(order.order_id, now_ms)

    def _put(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if order.is_working:
            self._working[order.symbol][order.order_id] = None
        else:
            self._working[order.symbol].pop(order.order_id, None)

    def _new_id(self) -> int:
        self._next_order_id += self._rng.randint(1, 99)
        return self._next_order_id

    def _tell_position(self, position: Position) -> None:
        self._pushes.append(self._position_push(position))

    def _tell_balance(self) -> None:
        self._pushes.append(self.balance_now())

    def _position_push(self, position: Position) -> PositionPush:
        symbol = position.symbol
        return PositionPush(
            position=position,
            frozen_size=self.frozen_size(symbol, position.direction),
            leverage=self.account.leverage[symbol],
            open_type=self.account.open_type[symbol],
            position_mode=self.account.position_mode,
        )


def crosses(request: OrderRequest, last: Decimal) -> bool:
    """Whether a limit order is better than the last price, so that it matches as it arrives."""
    assert request.price is not None
    return request.price > last if request.side.is_buy else request.price < last


def reaches(order: Order, price: Decimal) -> bool:
    """Whether a trade at `price` fills a resting order."""
    if order.price is None:
        return True
    return price <= order.price if order.side.is_buy else price >= order.price


def priority(order: Order) -> tuple[bool, Decimal, int]:
    """Market orders first, then the best price, then the oldest."""
    price = order.price or ZERO
    return order.price is not None, -price if order.side.is_buy else price, order.order_id
