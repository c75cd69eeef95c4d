"""The same message, refused by the same host, once through a real Postfix and once through mailhub: the reports agree, field by
field.

far.test is a host that follows a script, back.test the sender's, which catches the reports. Where the two are meant to differ:
Postfix returns the whole message unless asked for the header, cuts it at its limit, and says no Last-Attempt-Date and no
Final-Log-ID; it gives an Original-Recipient also where none was named, and repeats the code on each line of a reply.
Its report-type is delivery-status also for message/global-delivery-status, where RFC 6522 section 3 wants the subtype.
"""

import asyncio
import email
import email.policy
import os
import re
import smtplib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest
from support.dns import DnsServer
from support.dsn_reader import read
from support.far_hosts import FarHost
from support.postfix_smtpd import postfix
from support.server import free_port

from mailhub.config.schema import Config, Listener, Relay, Resolver, Smtp
from mailhub.hub import Hub

FAR, BACK = "127.0.0.31", "127.0.0.32"
DNS = f"127.54.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
US = "mx.here.test"
TEXT = b"From: a@back.test\r\nTo: x@far.test\r\nSubject: hello\r\nDate: Mon, 1 Jan 2029 00:00:00 +0000\r\n" \
       b"Message-ID: <1@back.test>\r\n\r\nhow are you\r\n.dot\r\n"  # fmt: skip


class Case(NamedTuple):
    """`script` of far.test; options of MAIL and RCPT."""

    script: dict[str, str]
    mail: tuple[str, ...] = ("RET=FULL",)
    rcpt: tuple[str, ...] = ()
    to: str = "x@far.test"
    text: bytes = TEXT


GONE = "550 5.1.1 <x@far.test>: Recipient address rejected: User unknown"
CASES = {
    "a recipient refused": Case({"RCPT": GONE}),
    "all that DSN knows": Case(
        {"RCPT": GONE}, ("RET=FULL", "ENVID=id+2Bwith+3Dsigns"), ("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;first+2Bname@old.test")
    ),
    "the header alone": Case({"RCPT": GONE}, ("RET=HDRS", "ENVID=E1")),
    "refused after the data, in several lines": Case({".": "554-5.7.1 We do not want\r\n554-5.7.1 this at all,\r\n554 5.7.1 sorry"}),
    "no enhanced code": Case({"RCPT": "550 go away"}),
    "a long reply": Case({"RCPT": "550 5.7.1 " + "because " * 50}),
    "passed on to who reports nothing": Case({}, ("RET=HDRS", "ENVID=E2"), ("NOTIFY=SUCCESS",)),
    "eight bits": Case({".": "554 5.6.0 no"}, ("BODY=8BITMIME", "RET=FULL"), text=TEXT.replace(b"you", "grüße".encode())),
    "an address of another script": Case(
        {"RCPT": "550 5.1.1 unbekannt: grüße"}, ("SMTPUTF8", "BODY=8BITMIME", "RET=FULL"), to="grüße@far.test",
        text=TEXT.replace(b"hello", "grüße".encode()),
    ),
}  # fmt: skip


class Seen(NamedTuple):
    """A report as back.test took it."""

    mail: str
    rcpt: str
    data: bytes


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def real(port: int) -> Iterator[int]:
    ways = ", ".join(
        f"{{{domain}.test = smtp:[{address}]:{port}}}" for domain, address in (("far", FAR), ("back", BACK))
    )
    common = {
        "myhostname": US, "mynetworks": "127.0.0.0/8", "mydestination": "", "transport_maps": f"inline:{{{ways}}}",
        "smtp_tls_security_level": "none", "smtp_host_lookup": "native", "bounce_size_limit": "50000",
    }  # fmt: skip
    with postfix(common, {"smtpd": {}}, DNS) as ports:
        yield ports["smtpd"]


def post(port: int, case: Case) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        code, said = client.docmd(f"MAIL FROM:<a@back.test> {' '.join(case.mail)}")
        assert code == 250, said
        client.command_encoding = "utf-8"
        code, said = client.docmd(f"RCPT TO:<{case.to}> {' '.join(case.rcpt)}".rstrip())
        assert code == 250, said
        code, said = client.data(case.text)
        assert code == 250, said


async def by_postfix(port: int, case: Case, back: FarHost) -> Seen:
    await asyncio.to_thread(post, port, case)
    return await caught(back)


async def by_us(folder: Path, port: int, case: Case, back: FarHost) -> Seen:
    async with DnsServer() as dns:
        for domain, address in (("far", FAR), ("back", BACK)):
            dns.zone[f"{domain}.test", "MX"] = [f"10 mx.{domain}.test."]
            dns.zone[f"mx.{domain}.test", "A"] = [address]
        config = Config(
            hostname=US,
            domains=(US,),
            data=str(folder),
            listener=(Listener(protocol="smtp", tls="none"),),
            smtp=Smtp(greet_pause=0.0),
            relay=Relay(port=port, ipv6=False, tls="none"),
            resolver=Resolver(nameservers=(dns.address,)),
        )
        async with Hub(config) as hub:
            await asyncio.to_thread(post, hub.port("smtp"), case)
            return await caught(back)


async def caught(back: FarHost) -> Seen:
    async with asyncio.timeout(20):
        while not back.bodies:
            await asyncio.sleep(0.02)  # another process delivers it
    mail, rcpt = back.commands("MAIL"), back.commands("RCPT")
    data = back.bodies[0].removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    return Seen(mail[0], rcpt[0], data)


def groups(part: Message) -> list[dict[str, str]]:
    """A delivery-status, unfolded."""
    content = part.get_payload()
    if isinstance(content, list):
        found = [dict(group.items()) for group in content if group.items()]
    else:  # message/global-delivery-status, which the library does not know
        text = part.get_payload(decode=True)
        assert isinstance(text, bytes)
        blocks = re.split(r"\r?\n\r?\n", text.decode().strip())
        found = [dict(email.message_from_string(block, policy=email.policy.compat32).items()) for block in blocks]
    return [{name: " ".join(value.split()) for name, value in group.items()} for group in found]


def told(seen: Seen) -> dict[str, object]:
    """What both must say in the same way."""
    message = email.message_from_bytes(seen.data, policy=email.policy.compat32)
    text, status, back = message.get_payload()  # type: ignore[misc]
    assert isinstance(text, Message)
    assert isinstance(status, Message)
    assert isinstance(back, Message)
    per_message, *others = groups(status)
    recipients = []
    for group in others:
        fields = {name: value for name, value in group.items() if name not in ("Last-Attempt-Date", "Final-Log-ID")}
        if fields.get("Original-Recipient") == "rfc822;x@far.test":
            del fields["Original-Recipient"]  # which Postfix says whether or not it was told
        if "Remote-MTA" in fields:
            fields["Remote-MTA"] = fields["Remote-MTA"].replace(FAR, "mx.far.test")  # the name that Postfix was given
        first, *more = re.split(r" 554[ -]5\.7\.1(?= )", fields["Diagnostic-Code"].replace("smtp; 554-", "smtp; 554 "))
        fields["Diagnostic-Code"] = " 554 5.7.1".join([first, "".join(more)]) if more else first  # the code once
        fields["Final-Recipient"] = fields["Final-Recipient"].replace("; ", ";")
        recipients.append(fields)
    content = back.get_payload(0) if back.is_multipart() else None
    return {
        "from nobody": seen.mail.split()[0],
        "to": seen.rcpt.split()[0],
        "type": (message.get_content_type(), str(message.get_param("report-type")).removeprefix("global-")),
        "From": message["From"].replace(" ", "").replace("(MailDeliverySystem)", ""),
        "Auto-Submitted": message["Auto-Submitted"],
        "parts": [part.get_content_type() for part in (text, status, back)],
        "Reporting-MTA": per_message["Reporting-MTA"],
        "envid": per_message.get("Original-Envelope-Id"),
        "sender": (per_message.get("X-Postfix-Sender") or per_message["X-Mailhub-Sender"]).replace("; ", ";"),
        "arrival": "Arrival-Date" in per_message,
        "recipients": recipients,
        "subject": content["Subject"] if isinstance(content, Message) else None,
        "body": content.get_payload() if isinstance(content, Message) else None,
    }


@pytest.mark.parametrize("name", CASES)
async def test_a_report(name: str, tmp_path: Path, port: int, real: int) -> None:
    case = CASES[name]
    seen = []
    for deliver in ("postfix", "us"):
        far, back = FarHost("mx.far.test"), FarHost("mx.back.test")
        far.script = dict(case.script)
        back.extensions += ["SMTPUTF8", "DSN"]
        far.extensions += ["SMTPUTF8"]
        await far.start(FAR, port)
        await back.start(BACK, port)
        try:
            seen.append(
                await (by_postfix(real, case, back) if deliver == "postfix" else by_us(tmp_path, port, case, back))
            )
        finally:
            await far.stop()
            await back.stop()
    read(seen[1].data)
    theirs, ours = (told(one) for one in seen)
    assert ours == theirs
