"""Names that an operator may give to domains, accounts and aliases: checked once, here, and brought into key form."""

from mailhub.config.rules import is_domain
from mailhub.model.address import key, split
from mailhub.model.errors import Permanent
from mailhub.model.reply import Reply

LOCAL_LIMIT = 64  # octets (RFC 5321 section 4.5.3.1.1)
LIMIT = LOCAL_LIMIT + 1 + 255  # of a whole address

# RFC 5322's atext and the dot, without the signs of the percent hack, the bang path, and folders.
_SIGNS = frozenset("#$&'*+-=?^_`{|}~.")


def possible(name: str) -> bool:
    """Whether anything can be kept under that name: what is not, need not be asked for (or remembered)."""
    return len(name) <= LIMIT and name.isprintable()


def domain(text: str) -> str:
    """A domain in key form. Permanent where it is none."""
    name = text.lower()
    if not is_domain(name):
        raise refused(f"{text!r} is not a domain")
    return name


def account(text: str) -> str:
    """The address of an account, or of an alias that is no catch-all, in key form. Permanent where it is none."""
    local, name = split(key(text))
    plain = all(char.isalnum() or char in _SIGNS for char in local)
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    if not (plain and not dots and 0 < len(local.encode()) <= LOCAL_LIMIT and is_domain(name)):
        raise refused(f"{text!r} is not an address that mail can be kept for, such as user@example.org")
    return f"{local}@{name}"


def alias(text: str) -> str:
    """The address of an alias in key form; `@example.org` is that domain's catch-all."""
    return "@" + domain(text[1:]) if text.startswith("@") else account(text)


def target(text: str) -> str:
    """An address that mail is passed on to: its local part is another host's business and stays as it is."""
    local, name = split(text)
    if not (0 < len(local.encode()) <= LOCAL_LIMIT and local.isprintable() and is_domain(name)):
        raise refused(f"{text!r} is not an address such as user@example.org")
    return f"{local}@{name}"


def refused(cause: str) -> Permanent:
    return Permanent(cause, Reply(550, "5.1.3", "Bad address syntax"))
