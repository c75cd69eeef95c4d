"""Aliases whose targets the sender is not told (RFC 3461 section 5.2.7.1): queue.confidential_aliases.

Such an alias is where the mail was delivered, as far as the sender knows. Hosts behind it are asked for no reports, and ours name
the alias and give no other host's words.
"""

from collections.abc import Collection

from mailhub.model import steps
from mailhub.model.reply import Reply


def hidden_by(path: tuple[str, ...], names: Collection[str]) -> str | None:
    """The first confidential alias on the way to a recipient, as keys of addresses; None where there is none."""
    return next((name for step in path if (name := steps.plain(step)) in names), None)


def silenced(reply: Reply) -> Reply:
    """A reply without the words, which might name what is hidden."""
    return Reply(reply.code, reply.enhanced, "Delivery to the address behind it did not succeed")
