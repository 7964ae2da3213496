"""The count of attempts in a signal's body: replaced, signed with, and nothing else touched."""

import hashlib
import hmac
import json

import pytest

from bitmart_engine.notify.bodies import body_of_attempt

SECRET = "shared-secret-of-the-app"
SIGNAL = (
    b'{"kind":"ENTRY","price":"65000.10","retry_count":0,'
    b'"context":{"retry_count":7,"x":1.50},"payload_version":"1.0"}'
)


def test_only_the_count_changes_and_every_other_byte_stays():
    assert body_of_attempt(SIGNAL, 0) == SIGNAL
    third = body_of_attempt(SIGNAL, 2)
    assert third == SIGNAL.replace(b'"retry_count":0,', b'"retry_count":2,')


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"placed","retry_count":3}',
        b'{"retry_count":3,"metadata":{"payload_version":"1.0"}}',
        b'{"payload_version":"1.0","group":"futures/order"}',
        b'[{"payload_version":"1.0","retry_count":3}]',
        b'"payload_version" retry_count',
        b'{"payload_version":"1.0","retry_count":3',
        b'{"\xff":1,"payload_version":"1.0","retry_count":3}',
        b"",
    ],
)
def test_a_body_that_counts_no_attempts_goes_out_untouched(body):
    assert body_of_attempt(body, 4) == body


def signature(request):
    text = request.headers["X-WS-Worker-Timestamp"].encode() + b"\n" + request.content
    return hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


async def test_a_signal_says_at_each_attempt_how_many_there_were_and_is_signed_so(
    box, autojump_clock
):
    box.receiver.answers["app.test"] = [500, OSError("gone"), 503, 202]
    async with box.open(trading_app_shared_secret=SECRET) as outbox:
        outbox.offer(box.note("s1", body=SIGNAL, kind="order_signal"))
        outbox.offer(box.note("s2", body=SIGNAL, kind="order_signal"))
        await outbox.wait_idle()
    sent = [request for _, request in box.receiver.got]
    counts = [json.loads(request.content)["retry_count"] for request in sent]
    assert counts == [0, 1, 2, 3, 0]
    assert len({request.headers["X-WS-Worker-Timestamp"] for request in sent[:4]}) == 4
    for request in sent:
        assert request.headers["X-WS-Worker-Signature"] == signature(request)


async def test_a_callback_and_a_signal_of_an_older_journal_are_the_same_at_each_attempt(
    box, autojump_clock
):
    older = b'{"kind":"ENTRY","retry_count":1,"trace_id":"x"}'
    box.receiver.answers["app.test"] = [500, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("s1", body=older, kind="order_signal"))
        await outbox.wait_idle()
    assert [request.content for _, request in box.receiver.got] == [older, older]


async def test_a_callback_whose_user_named_things_so_is_left_alone(box, autojump_clock):
    body = b'{"event":"placed","payload_version":"1.0","retry_count":"mine"}'
    box.receiver.answers["app.test"] = [500, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("c1", body=body, kind="placed"))
        await outbox.wait_idle()
    assert [request.content for _, request in box.receiver.got] == [body, body]
