"""The exchange's error codes, as data, and the exception that carries one of them to the reply."""

from __future__ import annotations

from typing import Final

OK: Final = 1000

# code -> (HTTP status, message)
ERRORS: Final[dict[int, tuple[int, str]]] = {
    30000: (404, "Not found"),
    30001: (401, "Header X-BM-KEY is empty"),
    30002: (401, "Header X-BM-KEY not found"),
    30004: (401, "Header X-BM-SIGN is empty"),
    30005: (401, "Header X-BM-SIGN is wrong"),
    30006: (401, "Header X-BM-TIMESTAMP is empty"),
    30007: (401, "Header X-BM-TIMESTAMP range. Within a minute"),
    30008: (401, "Header X-BM-TIMESTAMP invalid format"),
    30003: (401, "Header X-BM-KEY has frozen"),
    30010: (403, "IP is not allowed"),
    30011: (403, "Header X-BM-KEY is expired"),
    30012: (403, "Header X-BM-KEY is forbidden to request it"),
    30013: (429, "Request too many requests"),
    30014: (503, "Service unavailable"),
    30016: (200, "Service maintenance, the function is temporarily unavailable"),
    30017: (
        418,
        "Your account request is temporarily rejected due to violation of current limiting rules",
    ),
    30018: (503, "Request body is not JSON"),
    30019: (200, "You do not have the permission to perform this operation"),
    40007: (400, "Parameters cannot be parsed"),
    40011: (400, "Invalid parameter"),
    40012: (400, "Invalid order"),
    40013: (400, "Too frequent"),
    40014: (400, "The contract is offline"),
    40015: (400, "The contract is paused"),
    40016: (400, "The order would cause liquidation"),
    40018: (400, "The position is closed"),
    40019: (400, "The position is in liquidation"),
    40020: (400, "The position volume is not enough"),
    40021: (400, "The position is not exist"),
    40027: (400, "The balance is not enough"),
    40028: (400, "Too many plan orders"),
    40029: (400, "The leverage is too large"),
    40030: (400, "The leverage is too small"),
    40034: (400, "The Symbol is not exist"),
    40035: (400, "The order is not exist"),
    40036: (400, "The order status is invalid"),
    40037: (400, "The order id is not exist"),
    40038: (400, "Invalid K-Line Step"),
    40039: (400, "The timestamp is invalid"),
    40040: (400, "Invalid Leverage"),
    40041: (400, "Invalid order side"),
    40042: (400, "Invalid order type"),
    40043: (400, "Invalid precision"),
    40044: (400, "Invalid range"),
    40045: (400, "Invalid open type"),
    40046: (403, "Futures are not activated"),
    40047: (403, "The region is restricted"),
    40048: (403, "The client_order_id may only hold letters and digits"),
    40049: (403, "The client_order_id is longer than 32 characters"),
    40050: (403, "The client_order_id was used before"),
    40059: (400, "Some positions exist and the mode switching fails."),
    25601: (400, "Service is suspended for an upgrade"),
    42000: (200, "The balance is not enough"),
}


class Refusal(Exception):
    """The exchange refuses a request: nothing was changed, the reply carries `code`."""

    def __init__(self, code: int, message: str | None = None, *, status: int | None = None) -> None:
        self.code = code
        usual, standard = ERRORS.get(code, (400, "Invalid parameter"))
        self.status = status or usual
        self.message = message or standard
        super().__init__(f"{code} {self.message}")


class NoPage(Exception):
    """A bare HTTP 404, as a gateway would answer that knows nothing of the exchange's codes."""
