"""Why the network failed, read off what a library raised."""

import errno
import os
import socket
import ssl

import httpx
import pytest
import trio

from bitmart_engine.causes import Cause, because, cause_of
from bitmart_engine.exchange import NotSent
from bitmart_engine.world import TlsFailed


def raised(failure, because_of):
    """The exception as it is caught where it was raised from another."""
    try:
        raise failure from because_of
    except BaseException as caught:
        return caught


def raised_while_handling(failure, other):
    """The exception as it is caught where it was raised while another was dealt with."""
    try:
        try:
            raise other
        except BaseException:
            raise failure  # noqa: B904
    except BaseException as caught:
        return caught


def os_error(number):
    return OSError(number, os.strerror(number))


UNVERIFIED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNVERIFIED.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), Cause.DNS),
        (os_error(errno.ECONNREFUSED), Cause.REFUSED),
        (os_error(errno.ECONNRESET), Cause.RESET),
        (os_error(errno.EPIPE), Cause.RESET),
        (os_error(errno.ENETUNREACH), Cause.UNREACHABLE),
        (os_error(errno.EHOSTUNREACH), Cause.UNREACHABLE),
        (os_error(errno.ETIMEDOUT), Cause.UNREACHABLE),
        (UNVERIFIED, Cause.TLS),
        (ssl.SSLError(1, "wrong version number"), Cause.TLS),
        (ssl.SSLEOFError(8, "eof"), Cause.RESET),
        (TlsFailed("handshake"), Cause.TLS),
        (httpx.ConnectTimeout("x"), Cause.CONNECT_TIMEOUT),
        (httpx.PoolTimeout("x"), Cause.POOL_TIMEOUT),
        (httpx.ReadTimeout("x"), Cause.READ_TIMEOUT),
        (httpx.WriteTimeout("x"), Cause.WRITE_TIMEOUT),
        (trio.BrokenResourceError(), Cause.RESET),
        (NotSent("x", Cause.DNS), Cause.DNS),
        (NotSent("no longer wanted"), None),
        (os_error(errno.ENOSPC), None),
        (httpx.ConnectError("x"), None),
        (ValueError("x"), None),
    ],
)
def test_an_exception_says_what_failed(failure, cause):
    assert cause_of(failure) is cause


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (raised(httpx.ConnectError("x"), os_error(errno.ECONNREFUSED)), Cause.REFUSED),
        (
            raised_while_handling(httpx.ConnectError("x"), os_error(errno.ECONNREFUSED)),
            Cause.REFUSED,
        ),
        (
            raised(
                OSError("all attempts failed"),
                ExceptionGroup("", [os_error(errno.ENETUNREACH), os_error(errno.ECONNREFUSED)]),
            ),
            Cause.REFUSED,
        ),
        (raised(trio.BrokenResourceError(), UNVERIFIED), Cause.TLS),
    ],
)
def test_what_it_came_from_says_so_too_and_the_most_telling_is_told(failure, cause):
    assert cause_of(failure) is cause


def test_an_exception_that_was_raised_from_none_has_no_cause_in_what_was_dealt_with():
    failure = raised_while_handling(httpx.ConnectError("x"), os_error(errno.ECONNREFUSED))
    failure.__suppress_context__ = True
    assert cause_of(failure) is None


def test_exceptions_in_a_circle_are_looked_at_once():
    one, other = ValueError(), os_error(errno.ECONNREFUSED)
    one.__cause__, other.__cause__ = other, one
    assert cause_of(one) is Cause.REFUSED


def test_the_words_say_what_is_wrong_with_a_certificate_and_name_what_is_not_known():
    assert because(UNVERIFIED) == "the TLS handshake failed: self-signed certificate"
    assert because(os_error(errno.ECONNREFUSED)) == "connection refused"
    assert because(httpx.DecodingError("secret")) == "DecodingError"
