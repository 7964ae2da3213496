"""A simulated BitMart Futures V2: WebSocket and REST over real sockets, for a first run and for tests.

It imports nothing of the engine, so that a mistake in the engine's idea of the protocol is not repeated by the
exchange that checks it. One account trades on it; everything that happens is kept in memory until it is closed.

To read it: `exchange.py` is the whole and its controls, `trouble.py` those that break things, `config.py` how it
behaves where nobody knows how BitMart does. Inside, from the core outwards, `orders`, `positions`, `account`,
`ledger`, `plans`, `pending`, `matching` and `books` are the trading, plain and synchronous; `candles`, `market`,
`orderbook` and `replay` the prices; `wire`, `views` and `topics` what is written; `dialogue` and the `rest_...`
modules what is answered; `hub`, `broadcast`, `feed`, `delays` and `deadman` what is told and done in time; `ws`,
`rest`, `front`, `serving`, `memory` and `admin` the thin shells around all that.

What is documented of BitMart's futures and not simulated answers like an unknown path, 404 with code 30000:
sub-accounts, affiliates, cross collateral, and closing everything in one call. Stops and plan orders look at the last
price, whatever price they were told to look at; funding is told and never paid; nobody is liquidated but on command.
"""

from .books import Books
from .config import PaperConfig
from .exchange import PaperExchange
from .fault_front import LostReply, RequestRecord
from .instruments import DEFAULT_SYMBOLS, PaperInstrument
from .market import ManualMarket, Market, RandomWalk
from .opening import open_paper_exchange
from .orders import Direction, Fill, Order, Side
from .parameters import in_force, set_parameters, unknowns
from .positions import Position
from .replay import Replay, ReplayError
from .ws_session import FrameRecord

__all__ = [
    "DEFAULT_SYMBOLS",
    "Books",
    "Direction",
    "Fill",
    "FrameRecord",
    "LostReply",
    "ManualMarket",
    "Market",
    "Order",
    "PaperConfig",
    "PaperExchange",
    "PaperInstrument",
    "Position",
    "RandomWalk",
    "Replay",
    "ReplayError",
    "RequestRecord",
    "Side",
    "in_force",
    "open_paper_exchange",
    "set_parameters",
    "unknowns",
]
