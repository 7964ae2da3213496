"""The commands that read the journal's file and need no engine: `backup` and `journal show`."""

from __future__ import annotations

from pathlib import Path

import click

from .logs import configure_logs
from .options import env_file_option, read_settings, state_dir_option
from .process import fail, say
from .store import JournalError, copy_journal, read_story
from .story import story

__all__ = ["backup", "journal"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@env_file_option
@state_dir_option
def backup(file: Path, env_file: Path | None, state_dir: Path | None) -> None:
    """Copy the journal to FILE, whole, also while the engine runs.

    To use the copy, put it into an empty state directory as engine.sqlite3.
    """
    settings = read_settings(env_file)
    try:
        records = copy_journal(state_dir or Path(settings.state_dir), file)
    except JournalError as error:
        fail(str(error), 1)
    say([f"{file} has the journal up to record {records}"])


@click.group()
def journal() -> None:
    """Read the journal, also while the engine runs."""


@journal.command()
@click.argument("id")
@env_file_option
@state_dir_option
def show(id: str, env_file: Path | None, state_dir: Path | None) -> None:
    """Tell the whole story of the order or position ID: a line for each thing that happened, in UTC.

    What ended more than HISTORY_DAYS ago is not there any more.
    """
    configure_logs("error", None)
    settings = read_settings(env_file)
    directory = state_dir or Path(settings.state_dir)
    try:
        written = read_story(directory, id)
    except JournalError as error:
        fail(str(error), 1)
    if not written:
        fail(f"the journal in {directory} has nothing of {id!r}", 1)
    say(story(written))
