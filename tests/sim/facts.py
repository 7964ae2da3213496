"""What kind of exchange a run has: everything that no source establishes is drawn."""

from __future__ import annotations

import random
from decimal import Decimal

from bitmart_engine.paper import PaperConfig

from .watch import SECRETS_MARK

__all__ = ["facts"]


def facts(seed: int) -> PaperConfig:
    """How the exchange of a seed behaves."""
    rng = random.Random(f"run:{seed}")
    return PaperConfig(
        seed=seed,
        ticker_interval_s=60,  # nobody listens to tickers
        api_secret=f"{SECRETS_MARK}-{rng.getrandbits(64):x}",
        api_memo=f"{SECRETS_MARK}-memo",
        balance=Decimal(1_000_000),
        liquidity=rng.choice((3, 4, 8, None)),
        push_before_reply=rng.random() < 0.3,
        pending_push=rng.random() < 0.3,
        order_visibility_delay_ms=rng.choice((0, 0, 300, 900)),
        maker_only_refusal=rng.choice(("reply", "reply", "cancel")),
        position_push_when_flat=rng.random() < 0.3,
        close_more_than_held=rng.choice(("refuse", "cut")),
        snapshot_on_subscribe=rng.random() < 0.3,
        enforce_rate_limits=rng.random() < 0.5,
    )
