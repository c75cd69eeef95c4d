"""SASL (RFC 4422), without I/O: one set of mechanisms for SMTP, POP3 and IMAP.

Comes from: directory.signin, protocols, delivery (the client's side). Gives to: nobody. May import: model.
Invariants
- A mechanism never says whether a password is right; it reads it, or checks a proof against what is stored.
- Malformed input raises SaslError and nothing else; every input is bounded.

    mechanisms   the steps, PLAIN, LOGIN, OAUTHBEARER, XOAUTH2, EXTERNAL
    challenge    CRAM-MD5, SCRAM, POP3's APOP
    scram, md5   what a server keeps for those two
    table        all of them, strongest first
    client       the other side of some of them

`directory.signin` leads a mechanism; a protocol's profile only frames what is said.
"""

from .base64 import decode as decode
from .base64 import encode as encode
from .challenge import Apop as Apop
from .mechanisms import Certificate as Certificate
from .mechanisms import Challenge as Challenge
from .mechanisms import Context as Context
from .mechanisms import Credentials as Credentials
from .mechanisms import Disproved as Disproved
from .mechanisms import Mechanism as Mechanism
from .mechanisms import NeedSecret as NeedSecret
from .mechanisms import Proved as Proved
from .mechanisms import SaslError as SaslError
from .mechanisms import Step as Step
from .mechanisms import Token as Token
from .table import MECHANISMS as MECHANISMS
