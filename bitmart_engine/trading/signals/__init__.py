"""What the application is told: callbacks, order signals, balance signals, raw events.

What it decides: the bodies, in the form of the application's contract (`callbacks`, `signals`, `account_signals`).
`notifications` makes the records of them; nothing else in the package does.

What it may touch: it records what is owed. Sending is the outbox's, in `notify`.
"""
