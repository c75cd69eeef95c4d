"""Where a recipient's mail goes, and the transports that bring it there.

Comes from: queue (an attempt), policy (a peek at RCPT). Gives to: mailbox, net; Results go back to the queue.
May import: mailbox, directory, tables, deputy, store.api, net, wire, message, model, config. Never queue.

Invariants
- `router` reads and decides; it changes nothing and delivers nothing.
- A transport answers for every recipient of its job, and never raises but CancelledError.
- A transport records nothing: what it found is a value in its Results, and the queue's settling unit stores it.
"""
