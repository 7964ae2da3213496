"""A notification never goes to link-local or cloud metadata addresses, whatever they are called."""

from functools import partial

import httpx
import pytest
import trio

from bitmart_engine.counters import Counters
from bitmart_engine.model.errors import BadRequest
from bitmart_engine.model.notifications import Notification
from bitmart_engine.notify import check_url, open_outbox
from bitmart_engine.notify.destinations import Forbidden, targets
from bitmart_engine.settings import Settings
from bitmart_engine.world import World

METADATA = [
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xA9FEA9FE",
    "0xa9.0xfe.0xa9.0xfe",
    "169.16689662",
    "169.254.43518",
    "169.254.169.254.",
    "169\u3002254\u3002169\u3002254",
    "100.100.100.200",
    "168.63.129.16",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:a9fe:a9fe]",
    "[::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "metadata.goog",
]


@pytest.mark.parametrize("host", METADATA)
def test_a_link_local_or_metadata_address_is_refused_in_every_spelling(host):
    with pytest.raises(BadRequest, match="link-local or cloud metadata") as refused:
        check_url(f"http://{host}/latest/meta-data")
    assert refused.value.field == "$.callback_url"
    bare = host.lower().rstrip(".")
    with pytest.raises(BadRequest):
        check_url(f"https://{host}:8080/", {bare, "localhost"})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "http:// or https://"),
        ("app.test/hook", "http:// or https://"),
        ("ftp://app.test/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("javascript:alert(1)", "http:// or https://"),
        ("http:///hook", "no host"),
        ("http://:80/", "no host"),
        ("http://./", "no host"),
        ("http://user@app.test/", "user name"),
        ("http://user:hunter2@app.test/", "user name"),
        ("http://app.test\\@169.254.169.254/", "user name"),
        ("http://app.test:0/", "port"),
        ("http://app.test:70000/", "port"),
        ("http://app.test:80x/", "not an address"),
        ("http://[::1/", "not an address"),
        ("http://0251.0376.0251.0376/", "not an address"),
        ("http://app\n.test/", "not an address"),
        ("http://169.254.169.254%0a/", "not a host name"),
        ("http://a b/", "not a host name"),
        ("http://a,b/", "not a host name"),
    ],
)
def test_what_is_not_a_plain_http_address_is_refused(url, why):
    with pytest.raises(BadRequest, match=why) as refused:
        check_url(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9000/hook",
        "http://127.0.0.1/hook?x=1#y",
        "http://10.1.2.3:8080",
        "http://192.168.0.1/",
        "http://[::1]:9000/",
        "https://app.example.com/hook",
        "HTTPS://App.Example.COM/",
        "http://b\u00fccher.example/",
        "http://my_service:80/",
        "http://0/",
    ],
)
def test_the_application_next_door_and_anywhere_else_is_fine(url):
    check_url(url)


def test_with_a_list_only_its_hosts_are_fine_exactly_and_in_either_case():
    allow = ("app.example.com", "127.0.0.1", "[::1]")
    for url in ("http://App.Example.Com:1/", "https://127.0.0.1/", "http://[::1]/"):
        check_url(url, allow)
    for host in ("example.com", "x.app.example.com", "app.example.com.evil.test", "localhost"):
        with pytest.raises(BadRequest, match="CALLBACK_ALLOW"):
            check_url(f"http://{host}/", allow)


async def resolves_to(addresses, host, port):
    return addresses


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1%eth0", "::ffff:a9fe:a9fe"])
async def test_a_name_that_resolves_to_one_is_refused_even_among_others(address):
    resolve = partial(resolves_to, ["10.0.0.1", address])
    with pytest.raises(Forbidden, match="resolves to"):
        await targets("http://innocent.test/", (), resolve)


async def test_what_is_sent_goes_to_the_address_that_was_checked():
    resolve = partial(resolves_to, ["10.0.0.1", "2001:db8::1"])
    first, second = await targets("https://App.test:8443/hook?x=1", (), resolve)
    assert str(first.url) == "https://10.0.0.1:8443/hook?x=1"
    assert str(second.url) == "https://[2001:db8::1]:8443/hook?x=1"
    assert (first.host_header, first.sni) == ("app.test:8443", "app.test")


async def test_an_address_is_not_resolved_and_has_no_name_for_tls():
    (target,) = await targets("https://2130706433/", (), partial(resolves_to, ["10.0.0.1"]))
    assert str(target.url) == "https://127.0.0.1/"
    assert target.sni is None


async def test_a_name_without_addresses_does_not_resolve():
    with pytest.raises(OSError, match="no address"):
        await targets("http://app.test/", (), partial(resolves_to, []))


async def test_a_forbidden_destination_is_a_dead_letter_without_a_byte_sent(box, autojump_clock):
    box.names["rebound.test"] = ["169.254.169.254"]
    async with box.open() as outbox:
        outbox.offer(box.note("n1", lane="a", url="http://rebound.test/"))
        outbox.offer(box.note("n2", lane="b", url="http://169.254.169.254/"))
        await outbox.wait_idle()
        reasons = {each.id: why for each, why in outbox.dead_letters()}
    assert not box.receiver.got
    assert reasons == {
        "n1": "the address resolves to a link-local or cloud metadata address",
        "n2": "the address is a link-local or cloud metadata address",
    }


async def test_a_name_is_looked_at_each_time_something_is_sent(box, autojump_clock):
    box.receiver.answers["rebound.test"] = 500
    async with box.open() as outbox:
        outbox.offer(box.note("n1", url="http://rebound.test/"))
        await trio.sleep(1)
        box.names["rebound.test"] = ["169.254.169.254"]
        await outbox.wait_idle()
        assert outbox.statistics().dead == 1
    assert len(box.receiver.got) == 1


async def test_the_list_of_allowed_hosts_holds_when_something_is_sent_too(box, autojump_clock):
    async with box.open(callback_allow="other.test") as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
        assert "CALLBACK_ALLOW" in outbox.dead_letters()[0][1]
    assert not box.receiver.got


async def test_tls_asks_for_the_name_and_connections_are_not_kept(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("n1", url="https://app.test/"))
        await outbox.wait_idle()
    request = box.receiver.got[0][1]
    assert request.extensions["sni_hostname"] == "app.test"
    assert request.headers["Connection"] == "close"
    assert ("resolve", "app.test", 443) in box.events


async def test_over_a_real_socket_a_redirect_to_metadata_is_not_followed():
    got = []

    async def answer(stream):
        text = b""
        while b"{}" not in text:
            text += await stream.receive_some()
        got.append(text)
        await stream.send_all(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        )

    async def durable():
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with open_outbox(
            Settings(callback_timeout_s=30),
            World(http_transport=httpx.AsyncHTTPTransport),
            Counters(),
            durable=durable,
            settled=lambda *_: None,
            resolve=partial(resolves_to, ["127.0.0.1"]),
        ) as outbox:
            outbox.offer(
                Notification(
                    id="n1",
                    lane="a",
                    url=f"http://app.test:{port}/hook",
                    body=b"{}",
                    kind="placed",
                    created_ms=0,
                )
            )
            await outbox.wait_idle()
            assert outbox.dead_letters()[0][1] == "HTTP 302"
        nursery.cancel_scope.cancel()
    assert len(got) == 1
    assert got[0].startswith(b"POST /hook HTTP/1.1\r\n")
    assert f"host: app.test:{port}\r\n".encode() in got[0].lower()
