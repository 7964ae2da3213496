"""What goes wrong has an exit code and one line that says what to do, and never shows the token."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field

from bitmart_engine.remote import client, promises
from bitmart_engine.remote.client import Code, Failed, checked_url, open_remote
from bitmart_engine.remote.tables import Screen

from .conftest import LEVELS, ZONE, Desk, opened, typed

TOKEN = "open-sésame, please"
PLACE = ["place", *ZONE, *LEVELS, "--size", "1", "--id", "it's a"]
PLACED = {"ok": True, "id": "a", "status": "waiting", "symbol": "BTCUSDT", "size": 1}


@define
class Answering:
    """Something that answers with what it is given, the last answer for ever."""

    url: str
    answers: list[tuple[int, bytes, dict[str, str]]]
    requests: list[tuple[str, str, dict[str, str]]] = field(factory=list)

    @property
    def now(self) -> tuple[int, bytes, dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def says(status: int, body: Any, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return status, raw, {name.replace("_", "-"): text for name, text in headers.items()}


@contextmanager
def answering(
    *answers: tuple[int, bytes, dict[str, str]], after_s: float = 0
) -> Iterator[Answering]:
    """An answer without a status hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.close_connection = True

        def reply(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            it.requests.append((self.command, self.path, dict(self.headers)))
            status, raw, headers = it.now
            threading.Event().wait(after_s)
            if not status:
                return
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = reply  # noqa: N815  # the names are the library's

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Who has asked may have gone."""

    with Server(("127.0.0.1", 0), Handler) as server:
        it = Answering(f"http://127.0.0.1:{server.server_port}", list(answers))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield it
        finally:
            server.shutdown()
            thread.join()


# Not reachable


@pytest.mark.parametrize("words", [["status"], PLACE, ["stop"], ["orders", "--json"]])
def test_no_engine_is_code_3_with_the_address_and_what_to_try(words: list[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = typed(*words, "--url", f"{url}/", CTRL_TOKEN=TOKEN)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"bitmart-engine: no engine can be reached at {url} (")
    assert "bitmart-engine serve" in result.stderr
    assert "--url or BITMART_ENGINE_URL" in result.stderr
    assert "may have been done" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_engine_that_does_not_answer_may_have_done_it_and_the_id_is_said() -> None:
    with answering(says(200, PLACED), after_s=1) as late:
        words = ["--url", late.url, "--timeout", "0.1"]
        result = typed(*PLACE, *words)
        assert (result.exit_code, result.stdout) == (3, "")
        assert "did not answer within 0.1 s; what was asked may have been done" in result.stderr
        assert """the same again with --id 'it'"'"'s a' finds out""" in result.stderr
        made_up = typed("place", *ZONE, "--size", "1", *words)
        assert "again with --id btcusdt-long-" in made_up.stderr
        looked = typed("status", *words)
        assert looked.exit_code == 3
        assert "may have been done" not in looked.stderr


def test_an_engine_that_hangs_up_may_have_done_it_too() -> None:
    with answering(says(0, b"")) as rude:
        result = typed("close", "a", "--url", rude.url)
    assert result.exit_code == 3
    assert "what was asked may have been done all the same" in result.stderr


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (502, b"<html>"),
        (302, b""),
        (404, b"\xff"),
        (200, b"[" * 100_000),
    ],
)
def test_what_is_no_engine_is_code_3(status: int, body: bytes) -> None:
    with answering(says(status, body, Location="http://127.0.0.1:1/")) as other:
        result = typed("status", "--json", "--url", other.url, CTRL_TOKEN=TOKEN)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"what answers at {other.url} is no engine: HTTP {status}" in result.stderr
    assert len(other.requests) == 1


# Not authorised


async def test_the_token_is_sent_and_never_printed() -> None:
    async with opened(token=TOKEN) as desk:
        text = await desk.done("status", CTRL_TOKEN=f" {TOKEN}\n")
        text += await desk.done("status", "--json", CTRL_TOKEN=TOKEN)
        text += await desk.done("place", "--help", CTRL_TOKEN=TOKEN)
        for token, why in (
            ("", "wants a token; set CTRL_TOKEN"),
            ("wrong-one", "has another CTRL_TOKEN"),
        ):
            result = await desk.types("status", CTRL_TOKEN=token)
            assert (result.exit_code, result.stdout) == (4, "")
            assert why in result.stderr
            assert "wrong-one" not in result.output
            text += result.output
    assert "sésame" not in text
    assert "wrong-one" not in text


def test_a_403_is_code_4_and_says_what_the_engine_says() -> None:
    with answering(
        says(403, {"ok": False, "error": "only this machine"}), says(403, b"no")
    ) as engine:
        result = typed("status", "--json", "--url", engine.url)
        assert result.exit_code == 4
        assert json.loads(result.stdout) == {"ok": False, "error": "only this machine"}
        assert result.stderr == "bitmart-engine: not authorised: only this machine\n"
        assert typed("status", "--url", engine.url).stderr.endswith("not authorised: HTTP 403\n")


def test_a_token_that_no_header_can_carry_is_code_2() -> None:
    result = typed("status", CTRL_TOKEN="one\ntwo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "CTRL_TOKEN has characters" in result.stderr
    assert "two" not in result.stderr


def test_a_token_goes_through_no_proxy_to_this_machine() -> None:
    with answering(says(500, b"")) as proxy, answering(says(200, {"ok": True})) as engine:
        result = typed(
            "stop", "--url", engine.url, CTRL_TOKEN="t", HTTP_PROXY=proxy.url, http_proxy=proxy.url
        )
        assert result.exit_code == 0
        assert not proxy.requests
        method, path, headers = engine.requests[0]
        assert (method, path, headers["Authorization"]) == ("POST", "/stop", "Bearer t")
        local = engine.url.replace("127.0.0.1", "localhost")
        assert (
            typed("stop", "--url", local, HTTP_PROXY=proxy.url, http_proxy=proxy.url).exit_code == 0
        )
        assert typed("stop", "--url", "http://engine.test", http_proxy=proxy.url).exit_code == 3
        assert len(proxy.requests) == 1


# Refused, and not now


async def test_what_is_refused_is_code_1_with_its_field(desk: Desk) -> None:
    result = await desk.types("place", *ZONE, "--size", "1", "--stop", "67000")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "bitmart-engine: refused: stop_loss: the stop of a long must be below 64000, not 67000\n"
    )
    listed = await desk.types("place", *ZONE, "--size", "1", "--metadata", "[1]", "--json")
    assert json.loads(listed.stdout)["field"] == "$.metadata"
    surrogate = await desk.types("place", *ZONE, "--size", "1", "--metadata", '{"a": "\\ud800"}')
    assert surrogate.exit_code == 1


def test_what_the_engine_cannot_do_now_is_code_5_and_may_be_promised_yet() -> None:
    busy = says(503, {"ok": False, "error": "nothing can be promised now"}, Retry_After="5")
    with answering(busy) as engine:
        result = typed(*PLACE, "--json", "--url", engine.url)
        assert result.exit_code == 5
        assert json.loads(result.stdout)["ok"] is False
        assert "cannot do that now: nothing can be promised now; try again in 5 s" in result.stderr
        assert "the same again with --id" in result.stderr
        looked = typed("monitor", "BTCUSDT", "--id", "m", "--stop", "1", "--url", engine.url)
        assert "the same again with --id m finds out" in looked.stderr
    with answering(says(500, {"ok": False, "error": "its log has it as f00"})) as engine:
        result = typed("status", "--url", engine.url)
        assert result.exit_code == 5
        assert result.stderr == "bitmart-engine: the engine failed at it: its log has it as f00\n"


async def test_a_stopping_engine_is_code_5(desk: Desk) -> None:
    desk.engine._core.agreement.opening = False  # what `stop` does first
    result = await desk.types("place", *ZONE, "--size", "1")
    assert result.exit_code == 5
    assert "the engine is stopping" in result.stderr


def test_what_others_say_breaks_no_terminal() -> None:
    evil = {"ok": False, "error": "\x1b[2J\u202e no\n"}
    with answering(says(400, evil), says(200, {"ok": True, "message": "\x1b[2J"})) as engine:
        refused = typed("status", "--url", engine.url)
        done = typed("stop", "--url", engine.url)
    assert refused.stderr == "bitmart-engine: refused: \\x1b[2J\\u202e no\\n\n"
    assert done.stdout == "\\x1b[2J\n"


# Not possible


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["status", "--url", "localhost:8089"], "must be like http://127.0.0.1:8089"),
        (["status", "--url", "ftp://a"], "must be like"),
        (["status", "--url", "http://"], "must be like"),
        (["status", "--url", "http://a b"], "must be like"),
        (["status", "--url", "http://a?b"], "without ? and #"),
        (["status", "--url", "http://a:70000"], "--url"),
        (["status", "--url", "http://[::1"], "--url"),
        (["status", "--url", "http://me:hush@a"], "must not have a user or a password"),
        (["status", "--timeout", "0"], "--timeout"),
        (["status", "--timeout", "nan"], "--timeout"),
        (["cancel", ""], "an id is needed"),
        (["cancel"], "ID"),
        (["orders", "\udcff"], "is not text"),
        (["orders", "a", "--limit", "3"], "--limit is for lists"),
        (["outbox", "--retry", "a", "--owed"], "--owed is for lists"),
        (["protect", "a"], "give --stop, --target or both"),
        (["protect", "a", "--drop", "--stop", "1"], "or --drop alone"),
        (["subscribe"], "give a symbol and its timeframes"),
        (["subscribe", "BTCUSDT"], "give a symbol and its timeframes"),
        (["subscribe", "BTCUSDT", "1m", "--orders"], "give a symbol and its timeframes"),
        (["place", "BTCUSDT", "up", "--zone", "1", "2"], "up"),
        (["place", "BTCUSDT", "long"], "--zone"),
        ([*PLACE, "--stop_los", "1"], "--stop_los"),
        ([*PLACE, "--metadata", "{"], "is not JSON"),
        ([*PLACE, "--metadata", '{"a": NaN}'], "NaN is no number"),
        ([*PLACE, "--token", "x"], "--token"),
    ],
)
def test_what_cannot_be_asked_is_code_2(words: list[str], why: str) -> None:
    result = typed(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr
    assert "hush" not in result.stderr


def test_an_address_may_have_a_path_and_may_be_empty_in_the_environment() -> None:
    assert checked_url("https://host/engine/") == "https://host/engine"
    with answering(says(200, {"ok": True})) as engine:
        assert typed("stop", BITMART_ENGINE_URL=f"{engine.url}/engine").exit_code == 0
        assert engine.requests[0][1] == "/engine/stop"
    assert typed("status", "--timeout", "0.001", BITMART_ENGINE_URL="").exit_code in (0, 3, 4)


# While an order is followed


def order(state: str, *before: str, reason: str = "") -> tuple[int, bytes, dict[str, str]]:
    history = [{"state": each, "at_ms": 1000, "reason": ""} for each in (*before, state)]
    shown = {"id": "a", "state": state, "reason": reason, "history": history}
    return says(200, {"ok": True, "order": shown})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "LOOK_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
def test_an_engine_that_is_away_for_a_while_is_waited_for() -> None:
    busy = says(503, {"ok": False, "error": "starting"})
    answers = says(200, PLACED), busy, says(0, b""), order("waiting"), order("filled", "waiting")
    with answering(*answers) as engine:
        result = typed(*PLACE, "--wait", "--url", engine.url)
    assert result.exit_code == 0
    assert result.stderr == (
        "bitmart-engine: the engine cannot do that now: starting; still trying\n"
    )
    told = [line for line in result.stdout.splitlines() if line.startswith("1970")]
    assert told == ["1970-01-01T00:00:01.000Z  waiting", "1970-01-01T00:00:01.000Z  filled"]


@pytest.mark.usefixtures("quick")
def test_an_engine_that_stays_away_is_code_3_and_the_promise_is_shown() -> None:
    with answering(says(200, PLACED), says(0, b"")) as engine:
        result = typed(*PLACE, "--wait", "--wait-at-most", "0.1", "--json", "--url", engine.url)
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {**PLACED, "order": None}
    assert "was promised, and goes on when the engine does" in result.stderr


@pytest.mark.usefixtures("quick")
def test_an_engine_that_forgot_is_code_1_and_the_promise_is_shown() -> None:
    with answering(says(200, PLACED), says(404, {"ok": False, "error": "no order"})) as engine:
        result = typed(*PLACE, "--wait", "--json", "--url", engine.url)
    assert result.exit_code == 1
    assert json.loads(result.stdout) == PLACED
    assert "refused: no order; the order was promised before" in result.stderr


@pytest.mark.usefixtures("quick")
def test_ctrl_c_leaves_the_order_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bitmart_engine.remote.promises.time.sleep", pressed)
    with answering(says(200, PLACED), order("waiting")) as engine:
        result = typed(*PLACE, "--wait", "--url", engine.url)
    assert result.exit_code == Code.INTERRUPTED == 130
    assert "interrupted; order it's a goes on" in result.stderr


def test_ctrl_c_while_it_asks_may_have_done_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("httpx.Client.request", pressed)
    result = typed(*PLACE)
    assert result.exit_code == 130
    assert "what was asked may have been done all the same; the same again" in result.stderr
    assert typed("status").stderr == "bitmart-engine: interrupted\n"
    monkeypatch.setattr("bitmart_engine.remote.session.open_remote", pressed)
    assert typed("status").exit_code == 130


# On a terminal


def on_a_terminal(*words: str, columns: int, **env: str) -> str:
    """What the command, as a process of its own, writes to a terminal."""
    ours, its = pty.openpty()
    root = str(Path(client.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-m", "bitmart_engine", *words],
        stdin=its, stdout=its, stderr=subprocess.PIPE,
        env={"PYTHONPATH": root, "COLUMNS": str(columns), "TERM": "xterm", "LANG": "C.UTF-8", **env},
    ) as process:  # fmt: skip
        os.close(its)
        said = b""
        try:
            while part := os.read(ours, 65536):
                said += part
        except OSError:
            pass  # Linux says so when the other end is closed
        finally:
            os.close(ours)
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 0
    return said.decode()


async def test_on_a_terminal_tables_fit_in_colour_and_json_is_ascii(desk: Desk) -> None:
    ids = ["long-" + "x" * 60 + end for end in "12"] + ["日本\x9b2J"]
    for id in ids:
        await desk.done("place", *ZONE, "--size", "1", f"--id={id}")

    async def shown(*words: str, columns: int = 100, **env: str) -> str:
        env["BITMART_ENGINE_URL"] = desk.address
        return await trio.to_thread.run_sync(lambda: on_a_terminal(*words, columns=columns, **env))

    plain = await shown("orders", NO_COLOR="1")
    lines = plain.splitlines()
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) <= 100
    assert lines[1].startswith("日本\\x9b2J ")
    assert len({line.split()[0] for line in lines}) == len(lines)
    assert "…" in plain
    assert "\x1b[36mwaiting\x1b[0m" in await shown("orders")
    document = await shown("orders", "--json")
    assert document.isascii()
    assert "\x1b" not in document
    assert [each["id"] for each in json.loads(document)["orders"]] == ids[::-1]


def test_one_who_asks_in_python_gets_failures_with_codes() -> None:
    with answering(says(404, {"ok": False, "error": "x"})) as engine:
        with open_remote(engine.url, "t0ken", 1) as remote, pytest.raises(Failed) as failed:
            remote.ask("GET", "status", query={"a": "\udcff&"})
        assert engine.requests[0][1] == "/status?a=%FF%26"
        assert (failed.value.code, failed.value.certain) == (Code.REFUSED, True)
        assert "t0ken" not in repr(remote)


def test_json_on_a_terminal_is_in_lines_and_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "of", lambda *_: Screen(terminal=True))
    with answering(says(200, {"ok": True, "message": "日\x9b"})) as engine:
        assert typed("stop", "--json", "--url", engine.url).stdout == (
            '{\n  "ok": true,\n  "message": "\\u65e5\\u009b"\n}\n'
        )
