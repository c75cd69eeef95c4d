"""IMAP4rev1 sessions (RFC 3501).

Comes from: a connection, as `net.stream.Stream`. Gives to: `mailbox.service`, `directory`.
May import: mailbox, directory, net, wire, message, model, config.

    session.py      the life of a connection: greeting, commands, updates, goodbye
    reader.py       lines and literals to commands
    rules.py        which function carries out which command, in which state
    capabilities.py what is announced, and why something is not
    anystate, auth, folders, selected, listing, status, acl, metadata, fetch (+ sections), store, ...: one file per command group

Invariants
- Message numbers change only where `updates.tell` has told so, and never during FETCH, STORE and SEARCH by number.
- OK follows the commit of what it confirms.
- What a client can make the server hold in memory is bounded by the section [imap], before login by less.

Adding a command: a value in `wire.imap.commands`, its syntax in `wire.imap.parser`, a function here, a row in `rules.py`.
"""

from .session import serve as serve
