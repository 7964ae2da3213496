"""Why a connection ended, in words that a human can act on."""

from __future__ import annotations

import h11
import trio
from attrs import frozen
from trio_websocket import CloseReason, ConnectionClosed, ConnectionRejected
from wsproto.utilities import ProtocolError

from ..causes import Cause, because
from .activity_stream import HungUp

__all__ = ["Ending", "closed_because", "failed_because", "first_of"]


@frozen
class Ending:
    """Why a connection ended, and how long it worked: from the login, or the handshake where there is none."""

    reason: str
    lived_s: float = 0.0
    login_refused: bool = False
    """The exchange refused the login, and not only for now."""

    hopeless: bool = False
    """Every subscription was refused."""

    renewed: bool = False
    """We ended it to have another one: nothing failed."""

    cause: Cause | None = None
    """What failed on the network, where that is known."""


def closed_because(reason: CloseReason | None) -> str:
    """What a closed connection says of itself. 1006 is the library's word for an end without a close frame."""
    if reason is None:
        return "protocol error"
    if reason.code == 1006:
        return "lost without a close frame"
    return f"closed: {reason.code} {reason.name}" + (f" ({reason.reason})" if reason.reason else "")


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure in a group of groups."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def failed_because(failure: BaseException) -> str | None:
    """What a failure of the network or the peer means; None for one that is neither, and so a fault of ours."""
    match failure:
        case ConnectionRejected():
            return f"handshake rejected: HTTP {failure.status_code}"
        case HungUp():
            return str(failure)
        case ProtocolError() | h11.ProtocolError() | ConnectionClosed():
            return f"protocol error: {failure}"
        case OSError() | trio.BrokenResourceError() | trio.ClosedResourceError():
            return f"broken: {because(failure)}"
    return None
