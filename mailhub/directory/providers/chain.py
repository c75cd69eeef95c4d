"""From the words of `auth.providers` to providers."""

from mailhub.config import lookup, schema
from mailhub.model.clock import Clock
from mailhub.model.errors import Permanent
from mailhub.tables import Tables

from ..hasher import Hasher
from . import Provider
from .daemons import DAEMONS
from .listed import ListedPasswords, passwd_file

KINDS = ("directory", *DAEMONS, "passwd-file", "table")


def chain(auth: schema.Auth, stored: Provider, tables: Tables, hasher: Hasher, clock: Clock) -> list[Provider]:
    """The providers in their order. Permanent where a word is none."""
    domain = auth.default_domain
    found: list[Provider] = []
    for word in auth.providers:
        kind, _, name = word.partition(":")
        if word == "directory":
            found.append(stored)
        elif kind in DAEMONS and name:
            found.append(DAEMONS[kind](name, clock))
        elif kind == "passwd-file" and name:
            found.append(ListedPasswords(word, passwd_file(name, clock), hasher, domain))
        elif kind == "table" and name:
            found.append(ListedPasswords(word, tables.open(lookup.Lookup((name,))), hasher, domain))
        else:
            raise Permanent(f"auth.providers: {word!r} is none of {', '.join(KINDS)}")
    return found
