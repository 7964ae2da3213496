"""What kind of exchange a run has: everything that no source establishes is drawn."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Literal

from attrs import evolve

from bitmart_engine.paper import PaperConfig, PaperInstrument
from tests.support.wishes import OF_ANOTHER_SCRIPT

from .choices import Choices
from .watch import SECRETS_MARK
from .windows import WINDOWS_MS

__all__ = ["FACTS", "facts"]

FACTS = frozenset({"old news", "other pongs", "another script"})
"""Kinds of trouble that a run has from its beginning to its end, or not at all."""


def facts(seed: int, choices: Choices) -> PaperConfig:
    """How the exchange of a seed behaves."""
    rng = random.Random(f"run:{seed}")
    config = PaperConfig(
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
    if choices.world == 1:
        return config
    config = _newer(config, choices.only or FACTS)
    return config if choices.world < 4 else _of_the_fourth(config)


def _newer(config: PaperConfig, kinds: frozenset[str]) -> PaperConfig:
    """What the first world's exchanges all had alike, drawn by a generator of its own."""
    rng = random.Random(f"facts:{config.seed}")
    pongs: tuple[Literal["group", "text", "action"], ...] = ("group", "group", "text", "action")
    pong = rng.choice(pongs)
    trades, bars = rng.choice((0, 0, 5, 100)), rng.choice((0, 0, 5, 60))
    if "other pongs" in kinds:
        config = evolve(config, pong=pong)
    if "old news" in kinds:
        config = evolve(config, trades_on_subscribe=trades, bars_on_subscribe=bars)
    if "another script" in kinds:
        dragon = PaperInstrument(
            OF_ANOTHER_SCRIPT, Decimal("8.5"), tick_size=Decimal("0.001"), contract_size=Decimal(1)
        )
        config = evolve(config, symbols=(*config.symbols, dragon))
    return config


def _of_the_fourth(config: PaperConfig) -> PaperConfig:
    """How old a request may be, and when an id is free again: what has to do with an answer that was lost."""
    rng = random.Random(f"windows:{config.seed}")
    rules: tuple[Literal["both sides", "behind"], ...] = ("both sides", "behind")
    return evolve(
        config,
        timestamp_window_ms=rng.choice(WINDOWS_MS),
        timestamp_rule=rng.choice(rules),
        client_order_id_reuse_s=rng.choice((None, None, 60.0)),
    )
