"""RFC 5322 and MIME as pure functions: headers, part tree by offsets, IMAP structures, stamps, reports.

Comes from: store, mailbox, policy, queue, delivery, protocols. Gives to: nobody below. May import: model.

Invariants
- Bytes in, values out: no clock, no files, no sockets.
- No input raises, and time is linear in its length: depth and count of parts are bounded.
- Messages have CRLF line ends; files with LF alone are read all the same.
"""
