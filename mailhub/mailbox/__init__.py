"""What an account can do with its own mail, and with what others share: folders, messages, flags, search, rights, annotations;
and what is told to whom else is looking.

Comes from: protocols (imap, pop3), delivery.local. Gives to: store.api. May import: store.api, message, model, config.
Never: know a protocol.

Invariants
- A view's message numbers never shift but in `sync(expunges=True)`.
- Every right on another's folder is looked at here, and what may not be known of is NotFound, as what is not there.
- Changes are told by the store after their commit; a listener that is slow gets no queue, only a mark to look again.
"""
