"""The byte stream beneath a connection."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from bitmart_engine.streams.activity_stream import ActivityStream, HungUp

from .fake import ClientEnd


class BrokenEnd(ClientEnd):
    """Whatever is done with it fails."""

    async def send_all(self, data: object) -> None:
        raise trio.BrokenResourceError

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        raise trio.BrokenResourceError


async def test_it_passes_bytes_and_notes_when_they_came(autojump_clock: MockClock) -> None:
    near, far = memory_stream_pair()
    stream = ActivityStream(near)
    await stream.wait_send_all_might_not_block()
    await stream.send_all(b"there")
    assert await far.receive_some() == b"there"
    await trio.sleep(3)
    await far.send_all(b"and back")
    assert await stream.receive_some() == b"and back"
    assert (stream.last_received_at, stream.sending) == (3, False)


@pytest.mark.parametrize("shaken", [False, True])
async def test_what_breaks_during_the_handshake_is_said_loudly(shaken: bool) -> None:
    stream = ActivityStream(BrokenEnd(memory_stream_pair()[0]))
    stream.shaken = shaken
    expected = trio.BrokenResourceError if shaken else HungUp
    with pytest.raises(expected):
        await stream.receive_some()
    with pytest.raises(expected):
        await stream.send_all(b"x")
    assert stream.sending
