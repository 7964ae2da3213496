"""One call to the exchange: built, signed, sent once, bounded in time and size, judged.

It never sends anything a second time but for one case: a request that was refused for its timestamp was not taken, so
the clock is compared with the exchange's and the request is sent once more. It follows no redirect, keeps no cookie,
and heeds no proxy from the environment: it speaks to the transport directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import httpx
import msgspec
import trio

from ..settings import Settings
from ..tally import Tally
from ..world import World
from .errors import CredentialsMissing, ExchangeError, Meaning, NotSent, OutcomeUnknown, Refused
from .judge import judge
from .signing import Headers, keyed_headers, signed_headers
from .wire import Unreadable, fields_of, whole_of

__all__ = ["CONNECT_TIMEOUT_S", "TOTAL_TIMEOUT_S", "Calls"]

CONNECT_TIMEOUT_S = 3.0
"""A connection that takes longer is not worth an order; giving up here still proves that nothing was sent."""

TOTAL_TIMEOUT_S = 5.0
"""From the first byte out to the last byte in. Longer than any answer worth having (the exchange takes a timestamp
for some seconds only), short enough that a lost answer is looked up while the market is still the same."""

LARGEST_ANSWER = 16 * 1024 * 1024
"""In bytes. The largest known answer, all contracts, is about 1 MB."""

TIME = "/system/time"

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
LOST = (httpx.HTTPError, OSError, trio.BrokenResourceError, trio.ClosedResourceError)


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
        self, settings: Settings, world: World, tally: Tally, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._settings = settings
        self._world = world
        self._tally = tally
        self._transport = transport
        self._base = httpx.URL(settings.rest_uri.rstrip("/"))
        self._urls: dict[str, httpx.URL] = {}
        self._ahead_ms = 0
        self._secrets = [
            text
            for text in (settings.api_key, settings.api_secret, settings.api_memo)
            if len(text) >= 4  # a shorter one is part of too many words, and is never sent anyway
        ]

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, *, private: bool = False
    ) -> msgspec.Raw:
        """The data of a read. Private ones carry the key, without a signature. Raises ExchangeError."""
        headers = COMMON_HEADERS
        if private:
            self._need_credentials()
            headers = COMMON_HEADERS + keyed_headers(self._settings.api_key)
        url = self._url(path)
        return await self._call(
            path, "GET", url.copy_with(params=params) if params else url, headers
        )

    async def post(self, path: str, body: bytes) -> msgspec.Raw:
        """The data of a signed write of exactly `body`. Raises ExchangeError.

        A write that is cancelled from outside may have been taken: its outcome is as unknown as a lost answer's.
        """
        self._need_credentials()
        try:
            return await self._post_once(path, body)
        except Refused as refusal:
            if refusal.meaning is not Meaning.CLOCK:
                raise
            self._tally.add("timestamp refused, clock compared with the exchange's", path=path)
            try:
                await self._compare_clocks()
            except ExchangeError:
                raise refusal from None  # it still is all there is to say of this request
        return await self._post_once(path, body)

    async def server_time_ms(self) -> int:
        """The exchange's clock, Unix time in ms."""
        data = await self.get(TIME)
        try:
            answer = whole_of(fields_of(data).get("server_time"))
        except Unreadable:
            answer = None
        if answer is None:
            raise OutcomeUnknown("no server_time in the answer", TIME)
        return answer

    async def _compare_clocks(self) -> None:
        """Learn how far the exchange's clock is ahead of ours, to within half the time that asking takes."""
        asked = self._world.wall_ms()
        theirs = await self.server_time_ms()
        self._ahead_ms = theirs - (asked + self._world.wall_ms()) // 2

    async def _post_once(self, path: str, body: bytes) -> msgspec.Raw:
        mine = self._settings
        timestamp_ms = self._world.wall_ms() + self._ahead_ms
        signed = signed_headers(mine.api_key, mine.api_secret, mine.api_memo, timestamp_ms, body)
        return await self._call(path, "POST", self._url(path), COMMON_HEADERS + signed, body)

    async def _call(
        self, path: str, method: str, url: httpx.URL, headers: Headers, body: bytes | None = None
    ) -> msgspec.Raw:
        progress = _Progress()
        request = httpx.Request(
            method,
            url,
            headers=headers,
            content=body,
            extensions={
                "timeout": {
                    "connect": CONNECT_TIMEOUT_S,
                    "pool": CONNECT_TIMEOUT_S,
                    "read": TOTAL_TIMEOUT_S,
                    "write": TOTAL_TIMEOUT_S,
                },
                "trace": progress,
            },
        )
        answer: tuple[int, bytes] | None = None
        try:
            with trio.move_on_after(TOTAL_TIMEOUT_S):
                response = await self._transport.handle_async_request(request)
                try:
                    answer = response.status_code, await _read(response, path)
                finally:
                    await response.aclose()
        except NEVER_LEFT as failure:
            raise NotSent(f"no connection to {url.host}: {type(failure).__name__}") from None
        except LOST as failure:
            raise OutcomeUnknown(f"answer lost: {type(failure).__name__}", path) from None
        if answer is None:
            if progress.provably_unsent:
                raise NotSent(f"no connection to {url.host} within {TOTAL_TIMEOUT_S:g} s")
            raise OutcomeUnknown(f"no answer within {TOTAL_TIMEOUT_S:g} s", path)
        return judge(path, *answer, self._redact)

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


async def _read(response: httpx.Response, path: str) -> bytes:
    parts = []
    size = 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise OutcomeUnknown(f"the answer is larger than {LARGEST_ANSWER} bytes", path)
    return b"".join(parts)
