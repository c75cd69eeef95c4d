"""A directory in a database of others: MySQL or MariaDB, as PostfixAdmin, ExtMail, or an existing Postfix and Dovecot read it.

    schemas     whose tables they are, and what is asked of them
    kept        what was answered, for as long as it is believed, and longer while nobody answers
    source      the database with all that: asked in turn, left alone while it is away
    directory   the `Directory` on top of it; it is read, and never written

Invariants
- A name never becomes part of a statement's text.
- Who was there when the database was last asked is there while it is away; of anybody else that can not be told (Temporary).
- What a table calls equal (letters of any case or accent, blanks at the end) is compared again here.
"""
