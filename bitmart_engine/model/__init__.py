"""The nouns: instruments, market events, entry orders, protections and their lifecycles.

Plain frozen values and pure functions. Nothing here does IO, reads a clock, or imports another room of the package.
"""
