"""Which options a reload takes over at once, and which need a restart. Pure."""

import msgspec

from mailhub.config.schema import Config

# The sections and keys that a running hub can change; sessions that live keep what they began with.
RELOADABLE = (
    "domains",
    "tls",
    "sessions",
    "smtp",
    "auth",
    "limits",
    "imap",
    "pop3",
    "auth_socket",
    "filter",
    "dnsbl",
    "spf",
    "iprev",
    "dkim",
    "arc",
    "dmarc",
    "junk",
    "attachments",
    "clamav",
    "spamassassin",
    "rspamd",
    "content_checks",
    "quarantine",
    "queue",
    "suppression",
    "trace",
    "delivery",
    "aliases",
    "canonical",
    "sieve",
    "managesieve",
    "log",
)
# Keys of those sections that were given to something that lives as long as the hub.
FIXED = (
    "auth.threads", "auth.backlog", "auth.providers", "auth.default_domain", "auth.oauth", "limits.table_limit",
    "delivery.recipient_delimiter", "aliases.default_privs", "tls.acme", "trace.otlp",
)  # fmt: skip


class Reloaded(msgspec.Struct, frozen=True):
    """What a reload comes to: the configuration now in force, keys taken over, keys that wait for a restart."""

    config: Config
    applied: tuple[str, ...]
    restart: tuple[str, ...]


def reloaded(old: Config, new: Config) -> Reloaded:
    """Compare two configurations, key by key."""
    applied: list[str] = []
    restart: list[str] = []
    for key in _changed(old, new):
        fixed = key.partition(".")[0] not in RELOADABLE or key in FIXED
        (restart if fixed else applied).append(key)
    force = msgspec.structs.replace(old, **{name: getattr(new, name) for name in RELOADABLE})
    for section, _, key in (fixed.partition(".") for fixed in FIXED):
        kept = msgspec.structs.replace(getattr(force, section), **{key: getattr(getattr(old, section), key)})
        force = msgspec.structs.replace(force, **{section: kept})
    return Reloaded(force, tuple(applied), tuple(restart))


def _changed(old: Config, new: Config) -> list[str]:
    found = []
    for section in Config.__struct_fields__:
        before, after = getattr(old, section), getattr(new, section)
        if before == after:
            continue
        if not isinstance(before, msgspec.Struct):
            found.append(section)
            continue
        keys = before.__struct_fields__
        found += [f"{section}.{key}" for key in keys if getattr(before, key) != getattr(after, key)]
    return found
