"""Alerts on their way: through Apprise, over a real socket of this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trio
import trio.testing
from click.testing import CliRunner
from structlog.testing import capture_logs

from bitmart_engine.alerts import Alert, Alerts, AlertsUnusable, Sender
from bitmart_engine.alerts.heartbeat import keep_beating
from bitmart_engine.alerts.sending import KEPT_FOR_S
from bitmart_engine.cli import main
from bitmart_engine.counters import Counters
from bitmart_engine.health_watch import HealthWatch
from bitmart_engine.settings import SettingError, Settings
from tests.support.stage import open_stage

ALERT = Alert("error", "bitmart-engine: close_failed", "of order a")


class Phone:
    """A service that takes messages, and answers as it is told to."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.beats = 0
        self.answers: list[int] = []
        phone = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                said = json.loads(self.rfile.read(length))
                answer = phone.answers.pop(0) if phone.answers else 200
                if answer == 200:
                    phone.messages.append(said)
                self.send_response(answer)
                self.end_headers()

            def do_GET(self) -> None:
                phone.beats += 1
                self.send_response(phone.answers.pop(0) if phone.answers else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.address = f"json://127.0.0.1:{self.port}/hush-token"


@pytest.fixture
def phone() -> Iterator[Phone]:
    made = Phone()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


async def _until(condition) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.01)


async def test_an_alert_reaches_every_address(phone, nursery):
    sender = Sender([phone.address, phone.address])
    nursery.start_soon(sender.run, Counters())
    await trio.testing.wait_all_tasks_blocked()
    sender.offer(ALERT)
    await _until(lambda: len(phone.messages) == 2)
    assert phone.messages[0]["title"] == ALERT.title
    assert phone.messages[0]["message"] == ALERT.body
    assert phone.messages[0]["type"] == "failure"
    nursery.cancel_scope.cancel()


async def _inline(blocking: Callable[[], bool]) -> bool:
    await trio.lowlevel.checkpoint()
    return blocking()


def _scripted(answers: list[bool]) -> tuple[Sender, list[Alert]]:
    """A sender whose one service answers so, and what it was sent."""
    sender = Sender(["json://127.0.0.1:9"], in_thread=_inline)
    sent: list[Alert] = []

    def send(alert: Alert) -> bool:
        sent.append(alert)
        return answers.pop(0) if answers else True

    sender._services = [send]
    return sender, sent


async def test_one_that_is_not_taken_is_sent_again_and_the_next_waits(nursery, autojump_clock):
    (sender, sent), counters = _scripted([False, True]), Counters()
    nursery.start_soon(sender.run, counters)
    await trio.testing.wait_all_tasks_blocked()
    sender.offer(ALERT)
    sender.offer(Alert("info", "next", ""))
    await trio.sleep(4)
    assert sent == [ALERT]
    assert counters.counts() == {"alert_not_taken": 1}
    await trio.sleep(4)
    assert [each.title for each in sent] == [ALERT.title, ALERT.title, "next"]
    nursery.cancel_scope.cancel()


async def test_an_address_that_is_down_for_an_hour_is_given_up_on(nursery, autojump_clock):
    (sender, sent), counters = _scripted([False] * 1000), Counters()
    nursery.start_soon(sender.run, counters)
    await trio.testing.wait_all_tasks_blocked()
    with capture_logs():
        sender.offer(ALERT)
        began = trio.current_time()
        while not counters.counts().get("alert_given_up"):
            await trio.sleep(10)
    assert trio.current_time() - began <= KEPT_FOR_S + 10
    assert len(sent) > 10
    nursery.cancel_scope.cancel()


async def test_too_many_are_dropped_and_counted(phone):
    sender, counters = Sender([phone.address]), Counters()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run, counters)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(150):  # nothing is sent between two of them
            sender.offer(ALERT)
        assert counters.counts()["alert_dropped"] == 49, "one is taken, 100 wait"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("address", ["nonsense://host", "words", "tgram://hush"])
def test_an_address_that_cannot_be_used_is_refused_and_not_shown(address):
    with pytest.raises(AlertsUnusable, match="address 1 of 1") as refused:
        Sender([address])
    assert address not in str(refused.value)


def test_without_apprise_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(AlertsUnusable, match=r"pip install 'bitmart-engine\[alerts\]'"):
        Sender(["json://127.0.0.1:9"])
    Alerts(Settings())  # nobody is told, so nothing is needed


async def test_an_engine_alerts_of_what_it_logs_and_of_not_being_ready(autojump_clock):
    sender, sent = _scripted([])
    alerts = Alerts(Settings(alert_on=("close_failed",)), sender)
    async with open_stage() as stage, trio.open_nursery() as nursery:
        nursery.start_soon(alerts.run, stage.engine, HealthWatch(stage.engine))
        alerts.hear("close_failed", "error", {"id": "a", "why": "HTTP 500"})
        alerts.hear("order_open", "info", {"id": "a"})
        await trio.sleep(3)
        assert [each.title for each in sent] == ["bitmart-engine: close_failed"]
        stage.paper.refuse_dials()
        stage.paper.drop_connections("private")
        await trio.sleep(90)
        assert sent[-1].title == "bitmart-engine: not ready for 60 s"
        assert "not logged in" in sent[-1].body
        stage.paper.refuse_dials(on=False)
        await stage.until(lambda: not stage.engine.not_ready())
        await trio.sleep(2)
        assert sent[-1].title.startswith("bitmart-engine: ready again after")
        nursery.cancel_scope.cancel()


async def test_a_monitor_is_asked_while_the_engine_is_ready(phone, nursery):
    counters = Counters()
    url = f"http://127.0.0.1:{phone.port}/ping/hush-token"
    phone.answers = [500]
    with capture_logs() as lines:
        nursery.start_soon(keep_beating, url, lambda: True, counters)
        await _until(lambda: counters.counts().get("heartbeat_failed"))
    assert phone.beats == 1
    assert lines[0]["why"] == "HTTP 500"
    assert "hush" not in str(lines)
    nursery.cancel_scope.cancel()


async def test_no_monitor_is_asked_while_it_is_not(phone, nursery, autojump_clock):
    nursery.start_soon(keep_beating, "http://127.0.0.1:9/", lambda: False, counters := Counters())
    await trio.sleep(600)
    assert counters.counts() == {}
    nursery.cancel_scope.cancel()


def test_the_command_tries_every_address(phone, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    phone.answers = [200, 503]
    env = {"ALERT_URLS": f"{phone.address} {phone.address}"}
    tried = CliRunner().invoke(main, ["alert"], env=env)
    assert tried.exit_code == 1
    assert sorted(line.split(": ")[1] for line in tried.stdout.splitlines()) == [
        "not taken",
        "taken",
    ]
    assert phone.messages[0]["title"] == "bitmart-engine: a test"
    assert CliRunner().invoke(main, ["alert"], env=env).exit_code == 0
    assert CliRunner().invoke(main, ["alert"], env={"ALERT_URLS": ""}).exit_code == 2
    refused = CliRunner().invoke(main, ["alert"], env={"ALERT_URLS": "hush://hush"})
    assert (refused.exit_code, "hush" in refused.stderr) == (2, False)


def test_what_keeps_the_engine_from_starting_is_told(phone, tmp_path: Path):
    (tmp_path / "state").write_text("a file")
    env = {"ALERT_URLS": phone.address, "PATH": "/usr/bin:/bin", "CTRL_ADDR": "127.0.0.1:0"}
    command = [sys.executable, "-m", "bitmart_engine", "serve"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert phone.messages[0]["title"] == "bitmart-engine: the engine has ended"
    assert "is a file" in phone.messages[0]["message"]
    assert b"hush" not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [("eror", "did you mean error"), ("close_faild", "did you mean close_failed"), ("x", "levels")],
)
def test_an_event_that_does_not_exist_is_refused(given, said):
    with pytest.raises(SettingError, match=said):
        Settings(alert_on=given)
