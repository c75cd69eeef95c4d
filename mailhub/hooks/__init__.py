"""Rules of the operator's own, in Python: `[hooks] file` names a file with any of these async functions.

    from mailhub.hooks import Answer, Data, Mail, Reject, Score

    async def mail(event: Mail) -> Answer | None:
        if event.sender.endswith("@spam.example"):
            return Reject("We do not want your mail")

    async def data(event: Data) -> Answer | None:
        if b"lottery" in event.message.lower():
            return Score(3.0, "it speaks of a lottery")

Functions are `connect`, `helo`, `mail`, `rcpt`, `data`, `deliver`, `login`, `append`; each is given the event of its name and answers with
None (nothing to say) or one of the answers below. They run in a thread and an event loop of their own, so that one that blocks holds
nobody's mail but its own; one that is late, raises or answers nonsense is what `hooks.failure` says. The file is read again when it has
changed.

Comes from: policy (`hook`), and hub, which joins them to delivery, directory and mailbox. Gives to: nobody. May import: model, config, stall.

Invariants
- Nothing of the operator's runs on the hub's loop, and nobody waits for it beyond its deadline.
- What can not be told is an exception, and the caller follows `hooks.failure`; mail is never lost by it.
"""

from .answers import AddHeader as AddHeader
from .answers import Answer as Answer
from .answers import Defer as Defer
from .answers import Discard as Discard
from .answers import FileInto as FileInto
from .answers import Junk as Junk
from .answers import Quarantine as Quarantine
from .answers import Reject as Reject
from .answers import Score as Score
from .events import Append as Append
from .events import Connect as Connect
from .events import Data as Data
from .events import Deliver as Deliver
from .events import Event as Event
from .events import Helo as Helo
from .events import Login as Login
from .events import Mail as Mail
from .events import Rcpt as Rcpt
