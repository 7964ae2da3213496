"""Keeps the outages of connections in the state directory, so that a restart does not forget them.

They are statistics and no promises: a file that cannot be read is begun anew, one that cannot be written is counted,
and nothing waits for either. It is written when something has changed, and every minute, which also tells the next
engine since when none ran.
"""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import frozen

from .engine import Engine
from .outages import Outage, OutageReport
from .settings import IN_MEMORY
from .state_files import read_state_file, write_state_file

__all__ = ["FILE_NAME", "keep_outages"]

FILE_NAME = "outages.json"
LOOKS_EVERY_S = 5.0
WRITTEN_EVERY_S = 60.0


@frozen
class _Kept:
    alive_ms: int
    complete_since_ms: int
    outages: tuple[Outage, ...]


async def keep_outages(engine: Engine) -> None:
    """Keep what `engine` knows of outages until cancelled. Returns at once where nothing is kept on disk."""
    await trio.lowlevel.checkpoint()
    if engine.settings.state_dir == IN_MEMORY:
        return
    path = Path(engine.settings.state_dir) / FILE_NAME
    outages = engine.outages
    if not outages.kept:
        _remember(engine, path)
    written, written_at = -1, -WRITTEN_EVERY_S
    try:
        while True:
            now = trio.current_time()
            if outages.changes != written or now - written_at >= WRITTEN_EVERY_S:
                written, written_at = outages.changes, now
                outages.kept = _write(engine, path)
            await trio.sleep(LOOKS_EVERY_S)
    finally:
        _write(engine, path)


def _remember(engine: Engine, path: Path) -> None:
    kept = read_state_file(path, _Kept)
    if kept is None:
        return
    past = OutageReport(kept.outages, kept.complete_since_ms, kept=True)
    engine.outages.remember(past, kept.alive_ms, engine.started_ms)


def _write(engine: Engine, path: Path) -> bool:
    """Whether it is on disk. At most 150 KB, and not synced: less than a millisecond."""
    now_ms = engine.now_ms()
    report = engine.outages.report(now_ms)
    try:
        write_state_file(path, _Kept(now_ms, report.complete_since_ms, report.outages))
    except OSError as failure:
        engine.count("outages_not_kept", why=failure)
        return False
    return True
