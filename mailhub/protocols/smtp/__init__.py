"""SMTP, submission and LMTP (RFC 5321, RFC 6409, RFC 2033) on aiosmtpd's server class.

Comes from: protocols.listener. Gives to: policy, directory. May import: policy, directory, wire.smtp, wire.sasl, model, config.

    channel     octets: lines and blocks in, replies out, timers, TLS, the end of the connection
    session     what one client has said so far; the loop that hands its lines to the commands
    commands    the verbs, each with its function:
    hello       EHLO, STARTTLS, RSET, NOOP, QUIT, HELP, VRFY, EXPN, ETRN
    auth        AUTH
    mail        MAIL, RCPT
    content     DATA, BDAT, and what follows them
    xclient     XCLIENT, XFORWARD
    extensions  what EHLO offers, and when

Invariants
- 250 after the end of the data is said only after `Transaction.commit` returned it.
- A client that goes away cancels nothing: the session finds out at its next read.
- What was buffered before a TLS handshake is never taken for a command after it.
"""

from .session import SmtpSession as SmtpSession
