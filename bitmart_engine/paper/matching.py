"""The machinery of the books: orders enter, fill and end here, and what that changes is told.

How orders fill: a trade at a price fills every resting buy at or above it and every resting sell at or below it, at
the order's own price, best price first, oldest first. An order that is better than the last price when it arrives
(a buy above it, a sell below it) fills at the last price, as a taker. A market order fills at the last price.
`config.liquidity` bounds how many contracts one trade, or one arriving order, can fill; the rest waits for the next
trade. The account's own orders make no public trades.

What is asked of the books, and what the market does to them, is in `books.py`.
"""

from __future__ import annotations

import random
from decimal import Decimal

import attrs

from .account import Account
from .account_view import AccountView
from .config import PaperConfig
from .instruments import to_grid
from .ledger import Ledger
from .orders import ZERO, Action, Direction, Fill, Order, OrderRequest, State, crosses, entered
from .pending import Pending
from .plans import Plan, Plans
from .positions import Position
from .pushes import OrderPush, Push

PROTECTION = Decimal("0.0005")
"""How far from the last price a market order's protective price is, as a part of it."""


class Matching:
    """What the exchange knows of the account. Every change adds to the pushes that `take_pushes` hands out."""

    def __init__(self, config: PaperConfig, rng: random.Random) -> None:
        self.config = config
        self.account = Account(config)
        self.last = {instrument.symbol: instrument.price for instrument in config.symbols}
        self.ledger = Ledger(list(self.last), rng)
        self.account_view = AccountView(self.account, self.ledger, self.last)
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

    # -- the life of an order -----------------------------------------------------------------

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

    def cancel(self, order_id: int, now_ms: int, action: Action = Action.CANCELLED) -> None:
        """End a working order, whatever part of it is filled."""
        ended = attrs.evolve(self.orders[order_id], state=State.FINISHED, update_ms=now_ms)
        self.ledger.put(ended)
        told = attrs.evolve(ended, state=State(self.config.cancel_event_state))
        self._pushes.append(OrderPush(action=action, order=told))
        self._tell_balance()

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

    def _protective_price(self, request: OrderRequest) -> Decimal:
        """What a market order shows in place of a price."""
        if request.price is not None or self.config.market_order_price == "zero":
            return ZERO
        distance = PROTECTION if request.side.is_buy else -PROTECTION
        tick_size = self.account.instruments[request.symbol].tick_size
        return to_grid(self.last[request.symbol] * (1 + distance), tick_size)

    # -- what follows -------------------------------------------------------------------------

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
            self._pushes.append(self.account_view.position(position))

    def _tell_balance(self) -> None:
        self._pushes.append(self.account_view.balance())
