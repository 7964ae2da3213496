"""The outbox: what the application is owed, signed, sent in order, and retried until it has it."""

from ..model.notifications import Notification
from .destinations import check_url
from .outbox import Ending, Outbox, OutboxStatistics, Settlement, open_outbox

__all__ = [
    "Ending",
    "Notification",
    "Outbox",
    "OutboxStatistics",
    "Settlement",
    "check_url",
    "open_outbox",
]
