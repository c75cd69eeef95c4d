"""The same restriction lists, tables, names in DNS and sessions, put to a real Postfix and to mailhub: the reply codes agree.

Where they are meant to differ a case gives our codes in `ours`, and docs/decisions/0005 says why.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
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
SCENARIOS: dict[str, tuple[dict[str, str], tuple[Case, ...]]] = {
    "nothing": ({}, (
        Case(), Case(recipients=("nobody@mailhub.test",)), Case(recipients=("x@far.example",)), Case(recipients=("x@relay.example",)),
        Case(client=TRUSTED, recipients=("x@far.example",)), Case(recipients=("postmaster",)), Case(verb="HELO"),
        Case(recipients=("alice@mailhub.test", "nobody@mailhub.test", "x@far.example", "bob@mailhub.test")),
        Case(recipients=("x%far.example@mailhub.test",)), Case(recipients=("x@[192.0.2.1]",)),
        Case(data="Subject: x\r\n\r\nhello"),
    )),
    "senders": ({"smtpd_sender_restrictions": "check_sender_access texthash:T/senders"}, (
        *SENDERS, Case(sender="x@filter.example", ours=(220, 250, 250, 451)), Case(sender="x@bad.example.", ours=(220, 250, 501, 503)),
        Case(sender="x@bare.example", ours=(220, 250, 250, 550)), Case(sender="x@a.dotted.example", ours=(220, 250, 250, 554)),
        Case(sender="x@drop.example", recipients=("nobody@mailhub.test",)), Case(sender="x@drop.example", recipients=("x@far.example",)),
    )),
    "senders, then refused": ({"smtpd_sender_restrictions": "check_sender_access texthash:T/senders, reject"}, SENDERS),
    "senders in a later list": ({"smtpd_recipient_restrictions": "check_sender_access texthash:T/senders, reject_unlisted_recipient"}, (
        *SENDERS, Case(sender="x@soft.example", recipients=("nobody@mailhub.test",)), Case(sender="x@hope.example", recipients=("nobody@mailhub.test",)),
    )),
    "only warned": ({"smtpd_sender_restrictions": "warn_if_reject check_sender_access texthash:T/senders, warn_if_reject reject"}, SENDERS),
    "clients": ({"smtpd_client_restrictions": "check_client_access texthash:T/clients"}, (
        Case(), Case(client="192.0.2.9"), Case(client="198.51.100.77"), Case(name="[UNAVAILABLE]"), Case(name="[TEMPUNAVAIL]"),
        Case(name="a.bad.example"), Case(client="IPV6:2001:db8::5"), Case(client="IPV6:2001:db9::5"), Case(client="203.0.113.5"),
        Case(client="192.0.2.9", recipients=("postmaster",)),
    )),
    "client names": ({"smtpd_client_restrictions": "reject_unknown_client_hostname"}, (
        Case(), Case(name="[UNAVAILABLE]"), Case(name="[TEMPUNAVAIL]"),
    )),
    "client names by code": ({"smtpd_client_restrictions": "reject_unknown_client_hostname", "unknown_client_reject_code": "550"}, (
        Case(), Case(name="[UNAVAILABLE]"), Case(name="[TEMPUNAVAIL]"),
    )),
    "networks": ({"smtpd_client_restrictions": "check_client_access cidr:T/networks"}, (
        Case(), Case(client="192.0.2.77"), Case(client=TRUSTED), Case(client="IPV6:2001:db8::1"),
    )),
    "patterns": ({"smtpd_sender_restrictions": "check_sender_access regexp:T/patterns", "smtpd_helo_restrictions": "check_helo_access pcre:T/heloes"}, (
        *senders("x1@far.example", "y@far.example", "y@abc.pattern.example", ""), Case(helo="192.0.2.1"), Case(helo="short"),
    )),
    "helo": ({"smtpd_helo_restrictions": "check_helo_access texthash:T/helos"}, tuple(Case(helo=helo) for helo in HELOS)),
    "helo invalid": ({"smtpd_helo_restrictions": "reject_invalid_helo_hostname"}, tuple(Case(helo=helo) for helo in HELOS)),
    "helo full": ({"smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname"}, tuple(Case(helo=helo) for helo in HELOS)),
    "helo known": ({"smtpd_helo_restrictions": "reject_unknown_helo_hostname"}, tuple(Case(helo=helo) for helo in HELOS)),
    "sender domains": ({"smtpd_sender_restrictions": "reject_non_fqdn_sender, reject_unknown_sender_domain"}, (*senders(
        "x@far.example", "x@gone.example", "x@slow.example", "x@nomail.example", "x@text.example", "x@host.example", "x@v6.example",
        "x@mailhub.test", "nobody@mailhub.test", "x@[192.0.2.1]", "x@localhost", "x@under_score.example", "", "x@relay.example",
    ), Case(sender="x@127", ours=(220, 250, 250, 504)))),
    "sender domains, tempfail, then refused": ({"smtpd_sender_restrictions": "reject_unknown_sender_domain, reject"}, senders("x@slow.example", "x@far.example")),
    "tempfail, then unknown": ({"smtpd_sender_restrictions": "reject_unknown_sender_domain"}, (
        Case(sender="x@slow.example", recipients=("nobody@mailhub.test", "x@far.example", "alice@mailhub.test")),
    )),
    "tempfail at once": ({"smtpd_sender_restrictions": "reject_unknown_sender_domain, reject", "reject_tempfail_action": "defer", "unknown_address_reject_code": "550"},
        senders("x@slow.example", "x@gone.example")),
    "recipient domains": ({"smtpd_recipient_restrictions": "reject_non_fqdn_recipient, reject_unknown_recipient_domain"}, tuple(
        Case(client=TRUSTED, recipients=(to,)) for to in ("x@far.example", "x@gone.example", "x@slow.example", "x@nomail.example", "x@localhost", "x@[192.0.2.1]", "alice@mailhub.test")
    )),
    "recipients": ({"smtpd_recipient_restrictions": "check_recipient_access texthash:T/recipients"}, (
        Case(recipients=("alice@mailhub.test", "bob@mailhub.test", "carl@mailhub.test")), Case(recipients=("x@far.example",)),
        Case(client=TRUSTED, recipients=("x@far.example", "x@hold.example", "carl@any.example")), Case(recipients=("bob+tag@mailhub.test",)),
    )),
    "relaying": ({"smtpd_relay_restrictions": "permit_mynetworks, defer_unauth_destination"}, (
        Case(recipients=("x@far.example",)), Case(client=TRUSTED, recipients=("x@far.example",)), Case(),
    )),
    "relaying by code": ({"smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination", "relay_domains_reject_code": "550"}, (
        Case(recipients=("x@far.example",)),
    )),
    "permit authorized": ({"smtpd_recipient_restrictions": "permit_auth_destination, reject"}, (
        Case(), Case(recipients=("x@relay.example",)), Case(client=TRUSTED, recipients=("x@far.example",)),
    )),
    "bounces": ({"smtpd_data_restrictions": "reject_multi_recipient_bounce"}, (
        Case(sender="", recipients=("alice@mailhub.test", "bob@mailhub.test"), data="x: y\r\n\r\nz"),
        Case(sender="", data="x: y\r\n\r\nz"), Case(recipients=("alice@mailhub.test", "bob@mailhub.test"), data="x: y\r\n\r\nz"),
        Case(sender="", recipients=("alice@mailhub.test", "nobody@mailhub.test"), data="x: y\r\n\r\nz"),
    )),
    "bounces at RCPT": ({"smtpd_recipient_restrictions": "reject_multi_recipient_bounce"}, (
        Case(sender="", recipients=("alice@mailhub.test", "bob@mailhub.test")),
    )),
    "at data": ({"smtpd_data_restrictions": "check_recipient_access texthash:T/recipients, check_sender_access texthash:T/senders"}, (
        Case(recipients=("bob@mailhub.test",), data="x: y\r\n\r\nz"), Case(recipients=("alice@mailhub.test", "bob@mailhub.test"), data="x: y\r\n\r\nz"),
        Case(recipients=("alice@mailhub.test", "x@far.example"), data="x: y\r\n\r\nz"), Case(sender="x@soft.example", data="x: y\r\n\r\nz"),
    )),
    "at the end": ({"smtpd_end_of_data_restrictions": "check_sender_access texthash:T/senders"}, (
        Case(data="x: y\r\n\r\nz"), Case(sender="x@bad.example", data="x: y\r\n\r\nz"), Case(sender="x@drop.example", data="x: y\r\n\r\nz"),
    )),
    "words": ({"smtpd_sender_restrictions": "defer_if_permit", "smtpd_recipient_restrictions": "check_recipient_access texthash:T/recipients"}, (
        Case(), Case(recipients=("bob@mailhub.test",)), Case(recipients=("carl@mailhub.test",)),
    )),
    "hope for the best": ({"smtpd_sender_restrictions": "defer_if_reject, reject"}, (Case(), Case(recipients=("nobody@mailhub.test",)))),
    "hope is of one list": ({"smtpd_sender_restrictions": "defer_if_reject", "smtpd_recipient_restrictions": "reject"}, (Case(),)),
    "both": ({"smtpd_sender_restrictions": "defer_if_reject, defer_if_permit, reject"}, (Case(),)),
    "doubt warned of": ({"smtpd_sender_restrictions": "warn_if_reject defer_if_permit, warn_if_reject defer"}, (Case(),)),
    "plaintext": ({"smtpd_client_restrictions": "reject_plaintext_session"}, (Case(),)),
    "codes": ({"smtpd_sender_restrictions": "check_sender_access texthash:T/senders", "access_map_reject_code": "521", "access_map_defer_code": "451",
               "unknown_virtual_mailbox_reject_code": "450"}, (
        *senders("x@bad.example", "lists@any.example", "x@soft.example"), Case(recipients=("nobody@mailhub.test",)),
    )),
    "codes of words": ({"smtpd_recipient_restrictions": "reject_unlisted_recipient, check_recipient_access texthash:T/recipients, reject", "reject_code": "550"}, (Case(),)),
    "code of defer": ({"smtpd_recipient_restrictions": "defer", "defer_code": "451"}, (Case(),)),
    "code of names": ({"smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname, reject_invalid_helo_hostname, reject_unknown_helo_hostname",
                       "non_fqdn_reject_code": "550", "invalid_hostname_reject_code": "551", "unknown_hostname_reject_code": "553"}, (
        Case(helo="short"), Case(helo="[x]"), Case(helo="gone.example"), Case(),
    )),
    "unlisted senders": ({"smtpd_sender_restrictions": "reject_unlisted_sender"}, senders("nobody@mailhub.test", "alice@mailhub.test", "x@far.example", "")),
    "a table that is away": ({"smtpd_sender_restrictions": "check_sender_access fail:x, reject"}, (Case(),)),
    "at once: client": ({"smtpd_client_restrictions": "check_client_access texthash:T/clients", "smtpd_delay_reject": "no"}, (
        Case(), Case(client="192.0.2.9"), Case(client="198.51.100.77"), Case(name="[UNAVAILABLE]"),
    )),
    "at once: helo": ({"smtpd_helo_restrictions": "check_helo_access texthash:T/helos", "smtpd_delay_reject": "no"}, (
        Case(), Case(helo="bad.example", ours=(220, 554, 503, 503)), Case(helo="bad.example", verb="HELO", ours=(220, 554, 503, 503)),
    )),
    "at once: sender": ({"smtpd_sender_restrictions": "check_sender_access texthash:T/senders", "smtpd_delay_reject": "no"}, SENDERS),
    "at once: doubt": ({"smtpd_client_restrictions": "defer_if_permit", "smtpd_helo_restrictions": "defer_if_reject",
                        "smtpd_recipient_restrictions": "check_recipient_access texthash:T/recipients", "smtpd_delay_reject": "no"}, (
        Case(), Case(recipients=("bob@mailhub.test", "alice@mailhub.test", "nobody@mailhub.test")),
    )),
}  # fmt: skip
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


@pytest.fixture(scope="module")
def tables() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pt") as folder:
        Path(folder).chmod(0o755)
        for name, text in TABLES.items():
            (Path(folder) / name).write_text(text.lstrip("\n"))
        yield Path(folder)


@pytest.fixture(scope="module")
def ports(tables: Path) -> Iterator[dict[str, int]]:
    services = {
        name: {key: value.replace(":T/", f":{tables}/") for key, value in parameters.items()}
        for name, (parameters, _) in SCENARIOS.items()
    }
    with postfix(COMMON, services, DNS) as found:
        yield found


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


@pytest.mark.parametrize("name", SCENARIOS)
async def test_as_postfix_answers(name: str, ports: dict[str, int], tables: Path) -> None:
    parameters, cases = SCENARIOS[name]
    async with DnsServer(ZONE, (DNS, 53)) as dns:
        dns.broken.update(BROKEN)  # type: ignore[arg-type]
        resolver = DnsResolver(dns.config(timeout=2.0), SystemClock())
        async with Server(resolver=resolver, **settings(parameters, tables)) as server:
            theirs = [await codes(ports[name], case) for case in cases]
            ours = [await codes(server.listener.port, case) for case in cases]
        await resolver.close()
    differing = [
        f"{case}: postfix {was}, mailhub {is_}"
        for case, was, is_ in zip(cases, theirs, ours, strict=True)
        if is_ != (list(case.ours) or was)
    ]
    assert not differing, "\n".join(differing)
    assert [case for case, was in zip(cases, theirs, strict=True) if list(case.ours) == was] == []


def test_there_are_many_sessions() -> None:
    assert sum(len(cases) for _, cases in SCENARIOS.values()) > 200
