"""Tables beside queue and mailboxes: who there is, and what is remembered."""

SMALL: tuple[str, ...] = ()
