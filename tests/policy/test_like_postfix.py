"""The same restriction lists, tables, names in DNS and sessions, put to a real Postfix and to mailhub: the reply codes agree.

Where they are meant to differ a case gives our codes in `ours`, and docs/decisions/0005 says why.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postfix_policies import HELOS, SENDERS, STRANGER, TRUSTED, Case, Scenarios, both, peers, senders

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


# --- lists put together by chance, always the same ones ---

WORDS = (
    "permit_mynetworks", "reject_unknown_client_hostname", "check_client_access texthash:T/clients", "check_client_access cidr:T/networks",
    "reject_non_fqdn_helo_hostname", "reject_invalid_helo_hostname", "reject_unknown_helo_hostname", "check_helo_access texthash:T/helos",
    "check_helo_access pcre:T/heloes", "reject_non_fqdn_sender", "reject_unknown_sender_domain", "check_sender_access texthash:T/senders",
    "check_sender_access regexp:T/patterns", "defer_if_permit", "defer_if_reject", "permit", "reject", "defer",
)  # fmt: skip
OF_RECIPIENTS = (
    "check_recipient_access texthash:T/recipients", "reject_unlisted_recipient", "reject_unauth_destination", "permit_auth_destination",
    "reject_unknown_recipient_domain", "reject_non_fqdn_recipient", "reject_multi_recipient_bounce",
)  # fmt: skip
RECIPIENTS = (
    "alice@mailhub.test", "bob@mailhub.test", "nobody@mailhub.test", "carl@mailhub.test", "x@far.example", "x@relay.example",
    "x@slow.example", "x@gone.example", "x@nomail.example",
)  # fmt: skip
CLIENTS = (STRANGER, TRUSTED, "192.0.2.9", "198.51.100.3", "203.0.113.5", "IPV6:2001:db8::5", "192.0.2.77")


def by_chance(chance: random.Random) -> Scenarios:
    def words(pool: tuple[str, ...], most: int) -> str:
        picked = chance.choices(pool, k=chance.randint(0, most))
        return ", ".join(f"warn_if_reject {word}" if chance.random() < 0.15 else word for word in picked)

    def case() -> Case:
        return Case(
            sender=chance.choice([one.sender for one in SENDERS if "drop" not in one.sender]),
            recipients=tuple(chance.sample(RECIPIENTS, k=chance.randint(1, 3))),
            client=chance.choice(CLIENTS),
            name=chance.choice(("mx.far.example", "[UNAVAILABLE]", "[TEMPUNAVAIL]", "a.bad.example")),
            helo=chance.choice((*HELOS, *["mx.far.example"] * 10)),
            data=chance.choice(("", "x: y\r\n\r\nz")),
        )

    found: Scenarios = {}
    for number in range(20):
        lists = {f"smtpd_{stage}_restrictions": words(WORDS, 3) for stage in ("client", "helo", "sender")}
        lists |= {f"smtpd_{stage}_restrictions": words(WORDS + OF_RECIPIENTS * 2, 4) for stage in ("recipient", "data")}
        if not lists["smtpd_helo_restrictions"]:  # what follows a HELO that is refused differs, and is told elsewhere
            lists["smtpd_delay_reject"] = "no"
        given = {name: value for name, value in lists.items() if value}
        found = {**found, f"by chance {number}": (given, tuple(case() for _ in range(6)))}
    return found


ALL: Scenarios = {**SCENARIOS, **by_chance(random.Random(25))}


@pytest.fixture(scope="module")
def postfix_and_tables() -> Iterator[tuple[dict[str, int], Path]]:
    with peers(ALL) as found:
        yield found


@pytest.mark.parametrize("name", ALL)
async def test_as_postfix_answers(name: str, postfix_and_tables: tuple[dict[str, int], Path]) -> None:
    (ports, folder), (parameters, cases) = postfix_and_tables, ALL[name]
    found = await both(parameters, cases, ports[name], folder)
    differing = [
        f"{case}: postfix {theirs}, mailhub {ours}"
        for case, theirs, ours in found
        if ours != (list(case.ours) or theirs)
    ]
    assert not differing, "\n".join([str(parameters), *differing])
    assert [case for case, theirs, _ in found if list(case.ours) == theirs] == []


def test_there_are_many_sessions() -> None:
    assert sum(len(cases) for _, cases in ALL.values()) > 300
