"""A whole site from one kind of store to the other: SQLite and Maildirs to a cluster, and back.

Comes from: `control.migrating`. Both stores are opened here, with their locks, and nobody else works on either; on a cluster no other
mailhub may live.

    tables      rows that both kinds have, page by page: who there is, and what is remembered
    mail        accounts, one after the other: folders with their ids and UIDs, messages, bodies by the target's own writer
    queue       messages that wait, with their contents and recipients

Invariants
- All progress is in the target: its table `migrated` is made first and goes last, and no store opens that has it. Whoever was killed
  goes on by the same command.
- What is there is passed over, never doubled; what came is compared with its beginning, octet by octet, before it counts as moved.
- The source keeps all it has, and a mark by which no store opens it again.
"""

from .moving import Moved as Moved
from .moving import migrate as migrate
from .moving import reopen as reopen
from .sides import Site as Site
