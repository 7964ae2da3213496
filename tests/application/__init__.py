"""A stand-in for the application that was written for the old worker: what it sends, and how it takes what it is sent.

It is written from the contract alone and imports nothing of the engine, so that a misunderstanding of the one is not
repeated by the other. `receivers` is its receiving side, plain and synchronous; `client` its calls; `web` and `memory`
put the receivers behind sockets and behind a transport; `flows` plays the whole against an engine.
"""
