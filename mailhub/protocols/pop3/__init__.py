"""POP3 sessions (RFC 1939): a fixed list of INBOX, read and deleted from.

Comes from: a connection, as `net.stream.Stream`. Gives to: `mailbox.service`, `directory`.
May import: mailbox, directory, net, wire, model, config, protocols.session. Never: protocols.imap, protocols.smtp.

Invariants
- The list is that of the login: what comes later has no number here, what is deleted elsewhere keeps its number.
- Messages go in UPDATE alone, after QUIT; a lost connection deletes nothing.
"""

from .session import serve as serve
from .turns import Turns as Turns
