"""Mail for others: find the hosts, talk SMTP to one of them, say what became of each recipient.

Comes from: queue.attempt (jobs). Gives to: the peer. May import: delivery.transport, net, store.api, message, model, config.

    transport   a job over those hosts; a Result for each recipient
    mx          which hosts, in which order (RFC 5321 section 5, RFC 7505)
    pool        connections kept for the next message to the same host
    offer       whether a message can go to a peer as it is, and what MAIL says of it
    client      one session: greeting, EHLO, STARTTLS, one transaction after another, all on the clock
    connection  aiosmtplib's connection with pipelining and strict replies
    body        the message as DATA carries it: CRLF, dots doubled, in blocks
    words       addresses that can be sent, replies that can be kept
"""

from .transport import RelayTransport as RelayTransport
