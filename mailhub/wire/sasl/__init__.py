"""SASL on the server's side (RFC 4422), without I/O: one set of mechanisms for SMTP, POP3 and IMAP.

Comes from: protocols. Gives to: nobody. May import: model.
Invariant: a mechanism never says whether credentials are right; it only reads them.

A protocol's profile does this, whatever the mechanism:

    mechanism = MECHANISMS[name.upper()]()
    step = mechanism.step(initial_response)        # None where the client sent none
    while isinstance(step, Challenge):
        step = mechanism.step(<answer to step.text>)
    # now it is Credentials: ask the directory
"""

from .base64 import decode as decode
from .base64 import encode as encode
from .mechanisms import MECHANISMS as MECHANISMS
from .mechanisms import Challenge as Challenge
from .mechanisms import Credentials as Credentials
from .mechanisms import Mechanism as Mechanism
from .mechanisms import SaslError as SaslError
