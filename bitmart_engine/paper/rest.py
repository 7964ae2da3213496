"""The REST app: real paths, headers checked, and the exchange's envelope around every reply.

What a call does is in `rest_public.py` and `rest_private.py`; this module only opens and closes the letter.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from .codes import OK, NoPage, Refusal
from .config import PaperConfig
from .fault_front import App, Message, Receive, Scope, Send, current_gate, read_body
from .hub import Gate
from .instruments import digits
from .limits import RateLimits
from .rest_private import PrivateDesk
from .rest_public import PublicDesk
from .signing import same, signature
from .wire import NOT_JSON, Json, encode

Call = Callable[[Mapping[str, Any]], object]
Check = Callable[[Mapping[str, str], Mapping[str, str], str], Mapping[str, Any]]
"""Headers (names in lower case), query and body of a request that may ask: what it asks with. Raises Refusal."""
Reply = tuple[int, str, str]
"""Status, content type and body."""
JSON, TEXT = "application/json", "text/plain"
AHEAD_MS = 1000
"""How far a timestamp may be ahead of the exchange's clock by the newer rule, exclusive. Source: fact sheet 2.2."""


def make_rest_app(
    config: PaperConfig,
    public: PublicDesk,
    private: PrivateDesk,
    limits: RateLimits,
    now_ms: Callable[[], int],
    rng: Random,
    settle: Callable[[Gate | None], None],
    window_ms: Callable[[], int],
) -> App:
    """The ASGI app. `settle` is called after every call that may have changed the books, `window_ms` says how old a
    timestamp may be.
    """
    keys = KeyDesk(config, now_ms, window_ms)
    checks: tuple[tuple[str, Mapping[str, Call], Check], ...] = (
        ("GET", public.routes, lambda headers, query, text: query),
        ("GET", private.keyed, lambda headers, query, text: keys.keyed(headers, query)),
        ("POST", private.signed, lambda headers, query, text: keys.signed(headers, text)),
    )
    routes = {
        (method, path): (call, check)
        for method, calls, check in checks
        for path, call in calls.items()
    }

    def envelope(status: int, body: Json) -> Reply:
        trace = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        return status, JSON, encode({**body, "trace": trace})

    def told(data: object) -> Json:
        if data != {} or config.empty_reply == "object":
            return {"data": data}
        return {"data": None} if config.empty_reply == "null" else {}

    def answer(call: Call, check: Check, scope: Scope, text: str, refusal: int | None) -> Reply:
        try:
            if refusal is not None:
                raise Refusal(refusal)
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in scope["headers"]
            }
            data = call(check(headers, query_of(scope), text))
            return envelope(200, {"code": OK, "message": "Ok", **told(data)})
        except Refusal as refused:
            body = {"code": refused.code, "message": refused.message, "data": None}
            return envelope(refused.status, body)
        except NoPage:
            return 404, TEXT, "404 page not found"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found = routes.get((scope["method"], scope["path"]))
        text = (await read_body(receive)).decode(errors="replace")
        if found is None:
            await reply(send, envelope(404, {"code": 30000, "msg": "Not found"}), {})
            return
        count = limits.count(scope["path"], now_ms())
        content = answer(*found, scope, text, count.refusal)
        settle(current_gate.get())
        await reply(send, content, count.headers())

    return app


def query_of(scope: Scope) -> dict[str, str]:
    """The query of a request; of a name that is given twice the first value."""
    pairs = parse_qsl(scope["query_string"].decode(errors="replace"), keep_blank_values=True)
    return dict(reversed(pairs))


async def reply(send: Send, content: Reply, headers: Mapping[str, str]) -> None:
    """Send an answer."""
    status, kind, text = content
    body = text.encode()
    all_headers = {"content-type": kind, "content-length": str(len(body)), **headers}
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.lower().encode(), value.encode()) for name, value in all_headers.items()],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})


class KeyDesk:
    """Checks who is asking, and that a signed body is what was signed."""

    def __init__(
        self, config: PaperConfig, now_ms: Callable[[], int], window_ms: Callable[[], int]
    ) -> None:
        self._config = config
        self._now_ms = now_ms
        self._window_ms = window_ms

    def keyed(self, headers: Mapping[str, str], query: Mapping[str, Any]) -> Mapping[str, Any]:
        """The query, if the key is right (30001, 30002). A signature is neither needed nor looked at."""
        key = headers.get("x-bm-key", "")
        if not key:
            raise Refusal(30001)
        if not same(key, self._config.api_key):
            raise Refusal(30002)
        return query

    def signed(self, headers: Mapping[str, str], text: str) -> Mapping[str, Any]:
        """The body, if key, time and signature are right (30004 to 30008) and it is a JSON object (30018, 40007)."""
        self.keyed(headers, {})
        sign, timestamp = headers.get("x-bm-sign", ""), headers.get("x-bm-timestamp", "")
        if not sign:
            raise Refusal(30004)
        if not timestamp:
            raise Refusal(30006)
        at_ms = digits(timestamp)
        if at_ms is None:
            raise Refusal(30008)
        if not self._is_of_now(at_ms):
            raise Refusal(30007)
        expected = signature(self._config.api_secret, self._config.api_memo, timestamp, text)
        if not same(sign, expected):
            raise Refusal(30005)
        try:
            body = json.loads(text, parse_float=Decimal)
        except NOT_JSON:
            raise Refusal(30018) from None
        if not isinstance(body, dict):
            raise Refusal(40007)
        return body

    def _is_of_now(self, at_ms: int) -> bool:
        age_ms, window_ms = self._now_ms() - at_ms, self._window_ms()
        if self._config.timestamp_rule == "behind":
            return -AHEAD_MS < age_ms <= window_ms
        return abs(age_ms) <= window_ms
