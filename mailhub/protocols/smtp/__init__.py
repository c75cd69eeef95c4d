"""SMTP and submission (RFC 5321, RFC 6409) on aiosmtpd's server class.

Comes from: protocols.listener. Gives to: policy, directory. May import: policy, directory, wire.smtp, wire.sasl, model, config.

    channel     octets: lines and blocks in, replies out, timers, TLS, the end of the connection
    session     the commands and their order
    auth        AUTH
    content     what follows DATA
    extensions  what EHLO offers, and when

Invariants
- 250 after the end of the data is said only after `Transaction.commit` returned it.
- A client that goes away cancels nothing: the session finds out at its next read.
- What was buffered before a TLS handshake is never taken for a command after it.
"""

from .session import SmtpSession as SmtpSession
