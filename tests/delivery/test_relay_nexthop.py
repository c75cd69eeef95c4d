"""Nexthops as transport(5) writes them, and a content filter that gets a whole message (access(5), FILTER)."""

import asyncio
import email
import random
from pathlib import Path

import pytest
from support.far_hosts import US, world
from support.hubs import running, send
from support.smtp_peer import Server, Talk

from mailhub.config import schema
from mailhub.delivery.relay.mx import Exchangers, Host
from mailhub.model.errors import Permanent
from mailhub.net.resolver import NoData, NoSuchName
from mailhub.store.api import Fate


class Zone:
    """One domain with an MX, and one host."""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        if domain != "far.example":
            raise NoData(domain)
        return [(10, "mx.far.example")]

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        if host == "gone.example":
            raise NoSuchName(host)
        return ["192.0.2.1"]


@pytest.mark.parametrize(
    ("nexthop", "host"),
    [
        ("far.example", Host("mx.far.example", "192.0.2.1")), ("far.example:587", Host("mx.far.example", "192.0.2.1", 587)),
        ("[far.example]", Host("far.example", "192.0.2.1")), ("[far.example]:587", Host("far.example", "192.0.2.1", 587)),
        ("[192.0.2.7]", Host("[192.0.2.7]", "192.0.2.7")), ("[192.0.2.7]:26", Host("[192.0.2.7]", "192.0.2.7", 26)),
        ("[IPv6:2001:db8::7]", Host("[IPv6:2001:db8::7]", "2001:db8::7")),
        ("[2001:db8::7]:26", Host("[2001:db8::7]", "2001:db8::7", 26)),
    ],
)  # fmt: skip
async def test_nexthops(nexthop: str, host: Host) -> None:
    exchangers = Exchangers(Zone(), random.Random(), (), ipv6=True, limit=5)  # type: ignore[arg-type]
    assert (await exchangers.find(nexthop)).hosts == [host]


@pytest.mark.parametrize("nexthop", ["[192.0.2.7]:0", "[192.0.2.7]:x", "[a b]", "[192.0.2.7]:99999", "[gone.example]"])
async def test_what_is_no_nexthop(nexthop: str) -> None:
    exchangers = Exchangers(Zone(), random.Random(), (), ipv6=True, limit=5)  # type: ignore[arg-type]
    with pytest.raises(Permanent):
        await exchangers.find(nexthop)


async def test_a_content_filter_gets_the_message_instead_of_its_mailbox(tmp_path: Path) -> None:
    async with Server() as behind:
        table = f"check_sender_access inline:{{{{x@far.example=FILTER smtp:[127.0.0.1]:{behind.listener.port}}}}}"
        smtp = schema.Smtp(sender_restrictions=(table,))
        async with running(tmp_path, "alice@mailhub.test", smtp=smtp) as hub:
            await send(hub, "x@far.example", "alice@mailhub.test")
            await hub.queue.idle()
            (put,) = behind.spool.messages
            assert [recipient.address for recipient in put.envelope.recipients] == ["alice@mailhub.test"]
            assert put.data.endswith(b"Subject: test\r\n\r\ntext\r\n")


BINARY = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n\r\xff"


@pytest.mark.parametrize(
    ("text", "discard", "encoded"),
    [
        (b"Subject: x\r\n\r\nlines\r\n", (), False),
        (BINARY, (), False),
        (BINARY, ("BINARYMIME",), True),
        (BINARY, ("CHUNKING", "BINARYMIME", "8BITMIME"), True),
    ],
)
async def test_binary_content_goes_as_it_is_or_encoded_and_arrives_to_the_octet(
    tmp_path: Path, text: bytes, discard: tuple[str, ...], encoded: bool
) -> None:
    async with Server(discard_ehlo_keywords=discard) as behind:
        nexthop = f"check_sender_access inline:{{{{ann@mailhub.test=FILTER smtp:[127.0.0.1]:{behind.listener.port}}}}}"
        smtp = schema.Smtp(sender_restrictions=(nexthop,))
        async with running(tmp_path, "ann@mailhub.test", "alice@mailhub.test", smtp=smtp) as hub:
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("smtp"))
            talk = Talk(reader, writer)
            await talk.reply()
            await talk.asks("EHLO c", "MAIL FROM:<ann@mailhub.test> BODY=BINARYMIME", "RCPT TO:<alice@mailhub.test>")
            talk.send(b"BDAT %d LAST\r\n" % len(text) + text)
            answer = (await talk.reply())[0]
            talk.close()
            assert answer.startswith("250 "), answer
            await hub.queue.idle()
            (put,) = behind.spool.messages
            assert put.data.endswith(text) != encoded
            assert email.message_from_bytes(put.data).get_payload(decode=True) == text.partition(b"\r\n\r\n")[2]
            assert (b"\0" in put.data) == (text is BINARY and not encoded)


@pytest.mark.parametrize(
    ("nexthop", "code"), [("gone.test", "4.1.2"), ("[a b]", "4.1.2"), ("null.test", "4.1.10"), ("us.test", "4.4.6")]
)
async def test_what_is_wrong_with_an_operators_nexthop_sends_nobodys_mail_back(
    nexthop: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as far:
        far.dns.zone["null.test", "MX"] = ["0 ."]
        far.dns.zone["us.test", "MX"] = [f"10 {US}."]
        far.dns.zone[US, "A"] = ["127.0.0.9"]
        (result,) = await far.deliver("b@elsewhere.test", nexthop=nexthop)
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, code)
        assert "configuration problem" in caplog.text
        (result,) = await far.deliver(f"b@{nexthop}", nexthop=nexthop)
        assert result.fate == Fate.FAILED
