"""The journal, and the state rebuilt from it. What the engine knows changes through records, and in no other way."""

from .archive import Unreadable
from .copying import copy_journal
from .environment_mark import check_environment_mark
from .errors import (
    JournalCorrupted,
    JournalError,
    JournalIncomplete,
    JournalLocked,
    JournalTooNew,
    JournalTooOld,
    JournalUnavailable,
    JournalUnusable,
    NotAJournal,
)
from .inspecting import JournalFacts, inspect_journal
from .journal import Journal, MemoryJournal
from .opening import open_journal
from .reading import Written, read_story
from .sqlite import SqliteJournal
from .state import State
from .store import Store
from .told import Telling

__all__ = [
    "Journal",
    "JournalCorrupted",
    "JournalError",
    "JournalFacts",
    "JournalIncomplete",
    "JournalLocked",
    "JournalTooNew",
    "JournalTooOld",
    "JournalUnavailable",
    "JournalUnusable",
    "MemoryJournal",
    "NotAJournal",
    "SqliteJournal",
    "State",
    "Store",
    "Telling",
    "Unreadable",
    "Written",
    "check_environment_mark",
    "copy_journal",
    "inspect_journal",
    "open_journal",
    "read_story",
]
