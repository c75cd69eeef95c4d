"""HTTP: pages and interfaces on the same services that the protocols use.

Comes from: `hub`, as connections of listeners with `protocol = "http"`. Gives to: control, mailbox, directory, queue's spool. May import:
what stands below; never `protocols`, never `store`.

Invariants
- One application a hub; each connection is a session of the registry, counted and ended like any other.
- Nothing that comes from a message is shown as HTML of our origin: it stands in a sandbox of its own (`safety`).
- A request that changes something and comes from a page of another origin is refused, and so is one for a host name that is
  not ours (a name that somebody else makes point here).
"""
