"""An engine and the paper exchange it trades on, in one call: for a first run, an example, a test of your program.

The engine does not know whether its exchange is real, so nothing under `engine` imports `paper`. This module stands
above both, as `cli` does: it opens the one, then the other with the first one's addresses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from attrs import evolve

from .engine import Engine, open_engine
from .paper import Market, PaperConfig, PaperExchange, open_paper_exchange
from .settings import IN_MEMORY, Settings

__all__ = ["PaperEngine", "moved_to", "open_paper_engine"]


class PaperEngine(NamedTuple):
    """A running engine, and the simulated BitMart that it trades on."""

    engine: Engine
    exchange: PaperExchange


@asynccontextmanager
async def open_paper_engine(
    settings: Settings | None = None,
    *,
    config: PaperConfig | None = None,
    market: Market | None = None,
) -> AsyncIterator[PaperEngine]:
    """Run a paper exchange, and an engine on it, as long as the block lasts.

    Nothing has to be set: neither the environment nor `.env` is read, the journal is in memory, prices walk at random,
    and the exchange takes free ports of the loopback interface. Of `settings`, if given, the addresses, the credentials
    and the mode are replaced and all else counts; a `state_dir` other than `:memory:` outlives the exchange, which
    forgets. Raises what `open_engine` raises, and OSError where `config` names a port that is taken.
    """
    chosen = settings or Settings(state_dir=IN_MEMORY)
    async with (
        open_paper_exchange(config, market=market) as exchange,
        open_engine(moved_to(exchange, chosen)) as engine,
    ):
        yield PaperEngine(engine, exchange)


def moved_to(exchange: PaperExchange, settings: Settings) -> Settings:
    """The same settings, with the paper exchange in BitMart's place."""
    return evolve(
        settings,
        public_ws_uri=exchange.public_ws_uri,
        private_ws_uri=exchange.private_ws_uri,
        rest_uri=exchange.rest_uri,
        api_key=exchange.config.api_key,
        api_secret=exchange.config.api_secret,
        api_memo=exchange.config.api_memo,
        mode="paper",
    )
