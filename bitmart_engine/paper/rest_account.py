"""The private REST calls about the account: positions, balance, fees, settings, what moved the balance. Synchronous."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from . import views
from .account import Transfer
from .books import Books
from .codes import Refusal
from .instruments import wire_decimal
from .orders import Direction
from .rest_public import seconds
from .validation import instrument_of, leverage_of, open_type_of, optional_symbol, whole
from .wire import Json

Params = Mapping[str, Any]
DAY_MS = 86_400_000
PAGE, LARGEST_PAGE = 100, 1000
CLAIM = Decimal(10)


class AccountDesk:
    """Answers the account's owner; who that is has been checked before."""

    def __init__(self, books: Books, now_ms: Callable[[], int]) -> None:
        self._books = books
        self._now_ms = now_ms
        self._instruments = books.account.instruments
        self.keyed: dict[str, Callable[[Params], object]] = {
            "/contract/private/position": self.position,
            "/contract/private/position-v2": self.position_v2,
            "/contract/private/position-risk": self.position_risk,
            "/contract/private/get-position-mode": self.position_mode,
            "/contract/private/assets-detail": self.assets,
            "/contract/private/trade-fee-rate": self.fee_rate,
            "/contract/private/transaction-history": self.transactions,
        }
        self.signed: dict[str, Callable[[Params], object]] = {
            "/contract/private/submit-leverage": self.submit_leverage,
            "/contract/private/set-position-mode": self.set_position_mode,
            "/contract/private/claim": self.claim,
            "/account/v1/transfer-contract": self.transfer,
            "/account/v1/transfer-contract-list": self.transfers,
        }

    # -- reading ------------------------------------------------------------------------------

    def position(self, query: Params) -> list[Json]:
        """Positions held."""
        symbol, books = optional_symbol(query, self._instruments), self._books
        return [
            views.position(held, books.account, books.last, self._now_ms())
            for held in books.positions.values()
            if symbol in (None, held.symbol)
        ]

    def position_v2(self, query: Params) -> list[Json]:
        """With a symbol its rows, held or not; without one what is held."""
        symbol = optional_symbol(query, self._instruments)
        books = self._books
        hedged = books.account.position_mode == "hedge_mode"
        rows = list(books.positions.values())
        if symbol is not None and hedged:
            rows = [books.account.position(symbol, direction) for direction in Direction]
        elif symbol is not None:
            held = [row for row in rows if row.symbol == symbol]
            rows = held or [books.account.position(symbol, Direction.LONG)]
        return [views.position_v2(row, books.account, books.last, self._now_ms()) for row in rows]

    def position_risk(self, query: Params) -> list[Json]:
        """Positions held, and what liquidates them."""
        symbol, books = optional_symbol(query, self._instruments), self._books
        return [
            views.position_risk(held, books.account, books.last)
            for held in books.positions.values()
            if symbol in (None, held.symbol)
        ]

    def position_mode(self, query: Params) -> Json:
        return {"position_mode": self._books.account.position_mode}

    def assets(self, query: Params) -> list[Json]:
        return [views.assets(self._books)]

    def fee_rate(self, query: Params) -> Json:
        config = self._books.config
        return {
            "symbol": instrument_of(query, self._instruments).symbol,
            "taker_fee_rate": wire_decimal(config.taker_fee),
            "maker_fee_rate": wire_decimal(config.maker_fee),
        }

    def transactions(self, query: Params) -> list[Json]:
        """What moved the balance, the newest first; of the last seven days unless told."""
        symbol = optional_symbol(query, self._instruments)
        flow_type = seconds(query, "flow_type", default=0)
        end_ms = seconds(query, "end_time", default=self._now_ms())
        start_ms = seconds(query, "start_time", default=end_ms - 7 * DAY_MS)
        size = seconds(query, "page_size", default=PAGE)
        if flow_type not in (0, *views.FLOW_TYPES) or not 1 <= size <= LARGEST_PAGE:
            raise Refusal(40011)
        rows = [
            row
            for at_ms, kind, row in views.transactions(self._books)
            if symbol in (None, row["symbol"])
            and flow_type in (0, kind)
            and start_ms <= at_ms <= end_ms
        ]
        return rows[:size]

    # -- acting -------------------------------------------------------------------------------

    def submit_leverage(self, body: Params) -> Json:
        account = self._books.account
        instrument = instrument_of(body, self._instruments)
        leverage = leverage_of(body)
        if leverage is None:
            leverage = account.leverage[instrument.symbol]
        open_type = open_type_of(body)
        if open_type is None:
            raise Refusal(40045)
        account.set_leverage(instrument.symbol, leverage, open_type)
        return {
            "symbol": instrument.symbol,
            "leverage": str(leverage),
            "open_type": open_type,
            "max_value": str(instrument.max_leverage),
        }

    def set_position_mode(self, body: Params) -> Json:
        mode = body.get("position_mode")
        if mode not in ("hedge_mode", "one_way_mode"):
            raise Refusal(40011)
        self._books.account.set_position_mode(mode, self._books.ledger.working())
        return {"position_mode": mode}

    # -- money --------------------------------------------------------------------------------

    def claim(self, body: Params) -> Json:
        """A gift, as demo accounts get it."""
        self._move(CLAIM)
        return {"currency": "USDT", "amount": wire_decimal(CLAIM)}

    def transfer(self, body: Params) -> Json:
        """From the spot account, which never ends, or to it."""
        check_receive_window(body)
        if body.get("currency") != "USDT":
            raise Refusal(40011)
        amount = amount_of(body)
        match body.get("type"):
            case "spot_to_contract":
                self._move(amount)
            case "contract_to_spot":
                self._move(-amount)
            case _:
                raise Refusal(40011)
        return {"currency": "USDT", "amount": wire_decimal(amount)}

    def transfers(self, body: Params) -> Json:
        """Transfers, the newest first, in pages."""
        check_receive_window(body)
        page, limit = whole(body.get("page")), whole(body.get("limit"))
        if not 1 <= page <= 1000 or not 10 <= limit <= 100:
            raise Refusal(40011)
        start_ms = whole(body.get("time_start") or 0)
        end_ms = whole(body.get("time_end") or self._now_ms())
        wanted = [
            one
            for one in reversed(self._books.account.transfers)
            if start_ms <= one.at_ms <= end_ms and body.get("currency") in (None, "", "USDT")
        ]
        records = [
            {
                "transfer_id": str(one.transfer_id),
                "currency": "USDT",
                "amount": wire_decimal(abs(one.amount)),
                "type": "spot_to_contract" if one.amount > 0 else "contract_to_spot",
                "state": "FINISHED",
                "timestamp": one.at_ms,
            }
            for one in wanted[(page - 1) * limit : page * limit]
        ]
        return {"records": records}

    def _move(self, amount: Decimal) -> None:
        self._books.transfer(
            Transfer(
                transfer_id=self._books.ledger.new_order_id(), amount=amount, at_ms=self._now_ms()
            )
        )


def amount_of(body: Params) -> Decimal:
    """An amount of money: a positive number (40011) with eight decimals at most (40005)."""
    value = body.get("amount")
    if not isinstance(value, str | int | Decimal) or isinstance(value, bool):
        raise Refusal(40011)
    try:
        amount = Decimal(value)
        if not 0 < amount <= 10**10:
            raise Refusal(40011)
        if amount != round(amount, 8):
            raise Refusal(40005)
    except ArithmeticError:
        raise Refusal(40011) from None
    return amount


def check_receive_window(body: Params) -> None:
    """`recvWindow`, where it is given, is a whole number of ms up to 60,000 (30007)."""
    window = body.get("recvWindow", 5000)
    if not isinstance(window, int) or isinstance(window, bool) or not 0 < window <= 60_000:
        raise Refusal(30007)
