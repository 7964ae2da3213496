"""What the streams say of themselves, for status pages and metrics. Values only."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["ConnectionStatistics", "StreamsStatistics"]


@frozen(kw_only=True)
class ConnectionStatistics:
    """One connection, as its link sees it. `state` is one of `connection.State`."""

    name: str
    state: str
    since_ms: int
    """When the state was entered, wall clock."""
    reconnects: int
    last_error: str | None
    """Why the last connection ended; it stays after a reconnect."""
    channels: int
    last_message_age_s: float | None
    """Seconds since bytes arrived on the present connection."""


@frozen(kw_only=True)
class StreamsStatistics:
    """All connections. Connected means that the handshake, and the login where there is one, succeeded."""

    connections: tuple[ConnectionStatistics, ...]
    public_connected: bool
    """Every public connection is connected, and there is one."""
    private_connected: bool
    """The private connection's handshake succeeded, whatever became of its login."""
    authenticated: bool
    """The private connection is logged in."""
    refused: Mapping[str, str]
    """Topics that the exchange refused, with its words."""
    ticks_merged: int
