"""The grammar of IMAP4rev1 (RFC 3501): bytes to commands, values to responses.

Comes from: `protocols.imap`, which reads lines and literals. Gives to: the same, frozen values.
May import: `model`. Never asyncio, sockets, time.

Invariants
- A command is framed first (`framing`: lines, literals, limits) and parsed second (`parser`).
- Whatever the bytes, a parser returns a value or raises `lexer.BadSyntax`, in time linear in their number.
- Mailbox names are `str` beyond this door, modified UTF-7 before it (`names`).
"""
