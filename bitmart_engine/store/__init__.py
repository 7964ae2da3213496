"""The journal, and the state rebuilt from it. What the engine knows changes through records, and in no other way."""

from .journal import Journal, MemoryJournal
from .state import State
from .store import Store

__all__ = ["Journal", "MemoryJournal", "State", "Store"]
