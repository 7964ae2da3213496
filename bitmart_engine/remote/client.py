"""HTTP client of a running engine, whose errors say whose fault a failure is.

A request that was sent and not answered may have been done all the same: `Failed.certain` tells that from one that was
refused. Nothing is repeated here, redirects are not followed, and the token is in no message.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

if TYPE_CHECKING:
    import httpx

__all__ = ["DEFAULT_URL", "Answer", "Code", "Failed", "Remote", "checked_url", "open_remote"]

DEFAULT_URL = "http://127.0.0.1:8089"
READS = ("GET",)


class Code(IntEnum):
    """Exit codes of commands."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHORISED = 4
    UNABLE = 5
    UNFINISHED = 6
    INTERRUPTED = 130


@frozen
class Answer:
    """An answer of the engine: as it came, and decoded."""

    raw: bytes
    body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Answer:
        """An answer put together from others."""
        return cls(json.dumps(body).encode() + b"\n", body)


class Failed(Exception):
    """A request that was not done or, unless `certain`, is not known to be done. `why` is for people."""

    def __init__(
        self, code: Code, why: str, answer: Answer | None = None, *, certain: bool = True
    ) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.answer = answer
        self.certain = certain

    def adding(self, more: str, answer: Answer | None = None) -> Failed:
        """The same, with more to say."""
        return Failed(self.code, f"{self.why}; {more}", answer or self.answer, certain=self.certain)


@frozen
class Remote:
    """A running engine, at `url`."""

    url: str
    timeout_s: float
    has_token: bool
    _http: httpx.Client = field(repr=False)

    def ask(
        self,
        method: str,
        *path: str,
        body: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Answer:
        """The answer to one request, whose path is given in parts that are not yet quoted. Raises Failed."""
        import httpx

        reads = method in READS
        try:
            response = self._http.request(
                method,
                self.url + "".join(f"/{_quoted(each)}" for each in path) + _query(query or {}),
                content=None if body is None else json.dumps(body).encode(),
                headers=None if body is None else {"Content-Type": "application/json"},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
            raise self._unreachable(failure) from None
        except httpx.HTTPError as failure:
            raise self._silent(failure, reads) from None
        except KeyboardInterrupt:
            why = "interrupted" if reads else f"interrupted; {MAYBE_DONE}"
            raise Failed(Code.INTERRUPTED, why, certain=reads) from None
        return self._judged(response, reads)

    def listen(self, path: str, query: Mapping[str, object]) -> Iterator[Answer]:
        """The data of each Server-Sent Event, as it comes, until the engine ends the stream. Raises Failed.

        An engine says something every 15 s; one that is silent for much longer has gone.
        """
        import httpx

        silence_s = max(self.timeout_s, SILENCE_S)
        timeout = httpx.Timeout(self.timeout_s, read=silence_s)
        try:
            with self._http.stream(
                "GET", f"{self.url}/{path}{_query(query)}", timeout=timeout
            ) as told:
                if not told.is_success or "event-stream" not in told.headers.get(
                    "Content-Type", ""
                ):
                    told.read()
                    self._judged(told, reads=True)
                    raise Failed(Code.UNREACHABLE, f"{self.url} answers, but streams no events")
                for data in _events(told.iter_bytes()):
                    event = _object(data)
                    if event is not None:
                        yield Answer(data, event)
        except (httpx.ConnectError, httpx.ConnectTimeout) as failure:
            raise self._unreachable(failure) from None
        except httpx.ReadTimeout:
            why = f"the engine at {self.url} has said nothing for {silence_s:g} s"
            raise Failed(Code.UNREACHABLE, why) from None
        except httpx.HTTPError as failure:
            why = f"the stream of {self.url} broke off ({_reason(failure)})"
            raise Failed(Code.UNREACHABLE, why) from None

    def _judged(self, response: httpx.Response, reads: bool) -> Answer:
        status = response.status_code
        answer = _decoded(response.content)
        if status in (401, 403):
            raise Failed(Code.UNAUTHORISED, self._not_allowed(status, answer), answer)
        if answer is None:
            why = f"what answers at {self.url} is no engine: HTTP {status}, and not in its JSON"
            raise Failed(Code.UNREACHABLE, f"{why}; is the address right?", certain=reads)
        if response.is_success and answer.body["ok"] is True:
            return answer
        error = _error(answer)
        if status < 500:
            raise Failed(Code.REFUSED, f"refused: {error}", answer)
        again = response.headers.get("Retry-After", "")
        hint = f"; try again in {again} s" if again.isdigit() else ""
        now = "the engine cannot do that now" if status == 503 else "the engine failed at it"
        raise Failed(Code.UNABLE, f"{now}: {error}{hint}", answer, certain=reads)

    def _not_allowed(self, status: int, answer: Answer | None) -> str:
        said = _error(answer) if answer is not None else f"HTTP {status}"
        if status == 401 and self.has_token:
            return f"not authorised: the engine at {self.url} has another CTRL_TOKEN"
        if status == 401:
            return f"not authorised: the engine at {self.url} wants a token; set CTRL_TOKEN to it"
        return f"not authorised: {said}"

    def _unreachable(self, failure: Exception) -> Failed:
        return Failed(
            Code.UNREACHABLE,
            f"no engine can be reached at {self.url} ({_reason(failure)}); start one with"
            " 'bitmart-engine serve', or name where it is with --url or BITMART_ENGINE_URL",
        )

    def _silent(self, failure: Exception, reads: bool) -> Failed:
        import httpx

        late = isinstance(failure, httpx.TimeoutException)
        how = f"within {self.timeout_s:g} s" if late else f"({_reason(failure)})"
        hint = "give it longer with --timeout, or" if late else "try again, and"
        return Failed(
            Code.UNREACHABLE,
            f"the engine at {self.url} did not answer {how}"
            + ("" if reads else f"; {MAYBE_DONE}")
            + f"; {hint} see whether it lives with 'bitmart-engine status'",
            certain=reads,
        )


MAYBE_DONE = "what was asked may have been done all the same"
SILENCE_S = 45.0
"""A stream that lives breaks it three times."""


@contextmanager
def open_remote(url: str, token: str, timeout_s: float) -> Iterator[Remote]:
    """The engine at a checked URL, for as long as the block lasts. `token` may be empty. Raises Failed."""
    import httpx

    token = token.strip()
    if not token.isprintable():
        raise Failed(Code.USAGE, "CTRL_TOKEN has characters that cannot be sent in a header")
    headers = {b"Accept": b"application/json"}
    if token:
        headers[b"Authorization"] = b"Bearer " + token.encode()
    with httpx.Client(
        headers=headers,
        timeout=timeout_s,
        trust_env=not _is_this_machine(url),
    ) as http:
        yield Remote(url, timeout_s, bool(token), http)


def checked_url(url: str) -> str:
    """An address that can be asked, without a slash at its end. Raises ValueError, which never shows a password."""
    hint = f"must be like {DEFAULT_URL}"
    if not url.isprintable() or " " in url:
        raise ValueError(hint)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not have a user or a password in it; the token goes in CTRL_TOKEN")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(hint)
    if parts.query or parts.fragment:
        raise ValueError(f"{hint}, without ? and #")
    _ = parts.port  # raises ValueError if it is none
    return url.rstrip("/")


def _quoted(part: str) -> str:
    """One part of a path, whatever is in it; `..` would climb."""
    return quote(part, safe="").replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _query(query: Mapping[str, object]) -> str:
    return f"?{urlencode(query, errors='surrogateescape')}" if query else ""


def _decoded(content: bytes) -> Answer | None:
    """The answer, if it has the form of one."""
    body = _object(content)
    return None if body is None or "ok" not in body else Answer(content, body)


def _object(content: bytes) -> Mapping[str, Any] | None:
    """The JSON object that `content` is, if it is one."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _events(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The data of Server-Sent Events. Lines end with a line feed, and not with what Unicode also calls an end."""
    rest = b""
    data: list[bytes] = []
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" "))
            elif not line.rstrip(b"\r") and data:
                yield b"\n".join(data)
                data = []


def _error(answer: Answer) -> str:
    """What the engine says is wrong, after the field that is at fault, unless it begins with that."""
    error = str(answer.body.get("error", "it does not say why"))
    where = str(answer.body.get("field") or "").removeprefix("$.")
    return error if not where or error.startswith(where) else f"{where}: {error}"


def _reason(failure: Exception) -> str:
    return str(failure) or type(failure).__name__


def _is_this_machine(url: str) -> bool:
    """Whether `url` is a loopback one, which no proxy could reach."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
