"""Frames, both ways."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from bitmart_engine.streams import wire
from bitmart_engine.streams.wire import Credentials, FrameError, decode

from .fake import deflated


def test_the_login_is_signed_as_the_published_vector_says() -> None:
    frame = wire.access(Credentials("my-key", "demo-secret-123", "memo1"), 1_700_000_000_000)
    assert json.loads(frame) == {
        "action": "access",
        "args": [
            "my-key",
            "1700000000000",
            "7dfb6e78f786ed72076e2becbfdc0aad4999667f924b2cd3468acf25845dc43b",
            "web",
        ],
    }


def test_credentials_show_nothing_and_hide_what_a_refusal_quotes() -> None:
    credentials = Credentials("abcdef123", "s3cret", "memo")
    assert "abc" not in repr(credentials)
    quoted = "access failed: openapi auth: apiKey abcd**** failed: openapi auth failed"
    assert credentials.redact(quoted) == (
        "access failed: openapi auth: apiKey *** failed: openapi auth failed"
    )
    assert credentials.redact("s3cret of abcdef123") == "*** of ***"


def test_frames_are_encoded_as_documented() -> None:
    assert json.loads(wire.subscribe(["a", "b"])) == {"action": "subscribe", "args": ["a", "b"]}
    assert json.loads(wire.unsubscribe(["a"])) == {"action": "unsubscribe", "args": ["a"]}
    assert json.loads(wire.PING) == {"action": "ping"}


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", " \n\n"])
def test_a_text_frame_may_end_in_newlines(ending: str) -> None:
    frame = decode('{"action":"access","success":true}' + ending)
    assert (frame.action, frame.success) == ("access", True)


def test_a_binary_frame_is_raw_deflate() -> None:
    frame = decode(deflated('{"group":"futures/order","data":[1]}'))
    assert (frame.group, bytes(frame.data)) == ("futures/order", b"[1]")


def test_a_deflate_bomb_eats_no_memory() -> None:
    bomb = deflated(" " * 200_000_000)
    tracemalloc.start()
    with pytest.raises(FrameError, match="inflates to more than"):
        decode(bomb)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "message",
    [
        "",
        "ping",
        "[1]",
        '{"group":7}',
        "[" * 100_000,
        b"",
        b"\xff\x00",
        deflated("{"),
        deflated("\x00"),
    ],
)
def test_what_is_not_a_frame_says_so(message: str | bytes) -> None:
    with pytest.raises(FrameError):
        decode(message)


@pytest.mark.parametrize(
    ("text", "pong"),
    [
        ('{"group":"System","data":"pong+1-2-3"}', True),
        ('{"data":"pong"}', True),
        ('{"group":"System","error":"no such thing","success":false}', False),
        ('{"group":"futures/order","data":[]}', False),
    ],
)
def test_a_pong_is_known_by_its_data(text: str, pong: bool) -> None:
    assert decode(text).is_pong is pong
