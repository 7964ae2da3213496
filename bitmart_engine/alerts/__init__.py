"""Alerts: a person is told of what needs one, over any service that Apprise knows; and a monitor, that all is well.

    heard        lines of the log that were chosen, grouped, at most one message a minute of a kind   (watching)
    standing     red troubles of the engine's health, and their ends                                  (watching)
    summary      once a day at an hour, what happened and how things stand                            (daily)
    readiness    not ready for a minute, and ready again                                              (watching)
    last words   what ended the process                                                               (sending)
    heartbeat    a request every minute while the engine is ready: its absence is the alarm           (heartbeat)

Messages wait for their addresses, are sent again for an hour, and survive a restart (kept). They are no promises: what
the application must know is a callback, which the journal keeps.
"""

from .running import Alerts
from .sending import AlertsUnusable, Sender
from .watching import Alert

__all__ = ["Alert", "Alerts", "AlertsUnusable", "Sender"]
