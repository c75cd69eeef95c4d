"""Users of the system: who has mail, where it lies, what is run for them. Postfix's names where it has the option."""

from typing import Annotated

from msgspec import Meta

from .section import Count, Name, Octets, Seconds, Section


class Local(Section, frozen=True, kw_only=True):
    # Users of the system (whoever NSS knows: files, NIS, LDAP) have mail in aliases.local_domains. A second process is started for it,
    # that acts with their rights; docs/SECURITY.md says how it is kept small.
    system_users: bool = False
    # Where a user's mail lies: a mailbox file of his name in this folder, or, below his home, a mailbox file ("mbox") or, with a slash
    # behind it, a Maildir ("Maildir/").
    mail_spool_directory: Name = "/var/mail"
    home_mailbox: str = ""
    # Instead of both: a shell command, run as the user in his home, or another transport ("lmtp:unix:/run/dovecot/lmtp").
    mailbox_command: str = ""
    mailbox_transport: str = ""
    # Read ~/.forward and ~/.forward+tag: octets of one file, targets of all.
    forward: bool = True
    forward_limit: Annotated[int, Meta(ge=1, le=65_536)] = 32_768
    forward_count: Annotated[int, Meta(ge=1, le=1_000)] = 1_000
    # Octets of a mailbox file; 0: no limit. Mail for one that is full waits in the queue.
    mailbox_size_limit: Octets = 0
    # How long to wait for a mailbox that another program has locked; the age at which a lock file is taken away.
    lock_timeout: Seconds = 20.0
    stale_lock_time: Seconds = 500.0
    # Time for NSS to answer, for a message to be written, and for a user's command; octets of a command's output that are kept.
    lookup_timeout: Seconds = 10.0
    file_timeout: Seconds = 300.0
    command_timeout: Seconds = 1_000.0
    output_limit: Annotated[int, Meta(ge=0, le=65_536)] = 4_096
    # Requests of the second process at one time.
    concurrency: Annotated[int, Meta(ge=1, le=1_000)] = 20
    # How long NSS's answers are believed; where it does not answer, a user who was there before is taken to be there still.
    cache_seconds: Seconds = 60.0


class Maildrop(Section, frozen=True, kw_only=True):
    """Mail that programs of this host leave by `mailhub sendmail` while no server takes it, until one does."""

    # The folder; "": maildrop, in the data folder. Another one has to be there for mailhub's user.
    path: str = ""
    # All users of this host may leave mail, and not mailhub's own and root alone: `path` has to name a folder that they can reach.
    everybody: bool = False
    # Messages, and octets, that may wait.
    message_limit: Count = 1_000
    size_limit: Octets = 104_857_600
    # Time after which a message that could not be taken is looked at again; without inotify, time between two looks.
    retry: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
