"""What all tests share."""

from __future__ import annotations

import pytest
import structlog


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    """Log lines are not what tests are read for; those that check them capture them themselves."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
