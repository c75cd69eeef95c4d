"""Capture mode: every address is a mailbox here, every login is right, and nothing leaves by itself."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from .lookup import Lookup
from .section import Section

if TYPE_CHECKING:
    from .schema import Config


class Capture(Section, frozen=True, kw_only=True):
    # Whose mailbox a message lands in: one for each recipient, or all in one.
    mailboxes: Literal["each", "one"] = "each"
    # The address of that one, and of who signs in by a name without a domain.
    inbox: str = "inbox@mailhub.test"
    # Or by rule, before that: addresses, or domains, to the mailbox that gets their mail: an inbox for each project.
    rules: Lookup = Lookup()
    # Domains in which only those who have an account are there.
    strict_domains: tuple[str, ...] = ()
    # Mailboxes that may be made; further recipients are told 452.
    mailbox_limit: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000


def captured(config: "Config") -> "Config":
    """The configuration as capture mode needs it: passwords in the clear and at once, senders not checked."""
    replace = msgspec.structs.replace
    auth = replace(
        config.auth, allow_plaintext=True, mechanisms=("PLAIN", "LOGIN"), create_accounts=True, failure_delay=0.0
    )
    smtp = replace(config.smtp, check_sender_login=False, greet_pause=0.0)
    return replace(config, auth=auth, smtp=smtp)
