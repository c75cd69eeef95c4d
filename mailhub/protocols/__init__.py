"""Sessions: bytes become commands, commands become calls of the rooms below.

Comes from: `hub`, which opens the listeners. Gives to: policy, mailbox, directory.
May import: policy, mailbox, directory, net, wire, message, model, config. Never: store, queue, delivery, each other.

Invariants
- A session's crash stays in the session: it is logged, the peer is told where that can be, the others go on.
- Every session stands in the registry (`session.Sessions`) from its first octet to its last.
- A reply that says "done" follows the call that did it.
"""
