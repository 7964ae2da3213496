"""The signature, checked with its own few lines, and that the secret stays secret."""

import hashlib
import hmac
import logging

import structlog

from bitmart_engine.notify.signature import sign, signature_headers

SECRET = "shared-secret-of-the-app"


def test_the_signature_is_over_time_line_feed_and_body():
    expected = hmac.new(b"s", b'1700000000000\n{"a":1}', hashlib.sha256).hexdigest()
    assert sign("s", 1_700_000_000_000, b'{"a":1}') == expected
    assert signature_headers("", 1, b"") == {}


async def test_each_attempt_is_signed_afresh(box, autojump_clock):
    box.receiver.answers["app.test"] = [500, 500, 200]
    async with box.open(trading_app_shared_secret=SECRET) as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    stamps = []
    for _, request in box.receiver.got:
        stamp = request.headers["X-WS-Worker-Timestamp"]
        text = stamp.encode() + b"\n" + request.content
        expected = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        assert request.headers["X-WS-Worker-Signature"] == expected
        stamps.append(int(stamp))
    assert stamps == [1_700_000_000_000, 1_700_000_005_000, 1_700_000_020_000]


async def test_without_a_secret_nothing_is_signed(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert not [name for name in box.receiver.got[0][1].headers if name.startswith("x-ws-worker")]


async def test_the_secret_and_what_is_secret_in_a_url_are_in_no_log_and_no_reason(
    box, autojump_clock, caplog
):
    box.receiver.answers["app.test"] = [500, OSError(SECRET), 404]
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        async with box.open(trading_app_shared_secret=SECRET) as outbox:
            outbox.offer(box.note("n1", url="http://app.test/hook/t0ken?key=t0ken"))
            await outbox.wait_idle()
            reasons = [why for _, why in outbox.dead_letters()]
    signature = box.receiver.got[0][1].headers["X-WS-Worker-Signature"]
    shown = f"{logs} {caplog.text} {reasons} {outbox!r}"
    assert logs
    for secret in (SECRET, signature, "t0ken"):
        assert secret not in shown
