"""What the paper exchange lists and how it behaves: instruments and the configuration.

Everything the protocol leaves unknown is a named parameter here, so that a client can be tested against each
possibility. Nothing in this module acts.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Literal

from attrs import field, frozen
from attrs.validators import in_

Price = Decimal


def digits(value: object) -> int | None:
    """The whole number that a text of up to 18 digits spells; None for anything else."""
    if isinstance(value, str) and len(value) <= 18 and value.isascii() and value.isdecimal():
        return int(value)
    return None


def wire_decimal(value: Decimal) -> str:
    """A decimal as the exchange writes it: plain digits, no exponent, no trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def exact(price: Decimal | str | int) -> Decimal:
    """A price as a decimal; never from a float (TypeError)."""
    if isinstance(price, float):
        raise TypeError(f"a price is a Decimal or a text, not the float {price}")
    try:
        return Decimal(price)
    except InvalidOperation:
        raise ValueError(f"price {price!r} is not a number") from None


def on_grid(price: Decimal, tick_size: Decimal) -> bool:
    """Whether a price is one tick or several; a number beyond all bounds is not."""
    try:
        return price >= tick_size and price % tick_size == 0
    except InvalidOperation:
        return False


def to_grid(price: Decimal, tick_size: Decimal) -> Decimal:
    """The price on the tick grid nearest to `price`."""
    return (price / tick_size).to_integral_value() * tick_size


@frozen
class PaperInstrument:
    """One contract. Sizes are whole contracts; one contract is `contract_size` of the base currency."""

    symbol: str
    price: Decimal
    tick_size: Decimal
    contract_size: Decimal
    min_size: int = 1
    max_size: int = 1_000_000
    market_max_size: int = 500_000
    min_leverage: int = 1
    max_leverage: int = 100
    quote: str = "USDT"

    @property
    def base(self) -> str:
        return self.symbol.removesuffix(self.quote)

    def notional(self, price: Decimal, size: int) -> Decimal:
        """What `size` contracts are worth at `price`, in the quote currency."""
        return price * size * self.contract_size


DEFAULT_SYMBOLS = (
    PaperInstrument(
        "BTCUSDT",
        price=Decimal("65000"),
        tick_size=Decimal("0.1"),
        contract_size=Decimal("0.001"),
    ),
    PaperInstrument(
        "ETHUSDT",
        price=Decimal("3200"),
        tick_size=Decimal("0.01"),
        contract_size=Decimal("0.01"),
    ),
    PaperInstrument(
        "SOLUSDT",
        price=Decimal("150"),
        tick_size=Decimal("0.001"),
        contract_size=Decimal("0.1"),
        max_leverage=50,
    ),
    PaperInstrument(
        "1000PEPEUSDT",
        price=Decimal("0.0102"),
        tick_size=Decimal("0.0000001"),
        contract_size=Decimal("1000"),
        max_leverage=50,
    ),
)


@frozen(kw_only=True)
class PaperConfig:
    """How one paper exchange is set up.

    Ports of 0 mean any free port. `liquidity` is how many contracts of the account's orders one trade can fill
    (None: any number). The parameters of the last group are the behaviours that no source establishes.
    """

    host: str = "127.0.0.1"
    ws_port: int = 0
    rest_port: int = 0
    admin_port: int = 0

    api_key: str = "paper-key"
    api_secret: str = field(default="paper-secret", repr=False)
    api_memo: str = field(default="paper", repr=False)
    seed: int = 0

    symbols: tuple[PaperInstrument, ...] = DEFAULT_SYMBOLS
    balance: Decimal = Decimal("10000")
    maker_fee: Decimal = Decimal("0.0002")
    taker_fee: Decimal = Decimal("0.0006")
    leverage: int = 10
    open_type: Literal["isolated", "cross"] = field(
        default="isolated", validator=in_(("isolated", "cross"))
    )
    position_mode: Literal["hedge_mode", "one_way_mode"] = field(
        default="hedge_mode", validator=in_(("hedge_mode", "one_way_mode"))
    )
    liquidity: int | None = None

    enforce_rate_limits: bool = False

    ticker_interval_s: float = 2.5
    position_interval_s: float = 10
    max_frame_bytes: int = 2150
    send_queue_frames: int = 4096
    idle_close_s: float | None = None

    push_before_reply: bool = False
    """Whether the order push leaves before the REST reply that caused it."""
    pending_push: bool = False
    """Whether a limit order is announced in state 1 (accepted, not yet working) first."""
    maker_only_refusal: Literal["reply", "cancel"] = field(
        default="reply", validator=in_(("reply", "cancel"))
    )
    """A maker-only order that would match: an error reply, or accepted and then cancelled by a push."""
    maker_only_refusal_code: int = 40011
    order_visibility_delay_ms: int = 0
    """How long GET /order answers 40035 for an order that was just taken."""
    fee_sign: Literal[-1, 1] = field(default=-1, validator=in_((-1, 1)))
    """The sign of a cost in an order push's `last_trade.fee`."""
    snapshot_on_subscribe: bool = False
    """Whether a private topic begins with the present state."""
    position_push_when_flat: bool = False
    """Whether the ten-second position push is sent as an empty array when nothing is held."""
    close_more_than_held: Literal["refuse", "cut"] = field(
        default="refuse", validator=in_(("refuse", "cut"))
    )
    """Closing more than is held: refused with 40020, or cut to what is held."""
    ticker_group_suffix: str = ""
    """A speed such as `@100ms` that the ticker's group carries without having been subscribed."""
    timestamp_window_ms: int = 60_000
    """How far the timestamp of a signed request may be from the exchange's clock."""
