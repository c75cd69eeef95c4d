"""The seam to everything durable: units in, commits out (docs/ARCHITECTURE.md, "The store").

Comes from: queue, mailbox, directory, policy (by `store.api` alone). Gives to: SQLite, files.
May import: model, config, message, net. The implementations are imported by `hub` (and `control`'s offline use of it) alone.

Invariants
- A unit is a value, carries an id, is idempotent, and is answered only after its commit.
- Nothing is told (`subscribe`) before it is committed.
- No UID or mod-sequence is handed out twice, whatever crashes.
"""
