"""The part of [smtp] that a content filter has, with Postfix's names: mail goes out to it by SMTP, and comes back by a door of its own. Pure."""

import re
from typing import Annotated, Literal

from msgspec import Meta

from .section import Section

Override = Literal[
    "no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters", "no_checks",
]  # fmt: skip
_WAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*:\S*")


class ContentFilter(Section, frozen=True, kw_only=True):
    # "transport:nexthop", such as "smtp:[127.0.0.1]:10024": where all mail that comes in goes first, unless a table's FILTER says another way. It comes
    # back by a listener of its own, whose [listener.smtp] has content_filter = "".
    content_filter: Annotated[str, Meta(max_length=255)] = ""
    # What is not done (at that listener) a second time, in Postfix's words: recipients that nobody knows are taken; addresses are not rewritten
    # ([canonical]); [content_checks], milters are not asked. And ours: "no_checks": the checks of [filter] are not asked, the verdict that stands
    # in the message is kept, and nothing is signed.
    receive_override_options: tuple[Override, ...] = ()


def is_way(text: str) -> bool:
    """Whether it is `transport:nexthop`."""
    return bool(_WAY.fullmatch(text))
