"""One attempt to deliver one notification, and what its answer means.

It decides nothing about time: how long an attempt may take and when the next one comes is the outbox's. It follows no
redirect, reuses no connection (one that was opened for another name at the same address must not be taken for this
one's), and reads no more of an answer than its status and a little of the body.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version

import httpx
import trio
from attrs import evolve, frozen

from ..causes import Cause, cause_of
from ..model.notifications import Notification
from ..settings import Settings
from .bodies import body_of_attempt
from .destinations import Forbidden, Resolve, Target, targets
from .posting import Misbehaved
from .signature import signature_headers

__all__ = ["Delivery", "Outcome", "Verdict", "retry_after_s", "verdict_of"]

try:
    USER_AGENT = f"bitmart-engine/{version('bitmart-engine')}"
except PackageNotFoundError:  # a bare checkout on the path
    USER_AGENT = "bitmart-engine/0"

TOKEN_HEADER = "X-Webhook-Token"
COURTESY_BYTES = 4096
COURTESY_S = 0.2
"""How much of an answer's body is read, and for how long, so that the receiver can finish sending it."""

RAW_EVENT = "raw_event"
"""The kind of a frame of the exchange that is forwarded as it came; its receiver may ask for a token."""
SIGNALS = frozenset({"order_signal", "balance_signal", RAW_EVENT})
"""The kinds that go to the application's own addresses; all else are callbacks."""
AGAIN_THOUGH_4XX = frozenset({408, 429})
LONGEST_RETRY_AFTER_S = 3600.0
"""A receiver that asks for more is asked again after this long."""
REST_S = 5.0
"""Of a receiver with too many requests that does not say when it takes more."""
LONGEST_REST_S = 60.0
"""Of a receiver with too many requests, for all that goes to it: there may be several applications behind it."""

UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
BROKEN = (httpx.HTTPError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class Verdict(Enum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    AGAIN = "again"
    REFUSED = "refused"


@frozen
class Outcome:
    """What an attempt came to, and why, in words that name no address and no secret."""

    verdict: Verdict
    why: str
    answered: bool = False
    """Whether the receiver said anything at all."""
    not_before_s: float = 0
    """How long the receiver asks to wait before this is sent again."""
    rest_s: float = 0
    """How long it asks to be left alone altogether."""
    cause: Cause | None = None
    """What failed on the network, where that is known."""


def verdict_of(status: int) -> Verdict:
    """Success, to be tried again, or final. A 409 says that the application has it already."""
    if 200 <= status < 300 or status == 409:
        return Verdict.DELIVERED
    again = status >= 500 or status in AGAIN_THOUGH_4XX
    return Verdict.AGAIN if again else Verdict.REFUSED


class Delivery:
    """Posts notifications over one transport, which stays its owner's."""

    def __init__(
        self,
        settings: Settings,
        wall_ms: Callable[[], int],
        transport: httpx.AsyncBaseTransport,
        resolve: Resolve,
    ) -> None:
        self._settings = settings
        self._wall_ms = wall_ms
        self._transport = transport
        self._resolve = resolve

    def timeout_s(self, notification: Notification) -> float:
        """How long an attempt to deliver it may take."""
        if notification.kind in SIGNALS:
            return self._settings.trading_app_request_timeout
        return self._settings.callback_timeout_s

    async def attempt(self, notification: Notification, attempts: int = 0) -> Outcome:
        """Post it once, to the first address of its host that can be reached. Cancelling it is safe.

        `attempts` is how many there were before: a signal says so in its body.
        """
        if notification.kind in SIGNALS:
            body = body_of_attempt(notification.body, attempts)
            notification = evolve(notification, body=body)
        try:
            places = await targets(notification.url, self._settings.callback_allow, self._resolve)
        except Forbidden as reason:
            return Outcome(Verdict.REFUSED, f"the address {reason}")
        except OSError:
            return Outcome(Verdict.AGAIN, Cause.DNS.words, cause=Cause.DNS)
        missed = Outcome(Verdict.AGAIN, "")
        for place in places:
            try:
                return await self._post(notification, place, len(places))
            except UNREACHABLE as failure:
                missed = _failed("no connection", failure)
            except Misbehaved as failure:
                return Outcome(Verdict.AGAIN, f"no answer: {failure}")
            except BROKEN as failure:
                return _failed("no answer", failure)
        return missed

    async def _post(self, notification: Notification, place: Target, places: int) -> Outcome:
        """What the answer means. The time to connect is shared among the addresses there are."""
        limit = self.timeout_s(notification)
        extensions: dict[str, object] = {
            "timeout": {"connect": limit / places, "pool": limit, "read": limit, "write": limit}
        }
        if place.sni is not None:
            extensions["sni_hostname"] = place.sni
        request = httpx.Request(
            "POST",
            place.url,
            headers={
                "Host": place.host_header,
                "User-Agent": USER_AGENT,
                "Content-Type": "application/json",
                "Idempotency-Key": notification.id,
                "Connection": "close",
                **self._token_header(notification),
                **signature_headers(
                    self._settings.trading_app_shared_secret, self._wall_ms(), notification.body
                ),
            },
            content=notification.body,
            extensions=extensions,
        )
        response = await self._transport.handle_async_request(request)
        outcome = self._outcome(response)
        # The status is what was asked for: from here on nothing may turn it into "no answer" again, neither a body
        # that never ends nor the attempt's own deadline.
        with trio.move_on_after(COURTESY_S, shield=True):
            await _let_finish(response)
        return outcome

    def _token_header(self, notification: Notification) -> dict[str, str]:
        """What a receiver of raw events knows them by; nobody but the one of the settings gets it."""
        token = self._settings.raw_events_token
        meant = notification.kind == RAW_EVENT and notification.url == self._settings.raw_events_uri
        return {TOKEN_HEADER: token} if token and meant else {}

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        verdict, why = verdict_of(status), f"HTTP {status}"
        if verdict is not Verdict.AGAIN:
            return Outcome(verdict, why, answered=True)
        asked_s = retry_after_s(response.headers.get("Retry-After", ""), self._wall_ms())
        rest_s = min(asked_s or REST_S, LONGEST_REST_S) if status == 429 else 0
        return Outcome(verdict, why, answered=True, not_before_s=asked_s, rest_s=rest_s)


def _failed(what: str, failure: Exception) -> Outcome:
    """The words are the cause's own: what a certificate says of itself may name a host."""
    cause = cause_of(failure)
    why = type(failure).__name__ if cause is None else cause.words
    return Outcome(Verdict.AGAIN, f"{what}: {why}", cause=cause)


def retry_after_s(text: str, now_ms: int) -> float:
    """What `Retry-After` asks for, a number of seconds or a date, at most an hour; 0 if it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), LONGEST_RETRY_AFTER_S)
    try:
        when = parsedate_to_datetime(text)
        asked_s = when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now_ms / 1000
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, min(asked_s, LONGEST_RETRY_AFTER_S))


async def _let_finish(response: httpx.Response) -> None:
    read = 0
    try:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            read += len(part)
            if read > COURTESY_BYTES:
                break
    except BROKEN:
        pass
    finally:
        with suppress(*BROKEN):
            await response.aclose()
