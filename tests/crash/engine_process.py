"""The engine as a process that dies on purpose: forked, as often as asked, from one that has imported it already.

Importing takes most of a start, and tells nothing about crashes. So `python -m tests.crash.engine_process` imports,
runs nothing, and forks an engine for each line on stdin:

    {"start": SETTINGS, "point": "...", "times": N, "log": FILE, "address": FILE}     answered {"pid": N}
    {"kill": PID}

and says {"pid": N, "code": N} on stdout when an engine has ended (a negative code is a signal's number). An engine
kills itself with SIGKILL when `point` is reached for the `times`-th time, so nothing of it gets to tidy up. When the
one that forks ends, so do all engines.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import trio

from bitmart_engine import Settings, World, open_engine
from bitmart_engine.control import serve_control
from bitmart_engine.logs import configure_logs


class SelfKill:
    """The end of this process, at a named point."""

    def __init__(self, point: str, times: int) -> None:
        self._point = point
        self._left = times
        self._lock = Lock()

    def reached(self, point: str) -> None:
        """Called from Trio's thread and from the journal's."""
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def live(settings: Settings, end: SelfKill, address_file: Path, parent: int) -> None:
    """Run the engine until it is asked to stop."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_die_with, parent)
        world = World(reached=end.reached)
        async with open_engine(settings, world=world) as engine, trio.open_nursery() as serving:
            address = await serving.start(serve_control, engine)
            address_file.with_suffix(".new").write_text(address)
            address_file.with_suffix(".new").rename(address_file)
            await engine.wait_stopping()
        nursery.cancel_scope.cancel()


async def _die_with(parent: int) -> None:
    """Die when the other end of a pipe, which only the forking process holds, is closed."""
    await trio.lowlevel.wait_readable(parent)
    os.kill(os.getpid(), signal.SIGKILL)


def _be_engine(asked: dict[str, Any], parent: int) -> NoReturn:
    code = 1
    try:
        log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        null = os.open(os.devnull, os.O_RDWR)
        for file, number in ((null, 0), (null, 1), (log, 2)):
            os.dup2(file, number)
        configure_logs("info", as_json=True)
        end = SelfKill(asked["point"], asked["times"])
        trio.run(live, Settings(**asked["start"]), end, Path(asked["address"]), parent)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Fork engines until stdin ends."""
    alive: set[int] = set()
    parent, held = os.pipe()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    heard = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid in list(alive):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    alive.discard(pid)
                    _say(pid=pid, code=os.waitstatus_to_exitcode(status))
        if 0 in ready:
            part = os.read(0, 65536)
            if not part:
                return
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                asked = json.loads(line)
                if "kill" in asked:
                    if asked["kill"] in alive:
                        os.kill(asked["kill"], signal.SIGKILL)
                    continue
                pid = os.fork()
                if not pid:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for file in (held, woken, wake):
                        os.close(file)
                    _be_engine(asked, parent)
                alive.add(pid)
                _say(pid=pid)


def _say(**facts: int) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    serve()
