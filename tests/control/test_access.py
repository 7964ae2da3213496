from __future__ import annotations

import attrs
import pytest

from bitmart_engine.control.access import AccessRule, Asker

from .conftest import Desk, Open

OPEN = AccessRule("")
CLOSED = AccessRule("s3cret-tökén")
BEARER = "Bearer " + "s3cret-tökén".encode().decode("latin-1")


def asker(
    peer: str | None = "127.0.0.1",
    host: str | None = "localhost:8089",
    *origins: str,
    method: str = "GET",
    path: str = "/status",
    authorization: str = "",
) -> Asker:
    return Asker(
        method=method,
        path=path,
        peer=peer,
        hosts=[] if host is None else [host],
        origins=origins,
        authorization=authorization,
    )


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8089", "127.1.2.3", "[::1]:9"])  # fmt: skip
def test_without_a_token_this_machine_is_served(peer: str, host: str) -> None:
    assert OPEN.refusal(asker(peer, host)) is None
    assert OPEN.refusal(asker(peer, host, "http://localhost:3000")) is None
    assert OPEN.refusal(asker(peer, host, "https://[::1]")) is None


@pytest.mark.parametrize(
    "foreign",
    [
        asker("192.168.1.5"),
        asker("::ffff:10.0.0.1"),
        asker("2001:db8::1"),
        asker(None),
        asker("", "localhost"),
        asker("/run/a.sock"),
        asker(host="evil.example"),
        asker(host="localhost.evil.example"),
        asker(host="127.0.0.1.evil.example"),
        asker(host="127.0.0.999"),
        asker(host="127.1"),
        asker(host="evil@localhost"),
        asker(host="localhost:80:80"),
        asker(host="10.0.0.1:8089"),
        asker(host="[::2]"),
        asker(host=""),
        asker(host=None),
        asker("127.0.0.1", "localhost", "https://evil.example"),
        asker("127.0.0.1", "localhost", "http://localhost.evil.example"),
        asker("127.0.0.1", "localhost", "null"),
        asker("127.0.0.1", "localhost", ""),
        asker("127.0.0.1", "localhost", "http://localhost", "http://evil.example"),
        asker("127.0.0.1", "localhost", "http://evil.example#localhost"),
        asker("127.0.0.1", "localhost", "http://evil.example@localhost"),
        asker("10.0.0.1", path="/healthz"),
        asker("10.0.0.1", authorization="Bearer anything"),
    ],
    ids=str,
)
async def test_without_a_token_nobody_else_is(foreign: Asker) -> None:
    refused = OPEN.refusal(foreign)
    assert refused is not None
    assert refused.status_code == 403
    assert "CTRL_TOKEN" in await refused.get_data(as_text=True)


PROXIED = (
    "X-Forwarded-For", "x-forwarded-host", "X-FORWARDED-PROTO", "X_Forwarded_For", "X-Forwarded",
    "Forwarded", "Forwarded-For", "X-Real-IP", "Via", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP",
    "X-Original-For", "X-Cluster-Client-Ip", "X-Envoy-External-Address",
)  # fmt: skip


@pytest.mark.parametrize("name", PROXIED)
async def test_without_a_token_nobody_is_served_through_a_proxy_of_this_machine(name: str) -> None:
    through = attrs.evolve(asker(), headers=["Host", "Accept", name])
    refused = OPEN.refusal(through)
    assert refused is not None
    assert refused.status_code == 403
    assert name in await refused.get_data(as_text=True)
    assert CLOSED.refusal(attrs.evolve(through, authorization=BEARER)) is None


@pytest.mark.parametrize("name", ["Accept", "X-Client-Version", "User-Agent", "X-Requested-With"])
def test_other_headers_are_of_no_concern(name: str) -> None:
    assert OPEN.refusal(attrs.evolve(asker(), headers=["Host", name])) is None


async def test_a_request_through_a_proxy_does_not_stop_the_engine(desk: Desk) -> None:
    answer = await desk.ask("POST", "/stop", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 403
    assert not desk.engine.stopping


@pytest.mark.parametrize("given", [BEARER, BEARER.replace("Bearer", "bearer"), BEARER + " "])
def test_with_the_token_anybody_is_served_from_anywhere(given: str) -> None:
    assert CLOSED.refusal(asker("8.8.8.8", "x.org", "http://y.org", authorization=given)) is None


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic s3cret",
        BEARER + "x",
        BEARER[:-1],
        "Bearer \u20ac",
    ],
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "8.8.8.8"])
async def test_with_a_token_nobody_is_served_without_it(given: str, peer: str) -> None:
    refused = CLOSED.refusal(asker(peer, authorization=given))
    assert refused is not None
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert "s3cret" not in await refused.get_data(as_text=True)


def test_a_token_may_have_spaces_in_it() -> None:
    rule = AccessRule("correct horse")
    assert rule.refusal(asker(authorization="Bearer correct horse")) is None
    assert rule.refusal(asker(authorization="Bearer correct")) is not None


@pytest.mark.parametrize(
    ("method", "path", "open"),
    [
        ("GET", "/healthz", True),
        ("POST", "/healthz", False),
        ("GET", "/healthz/", False),
        ("GET", "/readyz", False),
        ("GET", "/nowhere", False),
    ],
)
def test_only_healthz_needs_no_token(method: str, path: str, open: bool) -> None:
    assert (CLOSED.refusal(asker("8.8.8.8", method=method, path=path)) is None) is open


async def test_the_rule_holds_on_every_path(open_desk: Open) -> None:
    async with open_desk() as desk:
        for path in ("/status", "/nowhere", "/healthz", "/api/orders/a"):
            for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
                answer = await desk.ask("GET", path, headers=headers)
                assert (answer.status_code, answer.json()["ok"]) == (403, False)
        assert (await desk.ask("GET", "/status", headers={"Remote-Addr": "8.8.8.8"})).is_success
        assert desk.engine.stopping is False


@pytest.mark.parametrize(("host", "status"), [("evil.example", 403), ("localhost", 404)])
async def test_the_rule_holds_for_websockets_too(desk: Desk, host: str, status: int) -> None:
    handshake = {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = await desk.ask("GET", "/nowhere", headers=handshake)
    assert (answer.status_code, answer.json()["ok"]) == (status, False)


async def test_a_token_is_asked_for_on_every_path_but_healthz(open_desk: Open) -> None:
    async with open_desk(control_token="abc") as desk:
        assert (await desk.ask("GET", "/healthz")).json() == {"ok": True}
        for method, path in (("GET", "/status"), ("GET", "/nowhere"), ("POST", "/stop")):
            answer = await desk.ask(method, path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        right = {"Authorization": "Bearer abc", "Host": "trading.example"}
        assert (await desk.ask("GET", "/status", headers=right)).is_success
