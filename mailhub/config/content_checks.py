"""Tables that look at what is in a message, by Postfix's names: [content_checks]."""

from .lookup import Lookup
from .section import Octets, Section


class ContentChecks(Section, frozen=True, kw_only=True):
    """header_checks(5): tables whose patterns are asked for each header field and body line, and what is done then."""

    # For fields of the message's own header; of the parts' headers and those that speak of MIME; of headers of messages inside. The last
    # two where empty: as header_checks.
    header_checks: Lookup = Lookup()
    mime_header_checks: Lookup = Lookup()
    nested_header_checks: Lookup = Lookup()
    # For lines of the body, in the first octets of each part.
    body_checks: Lookup = Lookup()
    body_checks_size_limit: Octets = 51_200
