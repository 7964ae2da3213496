"""The HTTP control API: what people and programs ask of a running engine, and what they see of it.

It decides nothing about trading; every endpoint is a call of `Engine` and a view of what that returns.
"""

from .app import make_app
from .serve import AddressUnavailable, listen, serve_control

__all__ = ["AddressUnavailable", "listen", "make_app", "serve_control"]
