"""How one paper exchange is set up: what a test wants, and what the protocol leaves unknown.

Everything that no source establishes is a named parameter here, so that a client can be tried against each
possibility. Each carries where the fact sheet leaves it open and what it decides, as data: `parameters.py` lists them,
and the table of README.md here is made of that. What sections 7.2 and 8 leave open and has no parameter: what the codes
40051 to 40058 mean (the `refuse` fault answers with any code), and in what else demo hosts differ. Nothing here acts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import attrs
from attrs import field, frozen
from attrs.validators import ge, in_, optional

from .instruments import DEFAULT_SYMBOLS, PaperInstrument


def unknown(default: Any, where: str, what: str, *, check: Any = None) -> Any:
    """A parameter for what is not established; `where` are sections of the fact sheet."""
    return field(default=default, validator=check, metadata={"where": where, "what": what})


def one_of(default: Any, *others: Any, where: str, what: str) -> Any:
    """The same, for a choice: the default and the other possibilities."""
    return unknown(default, where, what, check=in_((default, *others)))


AT_LEAST_0 = ge(0)
POSITIVE_OR_NONE = optional(attrs.validators.gt(0))


@frozen(kw_only=True)
class PaperConfig:
    """How one paper exchange is set up.

    Ports of 0 mean any free port. `liquidity` is how many contracts of the account's orders one trade can fill
    (None: any number). The parameters made with `unknown` and `one_of` are the behaviours that no source establishes.
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
    depth_interval_s: float = 1.0
    position_interval_s: float = 10
    max_frame_bytes: int = 2150
    max_connections: int = 500
    send_queue_frames: int = 4096

    # How an order is answered, told and shown

    push_before_reply: bool = unknown(
        False, "7.2", "whether the order push leaves before the REST reply that caused it"
    )
    pending_push: bool = unknown(
        False, "7.2", "whether a limit order is announced in state 1 (accepted, not working) first"
    )
    maker_only_refusal: Literal["reply", "cancel"] = one_of(
        "reply",
        "cancel",
        where="7.2, 8.3",
        what="a maker-only order that would match: an error reply, or taken and then cancelled by a push",
    )
    maker_only_refusal_code: int = unknown(40011, "8.3", "the code of that error reply")
    remainder_push: Literal["cancel", "finish"] = one_of(
        "cancel",
        "finish",
        where="8.3",
        what="what is left of an IOC or FOK order: a cancel event, or only state 4 in its last event",
    )
    cancel_event_state: Literal[4, 2] = one_of(
        4, 2, where="8.3", what="the state in a cancel event; a documents' sample has 2"
    )
    plan_order_push: bool = unknown(
        False, "8.2", "whether plan orders are pushed while they wait, with type `plan_order`"
    )
    fee_sign: Literal[-1, 1] = one_of(
        -1, 1, where="7.2, 8.6", what="the sign of a cost in an order push's `last_trade.fee`"
    )
    paid_fees_sign: Literal[1, -1] = one_of(
        1, -1, where="8.6", what="the sign of a cost in `paid_fees` of a trades row"
    )
    market_order_price: Literal["zero", "protective"] = one_of(
        "zero",
        "protective",
        where="7 (12)",
        what="the price that a market order shows: 0, or the worst it could have been filled at",
    )
    empty_reply: Literal["object", "null", "absent"] = one_of(
        "object", "null", "absent", where="7 (27)", what="the `data` of a reply that says nothing"
    )

    # What can be read, and when

    order_visibility_delay_ms: int = unknown(
        0,
        "7.2, 8.4",
        "how long GET order does not know an order that was just taken",
        check=AT_LEAST_0,
    )
    order_invisible_as: Literal["code", "http"] = one_of(
        "code",
        "http",
        where="8.4",
        what="what it answers meanwhile: code 40035, or a bare HTTP 404",
    )
    listing_delay_ms: int = unknown(
        0, "8.4", "how long lists of orders and fills lack what just happened", check=AT_LEAST_0
    )
    finished_readable_s: float | None = unknown(
        None,
        "8.4",
        "how long GET order knows an order that has ended; none: always",
        check=POSITIVE_OR_NONE,
    )
    kline_bounds: Literal["both", "start", "end", "neither"] = one_of(
        "both",
        "start",
        "end",
        "neither",
        where="8.10",
        what="which of start_time and end_time a bar may open at",
    )
    kline_running_bar: bool = unknown(True, "8.10", "whether history has the running bar")

    # Account and orders

    close_more_than_held: Literal["refuse", "cut"] = one_of(
        "refuse",
        "cut",
        where="8.9",
        what="closing more than is held: refused with 40020, or cut to what is held",
    )
    client_order_id_reuse_s: float | None = unknown(
        None,
        "8.8",
        "after how long a client order id may be used again; none: never",
        check=POSITIVE_OR_NONE,
    )
    cancel_all_after_plans: bool = unknown(
        False, "8.9", "whether cancel-all-after takes plan and trailing orders, too"
    )
    same_position_mode: Literal["checked", "accepted", "refused"] = one_of(
        "checked",
        "accepted",
        "refused",
        where="8.9",
        what="setting the position mode there is: refused only if something is held or open, never, always",
    )
    position_mode_refusal_status: int = unknown(400, "8.5", "the HTTP status of 40059")

    # Pushes

    snapshot_on_subscribe: bool = unknown(
        False, "7.2, 8.2", "whether a private topic begins with the present state"
    )
    position_push_when_flat: bool = unknown(
        False, "8.2", "whether the ten-second position push is sent, empty, when nothing is held"
    )
    zero_position_push: bool = unknown(
        True, "8.2", "whether a position that closes is pushed once with hold_volume 0"
    )
    one_way_position_push: Literal["unsigned", "signed"] = one_of(
        "unsigned",
        "signed",
        where="8.2",
        what="a short in one-way mode: position_type 2, or position_type 1 and a negative hold_volume",
    )
    ticker_group_suffix: str = unknown(
        "", "7 (8)", "a speed such as `@100ms` that the ticker's group carries unasked"
    )
    trades_on_subscribe: int = unknown(
        0,
        "8.1",
        "how many past trades, however old, a trade topic begins with",
        check=AT_LEAST_0,
    )
    bars_on_subscribe: int = unknown(
        0, "8.1", "how many past bars, however old, a kline topic begins with", check=AT_LEAST_0
    )
    kline_interval_s: float = unknown(
        0.0,
        "8.1",
        "a running bar is pushed at most once in so many seconds; 0: on every trade",
        check=AT_LEAST_0,
    )
    kline_shape: Literal["items", "flat"] = one_of(
        "items", "flat", where="7 (2)", what="a kline push: with items, or flat as documented"
    )
    kline_ts_offset_s: int = unknown(
        0, "7 (3)", "seconds by which a kline push's ts is late; 1 in 2023", check=AT_LEAST_0
    )
    mark_price_kline_shape: Literal["items", "flat"] = one_of(
        "items", "flat", where="8.1", what="the same of a mark price kline push"
    )
    extra_kline_bins: tuple[str, ...] = unknown(
        (),
        "8.1",
        "further kline channels there are: 6H, 12H",
        check=attrs.validators.deep_iterable(in_(("6H", "12H"))),
    )
    unicast: bool = unknown(
        False, "8.10", "whether futures/unicast can be subscribed; it never says anything"
    )

    # The socket

    frames: Literal["text", "deflate"] = one_of(
        "text", "deflate", where="3.4", what="frames: text, or binary with raw deflate (wbits -15)"
    )
    pong: Literal["group", "text", "action"] = one_of(
        "group",
        "text",
        "action",
        where="7 (5), 3.3",
        what="the answer to a ping: in a group, the bare text `pong` as documented, or an action",
    )
    frame_newline: bool = unknown(False, "2.3", "whether the text of a frame ends in a line feed")
    idle_close_s: float | None = unknown(
        None,
        "7.2, 8.7",
        "after how long without a client's frame a connection is closed; none: never",
        check=POSITIVE_OR_NONE,
    )
    max_topics: int | None = unknown(
        None, "8.7", "topics of one connection; one more closes it", check=POSITIVE_OR_NONE
    )
    max_private_connections: int | None = unknown(
        None,
        "8.7",
        "private connections there may be; one more is closed",
        check=POSITIVE_OR_NONE,
    )
    max_messages_10_s: int | None = unknown(
        None,
        "8.7",
        "frames a client may send in 10 s; one more closes its connection",
        check=POSITIVE_OR_NONE,
    )
    session_expiry_s: float | None = unknown(
        None, "8.7", "how long a login is good; then it is closed", check=POSITIVE_OR_NONE
    )
    second_login: Literal["accepted", "refused"] = one_of(
        "accepted", "refused", where="8.7", what="a login on a connection that is logged in"
    )
    limit_close_code: int = unknown(1000, "8.7", "the close code of those closes")
    login_close_code: int = unknown(1000, "8.7", "the close code after a login that failed")

    # Times, limits, delays

    timestamp_window_ms: int = unknown(
        60_000,
        "7.2, 8.5",
        "how far a signed request's timestamp may be from the exchange's clock; 5,000 in other documents",
        check=AT_LEAST_0,
    )
    timestamp_rule: Literal["both sides", "behind"] = one_of(
        "both sides",
        "behind",
        where="2.2, 8.5",
        what="whether that holds on both sides of the clock, or behind it only and ahead of it 1 s",
    )
    clock_skew_ms: int = unknown(0, "2.2", "how far the exchange's clock is ahead of the world's")
    rate_limit_factor: float = unknown(
        1.0,
        "8.10",
        "the rate limits of demo hosts, as a part of the documented ones",
        check=attrs.validators.gt(0),
    )
    ban_after: int = unknown(
        10,
        "8.8",
        "requests beyond the limits, answered 429, after which everything is answered 418",
        check=ge(1),
    )
    ban_s: float = unknown(60.0, "8.8", "how long a 418 lasts", check=AT_LEAST_0)
    reply_delay_ms: int = unknown(0, "8.4", "how late REST replies are", check=AT_LEAST_0)
    order_push_delay_ms: int = unknown(0, "8.4", "how late order pushes are", check=AT_LEAST_0)
    position_push_delay_ms: int = unknown(
        0, "8.4", "how late position pushes are", check=AT_LEAST_0
    )
    asset_push_delay_ms: int = unknown(0, "8.4", "how late balance pushes are", check=AT_LEAST_0)
    market_push_delay_ms: int = unknown(
        0, "8.1", "how late klines, trades, tickers and books are", check=AT_LEAST_0
    )
