"""Refusals as the contract has them: every error that there is, by its status."""

from __future__ import annotations

from collections.abc import Mapping

from .shapes import TEXT, Schema, named

__all__ = ["NOT_READY", "RESPONSES", "refused"]

NOT_READY = "NotReady"
"""The 503 of GET /readyz: it says what is missing."""


def _refusal(
    description: str,
    error: str,
    field: str = "",
    header: str = "",
    shape: str = "Error",
    **more: object,
) -> Schema:
    where = {"field": field} if field else {}
    made: Schema = {
        "description": description,
        "content": {
            "application/json": {
                "schema": named(shape),
                "example": {"ok": False, "error": error, **where, **more},
            }
        },
    }
    if header:
        made["headers"] = {header: {"schema": TEXT, "required": True}}
    return made


BY_STATUS: Mapping[int, tuple[str, Schema]] = {
    400: (
        "BadRequest",
        _refusal("malformed, or out of range: `field` is at fault", "is missing", "$.side"),
    ),
    401: (
        "Unauthorized",
        _refusal(
            "the token is missing or wrong",
            "the header 'Authorization: Bearer <CTRL_TOKEN>' is missing or wrong",
            header="WWW-Authenticate",
        ),
    ),
    403: (
        "Forbidden",
        _refusal("without a token only this machine is served", "only this machine is served"),
    ),
    404: ("NotFound", _refusal("there is no such thing", "no order has the id 'order-123'")),
    408: ("BodyTimeout", _refusal("the body did not come in time", "the body did not come")),
    409: (
        "Conflict",
        _refusal("it conflicts with what is there", "the protection is closed", "$.id"),
    ),
    413: ("TooLarge", _refusal("the body is larger than 64 KiB", "the body has 70000 bytes")),
    415: ("NotJson", _refusal("the body is not JSON", "the body is text/plain")),
    500: (
        "Crashed",
        _refusal(
            "a fault of the engine, in its log under `error_id`",
            "internal error",
            shape="Crash",
            error_id="6f1d2c",
        ),
    ),
    503: (
        "Unavailable",
        _refusal(
            "the engine cannot do that now; ask again after `Retry-After` seconds",
            "the exchange does not answer",
            header="Retry-After",
        ),
    ),
}

RESPONSES: Mapping[str, Schema] = {
    **dict(BY_STATUS.values()),
    NOT_READY: _refusal(
        "what is missing before an order can be trusted to it",
        "not ready",
        header="Retry-After",
        shape="NotReady",
        ready=False,
        missing=["private stream"],
    ),
}
"""Every refusal, by its name."""


def refused(status: int) -> str:
    """The name of the refusal that a status stands for."""
    return BY_STATUS[status][0]
