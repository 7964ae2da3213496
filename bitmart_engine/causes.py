"""Why something on the network failed, as an operator has to know it: a name, a certificate, a port, or a slow peer.

An exception of a library says it somewhere in what caused it, each library in its own way. Here that is read off, and
only that: the words name no address and no secret, so they can be logged and told to anybody.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from enum import Enum

import httpx
import trio

__all__ = ["Cause", "because", "cause_of", "telling_why"]


class Cause(Enum):
    """The value is what a log line has as `cause`. Of several the first in this order is told."""

    words: str

    def __new__(cls, value: str, words: str) -> Cause:
        made = object.__new__(cls)
        made._value_, made.words = value, words
        return made

    DNS = "dns", "the host name does not resolve"
    TLS = "tls", "the TLS handshake failed"
    REFUSED = "refused", "connection refused"
    CONNECT_TIMEOUT = "connect_timeout", "not connected in time"
    POOL_TIMEOUT = "pool_timeout", "no connection was free in time"
    READ_TIMEOUT = "read_timeout", "no answer in time"
    WRITE_TIMEOUT = "write_timeout", "the request could not be sent in time"
    HUNG_UP = "hung_up", "the peer hung up without an answer"
    UNREACHABLE = "unreachable", "the host or the network cannot be reached"
    RESET = "reset", "the connection was reset"


BY_TYPE: tuple[tuple[type[BaseException], Cause], ...] = (
    (socket.gaierror, Cause.DNS),
    (ssl.SSLEOFError, Cause.RESET),
    (ssl.SSLZeroReturnError, Cause.RESET),
    (ssl.SSLSyscallError, Cause.RESET),
    (ssl.SSLError, Cause.TLS),
    (ConnectionRefusedError, Cause.REFUSED),
    (ConnectionError, Cause.RESET),
    (httpx.ConnectTimeout, Cause.CONNECT_TIMEOUT),
    (httpx.PoolTimeout, Cause.POOL_TIMEOUT),
    (httpx.ReadTimeout, Cause.READ_TIMEOUT),
    (httpx.WriteTimeout, Cause.WRITE_TIMEOUT),
    (TimeoutError, Cause.UNREACHABLE),
    (trio.BrokenResourceError, Cause.RESET),
)
UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}
ORDER = list(Cause)


def cause_of(failure: BaseException) -> Cause | None:
    """What made it fail; None if that is not of the network, or nobody knows.

    An exception that has a `cause` of its own is believed.
    """
    found = [cause for each in _chain(failure) if (cause := _said_by(each))]
    return min(found, key=ORDER.index, default=None)


def because(failure: BaseException) -> str:
    """The same in words, with what is wrong with a certificate; the exception's type where nothing else is known."""
    cause = cause_of(failure)
    if cause is None:
        return type(failure).__name__
    wrong = [
        each.verify_message
        for each in _chain(failure)
        if isinstance(each, ssl.SSLCertVerificationError)
    ]
    return f"{cause.words}: {wrong[0]}" if cause is Cause.TLS and wrong else cause.words


def telling_why(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields of a line, in which an exception that is the `why` has become its text and its `cause`."""
    told = dict(fields)
    failure = told.get("why")
    if isinstance(failure, BaseException):
        told["why"] = str(failure) or type(failure).__name__
        if "cause" not in told and (cause := cause_of(failure)) is not None:
            told["cause"] = cause.value
    return told


def _said_by(failure: BaseException) -> Cause | None:
    own = getattr(failure, "cause", None)
    if isinstance(own, Cause):
        return own
    if isinstance(failure, OSError) and failure.errno in UNREACHABLE:
        return Cause.UNREACHABLE
    return next((cause for type, cause in BY_TYPE if isinstance(failure, type)), None)


def _chain(failure: BaseException) -> Iterator[BaseException]:
    """It, and all that it came from."""
    seen: set[int] = set()
    left = [failure]
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
        if each.__cause__ is not None:
            left.append(each.__cause__)
        elif each.__context__ is not None and not each.__suppress_context__:
            left.append(each.__context__)
