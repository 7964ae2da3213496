"""The walk of the README is run, every line as it stands, by the shell, against the command that the README starts.

The lines work in a directory that looks like a checkout with its virtual environment: `.venv` is the one that runs this
test, `examples` are the project's. Ports are those of the README, so they must be free.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import define, field

ROOT = Path(__file__).parent.parent
PORTS = (8089, 8090, 8099)
PATIENCE_S = 20


def commands() -> list[tuple[str, str | None]]:
    """(line, what its answer has) of every line of the walk."""
    blocks = re.findall(r"<!-- walk -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    steps: list[tuple[str, str | None]] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("#=> "):
            steps[-1] = (steps[-1][0], line.removeprefix("#=> "))
        else:
            steps.append((line, None))
    return steps


def start_command() -> str:
    """What the README's first command runs once the environment is made."""
    text = (ROOT / "README.md").read_text().split("<!-- command: start -->")[1]
    line = re.search(r"```sh\n(.*?)\n```", text, re.S).group(1)
    making, command = line.rsplit(" && ", 1)
    assert making == "python3 -m venv .venv && .venv/bin/pip install -q -e ."
    return command


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory in which the README's lines find what they name."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.fixture
def alone() -> Iterator[None]:
    """Walks use the same ports: one at a time, whichever processes run them."""
    with (Path(tempfile.gettempdir()) / "bitmart-engine-walk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@define
class Shell:
    """Runs lines in a directory. What a line leaves in the background is ended by `end`."""

    cwd: Path
    left: list[int] = field(factory=list)

    async def run(self, line: str) -> str:
        """What `line` prints."""
        background = line.endswith("&")
        async with trio.open_nursery() as nursery:
            bash = await nursery.start(
                partial(
                    trio.run_process,
                    ["bash", "-c", line],
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if background else (self.cwd / "answer").open("wb"),
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    check=False,
                )
            )
        if background:
            self.left.append(bash.pid)
            return ""
        return (self.cwd / "answer").read_text()

    def end(self) -> None:
        for group in self.left:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(group, signal.SIGKILL)


async def port_is_free(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return True
    await stream.aclose()
    return False


async def test_every_line_of_the_walk_works_as_it_stands(checkout, alone):
    busy = [port for port in PORTS if not await port_is_free(port)]
    assert not busy, f"the walk needs ports {busy} of this machine to be free"
    steps = commands()
    assert len(steps) > 15
    terminal = Shell(checkout)
    async with trio.open_nursery() as nursery:
        engine = await nursery.start(
            partial(
                trio.run_process,
                ["bash", "-c", f"exec {start_command()}"],
                cwd=checkout,
                stdout=subprocess.DEVNULL,
                stderr=(checkout / "engine.log").open("wb"),
                check=False,
            )
        )
        try:
            with trio.fail_after(PATIENCE_S):
                while await port_is_free(8089):
                    await trio.sleep(0.02)
            for line, expected in steps:
                await check(line, expected, terminal)
            with trio.fail_after(5):
                assert await engine.wait() == 0
        finally:
            if engine.returncode is None:
                engine.send_signal(signal.SIGKILL)
            terminal.end()


async def check(line: str, expected: str | None, terminal: Shell) -> None:
    """Run a line; a look at something is repeated until it shows what is expected."""
    looks = "-X" not in line
    answer = ""
    with trio.move_on_after(PATIENCE_S):
        while True:
            answer = await terminal.run(line)
            if expected is None or expected in answer:
                return
            if not looks:
                break
            await trio.sleep(0.05)
    pytest.fail(f"{line}\nanswered {answer!r}\nwithout {expected!r}")
