"""What a real Postfix and mailhub are both asked: tables, names in DNS, clients, senders; and how the answers are got."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from support.dns import DnsServer
from support.postfix_smtpd import postfix
from support.smtp_peer import Server, Talk

from mailhub.config import lookup
from mailhub.model.clock import SystemClock
from mailhub.net.resolver import DnsResolver

DNS = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
STRANGER, TRUSTED = "192.0.2.7", "10.0.0.1"
ZONE = {
    ("far.example", "MX"): ["10 mx.far.example."], ("mx.far.example", "A"): ["192.0.2.7"],
    ("host.example", "A"): ["192.0.2.9"], ("nomail.example", "MX"): ["0 ."], ("v6.example", "AAAA"): ["2001:db8::9"],
    ("text.example", "TXT"): ['"no address"'], ("relay.example", "MX"): ["10 mx.far.example."],
}  # fmt: skip
BROKEN = {"slow.example": 2}  # SERVFAIL
TABLES = {
    "senders": """
far.example DUNNO
bad.example REJECT
sub.bad.example OK
user@ok.example OK
ok.example 550 5.7.9 not you
lists@ DEFER later
<> REJECT no bounces
soft.example DEFER_IF_PERMIT 4.2.1 maybe
hope.example DEFER_IF_REJECT maybe
four.example 450 4.2.0 away
mixed.example 550 4.7.9 a code of another class
rejectcode.example REJECT 4.1.1 nor that one
digits.example 12345
bare.example 550
class.example reject_unknown_sender_domain, reject
permits.example permit
relays.example RELAY
junk.example nonsense words
joe+tag@plus.example REJECT
joe@plus2.example REJECT
warn.example WARN look
info.example INFO look
hold.example HOLD
drop.example DISCARD
redirect.example REDIRECT nowhere
filter.example FILTER
prepend.example PREPEND X-Seen: yes
.dotted.example REJECT
UPPER.example reject
tab.example\tREJECT\ta tab
""",
    "clients": "192.0.2.9 REJECT\n198.51.100 DEFER\nunknown 554 nameless\nbad.example REJECT\n2001:db8 REJECT six\n203.0.113.5 OK\n",
    "helos": "bad.example REJECT\nlocalhost 550 5.7.1 no\n192.0.2 REJECT\n[192.0.2.3] REJECT\n",
    "recipients": "bob@mailhub.test REJECT\ncarl@ DEFER\nfar.example OK\nhold.example HOLD\n",
    "networks": "192.0.2.0/28 REJECT\n!10.0.0.0/8 DUNNO\n2001:db8::/32 DEFER six\n",
    "patterns": "/^x[0-9]+@/ REJECT number\n/@([a-z]+)\\.pattern\\.example$/ 450 4.7.1 $1 waits\n!/@/ REJECT\n",
    "heloes": "/^[0-9.]+$/ REJECT\n!/\\./ 504 5.5.2 short\n",
}


class Case(NamedTuple):
    """One session. `ours`: our codes, where they are meant to differ from Postfix's."""

    sender: str = "x@far.example"
    recipients: tuple[str, ...] = ("alice@mailhub.test",)
    client: str = STRANGER
    name: str = "mx.far.example"
    helo: str = "mx.far.example"
    verb: str = "EHLO"
    data: str = ""  # what is sent after 354; "": DATA is not said
    ours: tuple[int, ...] = ()


def senders(*addresses: str) -> tuple[Case, ...]:
    return tuple(Case(sender=address) for address in addresses)


SENDERS = senders(
    "x@far.example", "x@bad.example", "x@sub.bad.example", "x@deep.sub.bad.example", "user@ok.example", "other@ok.example",
    "lists@any.example", "", "x@soft.example", "x@hope.example", "x@four.example", "x@mixed.example", "x@rejectcode.example",
    "x@digits.example", "x@class.example", "x@permits.example", "x@relays.example", "x@junk.example", "joe+tag@plus.example",
    "joe+other@plus2.example", "joe@plus.example", "x@warn.example", "x@info.example", "x@hold.example", "x@drop.example",
    "x@redirect.example", "x@prepend.example", "x@upper.EXAMPLE", "x@tab.example", "X@BAD.example",
    '"joe"@plus2.example', '"j\\oe"@plus2.example', "<x@bad.example", "@far.example:x@bad.example",
)  # fmt: skip
HELOS = (
    "mx.far.example", "localhost", "bad.example", "a.bad.example", "192.0.2.3", "[192.0.2.3]", "[192.0.2.5]", "[IPv6:2001:db8::1]",
    "[nonsense]", "under_score.example", "-hyphen.example", "dot.example.", "two..dots.example", "127", "host.example",
    "gone.example", "slow.example", "text.example", "v6.example",
)  # fmt: skip
COMMON = {
    "myhostname": "mx.mailhub.test", "mydestination": "", "mynetworks": "10.0.0.0/8", "relay_domains": "relay.example",
    "virtual_mailbox_domains": "mailhub.test", "recipient_delimiter": "+", "alias_maps": "", "local_recipient_maps": "",
    "virtual_mailbox_maps": "inline:{alice@mailhub.test=x, bob@mailhub.test=x}", "virtual_transport": "discard",
    "default_transport": "discard", "relay_transport": "discard", "smtpd_error_sleep_time": "0", "smtpd_hard_error_limit": "100",
    "smtpd_authorized_xclient_hosts": "127.0.0.1", "smtpd_peername_lookup": "no", "append_dot_mydomain": "no",
    "smtpd_client_connection_count_limit": "0", "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}  # fmt: skip
OURS = {
    "smtpd_delay_reject": "delay_reject", "unknown_virtual_mailbox_reject_code": "unknown_local_recipient_reject_code",
    **{f"smtpd_{stage}_restrictions": f"{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data")},
}  # fmt: skip


Scenarios = Mapping[str, tuple[dict[str, str], tuple[Case, ...]]]


@contextlib.contextmanager
def peers(scenarios: Scenarios) -> Iterator[tuple[dict[str, int], Path]]:
    """A Postfix with a port for each of them, and the folder of the tables."""
    with tempfile.TemporaryDirectory(prefix="pt") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for table, text in TABLES.items():
            (folder / table).write_text(text.lstrip("\n"))
        services = {
            name: {key: value.replace(":T/", f":{folder}/") for key, value in parameters.items()}
            for name, (parameters, _) in scenarios.items()
        }
        with postfix(COMMON, services, DNS) as ports:
            yield ports, folder


async def both(
    parameters: dict[str, str], cases: tuple[Case, ...], port: int, folder: Path
) -> list[tuple[Case, list[int], list[int]]]:
    """Each case with Postfix's codes and ours."""
    async with DnsServer(ZONE, (DNS, 53)) as dns:
        dns.broken.update(BROKEN)  # type: ignore[arg-type]
        resolver = DnsResolver(dns.config(timeout=2.0), SystemClock())
        async with Server(resolver=resolver, **settings(parameters, folder)) as server:
            found = [(case, await codes(port, case), await codes(server.listener.port, case)) for case in cases]
        await resolver.close()
    return found


def settings(parameters: dict[str, str], tables: Path) -> dict[str, Any]:
    """Those of main.cf as ours."""
    found: dict[str, Any] = {"mynetworks": ("10.0.0.0/8",), "relay_domains": lookup.read({"relay.example": "x"})}
    for name, value in parameters.items():
        key = OURS.get(name, name)
        if key.endswith("_restrictions"):
            found[key] = (value.replace(":T/", f":{tables}/"),)
        else:
            found[key] = value == "yes" if value in ("yes", "no") else int(value) if value.isdigit() else value
    return {"xclient_hosts": ("127.0.0.1",), "greet_pause": 0.0, "error_limit": 100, "soft_error_limit": 100, **found}


async def codes(port: int, case: Case) -> list[int]:
    """From the greeting that XCLIENT brings to the last reply; 0: the connection was closed."""
    talk = Talk(*await asyncio.open_connection("127.0.0.1", port))
    await talk.reply()
    await talk.ask(f"{case.verb} proxy.example")
    lines = [f"XCLIENT NAME={case.name} ADDR={case.client}", f"{case.verb} {case.helo}", f"MAIL FROM:<{case.sender}>"]
    lines += [f"RCPT TO:<{recipient}>" for recipient in case.recipients]
    if case.data:
        lines += ["DATA", case.data + "\r\n."]
    found: list[int] = []
    for line in lines:
        if line[-3:] == "\r\n." and found[-1] != 354:
            break
        try:
            found.append(int((await talk.ask(line))[:3]))
        except (asyncio.IncompleteReadError, ConnectionError):
            found.append(0)
            break
    talk.close()
    return found
