"""Lookup tables, Postfix's best idea: every option that maps a key to a value has the same choice of them.

Comes from: policy, directory, delivery, cli. Gives to: files, SQLite and MySQL databases of others.
May import: config, model.

    text       the source text of postmap(1) and aliases(5)
    patterns   regexp, pcre, cidr
    sql        sqlite and mysql: the `.cf` file and its query
    files      a file, read in a thread, and again when it has changed
    mysql      connections to such a database
    tables     "type:name" to a table; the one object of a hub

Invariants
- A table does not know who asks. It answers with text, with None, or with Temporary where it can not be asked.
- A file that can not be read leaves what was read before in force, and says so in the log.
- Nothing is read, matched or asked for a key of more than KEY_LIMIT characters: it is in no table.
- A key never becomes part of an SQL statement's text.
"""

from .tables import Search as Search
from .tables import Table as Table
from .tables import Tables as Tables
