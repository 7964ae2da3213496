"""`examples/callback_receiver.py` takes what is signed, once, and refuses the rest."""

from __future__ import annotations

import hashlib
import hmac
import json
import runpy
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "callback_receiver.py"
SECRET = "shared"


@pytest.fixture(params=[SECRET, ""])
def receiver(request) -> Iterator[object]:
    server = runpy.run_path(str(EXAMPLE))["Receiver"](0, request.param)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def post(server, body: bytes, *, age_ms=0, secret=SECRET, key="k1") -> httpx.Response:
    timestamp = str(int(time.time() * 1000) - age_ms)
    signed = hmac.new(secret.encode(), f"{timestamp}\n".encode() + body, hashlib.sha256)
    return httpx.post(
        f"http://127.0.0.1:{server.server_port}/",
        content=body,
        headers={
            "X-WS-Worker-Timestamp": timestamp,
            "X-WS-Worker-Signature": signed.hexdigest(),
            "Idempotency-Key": key,
        },
    )


def test_a_signed_callback_is_printed_once_however_often_it_comes(receiver, capsys):
    for key in ("k1", "k1", "k2"):
        assert post(receiver, b'{"event": "placed"}', key=key).status_code == 200
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "placed"},
        {"event": "placed"},
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret": "other"}, "X-WS-Worker-Signature"),
        ({"age_ms": 61_000}, "X-WS-Worker-Timestamp"),
        ({"age_ms": -61_000}, "X-WS-Worker-Timestamp"),
    ],
)
def test_with_a_secret_what_is_unsigned_old_or_early_is_refused(receiver, capsys, changes, words):
    answer = post(receiver, b"{}", **changes)
    if receiver.secret:
        assert answer.status_code == 401
        assert words in answer.json()["error"]
        assert capsys.readouterr().out == ""
    else:
        assert answer.status_code == 200


def test_what_is_not_json_or_too_large_is_refused(receiver, capsys):
    assert post(receiver, b"not json").status_code == 400
    assert post(receiver, b"x" * 70_000).status_code == 413
    assert capsys.readouterr().out == ""
