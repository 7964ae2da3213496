"""One call to the exchange: built, signed, sent once, bounded in time and size, judged.

Every request waits for its turn first, and is signed when that has come: the exchange takes a timestamp for some
seconds only. Nothing is ever sent a second time but for one case: a request that was refused for its timestamp was not
taken. If that was old on purpose (`window`) the request is sent again at once with a fresh one; if it was not, the
clock is compared with the exchange's and the request is sent once more. Calls follow no redirect, keep no cookie, and
heed no proxy from the environment: they speak to the transport directly.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import PackageNotFoundError, version

import httpx
import msgspec
import trio

from ..causes import Cause, because, cause_of
from ..counters import Counters
from ..latency import SETTING, Latencies, kind_of
from ..settings import Settings
from ..world import World
from .budget import Urgency
from .classify import SUBMIT, classify
from .clock import ExchangeClock
from .errors import CredentialsMissing, ExchangeError, Meaning, NotSent, OutcomeUnknown, Refused
from .signing import Headers, keyed_headers, signed_headers
from .submit_window import SubmitWindow
from .transport import request_of
from .turns import Place, Turns
from .wire import Unreadable, fields_of, reading, time_of

__all__ = ["CONNECT_TIMEOUT_S", "TOTAL_TIMEOUT_S", "Calls"]

CONNECT_TIMEOUT_S = 3.0
"""A connection that takes longer is not worth an order; giving up here still proves that nothing was sent."""

TOTAL_TIMEOUT_S = 5.0
"""From the first byte out to the last byte in. Longer than any answer worth having (the exchange takes a timestamp
for some seconds only), short enough that a lost answer is looked up while the market is still the same."""

LARGEST_ANSWER = 16 * 1024 * 1024
"""In bytes. The largest known answer, all contracts, is about 1 MB."""

TIME = "/system/time"
AGED_MS = 500
"""A timestamp that is older was made so."""
TOO_FREQUENT_OR_CLOCK = 40013
"""One code for either (fact sheet 6.3): it is waited out as the one, and makes the clock be compared for the other."""

try:
    USER_AGENT = f"bitmart-engine/{version('bitmart-engine')}"
except PackageNotFoundError:  # a bare checkout on the path
    USER_AGENT = "bitmart-engine/0"

COMMON_HEADERS: Headers = [
    (b"User-Agent", USER_AGENT.encode()),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
]

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
NOT_BUILT = (httpx.InvalidURL, httpx.UnsupportedProtocol)
"""Said of a request before any of it is sent. A LocalProtocolError may come while it is."""


class _Progress:
    """What the transport reports of one request: whether any byte of it may have left."""

    __slots__ = ("connecting", "sending")

    def __init__(self) -> None:
        self.connecting = False
        self.sending = False

    async def __call__(self, event: str, _info: object) -> None:
        if event.startswith("connection."):
            self.connecting = True
        else:
            self.sending = True

    @property
    def provably_unsent(self) -> bool:
        return self.connecting and not self.sending


class Calls:
    """Sends requests over one transport. Owned by `open_exchange`, which closes the transport."""

    def __init__(
        self,
        settings: Settings,
        world: World,
        counters: Counters,
        transport: httpx.AsyncBaseTransport,
        latencies: Latencies | None = None,
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._transport = transport
        self._latencies = latencies or Latencies()
        self._base = httpx.URL(settings.rest_uri.rstrip("/"))
        self._urls: dict[str, httpx.URL] = {}
        self.turns = Turns(counters)
        self.key_taken_at = -math.inf
        """When, by Trio's clock, a private read was last answered: the exchange knew the key then."""
        self.clock = ExchangeClock(world.wall_ms, self._ask_time, counters)
        self.window = SubmitWindow(
            settings.submit_valid_s, self.clock, self._submit_signed, counters
        )
        self._secrets = [
            text
            for text in (settings.api_key, settings.api_secret, settings.api_memo)
            if len(text) >= 4  # a shorter one is part of too many words, and is never sent anyway
        ]

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        private: bool = False,
        urgency: Urgency = Urgency.READ,
    ) -> msgspec.Raw:
        """The data of a read. Private ones carry the key, without a signature. Raises ExchangeError."""
        headers = COMMON_HEADERS
        if private:
            self._need_credentials()
            headers = COMMON_HEADERS + keyed_headers(self._settings.api_key)
        try:
            url = self._url(path)
            if params:
                url = url.copy_with(params=params)
        except Exception as failure:
            raise _not_built(path, failure) from None
        with await self.turns.enter(path, urgency) as place:
            data = await self._send(place, path, "GET", url, headers)
        if private:
            self.key_taken_at = trio.current_time()
        return data

    async def post(
        self,
        path: str,
        body: bytes,
        *,
        urgency: Urgency,
        still_wanted: Callable[[], bool] = lambda: True,
        leaving: Callable[[], None] = lambda: None,
        stamp: Callable[[bool], Awaitable[int]] | None = None,
    ) -> msgspec.Raw:
        """The data of a signed write of exactly `body`. Raises ExchangeError.

        `still_wanted` is asked when the turn has come: if it says no, nothing is sent, and NotSent is raised. `leaving`
        is called when the request is signed and goes to the connection. `stamp` says what to sign with, Unix ms by the
        exchange's clock, and is told whether an earlier timestamp was refused: then it has to be the present time.
        Without it, that is what is signed with.

        A write that is cancelled from outside may have been taken: its outcome is as unknown as a lost answer's.
        """
        self._need_credentials()
        clock = self.clock
        was_aged = False
        refusal: Refused | None = None
        while True:
            with await self.turns.enter(path, urgency) as place:
                if not still_wanted():
                    raise NotSent("no longer wanted when its turn came")
                attempts, now_ms = clock.attempts, clock.now_ms()
                again = was_aged or refusal is not None
                signed_ms = now_ms if stamp is None else await stamp(again)
                leaving()
                try:
                    return await self._write(place, path, body, signed_ms)
                except Refused as refused:
                    if refused.code == TOO_FREQUENT_OR_CLOCK:
                        clock.doubt()
                    if refused.meaning is not Meaning.CLOCK or refusal is not None:
                        raise
                    if now_ms - signed_ms > AGED_MS and not again:
                        was_aged = True
                        self.window.refused()
                        self._counters.add("aged_timestamp_refused", why=refused)
                        continue
                    refusal = refused
            self._counters.add("timestamp_refused", path=path)
            try:
                await clock.measure_again(attempts, urgency)
            except ExchangeError:
                raise refusal from None  # it still is all there is to say of this request

    async def _submit_signed(self, body: bytes, signed_ms: int, urgency: Urgency) -> msgspec.Raw:
        """A submit that is signed with this timestamp and sent once, whatever is said of that. Raises ExchangeError.

        It can be no order, so how long it takes is not counted as that of one.
        """
        self._need_credentials()
        with await self.turns.enter(SUBMIT, urgency) as place:
            return await self._write(place, SUBMIT, body, signed_ms, kind=SETTING)

    async def _write(
        self, place: Place, path: str, body: bytes, signed_ms: int, kind: str = ""
    ) -> msgspec.Raw:
        mine = self._settings
        signed = signed_headers(mine.api_key, mine.api_secret, mine.api_memo, signed_ms, body)
        headers = COMMON_HEADERS + signed
        return await self._send(place, path, "POST", self._url(path), headers, body, kind)

    async def server_time_ms(self, *, urgency: Urgency = Urgency.READ) -> int:
        """The exchange's clock, Unix time in ms."""
        return (await self._ask_time(urgency))[0]

    async def _ask_time(self, urgency: Urgency) -> tuple[int, float]:
        """The exchange's clock in ms, and for how long the request was under way in s."""
        with await self.turns.enter(TIME, urgency) as place:
            asked_at = trio.current_time()
            data = await self._send(place, TIME, "GET", self._url(TIME), COMMON_HEADERS)
            took_s = trio.current_time() - asked_at
        with reading(TIME):
            answer = time_of(fields_of(data).get("server_time"))
            if answer is None:
                raise Unreadable("no server_time in it")
        return answer, took_s

    async def _send(
        self,
        place: Place,
        path: str,
        method: str,
        url: httpx.URL,
        headers: Headers,
        body: bytes | None = None,
        kind: str = "",
    ) -> msgspec.Raw:
        progress = _Progress()
        try:
            request = request_of(
                method,
                url,
                headers,
                body,
                {
                    "timeout": {
                        "connect": CONNECT_TIMEOUT_S,
                        "pool": CONNECT_TIMEOUT_S,
                        "read": TOTAL_TIMEOUT_S,
                        "write": TOTAL_TIMEOUT_S,
                    },
                    "trace": progress,
                },
            )
        except Exception as failure:
            raise _not_built(path, failure) from None
        answer: tuple[int, bytes] | None = None
        began_s, kind = trio.current_time(), kind or kind_of(path)
        try:
            with trio.move_on_after(TOTAL_TIMEOUT_S):
                response = await self._transport.handle_async_request(request)
                place.answered(response.status_code, response.headers)
                try:
                    answer = response.status_code, await _read(response, path)
                finally:
                    await response.aclose()
        except NEVER_LEFT as failure:
            raise _not_connected(url, failure) from None
        except ExchangeError:
            raise
        except Exception as failure:
            # Whatever it is, it must not end the engine: all that is not provably unsent may have been taken.
            if progress.provably_unsent:
                raise _not_connected(url, failure) from None
            if isinstance(failure, NOT_BUILT) and not progress.sending:
                raise _not_built(path, failure) from None
            lost = f"answer lost: {because(failure)}"
            raise OutcomeUnknown(lost, path, cause_of(failure)) from None
        finally:
            if answer is None:
                self._latencies.unanswered[kind] += 1
            else:
                self._latencies.requests[kind].observe(trio.current_time() - began_s)
        if answer is None:
            if progress.provably_unsent:
                why = f"no connection to {url.host} within {TOTAL_TIMEOUT_S:g} s"
                raise NotSent(why, Cause.CONNECT_TIMEOUT)
            why = f"no answer within {TOTAL_TIMEOUT_S:g} s"
            raise OutcomeUnknown(why, path, Cause.READ_TIMEOUT)
        try:
            return classify(path, *answer, self._redact)
        except ExchangeError:
            raise
        except Exception as failure:
            raise OutcomeUnknown(f"unreadable answer: {type(failure).__name__}", path) from None

    def _need_credentials(self) -> None:
        if self._settings.missing_credentials:
            raise CredentialsMissing(self._settings.missing_credentials)

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(f"{self._base}{path}")
        return url

    def _redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _not_connected(url: httpx.URL, failure: Exception) -> NotSent:
    return NotSent(f"no connection to {url.host}: {because(failure)}", cause_of(failure))


def _not_built(path: str, failure: Exception) -> NotSent:
    """What is said of a request that cannot be written, an id too long for a URL in it for example."""
    return NotSent(f"{path}: the request cannot be built: {type(failure).__name__}")


async def _read(response: httpx.Response, path: str) -> bytes:
    parts = []
    size = 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise OutcomeUnknown(f"the answer is larger than {LARGEST_ANSWER} bytes", path)
    return b"".join(parts)
