"""The walk of OPERATING.md is run, every line as it stands, by the shell, in a directory like a checkout.

Ports are those of the page, so they must be free.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .test_walk import ROOT, Shell, alone, check, checkout, port_is_free

__all__ = ["alone", "checkout"]

PAGE = ROOT / "bitmart_engine" / "OPERATING.md"
PORTS = (8089, 8090, 8091, 8092, 8099)


def steps() -> list[tuple[str, str | None]]:
    """(line, what its answer has) of every line of the walk."""
    blocks = re.findall(r"<!-- operators walk -->\n```sh\n(.*?)```", PAGE.read_text(), re.S)
    found: list[tuple[str, str | None]] = []
    for line in "".join(blocks).splitlines():
        if line.startswith("#=> "):
            found[-1] = (found[-1][0], line.removeprefix("#=> "))
        else:
            found.append((line, None))
    return found


async def test_every_line_of_the_operators_walk_works_as_it_stands(
    checkout: Path, alone: None
) -> None:
    pytest.importorskip("apprise")
    busy = [port for port in PORTS if not await port_is_free(port)]
    assert not busy, f"the walk needs ports {busy} of this machine to be free"
    lines = steps()
    assert len(lines) > 20
    terminal = Shell(checkout)
    try:
        for line, expected in lines:
            await check(line, expected, terminal)
    finally:
        terminal.end()
