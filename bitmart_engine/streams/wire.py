"""Frames: bytes from and to BitMart's socket, and the envelope around what they carry.

What is inside `data` is left undecoded here; `normalize` reads it. Nothing here sends, waits or logs, and no text that
this module makes contains the secret or the memo.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterable

import msgspec
from attrs import field, frozen

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_MESSAGE_BYTES",
    "PING",
    "Credentials",
    "Frame",
    "FrameError",
    "access",
    "decode",
    "subscribe",
    "unsubscribe",
]

MAX_FRAME_BYTES = 1_999
"""Of a frame we send. BitMart documents 4,096 bytes of names, but closed on 2,186 (fact sheet 3.5)."""

MAX_MESSAGE_BYTES = 4 * 2**20
"""Of an inflated message. The largest real ones are some kilobytes."""

RAW_DEFLATE = -15

LONGEST_PONG = 100
BARE_PONG = re.compile(r"\s*[\"']?pong\b[^{}]*", re.IGNORECASE)

PING = '{"action":"ping"}'


class FrameError(ValueError):
    """A message that is not a frame. The text says why."""


class Frame(msgspec.Struct):
    """The envelope of everything that the exchange sends: an answer (`action`, `success`) or data of a `group`."""

    action: str | None = None
    group: str | None = None
    success: bool | None = None
    error: str | None = None
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)

    @property
    def is_pong(self) -> bool:
        """Whether this answers a ping: `{"group":"System","data":"pong+..."}`, or another form that is told of it."""
        return (
            bytes(memoryview(self.data)[:5]) == b'"pong'
            or self.action == "pong"
            or (self.group == "System" and not self.error)
        )


DECODER = msgspec.json.Decoder(Frame)


def decode(message: str | bytes) -> Frame:
    """The frame in a text message, or in a binary one: raw deflate of the JSON. Raises `FrameError`.

    The bare text `pong`, which BitMart's page says is the answer to a ping, is one too.
    """
    try:
        text = message if isinstance(message, str) else inflate(message)
        if len(text) < LONGEST_PONG and BARE_PONG.fullmatch(
            text if isinstance(text, str) else text.decode()
        ):
            return Frame(action="pong")
        return DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"not a frame: {error}") from None


def inflate(message: bytes) -> bytes:
    """The text of a binary message. Raises `FrameError`; never inflates more than `MAX_MESSAGE_BYTES` and one."""
    try:
        text = zlib.decompressobj(RAW_DEFLATE).decompress(message, MAX_MESSAGE_BYTES + 1)
    except zlib.error as error:
        raise FrameError(f"not deflated: {error}") from None
    if len(text) > MAX_MESSAGE_BYTES:
        raise FrameError(f"inflates to more than {MAX_MESSAGE_BYTES} bytes")
    return text


def subscribe(topics: Iterable[str]) -> str:
    """A frame that subscribes to `topics`."""
    return _encode("subscribe", list(topics))


def unsubscribe(topics: Iterable[str]) -> str:
    """A frame that unsubscribes from `topics`."""
    return _encode("unsubscribe", list(topics))


def _encode(action: str, args: list[str]) -> str:
    return msgspec.json.encode({"action": action, "args": args}).decode()


@frozen
class Credentials:
    """What logs in. It shows nothing of itself."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    memo: str = field(repr=False)

    def redact(self, text: str) -> str:
        """`text` without anything of these credentials: BitMart's refusals quote the start of the key."""
        for mine in (self.key, self.secret, self.memo):
            text = text.replace(mine, "***")
        return re.sub(r"(?i)(api[ _-]?key[ :=]+)[^\s,;]+", r"\1***", text)


def access(credentials: Credentials, wall_ms: int) -> str:
    """The login frame, signed: hex HMAC-SHA256 of `ms#memo#bitmart.WebSocket` (fact sheet 2.3).

    BitMart refuses one that is older than 60 s.
    """
    signed = f"{wall_ms}#{credentials.memo}#bitmart.WebSocket"
    signature = hmac.new(credentials.secret.encode(), signed.encode(), hashlib.sha256)
    return _encode("access", [credentials.key, str(wall_ms), signature.hexdigest(), "web"])
