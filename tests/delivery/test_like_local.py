"""Alias tables, ours and those of Postfix's cleanup(8) and local(8): who gets a message, under which sender."""

import asyncio
import re
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.far_hosts import Text
from support.postfix import postfix_in

from mailhub.config import lookup, schema
from mailhub.config.aliasing import Aliases
from mailhub.delivery.aliases.command import CommandTransport
from mailhub.delivery.router import COMMAND, Router
from mailhub.delivery.routes import Expand, Refuse, Relay
from mailhub.delivery.transport import Job, JobRecipient
from mailhub.directory import Directory, Hasher
from mailhub.model import steps
from mailhub.model.clock import SystemClock
from mailhub.model.envelope import Origin
from mailhub.store.api import Fate
from mailhub.store.sqlite import SqliteStore
from mailhub.tables import Tables

HERE = "postfix.test"
ALIASES = r"""
plain: x@far.test
many: x@far.test, y@far.test,z@far.test, x@far.test
case: Mixed.Case@far.test
names: Some One <x@far.test>, "One, Some" <y@far.test> (her, too), z@far.test (him)
quoted: "a b"@far.test, "c, d"@far.test
chain: chain2
chain2: chain3, x@far.test
chain3: y@far.test
list: x@far.test, sub
owner-list: boss@far.test
sub: y@far.test
ext: x@far.test
ext+own: y@far.test
included: z@far.test, :include:FOLDER/members
nested: :include:FOLDER/nested
command: "|exit 0"
commands: "|exit 69", x@far.test
later: "|exit 75"
in-file: :include:FOLDER/commands
loop: loop2
loop2: loop, x@far.test
self: self, x@far.test
blanks: x@far.test y@far.test, z@far.test
owner-owned: ownedboss@far.test
owned: x@far.test, owned2
owned2: y@far.test
owner-owned2: b@far.test
"""
MEMBERS = "# members\n\na@far.test, b@far.test\nC One <c@far.test>\n  d@far.test\nx@far.test p@far.test\n"
NESTED = ":include:FOLDER/members\ne@far.test\n"
COMMANDS = '"|exit 0"\nx@far.test\n'
VIRTUAL = """
v1@far.test x@else.test
v2@far.test v1@far.test, y@else.test
vuser z@else.test
v3@far.test v3@far.test
@whole.test all@else.test
one@whole.test one@whole.test
@moved.test @else.test
tagged@far.test tagged@else.test
valias@far.test list@postfix.test
loopa@far.test loopb@far.test
"""
RECIPIENTS = (
    "plain", "PLAIN", "plain+tag", "blanks", "many", "case", "names", "quoted", "chain", "list", "ext", "ext+own", "ext+other", "included", "nested",
    "command", "commands", "later", "in-file", "self", "owned", "sub",
)  # fmt: skip
VIRTUALS = (
    "v1@far.test", "v2@far.test", f"vuser@{HERE}", f"vuser+t@{HERE}", "v3@far.test", "any@whole.test", "one@whole.test", "x+t@moved.test",
    "tagged+t@far.test", "valias@far.test", "V1@Far.Test",
)  # fmt: skip
WAIT = 40.0

Got = tuple[str, str]  # who got it, and under which sender (or what became of it)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        made.chmod(0o777)
        for name, text in (("members", MEMBERS), ("nested", NESTED), ("commands", COMMANDS)):
            (made / name).write_text(text.replace("FOLDER", str(made)))
        (made / "virtual").write_text(VIRTUAL)
        (made / "aliases").write_text(ALIASES.replace("FOLDER", str(made)))
        yield made


def by_postfix(folder: Path, wanted: tuple[str, ...], sender: str, expand: str) -> dict[str, set[Got]]:
    """From its log, over the aliases as postalias(1) makes them. A message for each, as local(8) forwards in a new one."""
    script = folder / "keep"
    script.write_text("#!/bin/sh\ncat > /dev/null\n")
    script.chmod(0o755)
    keep = f"keep unix - n n - 5 pipe\n  flags= user=nobody argv={script}\n"
    table = ALIASES.replace("FOLDER", str(folder))
    lines = re.sub(r'^("[^"]*"|[^\s:"]+):\s*', r"\1 ", table, flags=re.MULTILINE)
    (folder / "flat").write_text(lines)
    with postfix_in(
        keep + "local unix - n n - - local\n", mynetworks="127.0.0.0/8", recipient_delimiter="+", mydestination=HERE, myorigin=HERE,
        alias_maps=f"texthash:{folder}/flat", virtual_alias_maps=f"texthash:{folder}/virtual", default_transport="keep:", local_transport="local:",
        local_header_rewrite_clients="", keep_destination_recipient_limit="1", luser_relay="", expand_owner_alias=expand, append_dot_mydomain="no", smtpd_reject_unlisted_recipient="no",
    ) as (theirs, port):  # fmt: skip
        ids: dict[str, str] = {}
        with smtplib.SMTP("127.0.0.1", port) as client:
            for recipient in wanted:
                client.mail(sender)
                client.rcpt(f"<{recipient}>")
                ids[client.data(b"Subject: x\r\n\r\n")[1].split()[-1].decode()] = recipient
        return _followed(theirs / "log", ids)


def _followed(log: Path, ids: dict[str, str]) -> dict[str, set[Got]]:
    """What became of the messages and of those that local(8) made of them."""
    until = time.monotonic() + WAIT
    while True:
        text = log.read_text(errors="replace")
        of = dict(ids)
        for parent, child in re.findall(r" (\w+): to=<.*status=sent \(forwarded as (\w+)\)", text):
            if parent in of:
                of[child] = of[parent]
        senders = dict(re.findall(r" (\w+): from=<([^>]*)>, size=", text))
        ended = set(re.findall(r" (\w+): removed", text)) | set(re.findall(r" (\w+): to=<.*status=deferred", text))
        if of.keys() <= ended:
            break
        assert time.monotonic() < until, text
        time.sleep(0.1)  # it has no way to tell
    got: dict[str, set[Got]] = {recipient: set() for recipient in ids.values()}
    for number, to, relay, status, said in re.findall(
        r" (\w+): to=<([^>]*)>,.* relay=(\w+),.*status=(\w+) \((.*)\)", text
    ):
        if number not in of or said.startswith("forwarded as"):
            continue
        if relay == "keep":
            got[of[number]].add((to, senders[number]))
        elif "command" in said or "Command" in said or relay == "local":
            got[of[number]].add((to, f"{relay} {status}"))
    return got


async def by_us(folder: Path, wanted: tuple[str, ...], sender: str, expand: bool) -> dict[str, set[Got]]:
    clock = SystemClock()
    store = SqliteStore(folder / "store", schema.Store(free_space_floor=0), clock, "mx.test")
    await store.open()
    hasher = Hasher(1, 1)
    try:
        directory = Directory(store.directory, schema.Auth(), hasher, domains=[HERE])
        config = Aliases(
            alias_maps=lookup.read(f"aliases:{folder}/aliases"),
            virtual_alias_maps=lookup.read(f"texthash:{folder}/virtual"),
            expand_owner_alias=expand,
        )
        router = Router(directory, schema.Delivery(), HERE, Tables(clock), None, config)
        return {recipient: await _ends(router, recipient, sender) for recipient in wanted}
    finally:
        hasher.close()
        await store.close()


async def _ends(router: Router, recipient: str, sender: str) -> set[Got]:
    waiting: list[tuple[str, steps.Path, str]] = [(recipient, (), sender)]
    seen, ends = set(), set()
    while waiting:
        address, path, sender = waiting.pop(0)
        route = await router.route(address, path, sender)
        if isinstance(route, Expand):
            for child, way in route.children(address, path):
                if (name := steps.name(child, way)) not in seen or name in way:
                    seen.add(name)
                    waiting.append((child, way, sender if route.sender is None else route.sender))
        elif isinstance(route, Relay) and route.transport == "relay":
            ends.add((_unquoted(address), sender))
        else:
            ends.add((steps.shown(address, path), _said(route)))
    return ends


def _said(route: object) -> str:
    if isinstance(route, Relay):  # a command: how it ends is the pipe transport's business
        return "local " + {"exit 0": "sent", "exit 75": "deferred"}.get(route.nexthop, "bounced")
    return "local bounced" if isinstance(route, Refuse) else "local sent"


def _unquoted(address: str) -> str:
    return address


@pytest.mark.parametrize(("sender", "expand"), [("sender@far.test", False), ("sender@far.test", True), ("", False)])
async def test_the_same_members_under_the_same_senders(folder: Path, sender: str, expand: bool) -> None:
    wanted = (*(f"{name}@{HERE}" for name in RECIPIENTS), *VIRTUALS)
    theirs = await asyncio.to_thread(by_postfix, folder, wanted, sender, "yes" if expand else "no")
    ours = await by_us(folder, wanted, sender, expand)
    different = {name: (sorted(ours[name]), sorted(theirs[name])) for name in wanted if ours[name] != theirs[name]}
    assert not different, "\n".join(f"{name}: {both}" for name, both in different.items())


TOLD = (
    "SENDER",
    "RECIPIENT",
    "LOCAL",
    "USER",
    "EXTENSION",
    "DOMAIN",
    "ORIGINAL_RECIPIENT",
    "CLIENT_ADDRESS",
    "CLIENT_PROTOCOL",
    "LOGNAME",
)


def _told_by_postfix(folder: Path, command: str) -> None:
    (folder / "flat").write_text(f'prog "|{command}"\nvia prog+tag@{HERE}\n')
    with postfix_in(
        "local unix - n n - - local\n", mynetworks="127.0.0.0/8", recipient_delimiter="+", mydestination=HERE, myorigin=HERE,
        alias_maps=f"texthash:{folder}/flat", local_transport="local:", local_header_rewrite_clients="", smtpd_reject_unlisted_recipient="no",
    ) as (theirs, port):  # fmt: skip
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail(
                "Sender+x@Far.test", [f"prog+tag@{HERE}"], b"Subject: x\r\n\r\n.dot\r\nFrom here\r\nend\r\n"
            )
        until = time.monotonic() + WAIT
        while "status=sent" not in (text := (theirs / "log").read_text(errors="replace")):
            assert time.monotonic() < until, text
            time.sleep(0.1)  # it has no way to tell


async def test_a_command_is_told_the_same(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    out.chmod(0o777)
    command = f"env > {out}/env; cat > {out}/mail"
    await asyncio.to_thread(_told_by_postfix, folder, command)
    theirs = _heard(out)
    for file in out.iterdir():
        file.unlink()
    content = Text(b"Subject: x\r\n\r\n.dot\r\nFrom here\r\nend\r\n")
    recipient = JobRecipient(1, f"|{command}", path=(f"prog+tag@{HERE}", "|alias"), orcpt=f"rfc822;prog+tag@{HERE}")
    job = Job(
        12345, "Sender+x@Far.test", content, (recipient,), 0.0, command, COMMAND, origin=Origin("ESMTP", "127.0.0.1")
    )
    (result,) = await CommandTransport(COMMAND, Aliases(), "+", SystemClock()).deliver(job)
    assert result.fate == Fate.RELAYED, result.reply
    ours = _heard(out)
    assert {
        name: (ours[0].get(name), theirs[0].get(name)) for name in TOLD if ours[0].get(name) != theirs[0].get(name)
    } == {}
    assert ours[0]["QUEUE_ID"]
    assert ours[1] == theirs[1]


def _heard(out: Path) -> tuple[dict[str, str], list[str]]:
    """The environment, and the message without Received, and without the date of its first line."""
    told = dict(line.partition("=")[::2] for line in (out / "env").read_text().splitlines())
    text = re.sub(r"\nReceived: .*(?:\n[ \t].*)*", "", (out / "mail").read_text())
    lines = text.split("\n")
    return told, [" ".join(lines[0].split()[:2]), *lines[1:]]
