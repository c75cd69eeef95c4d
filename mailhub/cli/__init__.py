"""The command line: `mailhub` and `python -m mailhub` are the same.

Comes from: a shell. Gives to: `hub` (serve), `control` (everything else), config.
May import: everything; nothing imports it. Command modules are imported when their command is run, so that
`mailhub queue list` does not wait for a mail server to be imported.

Exit codes, which do not change:
    0  done
    1  refused or failed; one line on stderr says what and, where it can, the remedy
    2  wrong usage, as the shell's own commands have it
    3  not there: no such account, alias, domain or message; `status`: no server runs
    4  exists already
    5  try again later: busy, a limit reached, the disk full
"""

from .root import main as main
