"""What systemd is told, if it started the process (`Type=notify`): ready, how things stand, alive, stopping.

    READY=1          once /readyz would say so
    STATUS=...       what /readyz misses, or what is waited for and guarded, when it changes
    WATCHDOG=1       twice in `WatchdogSec`, while prices are taken from where they wait
    STOPPING=1       when the engine was asked to stop

A process whose loop stands still sends no WATCHDOG, nor does one whose trading core does not take the prices that have
come; systemd ends both and starts the engine anew. An exchange that cannot be reached is no reason: a new start would
not reach it either.

The protocol: datagrams to the socket in `NOTIFY_SOCKET`, lines of NAME=VALUE (sd_notify(3), sd_watchdog_enabled(3)).
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping

import trio
from attrs import frozen

from .engine import Engine
from .logs import get_logger

__all__ = ["Manager", "keep_told", "manager_of"]

log = get_logger()

LOOKS_EVERY_S = 0.5
COUNTS_EVERY_S = 10.0
"""How often what is alive is counted, of which there may be thousands."""
MOST_SAID = 1000
"""Characters of a status, which has to fit into a datagram."""


@frozen
class Manager:
    """The service manager that waits to be told.

    `watchdog_s` is within how many seconds it wants a sign of life; None if it wants none.
    """

    address: str
    watchdog_s: float | None = None

    def tell(self, *lines: str) -> None:
        """Never blocks and never fails: what nobody takes is dropped."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto("\n".join(lines).encode(), self.address)
        except OSError as failure:
            log.debug("service_manager_not_told", why=failure)


def manager_of(environ: Mapping[str, str], pid: int | None = None) -> Manager | None:
    """Who started the process, as the environment says; None if nobody waits to be told."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    if address.startswith("@"):
        address = "\0" + address[1:]  # the abstract namespace of Linux
    asked_us = environ.get("WATCHDOG_PID", "") in ("", str(pid or os.getpid()))
    microseconds = environ.get("WATCHDOG_USEC", "")
    wanted = asked_us and microseconds.isdecimal() and int(microseconds) > 0
    return Manager(address, int(microseconds) / 1e6 if wanted else None)


async def keep_told(engine: Engine, manager: Manager) -> None:
    """Tell the service manager how the engine is until it stops."""
    async with trio.open_nursery() as nursery:
        if manager.watchdog_s is not None:
            nursery.start_soon(_keep_alive, engine, manager, manager.watchdog_s / 2)
        nursery.start_soon(_keep_status, engine, manager)
        await engine.wait_stopping()
        manager.tell("STOPPING=1", "STATUS=stopping")
        nursery.cancel_scope.cancel()


async def _keep_alive(engine: Engine, manager: Manager, every_s: float) -> None:
    taken, waited = engine.ticks_taken, False
    while True:
        waits = engine.ticks_waiting > 0
        if waited and waits and engine.ticks_taken == taken:
            log.error("prices_not_taken", waiting=engine.ticks_waiting)
        else:
            manager.tell("WATCHDOG=1")
        taken, waited = engine.ticks_taken, waits
        await trio.sleep(every_s)


async def _keep_status(engine: Engine, manager: Manager) -> None:
    ready, said, counted_at = False, None, -math.inf
    while True:
        missing = engine.not_ready()
        if not missing and not ready:
            ready = True
            manager.tell("READY=1")
        if missing != said or trio.current_time() >= counted_at + COUNTS_EVERY_S:
            said, counted_at = missing, trio.current_time()
            manager.tell(f"STATUS={_status(engine, missing)}")
        await trio.sleep(LOOKS_EVERY_S)


def _status(engine: Engine, missing: list[str]) -> str:
    orders = sum(1 for _ in engine.state.orders.alive())
    guarded = sum(1 for each in engine.state.protections.alive() if each.covered)
    ready = f"not ready: {'; '.join(missing)}" if missing else "ready"
    said = f"{orders} orders alive, {guarded} positions guarded, {ready}"
    return said.replace("\n", " ")[:MOST_SAID]
