"""Daemons of others that are asked about mail: whether they answer, in what time, how many questions at a time.

Comes from: policy. Gives to: the net. May import: net, wire, message, model, config. Never: know what becomes of a message.

    service          one daemon: its address, a time limit, a bounded number of connections
    breaker          the circuit breaker: a daemon that fails again and again is left alone for a while
    clamd            ClamAV's INSTREAM
    spamd            SpamAssassin's SPAMC
    rspamd           rspamd's HTTP
    milter           a connection to a milter
    delegation       Postfix's policy delegation
    services         those that are in use

Invariants
- Whatever a daemon says or leaves unsaid becomes an answer or a Temporary, within the time limit and within bounds.
- A message is handed over in blocks as it is read; it is never whole in memory.
- A daemon that is away costs a message nothing once the breaker is open.
"""

from .service import Blocks as Blocks
from .service import Service as Service
from .service import State as State
from .services import Services as Services
