"""The account: balance, positions, leverage settings, and what is locked of the balance.

Pure arithmetic over plain data. It never matches an order and never tells anybody anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import frozen

from .codes import Refusal
from .config import PaperConfig
from .instruments import PaperInstrument
from .orders import ZERO, Direction, Order, OrderRequest, Side
from .positions import Position, shown

ONE_WAY = "one_way_mode"


@frozen(kw_only=True)
class Transfer:
    """Money that came in (positive) or went out."""

    transfer_id: int
    amount: Decimal
    at_ms: int


class Account:
    """One account's money and positions. `positions` holds only what is held; flat ones are absent."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.instruments = {instrument.symbol: instrument for instrument in config.symbols}
        self.balance = config.balance
        self.position_mode: str = config.position_mode
        self.positions: dict[tuple[str, Direction], Position] = {}
        self.transfers: list[Transfer] = []
        self.leverage = {
            symbol: max(instrument.min_leverage, min(config.leverage, instrument.max_leverage))
            for symbol, instrument in self.instruments.items()
        }
        self.open_type: dict[str, str] = dict.fromkeys(self.instruments, config.open_type)

    def position(self, symbol: str, direction: Direction) -> Position:
        """The position held, or a flat one."""
        held = self.positions.get((symbol, direction))
        if held is not None:
            return held
        contract_size = self.instruments[symbol].contract_size
        return Position(symbol=symbol, direction=direction, contract_size=contract_size)

    def holds(self, symbol: str) -> bool:
        """Whether anything is held of a symbol, on either side."""
        return any((symbol, direction) in self.positions for direction in Direction)

    def legs(self, side: Side, symbol: str, size: int) -> tuple[int, int]:
        """How a fill of `size` splits into contracts that close a position and contracts that open one."""
        if self.position_mode != ONE_WAY:
            return (size, 0) if side.is_close else (0, size)
        against = Direction.SHORT if side.is_buy else Direction.LONG
        closing = min(size, self.position(symbol, against).size)
        return closing, size - closing

    def apply(
        self, side: Side, symbol: str, price: Decimal, size: int, fee_rate: Decimal, now_ms: int
    ) -> tuple[list[Position], Decimal, Decimal]:
        """Book a fill: the positions it changed, the profit it realised and the fee it cost."""
        instrument = self.instruments[symbol]
        closing, opening = self.legs(side, symbol, size)
        buys = Direction.LONG if side.is_buy else Direction.SHORT
        changed: list[Position] = []
        profit = total_fee = ZERO
        if closing:
            fee = shown(instrument.notional(price, closing) * fee_rate)
            before = self.position(symbol, buys.opposite)
            position, profit = before.closed(price, closing, fee, now_ms)
            changed.append(position)
            total_fee += fee
        if opening:
            fee = shown(instrument.notional(price, opening) * fee_rate)
            changed.append(self.position(symbol, buys).opened(price, opening, fee, now_ms))
            total_fee += fee
        for position in changed:
            if position.size:
                self.positions[symbol, position.direction] = position
            else:
                self.positions.pop((symbol, position.direction), None)
        self.balance += profit - total_fee
        return changed, profit, total_fee

    def transfer(self, transfer: Transfer, available: Decimal) -> None:
        """Move money in or out; no more goes out than is available (42000)."""
        if -transfer.amount > available:
            raise Refusal(42000)
        self.balance += transfer.amount
        self.transfers.append(transfer)

    # -- margin -------------------------------------------------------------------------------

    def order_margin(self, order: Order, last: Decimal) -> Decimal:
        """What a working order locks: the margin of the part that would open a position."""
        _, opening = self.legs(order.side, order.symbol, order.remaining)
        instrument = self.instruments[order.symbol]
        return shown(instrument.notional(order.price or last, opening) / order.leverage)

    def position_margin(self) -> Decimal:
        """What all positions lock together."""
        return sum(
            (held.margin(self.leverage[held.symbol]) for held in self.positions.values()), ZERO
        )

    def unrealised(self, last: Mapping[str, Decimal]) -> Decimal:
        """The profit that closing everything at the last prices would realise."""
        return sum((p.unrealised(last[p.symbol]) for p in self.positions.values()), ZERO)

    def check_affordable(
        self, request: OrderRequest, last: Decimal, leverage: int, available: Decimal
    ) -> None:
        """Refuse (42000) an order whose margin and fee the available balance does not cover."""
        _, opening = self.legs(request.side, request.symbol, request.size)
        value = self.instruments[request.symbol].notional(request.price or last, opening)
        if opening and value / leverage + value * self.config.taker_fee > available:
            raise Refusal(42000)

    # -- settings -----------------------------------------------------------------------------

    def settings_for(self, request: OrderRequest) -> tuple[int, str]:
        """The leverage and margin type an order would have; refused if they contradict a position."""
        symbol = request.symbol
        leverage = self.leverage[symbol] if request.leverage is None else request.leverage
        open_type = request.open_type or self.open_type[symbol]
        if request.side.is_close:
            return self.leverage[symbol], self.open_type[symbol]
        check_leverage(self.instruments[symbol], leverage)
        if self.holds(symbol) and leverage != self.leverage[symbol]:
            raise Refusal(40040)
        if self.holds(symbol) and open_type != self.open_type[symbol]:
            raise Refusal(40012)
        return leverage, open_type

    def set_leverage(self, symbol: str, leverage: int, open_type: str) -> None:
        """Change a symbol's leverage and margin type; refused (40040) while a position differs."""
        check_leverage(self.instruments[symbol], leverage)
        unchanged = (leverage, open_type) == (self.leverage[symbol], self.open_type[symbol])
        if self.holds(symbol) and not unchanged:
            raise Refusal(40040)
        self.leverage[symbol] = leverage
        self.open_type[symbol] = open_type

    def set_position_mode(self, mode: str, working: Iterable[Order]) -> None:
        """Switch between hedge and one-way; refused (40059) with any position or working order."""
        refusal = Refusal(40059, status=self.config.position_mode_refusal_status)
        if mode == self.position_mode and self.config.same_position_mode != "checked":
            if self.config.same_position_mode == "refused":
                raise refusal
            return
        if self.positions or any(True for _ in working):
            raise refusal
        self.position_mode = mode


def check_leverage(instrument: PaperInstrument, leverage: int) -> None:
    """Refuse a leverage outside the instrument's range."""
    if leverage > instrument.max_leverage:
        raise Refusal(40029)
    if leverage < instrument.min_leverage:
        raise Refusal(40030)
