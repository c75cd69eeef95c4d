"""ManageSieve sessions (RFC 5804): an account's Sieve scripts, listed, read, checked, stored and switched on.

Comes from: a connection, as `net.stream.Stream`. Gives to: `mailbox.scripts`, `directory`.
May import: mailbox, directory, net, wire, model, config, protocols.session. Never: protocols.imap, protocols.smtp.

Invariants
- Nothing but a script that compiles is ever stored.
- OK follows the commit.
"""

from .session import serve as serve
