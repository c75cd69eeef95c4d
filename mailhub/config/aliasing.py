"""Who stands for whom: alias tables, and addresses that are rewritten. Option and table names are Postfix's."""

from typing import Literal

from .lookup import Lookup
from .section import Name, Octets, Seconds, Section

LUSER_WORDS = frozenset(("user", "local", "domain", "extension", "recipient"))
Classes = tuple[Literal["alias", "forward", "include"], ...]
Rewritten = tuple[Literal["envelope_sender", "envelope_recipient", "header_sender", "header_recipient"], ...]
EVERYWHERE: Rewritten = ("envelope_sender", "envelope_recipient", "header_sender", "header_recipient")


class Aliases(Section, frozen=True, kw_only=True):
    # aliases(5): names of local_domains to addresses, "|command", "/file" and ":include:/file"; "owner-NAME" gets what can not be
    # delivered to NAME's.
    alias_maps: Lookup = Lookup()
    # Domains whose names alias_maps and luser_relay know (Postfix's mydestination); empty: all of `domains`.
    local_domains: tuple[str, ...] = ()
    # virtual(5): user@domain, user (of local_domains), @domain to addresses; before all else that knows an address.
    virtual_alias_maps: Lookup = Lookup()
    # Where mail for unknown users of local_domains goes, with $user, $local, $domain, $extension, $recipient.
    luser_relay: str = ""
    # relocated(5): what stands there is told to those who write to the address.
    relocated_maps: Lookup = Lookup()
    # The sender of a list's mail is its owner-NAME; or, where expand_owner_alias says so, what owner-NAME stands for.
    expand_owner_alias: bool = False
    # Where "|command" and "/file" may stand: alias tables, .forward files, :include: files.
    allow_mail_to_commands: Classes = ("alias", "forward")
    allow_mail_to_files: Classes = ("alias", "forward")
    # Who runs commands of alias tables where mailhub runs as root ("user" or "user:group"); and the time one may take.
    default_privs: Name = "nobody"
    command_time_limit: Seconds = 1_000.0
    # Octets of an :include: file.
    include_limit: Octets = 16_777_216
    # Octets of a mailbox file that "/file" names; 0: no limit.
    mailbox_size_limit: Octets = 51_200_000
    # Carry the tag of user+tag over to what virtual_alias_maps say (Postfix's propagate_unmatched_extensions).
    propagate_unmatched_extensions: bool = True


class Canonical(Section, frozen=True, kw_only=True):
    # canonical(5): addresses to others, as mail comes in; of senders and of recipients alone before those of both.
    canonical_maps: Lookup = Lookup()
    sender_canonical_maps: Lookup = Lookup()
    recipient_canonical_maps: Lookup = Lookup()
    canonical_classes: Rewritten = EVERYWHERE
    sender_canonical_classes: Rewritten = ("envelope_sender", "header_sender")
    recipient_canonical_classes: Rewritten = ("envelope_recipient", "header_recipient")
    # Domains whose subdomains are hidden ("!sub.example.org" before them: but not that one); users who stay as they are.
    masquerade_domains: tuple[str, ...] = ()
    masquerade_exceptions: tuple[str, ...] = ()
    masquerade_classes: Rewritten = ("envelope_sender", "header_sender", "header_recipient")
    # Headers are rewritten in mail of submission and of clients in smtp.mynetworks (Postfix's local_header_rewrite_clients); or in all mail.
    rewrite_all_headers: bool = False
    # Carry the tag of user+tag over to what the table says (Postfix's propagate_unmatched_extensions).
    propagate_unmatched_extensions: bool = True
