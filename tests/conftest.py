"""What all tests share."""

from __future__ import annotations

import pytest
import structlog


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures", action="store_true", help="write the pictures of the live page in the docs"
    )


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    """Log lines are not what tests are read for; those that check them capture them themselves."""
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(
            0
        ),  # a test before may have had a level
        cache_logger_on_first_use=False,
    )
