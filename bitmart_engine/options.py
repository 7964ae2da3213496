"""The options that several commands have, and the settings that they mean."""

from __future__ import annotations

from pathlib import Path

import click
from attrs import evolve

from .environment import shown_path
from .logs import get_logger
from .process import fail
from .settings import SettingError, Settings

__all__ = ["env_file_option", "read_settings", "state_dir_option"]

log = get_logger()

PAPER_ADDRESS = "127.0.0.1:8089"
"""Where the control API of `serve --paper` listens unless `CTRL_ADDR` is set."""

env_file_option = click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings that the environment lacks.  [default: .env]",
)
state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    help="Where the journal is.  [default: STATE_DIR]",
)


def read_settings(env_file: Path | None, *, paper: bool = False) -> Settings:
    """The settings of a command; where they cannot be read, the process ends with a line and exit code 2."""
    file = env_file or Path(".env")
    try:
        settings = Settings.from_environment(env_file=file)
    except SettingError as error:
        fail(str(error), 2)
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}", 2)
    origin = settings.origin
    log.info("settings_read", env_file=shown_path(origin.env_file) if origin.env_file else None)
    for name in origin.strange:
        log.warning("unknown_variable", name=name)
    told = "CTRL_ADDR" in origin.given or not paper
    return settings if told else evolve(settings, control_address=PAPER_ADDRESS)
