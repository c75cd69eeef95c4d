"""The one door for mail: whoever brings a message, it comes in by a `Transaction`, and every check stands here.

Comes from: protocols.smtp. Gives to: delivery.router (read-only), queue.spool.
May import: queue, delivery, directory, tables, store.api, net, message, model, config. Never: speak SMTP, know a socket.

    transaction      one message on its way in; intake: its body, as it passes
    policy           what all messages share: tables, lists, the way into the queue
    restrictions     the lists of the config at work: checks (the words), access (tables), orders, visit and caller (the facts)
    guard            what clients and accounts may do in a time; bans, account_limits, gateways, counters, alerts are its parts
    check            what a check of messages is: its stage, and the Statement that it makes
    inspection       the checks of a hub at work: time limits, failure choices, score, action, stamps; letter: what they read
    examination      what is asked about a whole message, in its order; alterations: what daemons change in it
    milters          filters by the milter protocol: their seats in a session, what follows from their decisions; milter_macros
    content_tables   header and body checks by table, and the changes that they make in a message
    relay            mynetworks, and addresses that try to relay by a trick
    ownership        whose an address is

A check is a class in a module of its own that has what `check.Check` says; `hub_filters.inspection` makes it from its section of
the config, which is a `config.filters.Check` with more keys. `ask` is given the `Visit`: client, HELO, sender, recipient, whether they
are trusted, and for "content" the `letter`, whose body is read in blocks and worked on in the one thread for that. It answers with a
`Statement`, or None; whether it is late or breaks is not its care. Before that `concerns` has seen the same, and said that it is to be
asked. A word of a restriction list (`checks`) is another thing: it
permits or refuses one recipient by Postfix's rules and has no score.

Invariants
- "Yes" to `commit` is said after the store's commit; the commit is not undone by who asked for it going away.
- Mail for others is taken only from `mynetworks` and from those who signed in, whatever form the address has.
- What cannot be told now is answered 4xx.
"""

from .caller import Caller as Caller
from .caller import ClientName as ClientName
from .guard import Guard as Guard
from .guard import Sections as Sections
from .policy import Policy as Policy
from .transaction import Transaction as Transaction
