"""The command line for people: asks a running engine over its control API, and shows what it answers.

It shares the HTTP contract and the names of the states with the engine, and nothing else; it decides nothing about
trading. `commands` is what can be typed, `session` what the commands share, `client` asks, `views` and `tables` show.
"""

from .commands import COMMANDS, EXIT_CODES

__all__ = ["COMMANDS", "EXIT_CODES"]
