"""Requests that the engine sends: `callbacks` to the URL of a request, `webhooks` to the application of the settings.

What the answers mean is `notify.delivery`'s; it is said here in the words of the document.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..notify.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER
from .notices import ORDER_CALLBACKS, POSITION_CALLBACKS
from .samples import CALLBACK_SAMPLES, WEBHOOK_SAMPLES
from .shapes import MS, TEXT, Schema, named

__all__ = ["ANSWERS", "CALLBACKS", "HEADERS", "TAG", "WEBHOOKS"]

TAG = "notifications"
AT_URL = "{$request.body#/callback_url}"


def _header(description: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"in": "header", "description": description, "schema": schema, "required": required}


HEADERS: Mapping[str, Schema] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        **_header("the same for every attempt to deliver this notification", TEXT, required=True),
    },
    "SignedAt": {
        "name": TIMESTAMP_HEADER,
        **_header("unix ms of this attempt; sent where TRADING_APP_SHARED_SECRET is set", MS),
    },
    "Signature": {
        "name": SIGNATURE_HEADER,
        **_header(
            "hex HMAC-SHA256, keyed with the secret, of the timestamp, a line feed and the body",
            {**TEXT, "pattern": "^[0-9a-f]{64}$"},
        ),
    },
    "WebhookToken": {
        "name": "X-Webhook-Token",
        **_header("sent with raw events where RAW_EVENTS_TOKEN is set", TEXT),
    },
}
"""Parameters of the document by name."""

ALWAYS = ("IdempotencyKey", "SignedAt", "Signature")

RETRY_AFTER: Schema = {
    "Retry-After": {
        "description": "it is not sent again before, an hour at most: seconds, or a date",
        "schema": TEXT,
    }
}
ANSWERS: Mapping[str, Schema] = {
    "2XX": {"description": "settled"},
    "409": {"description": "settled: the receiver has it already"},
    "408": {"description": "sent again later", "headers": RETRY_AFTER},
    "429": {"description": "sent again later", "headers": RETRY_AFTER},
    "5XX": {"description": "sent again later, for a day", "headers": RETRY_AFTER},
    "3XX": {"description": "given up: redirects are not followed"},
    "4XX": {"description": "given up: kept in `GET /api/outbox?state=dead`"},
}


def _sent(
    id: str,
    summary: str,
    schema: str,
    samples: Mapping[str, object],
    headers: tuple[str, ...] = ALWAYS,
) -> Schema:
    """A request of the engine's."""
    content: Schema = {"schema": named(schema)}
    content["examples"] = {name: {"value": value} for name, value in samples.items()}
    return {
        "post": {
            "operationId": id,
            "summary": summary,
            "tags": [TAG],
            "security": [],
            "parameters": [{"$ref": f"#/components/parameters/{each}"} for each in headers],
            "requestBody": {"required": True, "content": {"application/json": content}},
            "responses": dict(ANSWERS),
        }
    }


def _samples(*of: Mapping[str, object]) -> Mapping[str, object]:
    return {status: CALLBACK_SAMPLES[status] for each in of for status in each}


CALLBACKS: Mapping[str, Schema] = {
    "onOrderNews": {
        AT_URL: _sent(
            "on_order_news",
            "news of the order, and of the position that it opened",
            "OrderOrPositionCallback",
            _samples(ORDER_CALLBACKS, POSITION_CALLBACKS),
        )
    },
    "onPositionNews": {
        AT_URL: _sent(
            "on_position_news",
            "news of the position",
            "PositionCallback",
            _samples(POSITION_CALLBACKS),
        )
    },
}

WEBHOOKS: Mapping[str, Schema] = {
    "orderSignal": _sent(
        "on_order_signal",
        "an order of the account was submitted, filled or ended: to TRADING_APP_ORDER_SIGNAL_PATH",
        "OrderSignal",
        WEBHOOK_SAMPLES["orderSignal"],
    ),
    "balanceSignal": _sent(
        "on_balance_signal",
        "the account's balance changed: to TRADING_APP_BALANCE_SIGNAL_PATH",
        "BalanceSignal",
        WEBHOOK_SAMPLES["balanceSignal"],
    ),
    "rawEvent": _sent(
        "on_raw_event",
        "a frame of the exchange's private stream: to RAW_EVENTS_URI",
        "RawEvent",
        WEBHOOK_SAMPLES["rawEvent"],
        (*ALWAYS, "WebhookToken"),
    ),
}
