"""Mail for others: find the hosts, talk SMTP to one of them, say what became of each recipient.

Comes from: queue.attempt (jobs). Gives to: the peer. May import: delivery.transport, tables, net, store.api, wire, message, model, config.

    transport   a job over those hosts; a Result for each recipient
    mx          which hosts, in which order (RFC 5321 section 5, RFC 7505)
    pool        connections kept for the next message to the same host
    offer       in which form a message can go to a peer, and what MAIL and RCPT say of it
    convert     the message in a form for peers that take less
    dial        a connected socket to the address of a host that answers first
    client      one session: greeting, EHLO, STARTTLS, one transaction after another, all on the clock
    transaction one message to some recipients, by BDAT or DATA
    login       signing in to a host, and as whom
    lmtp        the same for LMTP servers
    connection  aiosmtplib's connection with pipelining and strict replies
    body        the message as a peer gets it: lines with CRLF, for DATA with dots doubled, in blocks
    tls_policy  which TLS a nexthop's hosts must speak: table, DANE, MTA-STS, REQUIRETLS
    mta_sts     the MTA-STS policies of other domains, fetched and kept (RFC 8461)
    dane        mail hosts and TLSA records that DNSSEC vouches for (RFC 7672)
    demand      what that comes to for one connection
    tls_check   whether the peer is what was demanded, and Postfix's words for it
    tlsrpt      sessions counted for the reports to other domains (RFC 8460)
    tls_services what all that stands on, made once for a hub
    errors      what can go wrong before a peer has the message
    words       addresses that can be sent, replies that can be kept
"""

from .lmtp import LmtpTransport as LmtpTransport
from .transport import RelayTransport as RelayTransport
