"""Rewritten addresses, ours and those of Postfix's cleanup(8) over the same tables: envelopes and headers."""

import asyncio
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.postfix import postfix_in

from mailhub.config import lookup
from mailhub.config.aliasing import Canonical
from mailhub.message import headers
from mailhub.model import address as addresses
from mailhub.model.clock import SystemClock
from mailhub.model.envelope import Envelope, Recipient
from mailhub.policy.rewriting import Rewriting
from mailhub.tables import Tables

ORIGIN = "postfix.test"
CANONICAL = """
one@here.test first@far.test
two@here.test second
three@here.test @third.test
user third@far.test
user+own@postfix.test own@far.test
chain1@here.test chain2@here.test
chain2@here.test chain3@here.test
self@here.test self@here.test
@whole.test everybody@far.test
@moved.test @new.test
case@here.test Case.Of@Far.Test
quoted@here.test "a b"@far.test
"""
SENDERS = "from@here.test sent@far.test\none@here.test one.sends@far.test\n"
RECIPIENTS = "to@here.test got@far.test\n"
MASQUERADED = "!deep.hide.test hide.test"
ADDRESSES = (
    "one@here.test", "ONE@Here.Test", "one+tag@here.test", "two@here.test", "two+tag@here.test", "three+tag@here.test",
    "user@postfix.test", "user+own@postfix.test", "user+other@postfix.test", "user@here.test", "chain1@here.test",
    "self@here.test", "x@whole.test", "x+tag@whole.test", "x+tag@moved.test", "case@here.test", "quoted@here.test",
    "from@here.test", "to@here.test", "x@a.hide.test", "x@a.b.hide.test", "x@hide.test", "x@deep.hide.test", "x@a.deep.hide.test",
    "root@a.hide.test", "other@else.test", "x@notwhole.test",
)  # fmt: skip
HEADER = b"".join(
    b"%b: %b\r\n" % (name, b",\r\n\t".join(b"Some One <%b>" % address.encode() for address in ADDRESSES))
    for name in (b"From", b"Reply-To", b"To", b"Cc", b"X-Own")
)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        for name, text in (("canonical", CANONICAL), ("senders", SENDERS), ("recipients", RECIPIENTS)):
            (made / name).write_text(text)
        yield made


def by_postfix(tables: Path, **options: str) -> dict[str, tuple[str, str, bytes]]:
    """What becomes of each address as a sender and as a recipient, and the header of such a message."""
    script = tables / "keep"
    script.write_text(
        f'#!/bin/sh\ncat > "{tables}/mail.$1"; echo "$2 $3" > "{tables}/got.$1.new"; mv "{tables}/got.$1.new" "{tables}/got.$1"\n'
    )
    script.chmod(0o755)
    tables.chmod(0o777)
    service = (
        f"keep unix - n n - 5 pipe\n  flags= user=nobody argv={script} ${{queue_id}} <${{sender}}> <${{recipient}}>\n"
    )
    with postfix_in(
        service, mynetworks="127.0.0.0/8", recipient_delimiter="+", mydestination="", default_transport="keep:", myorigin=ORIGIN,
        canonical_maps=f"texthash:{tables}/canonical", sender_canonical_maps=f"texthash:{tables}/senders",
        recipient_canonical_maps=f"texthash:{tables}/recipients", masquerade_domains=MASQUERADED, masquerade_exceptions="root",
        local_header_rewrite_clients="permit_mynetworks", keep_destination_recipient_limit="1", append_dot_mydomain="no", **options,
    ) as (_, port):  # fmt: skip
        found = {}
        with smtplib.SMTP("127.0.0.1", port) as client:
            for address in ADDRESSES:
                client.mail(address)
                client.rcpt(address)
                number = client.data(HEADER + b"\r\ntext\r\n")[1].split()[-1].decode()
                found[address] = number
        return {
            address: (*_kept(tables, number), (tables / f"mail.{number}").read_bytes())
            for address, number in found.items()
        }


def _kept(tables: Path, number: str) -> tuple[str, str]:
    import time

    until = time.monotonic() + 30
    while not (tables / f"got.{number}").exists():
        assert time.monotonic() < until, "Postfix has not delivered"
        time.sleep(0.05)  # it has no way to tell
    sender, recipient = (tables / f"got.{number}").read_text().split("> <")
    return sender.strip("<> \n"), recipient.strip("<> \n")


async def _no(domain: str) -> bool:
    return domain == ORIGIN


async def test_the_same_addresses_in_envelopes_and_headers(folder: Path) -> None:
    theirs = await asyncio.to_thread(by_postfix, folder)
    tables = {name: lookup.read(f"texthash:{folder}/{name}") for name in ("canonical", "senders", "recipients")}
    config = Canonical(
        canonical_maps=tables["canonical"], sender_canonical_maps=tables["senders"], recipient_canonical_maps=tables["recipients"],
        masquerade_domains=tuple(MASQUERADED.split()), masquerade_exceptions=("root",),
    )  # fmt: skip
    ours = Rewriting(config, Tables(SystemClock()), "+", ORIGIN, _no)
    different = {}
    for address in ADDRESSES:
        envelope = await ours.envelope(Envelope(address, (Recipient(address),)))
        mine = (_plain(envelope.sender), _plain(envelope.recipients[0].address))
        if mine != theirs[address][:2]:
            different[address] = (mine, theirs[address][:2])
    assert different == {}
    assert _fields(await ours.header(HEADER)) == _fields(
        theirs["one@here.test"][2].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    )


def _plain(address: str) -> str:
    """As pipe(8) names it: quotes are gone."""
    local, domain = address.rsplit("@", 1)
    return f"{addresses.unquote(local)}@{domain}"


def _fields(header: bytes) -> dict[bytes, list[bytes]]:
    end = headers.header_end(header)
    return {
        name: [part.strip() for part in headers.unfold(value).replace(b"\t", b" ").split(b",")]
        for name, value in headers.fields(header[:end])
        if name in (b"From", b"Reply-To", b"To", b"Cc", b"X-Own")
    }
