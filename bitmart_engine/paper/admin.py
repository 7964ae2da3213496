"""The admin app: the controls over HTTP, on a loopback port of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart_trio import QuartTrio

if TYPE_CHECKING:
    from .exchange import PaperExchange


def make_admin_app(exchange: PaperExchange) -> QuartTrio:
    return QuartTrio("bitmart_engine.paper.admin")
