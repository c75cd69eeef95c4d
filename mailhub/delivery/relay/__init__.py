"""Mail for others: find the hosts, talk SMTP to one of them, say what became of each recipient.

Comes from: queue.attempt (jobs). Gives to: the peer. May import: delivery.transport, net, store.api, message, model, config.

    mx         which hosts, in which order (RFC 5321 section 5, RFC 7505)
    body       the message as DATA carries it: CRLF, dots doubled, in blocks
    client     one connection: greeting, EHLO, STARTTLS, one transaction after another
    pool       connections kept for the next message to the same host
    transport  a job over those hosts; a Result for each recipient
"""

from .transport import RelayTransport as RelayTransport
