"""How the account stands at this moment: what is locked, what is available, what would be pushed. Only reads."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .account import Account
from .ledger import Ledger
from .orders import ZERO, Action, Direction
from .positions import Position
from .pushes import BalancePush, OrderPush, PositionPush


class AccountView:
    """A view of account, ledger and last prices together."""

    def __init__(self, account: Account, ledger: Ledger, last: Mapping[str, Decimal]) -> None:
        self._account = account
        self._ledger = ledger
        self._last = last

    def order_margin(self) -> Decimal:
        """What working orders lock of the balance."""
        margin = self._account.order_margin
        return sum((margin(o, self._last[o.symbol]) for o in self._ledger.working()), ZERO)

    def available(self) -> Decimal:
        """What is left of the balance for new orders."""
        return self._account.balance - self._account.position_margin() - self.order_margin()

    def unrealised(self) -> Decimal:
        """The profit that closing everything at the last prices would realise."""
        return self._account.unrealised(self._last)

    def frozen_size(self, symbol: str, direction: Direction) -> int:
        """Contracts of a position that working orders are about to close."""
        return sum(order.remaining for order in self._ledger.closing(symbol, direction))

    def balance(self) -> BalancePush:
        return BalancePush(
            available=self.available(),
            position_margin=self._account.position_margin(),
            order_margin=self.order_margin(),
        )

    def position(self, position: Position) -> PositionPush:
        symbol = position.symbol
        return PositionPush(
            position=position,
            frozen_size=self.frozen_size(symbol, position.direction),
            leverage=self._account.leverage[symbol],
            open_type=self._account.open_type[symbol],
            position_mode=self._account.position_mode,
        )

    def positions(self) -> list[PositionPush]:
        """All positions held."""
        return [self.position(held) for held in self._account.positions.values()]

    def orders(self) -> list[OrderPush]:
        """All working orders."""
        return [OrderPush(action=Action.SUBMITTED, order=order) for order in self._ledger.working()]
