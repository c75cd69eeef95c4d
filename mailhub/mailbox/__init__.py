"""What an owner can do with mail: folders, messages, flags, search; and what is told to whom else is looking.

Comes from: protocols (imap, pop3), delivery.local. Gives to: store.api. May import: store.api, message, model, config.
Never: know a protocol.

Invariants
- A view's message numbers never shift but in `sync(expunges=True)`.
- Changes are told by the store after their commit; a listener that is slow gets no queue, only a mark to look again.
"""
