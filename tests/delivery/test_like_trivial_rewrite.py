"""The ways of mail, ours and those of Postfix's trivial-rewrite over the same tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.postfix import postfix_in, resolved

from mailhub.config import lookup, schema
from mailhub.delivery.ways import Ways, over
from mailhub.model import address as addresses
from mailhub.model.clock import VirtualClock
from mailhub.tables import Tables

TABLE = """
user+tag@far.test smtp:[tag.test]
user@far.test :[user.test]:26
far.test lmtp:inet:far.test:24
.far.test relay:
gone.test error:5.1.6 moved away
late.test retry:4.7.7 not yet
void.test discard:spam
same.test :
plain.test smtp
colons.test lmtp:unix:/run/x:y
"""
RELAYHOSTS = "one@here.test [one.test]\n@two.test [two.test]:587\n<> [null.test]\nnone@here.test DUNNO\n"
DEFAULTS = "dan@here.test lmtp:\n@own.test smtp:[own.test]\n"
SENDERS = (
    "one@here.test",
    "one+tag@here.test",
    "x@two.test",
    "",
    "none@here.test",
    "dan@here.test",
    "x@own.test",
    "x@y.test",
)
RECIPIENTS = (
    "user+tag@far.test", "user+other@far.test", "User@Far.Test", "other@far.test", "x@sub.far.test", "x@a.b.far.test", "x@notfar.test",
    "x@gone.test", "x@late.test", "x@void.test", "x@same.test", "x@plain.test", "x@colons.test", "x@else.test",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Iterator[tuple[Path, Path]]:
    """That of the tables, and that of the Postfix."""
    with short_folder() as tables:
        for name, text in (("transport", TABLE), ("relayhosts", RELAYHOSTS), ("defaults", DEFAULTS)):
            (tables / name).write_text(text)
        with postfix_in(
            transport_maps=f"texthash:{tables}/transport", sender_dependent_relayhost_maps=f"texthash:{tables}/relayhosts",
            sender_dependent_default_transport_maps=f"texthash:{tables}/defaults", relayhost="[smart.test]",
            default_transport="smtp", recipient_delimiter="+",
        ) as (theirs, _):  # fmt: skip
            yield tables, theirs


async def test_the_same_ways(folder: tuple[Path, Path]) -> None:
    tables, theirs = folder
    config = schema.Delivery(
        default_transport="smtp", relayhost="[smart.test]", transport=lookup.read(f"texthash:{tables}/transport"),
        sender_relayhost=lookup.read(f"texthash:{tables}/relayhosts"),
        sender_default_transport=lookup.read(f"texthash:{tables}/defaults"),
    )  # fmt: skip
    ways = Ways(config, Tables(VirtualClock()))
    different = {}
    for sender in SENDERS:
        for recipient in RECIPIENTS:
            domain = addresses.domain_of(recipient)
            default, _ = await ways.default(domain, sender)
            found = await ways.of(recipient)
            way = over(found, default, domain) if found is not None else default
            expected = resolved(theirs, sender, recipient)
            if (way.transport, way.nexthop.lower()) != (expected[0], expected[1].lower()):
                different[sender, recipient] = ((way.transport, way.nexthop), expected)
    assert different == {}
