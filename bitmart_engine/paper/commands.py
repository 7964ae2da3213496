"""The controls of `PaperExchange` as one table of commands: a path, what it does, and the fields of its body."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .delays import NAMES
from .instruments import CHANGEABLE
from .oddities import FIELD_WORDS, WORDS
from .wire import Json

if TYPE_CHECKING:
    from .exchange import PaperExchange


ODD_WORDS = ", ".join((*WORDS, *(f"{word}:FIELD" for word in FIELD_WORDS)))


class BadField(ValueError):
    """A field of a command is missing or has the wrong type."""


def text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise BadField("a text")


def price(value: object) -> Decimal:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(value)
        except ArithmeticError:
            pass
    raise BadField('a price such as "65000.5"')


def whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadField("a whole number")


def duration(value: object) -> float:
    if isinstance(value, int | Decimal) and 0 <= value < 1e6 and not isinstance(value, bool):
        return float(value)
    raise BadField("a number of seconds")


def flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise BadField("true or false")


FIELDS: dict[str, Callable[[object], object]] = {
    "code": whole,
    "name": text,
    "ms": whole,
    "symbol": text,
    "price": price,
    "hold": flag,
    "side": text,
    "size": whole,
    "which": text,
    "channel": text,
    "until": text,
    "path": text,
    "times": whole,
    "status": whole,
    "body": text,
    "after": flag,
    "seconds": duration,
    "on": flag,
    "abruptly": flag,
    "how": text,
    "limit": whole,
    "remaining": whole,
    "reset_s": whole,
    "client_order_id": text,
    "tick_size": price,
    "contract_size": price,
    "min_size": whole,
    "max_size": whole,
    "market_max_size": whole,
    "min_leverage": whole,
    "max_leverage": whole,
}


@frozen
class Command:
    """One thing to ask for. `required` and `optional` name fields of `FIELDS`; the example is a whole body."""

    path: str
    what: str
    run: Callable[..., object]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    example: Mapping[str, object] = {}

    def arguments(self, body: Any) -> Json:
        """The arguments in a body (BadField)."""
        if not isinstance(body, dict):
            raise BadField("the body must be a JSON object")
        for name in self.required:
            if name not in body:
                raise BadField(f"{name!r} is missing; a body is {json.dumps(self.example)}")
        known = (*self.required, *self.optional)
        for name, value in body.items():
            if name not in known:
                raise BadField(f"unknown field {name!r}; there are {', '.join(known) or 'none'}")
            try:
                body[name] = FIELDS[name](value)
            except BadField as bad:
                raise BadField(f"{name!r} must be {bad}, not {value!r}") from None
        return body


def commands(exchange: PaperExchange) -> list[Command]:
    """Everything that can be asked for."""
    submit = "/contract/private/submit-order"
    return [
        Command(
            "/price",
            "A trade happens at this price. The market goes on from there; with hold it stays.",
            exchange.set_price,
            ("symbol", "price"),
            ("hold",),
            {"symbol": "BTCUSDT", "price": "65000", "hold": True},
        ),
        Command(
            "/hold",
            "The market leaves a symbol alone; only /price moves it.",
            exchange.hold,
            ("symbol",),
            example={"symbol": "BTCUSDT"},
        ),
        Command(
            "/release",
            "The market moves a symbol again.",
            exchange.release,
            ("symbol",),
            example={"symbol": "BTCUSDT"},
        ),
        Command(
            "/positions/close",
            "The owner closes a position by hand, all of it or `size` contracts.",
            exchange.close_position_by_hand,
            ("symbol", "side"),
            ("size",),
            {"symbol": "BTCUSDT", "side": "long"},
        ),
        Command(
            "/positions/liquidate",
            "The exchange liquidates a position, all of it or `size` contracts.",
            exchange.liquidate,
            ("symbol", "side"),
            ("size",),
            {"symbol": "BTCUSDT", "side": "long"},
        ),
        Command(
            "/faults/drop",
            "Close WebSocket connections without a word: public, private or all.",
            exchange.drop_connections,
            (),
            ("which",),
            {"which": "public"},
        ),
        Command(
            "/faults/freeze",
            "Topics that begin so (`*`: all) go silent until resubscribe, reconnect or forever.",
            exchange.freeze,
            ("channel",),
            ("until",),
            {"channel": "futures/klineBin1m:BTCUSDT", "until": "resubscribe"},
        ),
        Command(
            "/faults/unfreeze",
            "End a freeze; without a channel, all.",
            exchange.unfreeze,
            (),
            ("channel",),
            {"channel": "futures/klineBin1m:BTCUSDT"},
        ),
        Command(
            "/faults/lose-reply",
            "The next requests are taken, their connection closes without an answer.",
            exchange.lose_replies,
            ("path",),
            ("times",),
            {"path": submit, "times": 1},
        ),
        Command(
            "/faults/fail",
            "The next requests are answered with `status`, and not taken unless `after`.",
            exchange.fail,
            ("path",),
            ("times", "status", "body", "after"),
            {"path": submit, "times": 1, "status": 500, "after": False},
        ),
        Command(
            "/faults/delay",
            "The next requests are taken late; with `after` taken at once and answered late.",
            exchange.delay,
            ("path", "seconds"),
            ("times", "after"),
            {"path": submit, "seconds": 2.5, "times": 1, "after": True},
        ),
        Command(
            "/faults/refuse",
            "The next requests are refused with one of the exchange's codes, and not taken.",
            exchange.refuse,
            ("path", "code"),
            ("times",),
            {"path": submit, "code": 40012, "times": 1},
        ),
        Command(
            "/faults/gateway",
            "The next requests (`*`: of any path) get an HTML page: 403 or 502, say; with `after` they are taken.",
            exchange.gateway_error,
            (),
            ("path", "times", "status", "after"),
            {"path": "*", "times": 1, "status": 502, "after": False},
        ),
        Command(
            "/faults/limits",
            "Whether requests beyond the rate limits are refused: with 429, then 418.",
            exchange.enforce_rate_limits,
            (),
            ("on",),
            {"on": True},
        ),
        Command(
            "/delays",
            f"How late something is from now on: {', '.join(NAMES)}.",
            exchange.set_delay,
            ("name", "ms"),
            (),
            {"name": "order_push", "ms": 300},
        ),
        Command(
            "/clock",
            "How far the exchange's clock is ahead of the world's; negative: behind.",
            exchange.set_clock_skew,
            ("ms",),
            (),
            {"ms": 2500},
        ),
        Command(
            "/faults/refuse-logins",
            "Private logins fail: until switched off, or so many times.",
            exchange.refuse_logins,
            (),
            ("on", "times"),
            {"on": True},
        ),
        Command(
            "/faults/refuse-dials",
            "WebSocket handshakes are answered 503; abruptly: closed without a word.",
            exchange.refuse_dials,
            (),
            ("on", "abruptly"),
            {"on": True},
        ),
        Command(
            "/faults/alter-answer",
            f"The next answers say something odd: {ODD_WORDS}.",
            exchange.alter_answer,
            ("path", "how"),
            ("times", "symbol"),
            {"path": "/contract/private/position-v2", "how": "empty", "times": 1},
        ),
        Command(
            "/faults/alter-push",
            "The next pushes of topics that begin so say something odd, in the same words.",
            exchange.alter_push,
            ("channel", "how"),
            ("times", "symbol"),
            {"channel": "futures/order", "how": "without:deal_size", "times": 1},
        ),
        Command(
            "/faults/claim-limits",
            "The rate limit headers of the next answers say this, whatever is so.",
            exchange.claim_limits,
            ("path", "limit", "remaining", "reset_s"),
            ("times",),
            {"path": submit, "limit": 24, "remaining": 24, "reset_s": 600, "times": 1},
        ),
        Command(
            "/faults/refuse-channels",
            "Topics that begin so (`*`: all) cannot be subscribed, until switched off.",
            exchange.refuse_channels,
            (),
            ("channel", "on"),
            {"channel": "*", "on": True},
        ),
        Command(
            "/instrument",
            "A contract is another from now on: its tick, its contract size, its limits.",
            exchange.change_instrument,
            ("symbol",),
            CHANGEABLE,
            {"symbol": "BTCUSDT", "contract_size": "0.01"},
        ),
        Command(
            "/orders/amend",
            "The owner gives a resting order another price, another size, or both.",
            exchange.amend_by_hand,
            ("client_order_id",),
            ("price", "size"),
            {"client_order_id": "abc", "size": 25},
        ),
        Command(
            "/orders/cancel",
            "The owner cancels a working order elsewhere.",
            exchange.cancel_by_hand,
            ("client_order_id",),
            example={"client_order_id": "abc"},
        ),
        Command("/faults/clear", "Nothing goes wrong any more.", exchange.clear_faults),
    ]
