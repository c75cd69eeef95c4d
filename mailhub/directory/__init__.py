"""Who exists and who may sign in: domains, accounts, aliases, passwords.

Comes from: protocols (sign-in), policy and delivery (look-ups), control (changes). Gives to: `store.api`.
May import: store.api, deputy (users of the system), wire, message, model, config.

Invariants
- A password is never kept, logged or compared in the clear; what is remembered is an HMAC under a key of this process.
- Hashing runs in threads of its own, of bounded number and backlog. An unknown name costs as much time as a wrong password.
- What was changed is seen by the next look-up: every change goes through the same object as the look-ups.
- An answer that can not be had is `Temporary`, never "no such user".
"""

from .authenticator import Authenticator as Authenticator
from .directory import Account as Account
from .directory import Alias as Alias
from .directory import Directory as Directory
from .directory import Domain as Domain
from .directory import Forward as Forward
from .hasher import Hasher as Hasher
from .signin import Exchange as Exchange
from .signin import Peer as Peer
from .signin import Refused as Refused
from .signin import SignedIn as SignedIn
