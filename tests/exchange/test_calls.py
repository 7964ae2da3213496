"""When a call fails: provably unsent, lost, or refused for the clock. Over fakes and over real sockets."""

import logging
from contextlib import suppress
from decimal import Decimal
from functools import partial

import httpx
import pytest
import structlog
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.exchange import (
    CredentialsMissing,
    ExchangeError,
    Meaning,
    NotSent,
    OutcomeUnknown,
    Refused,
    SubmitOrder,
    open_exchange,
)
from bitmart_engine.model.sides import OrderSide
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

SUBMIT = "/contract/private/submit-order"
CANCEL = "/contract/private/cancel-order"
MODE = "/contract/private/get-position-mode"
OK = b'{"code":1000,"message":"Ok","data":{"order_id":7,"position_mode":"hedge_mode"}}'

ORDER = SubmitOrder(
    symbol="BTCUSDT",
    side=OrderSide.BUY_OPEN_LONG,
    size=1,
    client_order_id="a1",
    price=Decimal("65000"),
)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.ConnectError, "ConnectError"),
        (httpx.ConnectTimeout, "not connected in time"),
        (httpx.PoolTimeout, "no connection was free in time"),
    ],
)
async def test_no_connection_means_not_sent(fake, client, failure, words):
    fake.does(SUBMIT, failure("no"))
    with pytest.raises(NotSent, match=words):
        await client.submit_order(ORDER)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadTimeout("x"),
        httpx.WriteTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.CloseError("x"),
        httpx.RemoteProtocolError("x"),
        httpx.LocalProtocolError("x"),
        httpx.DecodingError("x"),
        OSError("x"),
        trio.BrokenResourceError("x"),
    ],
)
async def test_a_broken_connection_means_unknown(fake, client, failure):
    fake.does(SUBMIT, failure)
    with pytest.raises(OutcomeUnknown) as lost:
        await client.submit_order(ORDER)
    assert lost.value.path == SUBMIT
    assert lost.value.__cause__ is None
    assert lost.value.__suppress_context__


class Drip(httpx.AsyncByteStream):
    def __init__(self, chunk, pause):
        self.chunk, self.pause = chunk, pause
        self.closed = False

    async def __aiter__(self):
        while True:
            yield self.chunk
            await trio.sleep(self.pause)

    async def aclose(self):
        self.closed = True


async def test_an_answer_that_drips_for_ever_is_cut_after_five_seconds(
    fake, client, autojump_clock
):
    drip = Drip(b" ", 0.5)

    async def answer(_request):
        return httpx.Response(200, stream=drip)

    fake.does(SUBMIT, answer)
    begun = trio.current_time()
    with pytest.raises(OutcomeUnknown, match="no answer within 5 s"):
        await client.submit_order(ORDER)
    assert trio.current_time() - begun == pytest.approx(5)
    assert drip.closed


async def test_an_answer_larger_than_any_known_is_not_read(fake, client):
    async def answer(_request):
        return httpx.Response(200, stream=Drip(b"x" * 1024 * 1024, 0))

    fake.does(MODE, answer)
    with pytest.raises(OutcomeUnknown, match="larger than"):
        await client.position_mode()


async def test_time_that_runs_out_while_connecting_means_not_sent(fake, client, autojump_clock):
    async def answer(request):
        await request.extensions["trace"]("connection.connect_tcp.started", {})
        await request.extensions["trace"]("connection.start_tls.started", {})
        await trio.sleep_forever()

    fake.does(SUBMIT, answer)
    with pytest.raises(NotSent, match="within 5 s"):
        await client.submit_order(ORDER)


async def test_a_transport_that_reports_no_progress_gets_no_benefit_of_the_doubt(
    fake, client, autojump_clock
):
    async def answer(_request):
        await trio.sleep_forever()

    fake.does(SUBMIT, answer)
    with pytest.raises(OutcomeUnknown):
        await client.submit_order(ORDER)


async def test_a_write_refused_for_its_timestamp_is_sent_once_more_by_the_exchanges_clock(
    fake, client, autojump_clock
):
    fake.says(SUBMIT, code=30007, status=401, message="timestamp")
    fake.says(SUBMIT, {"order_id": 7})
    fake.says("/system/time", {"server_time": fake.now_ms + 90_000})
    assert await client.submit_order(ORDER) == "7"
    assert fake.paths == [SUBMIT, "/system/time", SUBMIT]
    assert int(fake.requests[-1].headers["X-BM-TIMESTAMP"]) == fake.now_ms + 90_000
    assert fake.requests[0].content == fake.requests[-1].content
    assert fake.counters.counts()["timestamp_refused"] == 1

    await client.submit_order(ORDER)
    assert int(fake.requests[-1].headers["X-BM-TIMESTAMP"]) == fake.now_ms + 90_000


async def test_a_write_refused_for_its_timestamp_twice_is_refused(fake, client):
    fake.says(SUBMIT, code=30007, status=401, message="timestamp")
    fake.says("/system/time", {"server_time": fake.now_ms})
    with pytest.raises(Refused) as refused:
        await client.submit_order(ORDER)
    assert refused.value.meaning is Meaning.CLOCK
    assert fake.paths.count(SUBMIT) == 2


async def test_a_clock_that_cannot_be_compared_leaves_the_refusal_a_refusal(fake, client):
    fake.says(SUBMIT, code=30007, status=401, message="timestamp")
    fake.does("/system/time", httpx.ReadTimeout("x"))
    with pytest.raises(Refused) as refused:
        await client.submit_order(ORDER)
    assert refused.value.meaning is Meaning.CLOCK
    assert fake.paths == [SUBMIT, "/system/time"]


async def test_no_other_write_is_ever_sent_twice(fake, client, autojump_clock):
    for code, status in [(30013, 429), (30014, 503), (40012, 400), (40027, 400), (40055, 400)]:
        fake.requests.clear()
        fake.answers.clear()
        fake.says(SUBMIT, code=code, status=status)
        with pytest.raises(ExchangeError):
            await client.submit_order(ORDER)
        assert len(fake.requests) == 1


@pytest.mark.parametrize("data", [{}, [], None, {"server_time": "soon"}])
async def test_a_server_time_that_cannot_be_read_is_a_failed_query(fake, client, data):
    fake.says("/system/time", data)
    with pytest.raises(OutcomeUnknown, match="unreadable"):
        await client.server_time_ms()


async def test_no_secret_is_in_any_error_or_log(fake, caplog):
    secrets = {"api_key": "KKKK-key", "api_secret": "SSSS-secret", "api_memo": "MMMM-memo"}
    said = " ".join(secrets.values())
    fake.says(CANCEL, code=30002, status=401, message=said)
    fake.says(CANCEL, code=40012, status=400, message=said)
    fake.does(CANCEL, httpx.LocalProtocolError(f"Illegal header value {said}"))
    fake.does(CANCEL, httpx.ConnectError(said))
    fake.says(CANCEL, code=30007, status=401, message=said)
    fake.says("/system/time", {"server_time": 0})
    shown = []
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        async with fake.client(**secrets) as client:
            for _ in range(5):
                with pytest.raises(ExchangeError) as caught:
                    await client.cancel_order("BTCUSDT", order_id="1")
                shown += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
            shown.append(repr(client))
    everything = "\n".join([*shown, caplog.text, repr(logs)])
    for text in [*secrets.values(), *(each.headers.get("X-BM-SIGN") for each in fake.requests)]:
        assert text is None or text not in everything
    assert issubclass(CredentialsMissing, ExchangeError)


# Over real sockets


async def serve(answer, nursery):
    """A server on a free port of this machine; its address. `answer` gets each connection as a stream."""
    listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
    host, port = listeners[0].socket.getsockname()[:2]
    return f"http://{host}:{port}"


def connect(uri, **settings):
    chosen = {"api_key": "k", "api_secret": "s", "api_memo": "m", "rest_uri": uri, **settings}
    return open_exchange(Settings(**chosen), World(), Counters())


async def read_request(stream):
    got = b""
    while b"\r\n\r\n" not in got:
        part = await stream.receive_some()
        if not part:
            await trio.sleep_forever()
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += await stream.receive_some()
    return head, body


def http(body, status="200 OK", extra=""):
    return f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_one_connection_serves_one_call_after_another():
    connections = []
    requests = []
    answered = trio.Event()

    async def answer(stream):
        connections.append(stream)
        while True:
            requests.append(await read_request(stream))
            await stream.send_all(http(OK))
            answered.set()

    async with trio.open_nursery() as nursery:
        uri = await serve(answer, nursery)
        async with connect(uri + "/") as client:
            await answered.wait()  # the question for the time that is asked at the start
            with pytest.raises(OutcomeUnknown, match="unreadable"):
                await client.measure_clock()
            requests.clear()
            assert await client.submit_order(ORDER) == "7"
            assert await client.position_mode() == "hedge_mode"
            assert await client.submit_order(ORDER) == "7"
        nursery.cancel_scope.cancel()
    assert len(connections) == 1
    head, body = requests[0]
    assert head.startswith(b"POST /contract/private/submit-order HTTP/1.1\r\n")
    assert body.startswith(b'{"symbol":"BTCUSDT","side":1,')


async def test_a_refused_connection_is_not_sent():
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with connect(uri) as client:
            with pytest.raises(NotSent, match=r"no connection to 127\.0\.0\.1"):
                await client.submit_order(ORDER)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"])
async def test_a_connection_that_ends_before_the_answer_does_is_unknown(head):
    async def answer(stream):
        await read_request(stream)
        await stream.send_all(head)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        async with connect(await serve(answer, nursery)) as client:
            with pytest.raises(OutcomeUnknown, match="answer lost"):
                await client.submit_order(ORDER)
        nursery.cancel_scope.cancel()


async def test_a_server_that_drips_headers_for_ever_holds_nobody(autojump_clock):
    async def answer(stream):
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n")
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"X-Drip: 1\r\n")
                await trio.sleep(0.25)

    async with trio.open_nursery() as nursery:
        async with connect(await serve(answer, nursery)) as client:
            begun = trio.current_time()
            with pytest.raises(OutcomeUnknown, match="within 5 s"):
                await client.submit_order(ORDER)
            assert trio.current_time() - begun == pytest.approx(5, abs=0.01)
        nursery.cancel_scope.cancel()


async def test_a_redirect_is_not_followed():
    requests = []

    async def answer(stream):
        requests.append(await read_request(stream))
        await stream.send_all(http(b"", "307 Temporary Redirect", "Location: /elsewhere\r\n"))

    async with trio.open_nursery() as nursery:
        async with connect(await serve(answer, nursery)) as client:
            with pytest.raises(OutcomeUnknown, match="HTTP 307"):
                await client.submit_order(ORDER)
        nursery.cancel_scope.cancel()
    assert sum(head.startswith(b"POST") for head, _ in requests) == 1
    assert not any(b"/elsewhere" in head for head, _ in requests)


async def test_a_server_that_takes_the_connection_and_says_nothing_is_unknown(autojump_clock):
    async def answer(stream):
        await read_request(stream)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        async with connect(await serve(answer, nursery)) as client:
            with pytest.raises(OutcomeUnknown):
                await client.submit_order(ORDER)
        nursery.cancel_scope.cancel()


async def test_a_tls_handshake_that_never_ends_is_not_sent(autojump_clock):
    async def answer(_stream):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        uri = await serve(answer, nursery)
        async with connect(uri.replace("http", "https")) as client:
            with pytest.raises(NotSent):
                await client.submit_order(ORDER)
        nursery.cancel_scope.cancel()
