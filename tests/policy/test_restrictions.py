"""Restriction lists and access(5) tables: what each word asks, what each action orders, and that no list opens the door."""

from pathlib import Path
from typing import Any

import pytest
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import lookup, restrictions, schema
from mailhub.delivery.routes import Expand, Local
from mailhub.model.clock import VirtualClock
from mailhub.model.envelope import Origin, Recipient
from mailhub.net.resolver import DnsTemporary, NoData, NoSuchName
from mailhub.policy import Policy, Transaction
from mailhub.policy.access import address_keys, client_keys, domain_keys

ALICE = "alice@mailhub.test"
STRANGER = Origin(client="192.0.2.7", helo="mx.far.example")


class Zone:
    """A resolver with a few names. "slow" anywhere: nobody knows."""

    def __init__(self) -> None:
        self.names = {"192.0.2.7": ["mx.far.example"], "192.0.2.8": ["liar.example"]}
        self.hosts = {"mx.far.example": ["192.0.2.7"], "liar.example": ["198.51.100.1"], "host.example": ["192.0.2.9"]}
        self.exchangers = {"far.example": [(10, "mx.far.example")], "nomail.example": [(0, "")]}

    def find(self, table: dict[str, Any], name: str) -> Any:
        if "slow" in name or name == "192.0.2.99":
            raise DnsTemporary(name)
        if name not in table:
            raise NoSuchName(name)
        return table[name]

    async def ptr(self, address: str) -> list[str]:
        return self.find(self.names, address)  # type: ignore[no-any-return]

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        return self.find(self.hosts, host)  # type: ignore[no-any-return]

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        if domain in self.hosts:
            raise NoData(domain)
        return self.find(self.exchangers, domain)  # type: ignore[no-any-return]


def room(**settings: Any) -> tuple[Policy, MemorySpool, SmallRouter]:
    router, spool = SmallRouter((ALICE, "bob@mailhub.test")), MemorySpool()
    config = schema.Smtp(**{"mynetworks": ("10.0.0.0/8",), **settings})
    policy = Policy(config, "mx", router, spool, VirtualClock(), resolver=Zone())  # type: ignore[arg-type]
    return policy, spool, router


async def asked(
    policy: Policy,
    origin: Origin = STRANGER,
    sender: str = "x@far.example",
    recipient: str = ALICE,
    service: str = "smtp",
) -> str:
    """Code and text of the answer to RCPT, or to MAIL where that is refused."""
    transaction = policy.begin(origin, service)
    reply = await transaction.sender(sender)
    if reply.ok:
        reply = await transaction.recipient(Recipient(recipient))
    return str(reply)


async def sent(policy: Policy, spool: MemorySpool, text: bytes = b"Subject: x\r\n\r\nhi\r\n") -> Transaction:
    transaction = policy.begin(STRANGER)
    assert (await transaction.sender("x@far.example")).ok
    assert (await transaction.recipient(Recipient(ALICE))).ok
    assert await transaction.data() is None
    intake = transaction.body()
    intake.feed(text)
    assert (await transaction.content(await intake.finish())).ok
    assert (await transaction.commit()).code == 250
    return transaction


# --- keys ---


def test_keys_of_access_5() -> None:
    assert list(domain_keys("A.b.C")) == ["a.b.c", "b.c", ".b.c", "c", ".c"]
    assert list(client_keys("", "192.0.2.7")) == ["unknown", "192.0.2.7", "192.0.2", "192.0", "192"]
    assert list(client_keys("a.b", "2001:db8::7"))[:6] == ["a.b", "b", ".b", "2001:db8::7", "2001:db8", "2001"]
    assert list(address_keys("Joe+x@A.b", "+")) == ["joe+x@a.b", "joe@a.b", "a.b", "b", ".b", "joe+x@", "joe@"]
    assert list(address_keys("", "+")) == ["<>"]


# --- words ---


@pytest.mark.parametrize(
    ("words", "case", "answer"),
    [
        ("reject", {}, "554 5.7.1 Access denied"),
        ("defer", {}, "450 4.3.2"),
        ("permit, reject", {}, "250"),
        ("permit_mynetworks reject", {"origin": Origin(client="10.1.2.3")}, "250"),
        ("permit_mynetworks reject", {}, "554"),
        ("reject_unknown_client_hostname", {}, "250"),
        ("reject_unknown_client_hostname", {"origin": Origin(client="192.0.2.8")}, "450 4.7.25"),
        ("reject_unknown_client_hostname", {"origin": Origin(client="192.0.2.99")}, "450 4.7.25"),
        ("reject_unknown_reverse_client_hostname", {"origin": Origin(client="192.0.2.8")}, "250"),
        ("reject_unknown_reverse_client_hostname", {"origin": Origin(client="192.0.2.1")}, "450 4.7.25"),
        ("reject_invalid_helo_hostname", {"origin": Origin(helo="a..b")}, "501 5.5.2"),
        ("reject_invalid_helo_hostname", {"origin": Origin(helo="[192.0.2.1]")}, "250"),
        ("reject_non_fqdn_helo_hostname", {"origin": Origin(helo="localhost")}, "504 5.5.2"),
        ("reject_unknown_helo_hostname", {"origin": Origin(helo="gone.example")}, "450 4.7.1"),
        ("reject_unknown_helo_hostname", {"origin": Origin(helo="host.example")}, "250"),
        ("reject_non_fqdn_sender", {"sender": "a@localhost"}, "504 5.5.2"),
        ("reject_non_fqdn_sender", {"sender": ""}, "250"),
        ("reject_unknown_sender_domain", {}, "250"),
        ("reject_unknown_sender_domain", {"sender": "a@gone.example"}, "450 4.1.8"),
        ("reject_unknown_sender_domain", {"sender": "a@slow.example"}, "450 4.1.8"),
        ("reject_unknown_sender_domain", {"sender": "a@nomail.example"}, "550 5.7.27"),
        ("reject_unknown_sender_domain", {"sender": "nobody@mailhub.test"}, "250"),
        ("reject_unlisted_sender", {"sender": "nobody@mailhub.test"}, "550 5.1.0"),
        ("reject_unlisted_sender", {"sender": ALICE}, "250"),
        ("reject_sender_login_mismatch", {"sender": ALICE}, "553 5.7.1"),
        ("reject_sender_login_mismatch", {"sender": ALICE, "origin": Origin(login=ALICE)}, "250"),
        ("reject_authenticated_sender_login_mismatch", {"sender": "bob@mailhub.test", "origin": Origin(login=ALICE)}, "553"),
        ("reject_plaintext_session", {}, "450 4.7.1"),
        ("warn_if_reject reject, permit", {}, "250"),
        ("check_sender_access inline:{far.example=REJECT}", {}, "554 5.7.1 Sender address rejected: Access denied"),
        ("check_sender_access inline:{{far.example=REJECT 5.7.9 no more}}", {}, "554 5.7.9 no more"),
        ("check_sender_access inline:{{<>=550 none}}", {"sender": ""}, "550 5.7.1 none"),
        ("check_recipient_access inline:{{alice@=450 4.2.1 away}}", {}, "450 4.2.1 away"),
        ("check_client_access inline:{192.0.2=REJECT}", {}, "554 5.7.1 Client host rejected"),
        ("check_client_access inline:{far.example=OK} reject", {}, "250"),
        ("check_helo_access inline:{example=DEFER}", {}, "450 4.7.1"),
        ("check_client_access cidr:/nowhere/at/all", {}, "451 4.3.0"),
        ("check_sender_access inline:{{far.example=reject_plaintext_session, permit}}", {}, "450 4.7.1 Session"),
        ("check_sender_access inline:{far.example=nonsense}", {}, "451 4.3.5"),
        ("check_sender_access inline:{{far.example=check_sender_access inline:{far.example=DUNNO}}}", {}, "250"),
        ("check_sender_access inline:{{far.example=DEFER_IF_PERMIT later}}", {}, "450 4.7.1 later"),
        ("check_sender_access inline:{{far.example=DEFER_IF_REJECT later}} reject", {}, "450 4.7.1 later"),
        ("check_sender_access inline:{far.example=12345} reject", {}, "250"),
        ("check_sender_access inline:{{far.example=FILTER nothing}}", {}, "451 4.3.0"),
        ("check_sender_access inline:{{far.example=FILTER lmtp:[127.0.0.1]}}", {}, "250"),
            ("check_sender_access inline:{{far.example=FILTER lmtp:a b}}", {}, "451 4.3.0"),
    ],
)  # fmt: skip
async def test_words(words: str, case: dict[str, Any], answer: str) -> None:
    policy, _, router = room(recipient_restrictions=(words,))
    router.routes["bob@mailhub.test"], router.routes[ALICE] = Local("bob@mailhub.test"), Local(ALICE)
    assert (await asked(policy, **case)).startswith(answer)


@pytest.mark.parametrize("stage", ["client", "helo", "sender", "relay", "recipient"])
async def test_a_permit_ends_its_own_list_alone(stage: str) -> None:
    lists = {f"{name}_restrictions": ("permit",) for name in ("client", "helo", "sender", "recipient")}
    policy, _, _ = room(**{**lists, f"{stage}_restrictions": ("reject",)})
    assert (await asked(policy)).startswith("554 5.7.1 Access denied")


@pytest.mark.parametrize(
    "lists",
    [
        {}, {"client_restrictions": ("permit",)}, {"recipient_restrictions": ("permit",)}, {"relay_restrictions": ()},
        {"sender_restrictions": ("check_sender_access static:OK",)}, {"relay_restrictions": ("permit_sasl_authenticated",)},
        {"relay_restrictions": ("warn_if_reject reject_unauth_destination",)}, {"relay_restrictions": ("defer_unauth_destination",)},
        {"relay_restrictions": ("check_client_access static:DUNNO",)}, {"data_restrictions": ("permit",)},
        {"relay_restrictions": ("permit",)}, {"relay_restrictions": ("permit_auth_destination",)}, {"recipient_restrictions": ("permit_auth_destination", "permit")},
    ],
)  # fmt: skip
async def test_no_list_but_the_one_for_relaying_opens_the_door(lists: dict[str, Any]) -> None:
    policy, _, _ = room(**lists)
    for recipient in ("x@far.example", "x@[192.0.2.1]", "x%far.example@mailhub.test"):
        assert (await asked(policy, recipient=recipient))[0] in "45"
    assert (await asked(policy)).startswith("250")
    if "relay_restrictions" not in lists:
        assert (await asked(policy, Origin(client="10.0.0.1"), recipient="x@far.example")).startswith("250")
    assert (await asked(policy, Origin(client="10.0.0.1"), recipient="x@far.example", service="lmtp"))[0] in "45"


@pytest.mark.parametrize(
    "text",
    [
        "permitt",
        "check_sender_access",
        "check_sender_access nosuch:x",
        "warn_if_reject",
        "sleep",
        "sleep 100",
        "sleep x",
    ],
)
def test_what_is_no_restriction(text: str) -> None:
    with pytest.raises(lookup.Malformed):
        restrictions.parse([text])


def test_near_words_are_named() -> None:
    with pytest.raises(lookup.Malformed, match="did you mean reject_unlisted_sender"):
        restrictions.parse(["reject_unlisted_sende"])
    with pytest.raises(lookup.Malformed, match=r'^no restriction "reject_rbl_client"$'):
        restrictions.parse(["reject_rbl_client zen.example"])


def test_main_cf_can_be_pasted() -> None:
    entries = restrictions.parse(
        ["permit_mynetworks, check_sender_access hash:/a\n  warn_if_reject reject_unlisted_sender", "reject"]
    )
    assert [tuple(entry) for entry in entries] == [
        ("permit_mynetworks", "", False),
        ("check_sender_access", "hash:/a", False),
        ("reject_unlisted_sender", "", True),
        ("reject", "", False),
    ]
    assert [entry.word for entry in restrictions.parse(["Reject_Unknown_Client, PERMIT"])] == [
        "reject_unknown_client_hostname",
        "permit",
    ]
    assert restrictions.anchored(["warn_if_reject check_sender_access hash:a"], "/etc") == (
        "warn_if_reject check_sender_access hash:/etc/a",
    )


# --- relay domains ---


async def test_relay_domains_and_their_recipients(tmp_path: Path) -> None:
    table = lookup.read([{"Far.example": "OK", ".wide.example": "OK"}])
    policy, _, _ = room(relay_domains=table)
    for recipient in ("x@far.example", "x@a.wide.example", "x@b.a.wide.example"):
        assert (await asked(policy, recipient=recipient)).startswith("250"), recipient
    for recipient in (
        "x@wide.example",
        "x@a.far.example",
        "x@farr.example",
        "x@[192.0.2.1]",
        "x%y@far.example",
        "x@example",
    ):
        assert (await asked(policy, recipient=recipient)).startswith("554 5.7.1 Relay"), recipient
    policy, _, _ = room(
        relay_domains=table, relay_recipients=lookup.read({"ann@far.example": "x", "@a.wide.example": "x"})
    )
    for recipient, code in {"ann@far.example": "250", "ann+x@far.example": "250", "bob@far.example": "550 5.1.1",
                            "any@a.wide.example": "250", "any@b.wide.example": "550"}.items():  # fmt: skip
        assert (await asked(policy, recipient=recipient)).startswith(code), recipient


async def test_mynetworks_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "nets").write_text("192.0.2.0/29 ok\n!192.0.2.0/24 not\n")
    policy, _, _ = room(mynetworks=("10.0.0.0/8", f"cidr:{tmp_path}/nets"))
    assert (await asked(policy, recipient="x@far.example")).startswith("250")
    assert (await asked(policy, Origin(client="192.0.2.9"), recipient="x@far.example")).startswith("554")
    broken, _, _ = room(mynetworks=(f"cidr:{tmp_path}/none",))
    assert (await asked(broken, recipient="x@far.example")).startswith("451")


# --- what tables order ---


@pytest.mark.parametrize("action", ["HOLD", "HOLD look at it"])
async def test_hold(action: str) -> None:
    policy, spool, _ = room(sender_restrictions=(f"check_sender_access inline:{{{{far.example={action}}}}}",))
    await sent(policy, spool)
    assert spool.messages[0].held


async def test_discard() -> None:
    policy, spool, _ = room(sender_restrictions=("check_sender_access static:DISCARD",))
    await sent(policy, spool)
    assert spool.messages == []
    assert spool.writers[0].aborted


async def test_redirect_copies_filter_and_prepend() -> None:
    tables = [
        "check_sender_access inline:{{far.example=REDIRECT bob@mailhub.test}}",
        "check_sender_access inline:{{far.example=BCC carol@mailhub.test}}",
        "check_sender_access inline:{{far.example=FILTER smtp:[127.0.0.1]:10025}}",
        "check_sender_access inline:{{far.example=PREPEND X-Seen: yes}}",
        "check_sender_access inline:{{far.example=PREPEND no field at all}}",
    ]
    policy, spool, _ = room(sender_restrictions=tuple(tables))
    await sent(policy, spool)
    (put,) = spool.messages
    assert [recipient.address for recipient in put.envelope.recipients] == ["bob@mailhub.test", "carol@mailhub.test"]
    assert put.content_filter == "smtp:[127.0.0.1]:10025"
    assert put.prefix.startswith(b"X-Seen: yes\r\nReceived: from mx.far.example ([192.0.2.7])")


async def test_a_verified_name_that_was_asked_for_stands_in_received() -> None:
    policy, spool, _ = room(client_restrictions=("reject_unknown_client_hostname",))
    await sent(policy, spool)
    assert b"from mx.far.example (mx.far.example [192.0.2.7])" in spool.messages[0].prefix


async def test_data_and_end_of_data() -> None:
    policy, _, _ = room(data_restrictions=("reject_multi_recipient_bounce", "reject_unauth_pipelining"))
    transaction = policy.begin(STRANGER)
    await transaction.sender("")
    for recipient in (ALICE, "bob@mailhub.test"):
        assert (await transaction.recipient(Recipient(recipient))).ok
    assert str(await transaction.data()).startswith("550 5.5.3")
    transaction = policy.begin(STRANGER)
    await transaction.sender("x@far.example")
    await transaction.recipient(Recipient(ALICE))
    assert str(await transaction.data(pipelined=True)).startswith("503 5.5.0")
    policy, _, _ = room(end_of_data_restrictions=("reject",))
    transaction = policy.begin(STRANGER)
    await transaction.sender("x@far.example")
    await transaction.recipient(Recipient(ALICE))
    intake = transaction.body()
    assert str(await transaction.content(await intake.finish())).startswith("554 5.7.1")


async def test_orders_of_a_recipient_that_is_refused_do_not_stick() -> None:
    tables = (
        "check_recipient_access inline:{{bob@mailhub.test=DEFER_IF_PERMIT later}, {carl@mailhub.test=HOLD}}",
        "check_recipient_access inline:{{carl@mailhub.test=REJECT}}",
    )
    policy, spool, router = room(recipient_restrictions=tables)
    router.mailboxes |= {"carl@mailhub.test"}
    transaction = policy.begin(STRANGER)
    await transaction.sender("x@far.example")
    answers = [
        str(await transaction.recipient(Recipient(f"{name}@mailhub.test")))[:3] for name in ("bob", "carl", "alice")
    ]
    assert answers == ["450", "554", "250"]
    assert await transaction.data() is None
    intake = transaction.body()
    intake.feed(b"x: y\r\n\r\n")
    assert (await transaction.content(await intake.finish())).ok
    await transaction.commit()
    assert not spool.messages[0].held


async def test_an_open_relay_is_a_finding() -> None:
    from mailhub.config.load import ConfigError, parse

    for words, fine in {"permit": False, "permit_mynetworks permit": False, "reject_unauth_destination permit": True,
                        "warn_if_reject reject_unauth_destination permit": False}.items():  # fmt: skip
        text = f'[smtp]\nrelay_restrictions = ["{words}"]\n'
        if fine:
            parse(text)
            continue
        with pytest.raises(ConfigError, match="open relay"):
            parse(text)


# --- who may write as whom ---

OWNER = Origin(client="192.0.2.7", login=ALICE)


@pytest.mark.parametrize(
    ("sender", "allowed"),
    [
        (ALICE, True), ("Alice@MAILHUB.test", True), ("alice+tag@mailhub.test", True), ("info@mailhub.test", True), ("", True),
        ("bob@mailhub.test", False), ("x@far.example", False), ("team@mailhub.test", False), ("x@[192.0.2.1]", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["envelope", "header"])
async def test_a_login_writes_as_itself(sender: str, allowed: bool, where: str) -> None:
    policy, _, router = room()
    router.routes |= {
        "alice+tag@mailhub.test": Local(ALICE), "info@mailhub.test": Expand((ALICE, "bob@mailhub.test")),
        ALICE: Local(ALICE), "bob@mailhub.test": Local("bob@mailhub.test"), "team@mailhub.test": Expand(("bob@mailhub.test",)),
    }  # fmt: skip
    transaction = policy.begin(OWNER, "submission")
    reply = await transaction.sender(sender if where == "envelope" else ALICE)
    if where == "header":
        assert reply.ok
        await transaction.recipient(Recipient("x@far.example"))
        intake = transaction.body()
        intake.feed(b'From: "Alice" <alice@mailhub.test>,\r\n\tother: ' + sender.encode() + b";\r\n\r\nhi\r\n")
        reply = await transaction.content(await intake.finish())
    assert (reply.ok, reply.code) == ((True, 250) if allowed else (False, 553))


async def test_the_table_of_owners_comes_first() -> None:
    table = lookup.read(
        {"shared@mailhub.test": "bob@mailhub.test, Alice@mailhub.test", "@far.example": ALICE, ALICE: "nobody"}
    )
    policy, _, _ = room(sender_login=table)
    for sender, code in {"shared@mailhub.test": "250", "any@far.example": "250", ALICE: "553"}.items():
        assert str(await policy.begin(OWNER, "submission").sender(sender)).startswith(code), sender
    policy, _, _ = room(check_sender_login=False)
    assert (await policy.begin(OWNER, "submission").sender("x@far.example")).ok


@pytest.mark.parametrize(
    "header",
    [
        b"From: alice@mailhub.test\r\nFrom: bob@mailhub.test\r\n", b"From: alice@mailhub.test\r\nSender: bob@mailhub.test\r\n",
        b"From:\r\n", b"From: alice@mailhub.test\r\nResent-From: bob@mailhub.test\r\n", b"From: nobody here\r\n",
        b"From: alice@mailhub.test, x <bob@mailhub.test>\r\n",
    ],
)  # fmt: skip
async def test_no_second_author_slips_by(header: bytes) -> None:
    policy, _, router = room()
    router.routes |= {"bob@mailhub.test": Local("bob@mailhub.test")}
    transaction = policy.begin(OWNER, "submission")
    assert (await transaction.sender(ALICE)).ok
    await transaction.recipient(Recipient("x@far.example"))
    intake = transaction.body()
    intake.feed(header + b"\r\nhi\r\n")
    assert (await transaction.content(await intake.finish())).permanent


async def test_patterns_are_asked_for_whole_keys(tmp_path: Path) -> None:
    (tmp_path / "helo").write_text("!/\\.example$/ REJECT\n")
    (tmp_path / "nets").write_text("192.0.2.0/24 REJECT\n")
    policy, _, _ = room(helo_restrictions=(f"check_helo_access regexp:{tmp_path}/helo",))
    assert (await asked(policy)).startswith("250")
    assert (await asked(policy, Origin(client="192.0.2.7", helo="elsewhere.org"))).startswith("554")
    policy, _, _ = room(client_restrictions=(f"check_client_access cidr:{tmp_path}/nets",))
    assert (await asked(policy)).startswith("554")


@pytest.mark.parametrize("sender", ['"bob"@far.example', '"b\\ob"@far.example', "BOB@far.example", "bob+x@far.example"])
async def test_quotes_are_no_way_round_a_table(sender: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("/^bob/ REJECT\n")
    for table in ("inline:{bob@far.example=REJECT}", f"regexp:{tmp_path}/t"):
        policy, _, _ = room(sender_restrictions=(f"check_sender_access {table}",))
        assert (await asked(policy, sender=sender)).startswith("554"), table


async def test_values_made_of_keys_do_not_open_tables_without_end(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("/^(.*)@/ check_sender_access inline:{$1=REJECT}\n")
    policy, _, _ = room(sender_restrictions=(f"check_sender_access regexp:{tmp_path}/t",))
    answers = [(await asked(policy, sender=f"x{n}@far.example"))[:3] for n in range(150)]
    assert answers == ["250"] * 100 + ["451"] * 50
    assert (await asked(policy, sender="x5@far.example")).startswith("250")
