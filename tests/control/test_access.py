from __future__ import annotations

from base64 import b64encode

import attrs
import pytest

from bitmart_engine.control.access import AccessRule, Asker
from bitmart_engine.model.networks import private_network

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
        ("GET", "/", True),
        ("HEAD", "/", True),
        ("POST", "/", False),
        ("GET", "/page/app.js", True),
        ("PUT", "/page/app.js", False),
        ("GET", "/page", False),
        ("GET", "/pages", False),
        ("GET", "/readyz", False),
        ("GET", "/nowhere", False),
    ],
)
def test_only_healthz_and_the_page_need_no_token(method: str, path: str, open: bool) -> None:
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


# Basic


def basic(password: str, user: str = "user") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("user", ["user", "", "worker", "ümlaut"])
def test_the_token_is_taken_as_the_password_of_any_user(user: str) -> None:
    given = basic("s3cret-tökén", user)
    assert CLOSED.refusal(asker("8.8.8.8", "x.org", authorization=given)) is None
    assert CLOSED.refusal(asker(authorization=given.replace("Basic", "basic"))) is None


def test_a_token_with_colons_is_a_password_too() -> None:
    assert AccessRule("a:b:c").refusal(asker(authorization=basic("a:b:c"))) is None


@pytest.mark.parametrize(
    "given",
    [
        basic("wrong"),
        basic(""),
        basic("s3cret-tökén "),
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + b64encode("s3cret-tökén".encode()).decode(),
        "Basic s3cret-token",
        BEARER.replace("Bearer", "Basic"),
    ],
)
def test_any_other_password_is_refused(given: str) -> None:
    refused = CLOSED.refusal(asker(authorization=given))
    assert refused is not None
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "given", ["Bearer ", "Basic Og==", "Basic " + b64encode(b"u:").decode(), ""]
)
def test_no_password_is_no_token_where_none_is_set(given: str) -> None:
    assert not OPEN.shown_by(asker(authorization=given))
    assert OPEN.refusal(asker("8.8.8.8", authorization=given)) is not None


def test_a_page_of_another_site_cannot_use_the_password_that_a_browser_remembers() -> None:
    remembered = basic("s3cret-tökén")
    own = asker("10.0.0.7", "engine:8089", "http://engine:8089", authorization=remembered)
    assert CLOSED.refusal(own) is None
    for origin in ("http://evil.example", "null", "http://engine:80", ""):
        assert CLOSED.refusal(attrs.evolve(own, origins=[origin])) is not None
        assert CLOSED.refusal(attrs.evolve(own, origins=[origin], authorization=BEARER)) is None


# Networks that need no token

NETWORKS = tuple(map(private_network, ("172.16.0.0/12", "fd00:1::/32")))
WITHIN = AccessRule("", NETWORKS, ("engine.internal",))
BOTH = AccessRule("s3cret", NETWORKS, ("engine.internal",))


@pytest.mark.parametrize("rule", [WITHIN, BOTH])
@pytest.mark.parametrize("peer", ["172.18.0.5", "::ffff:172.31.255.254", "fd00:1::7"])
@pytest.mark.parametrize(
    "host",
    ["engine:8089", "ENGINE", "172.18.0.2:8089", "[fd00:1::2]:8089", "engine.internal:8089", "my_engine-1", "3f2a9c"],
)  # fmt: skip
def test_a_peer_of_an_allowed_network_needs_no_token(
    rule: AccessRule, peer: str, host: str
) -> None:
    assert rule.stranger(peer) is None
    assert rule.refusal(asker(peer, host, method="POST", path="/api/place-order")) is None
    own = f"http://{host}"
    assert rule.refusal(asker(peer, host, own)) is None


@pytest.mark.parametrize(
    "foreign",
    [
        asker("172.18.0.5", "evil.example"),
        asker("172.18.0.5", "engine."),
        asker("172.18.0.5", "x.engine.internal"),
        asker("172.18.0.5", "engine.internal.evil.example"),
        asker("172.18.0.5", "2130706433"),
        asker("172.18.0.5", "0x7f000001"),
        asker("172.18.0.5", "engine@evil"),
        asker("172.18.0.5", "1.2.3.4.5"),
        asker("172.18.0.5", "ünicode"),
        asker("172.18.0.5", ""),
        asker("172.18.0.5", None),
        asker("172.18.0.5", "engine", "https://evil.example"),
        asker("172.18.0.5", "engine", "http://203.0.113.5"),
        asker("172.18.0.5", "engine", "http://[2001:db8::1]"),
        asker("172.18.0.5", "engine", "http://192.168.1.1"),
        asker("172.18.0.5", "engine", "null"),
        asker("172.18.0.5", "engine", "http://app", "https://evil.example"),
        asker("172.15.0.5", "engine"),
        asker("10.0.0.1", "engine"),
        asker("fd00:2::1", "engine"),
        asker("8.8.8.8", "engine"),
        asker(None, "engine"),
        asker("127.0.0.1", "engine"),
    ],
    ids=str,
)
def test_what_is_not_of_an_allowed_network_is_refused_with_and_without_a_token(
    foreign: Asker,
) -> None:
    for rule, status in ((WITHIN, 403), (BOTH, 401)):
        refused = rule.refusal(foreign)
        assert refused is not None
        assert refused.status_code == status


@pytest.mark.parametrize(
    "origin",
    ["http://app", "http://app:3000", "http://172.18.0.9", "http://engine.internal", "http://localhost:3000", "http://127.0.0.1"],
)  # fmt: skip
def test_a_page_of_an_allowed_network_or_of_the_users_own_machine_may_ask(origin: str) -> None:
    assert WITHIN.refusal(asker("172.18.0.5", "engine", origin)) is None


@pytest.mark.parametrize("name", PROXIED)
async def test_what_a_proxy_of_an_allowed_network_passed_on_needs_the_token(name: str) -> None:
    through = attrs.evolve(asker("172.18.0.5", "engine"), headers=["Host", name])
    refused = WITHIN.refusal(through)
    assert refused is not None
    assert refused.status_code == 403
    refused = BOTH.refusal(through)
    assert refused is not None
    assert name in await refused.get_data(as_text=True)
    assert BOTH.refusal(attrs.evolve(through, authorization="Bearer s3cret")) is None


def test_loopback_keeps_its_own_rule_beside_allowed_networks() -> None:
    assert WITHIN.refusal(asker()) is None
    assert BOTH.refusal(asker()) is not None
    wide = AccessRule("s3cret", (private_network("127.0.0.1"),))
    assert wide.refusal(asker()) is None


async def test_a_container_is_let_in_before_a_byte_is_read_and_others_are_not(
    open_desk: Open,
) -> None:
    async with open_desk(control_allow="127.0.0.0/8", control_token="t") as desk:
        body = {"symbol": "BTCUSDT", "tfs": "1m"}
        assert (
            await desk.ask("POST", "/klines/subscribe", body, headers={"Host": "worker:8089"})
        ).is_success
        foreign = await desk.ask(
            "POST", "/stop", headers={"Host": "worker", "Origin": "http://evil.example"}
        )
        assert foreign.status_code == 401
        assert not desk.engine.stopping
    assert WITHIN.stranger("10.0.0.1") is not None
    assert BOTH.stranger("10.0.0.1") is None


async def test_credentials_in_the_address_are_enough(open_desk: Open) -> None:
    async with open_desk(control_token="s3cret") as desk:
        answer = await desk.http.get(desk.address.replace("//", "//worker:s3cret@") + "/status")
        assert answer.is_success
