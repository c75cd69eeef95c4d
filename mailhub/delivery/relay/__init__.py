"""Mail for others: find the hosts, talk SMTP to one of them, say what became of each recipient.

Comes from: queue.attempt (jobs). Gives to: the peer. May import: delivery.transport, net, store.api, message, model, config.

    transport   a job over those hosts; a Result for each recipient
    mx          which hosts, in which order (RFC 5321 section 5, RFC 7505)
    pool        connections kept for the next message to the same host
    offer       whether a message can go to a peer as it is, and what MAIL says of it
    dial        a connected socket to the address of a host that answers first
    client      one session: greeting, EHLO, STARTTLS, one transaction after another, all on the clock
    transaction one message to some recipients, by BDAT or DATA
    connection  aiosmtplib's connection with pipelining and strict replies
    body        the message as a peer gets it: lines with CRLF, for DATA with dots doubled, in blocks
    errors      what can go wrong before a peer has the message
    words       addresses that can be sent, replies that can be kept
"""

from .transport import RelayTransport as RelayTransport
