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

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers

from .codes import OK, NoPage, Refusal
from .config import PaperConfig
from .front import current_gate
from .hub import Gate
from .instruments import digits
from .limits import RateLimits
from .rest_private import PrivateDesk
from .rest_public import PublicDesk
from .signing import same, signature
from .wire import NOT_JSON, Json, encode

Call = Callable[[Mapping[str, Any]], object]


def make_rest_app(
    config: PaperConfig,
    public: PublicDesk,
    private: PrivateDesk,
    limits: RateLimits,
    now_ms: Callable[[], int],
    rng: Random,
    settle: Callable[[Gate | None], None],
) -> QuartTrio:
    """The app. `settle` is called after every call that may have changed the books."""
    app = QuartTrio("bitmart_engine.paper.rest")
    keys = KeyDesk(config, now_ms)

    def envelope(status: int, body: Json) -> Response:
        trace = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        text = encode({**body, "trace": trace})
        return Response(text, status=status, content_type="application/json")

    def refused(refusal: Refusal) -> Response:
        body = {"code": refusal.code, "message": refusal.message, "data": None}
        return envelope(refusal.status, body)

    def told(data: object) -> Json:
        if data != {} or config.empty_reply == "object":
            return {"data": data}
        return {"data": None} if config.empty_reply == "null" else {}

    def publish(
        path: str, call: Call, check: Callable[[str], Mapping[str, Any]], method: str
    ) -> None:
        async def answer() -> Response:
            text = str(await request.get_data(as_text=True))
            count = limits.count(path, now_ms())
            try:
                if count.refusal is not None:
                    raise Refusal(count.refusal)
                data = call(check(text))
                response = envelope(200, {"code": OK, "message": "Ok", **told(data)})
            except Refusal as refusal:
                response = refused(refusal)
            except NoPage:
                response = Response("404 page not found", status=404, content_type="text/plain")
            settle(current_gate.get())
            response.headers.update(count.headers())
            return response

        app.add_url_rule(path, endpoint=f"{method} {path}", view_func=answer, methods=[method])

    for path, call in public.routes.items():
        publish(path, call, lambda text: request.args, "GET")
    for path, call in private.keyed.items():
        publish(path, call, lambda text: keys.keyed(request.headers, request.args), "GET")
    for path, call in private.signed.items():
        publish(path, call, lambda text: keys.signed(request.headers, text), "POST")

    @app.errorhandler(404)
    @app.errorhandler(405)
    async def unknown(error: Exception) -> Response:
        return envelope(404, {"code": 30000, "msg": "Not found"})

    return app


class KeyDesk:
    """Checks who is asking, and that a signed body is what was signed."""

    def __init__(self, config: PaperConfig, now_ms: Callable[[], int]) -> None:
        self._config = config
        self._now_ms = now_ms

    def keyed(self, headers: Headers, query: Mapping[str, Any]) -> Mapping[str, Any]:
        """The query, if the key is right (30001, 30002). A signature is neither needed nor looked at."""
        key = headers.get("X-BM-KEY", "")
        if not key:
            raise Refusal(30001)
        if not same(key, self._config.api_key):
            raise Refusal(30002)
        return query

    def signed(self, headers: Headers, text: str) -> Mapping[str, Any]:
        """The body, if key, time and signature are right (30004 to 30008) and it is a JSON object (30018, 40007)."""
        self.keyed(headers, {})
        sign, timestamp = headers.get("X-BM-SIGN", ""), headers.get("X-BM-TIMESTAMP", "")
        if not sign:
            raise Refusal(30004)
        if not timestamp:
            raise Refusal(30006)
        at_ms = digits(timestamp)
        if at_ms is None:
            raise Refusal(30008)
        if abs(self._now_ms() - at_ms) > self._config.timestamp_window_ms:
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
