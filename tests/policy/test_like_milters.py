"""The same filter before mailhub and before a real Postfix: what it is told, what the client hears, what is left of the message."""

import asyncio
import smtplib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from support.daemons import short_folder
from support.milters import GO_ON, Scripted, milter, said
from support.postfix import postfix_in
from support.smtp_peer import Server

from mailhub.policy import Policy
from mailhub.scanners import Services

LETTER = (
    b"From: a@far.test\r\nTo: b@far.test\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\nSubject:  two blanks\r\n"
    b"X-Two: 1\r\nX-Two: 2\r\n\tfolded\r\n\r\ntext\r\n\r\n.dot\r\n"
)
REFUSALS = {
    "reject": said(b"r"), "tempfail": said(b"t"), "reply": said(b"y", "554 5.7.9 not you"), "code alone": said(b"y", "550 not you"),
    "percent": said(b"y", "550 5.7.1 100%% sure"), "lines": said(b"y", "550-5.7.1 one\r\n550 5.7.1 two"),
}  # fmt: skip
STAGES = ("connect", "helo", "mail", "rcpt", "data", "header", "end_of_header", "body", "end_of_data")
CHANGES = {
    "add": said(b"h", "X-New", "a"), "add folded": said(b"h", "X-New", "a\n\tb\n c"), "insert 0": said(b"i", "X-New", "a", index=0),
    "insert 1": said(b"i", "X-New", "a", index=1), "insert 2": said(b"i", "X-New", "a", index=2), "insert 99": said(b"i", "X-New", "a", index=99),
    "insert twice": said(b"i", "X-One", "a", index=0) + said(b"i", "X-Two", "b", index=0) + said(b"i", "X-Three", "c", index=2),
    "change": said(b"m", "X-Two", "new", index=1), "change second": said(b"m", "x-two", "new", index=2),
    "change none": said(b"m", "X-None", "new", index=1), "change third": said(b"m", "X-Two", "new", index=3),
    "delete": said(b"m", "X-Two", "", index=1), "delete none": said(b"m", "X-None", "", index=1), "delete last": said(b"m", "X-Two", "", index=2),
    "body": said(b"b", raw=b"another\r\nbody\r\n"), "body in pieces": said(b"b", raw=b"ano") + said(b"b", raw=b"ther\r\n"),
    "body with bare LF": said(b"b", raw=b"one\ntwo\n"), "progress": said(b"p") * 3 + said(b"h", "X-New", "a"),
    "recipient": said(b"+", "<c@far.test>"), "recipient with parameters": said(b"2", "<c@far.test>", "NOTIFY=NEVER"),
    "recipient away": said(b"+", "<c@far.test>") + said(b"-", "<b@far.test>"), "recipient twice": said(b"+", "<b@far.test>"),
    "sender": said(b"e", "<other@far.test>"), "null sender": said(b"e", "<>"), "all": said(b"h", "X-New", "a") + said(b"b", raw=b"new\r\n")
    + said(b"i", "X-Put", "b", index=1) + said(b"m", "Subject", "c", index=1) + said(b"e", "<other@far.test>"),
}  # fmt: skip


def cases() -> Mapping[str, dict[str, bytes]]:
    found = {f"{word} at {stage}": {stage: packet} for word, packet in REFUSALS.items() for stage in STAGES[1:]}
    found |= {
        f"{name} at {stage}": {stage: packet}
        for name, packet in (("accept", said(b"a")), ("discard", said(b"d")))
        for stage in STAGES[2:]
    }
    found |= {name: {"end_of_data": change + GO_ON} for name, change in CHANGES.items()}
    found |= {f"{name}, accepted": {"end_of_data": CHANGES[name] + said(b"a")} for name in ("add", "body", "recipient")}
    found["accept at connect"] = {"connect": said(b"a")}
    found["skip"] = {"body": said(b"s")}
    return found


class Outcome(NamedTuple):
    """`told`: events, but for the macros; `reply`: the first that is no yes, or the last; then sender, recipients and the message."""

    told: tuple[tuple[str, ...], ...]
    reply: str
    sender: str = ""
    recipients: tuple[str, ...] = ()
    mail: bytes = b""


def _told(scripted: Scripted) -> tuple[tuple[str, ...], ...]:
    """Of the connection and of parameters no more than that they came; a farewell may or may not be heard."""
    kept = [event for event in scripted.told if event[0] not in ("quit", "abort")]
    return tuple(
        ("connect",) if event[0] == "connect" else event[:2] if event[0] in ("mail", "rcpt") else event
        for event in kept
    )


def _dialogue(port: int) -> str:
    """One session, one message."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
        client.ehlo()
        steps: tuple[Any, ...] = (
            lambda: client.mail("a@far.test"), lambda: client.rcpt("b@far.test"), lambda: client.docmd("DATA"),
        )  # fmt: skip
        for step in steps:
            code, text = step()
            if code >= 400:
                return f"{code} {text.decode()}"
        client.send(LETTER.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        code, text = client.getreply()
        return f"{code} {text.decode()}"


def by_postfix(folder: Path, scripted: Scripted) -> dict[str, Outcome]:
    """In a thread: the filter answers in the loop."""
    script = folder / "keep"
    script.write_text(
        f'#!/bin/sh\ncat > "{folder}/mail.$1"; echo "$2" > "{folder}/from.$1"; shift 2; echo "$@" > "{folder}/got.new"; '
        f'mv "{folder}/got.new" "{folder}/got"\n'
    )
    script.chmod(0o755)
    folder.chmod(0o777)
    service = f"keep unix - n n - 1 pipe\n  flags= null_sender=<> user=nobody argv={script} ${{queue_id}} ${{sender}} ${{recipient}}\n"
    found: dict[str, Outcome] = {}
    with postfix_in(
        service, mynetworks="127.0.0.0/8", default_transport="keep:", smtpd_milters=scripted.address, local_header_rewrite_clients="",
        milter_command_timeout="20s",
    ) as (_, port):  # fmt: skip
        for name, answers in cases().items():
            scripted.script = answers
            scripted.told.clear()
            (folder / "got").unlink(missing_ok=True)
            reply = _dialogue(port)
            outcome = Outcome(_told(scripted), reply)
            if reply.startswith("250") and "discard" not in name:
                _arrived(folder / "got", name)
                number = reply.split()[-1]
                mail = (folder / f"mail.{number}").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                sender = (folder / f"from.{number}").read_text().strip().strip("<>")
                recipients = tuple(sorted({*(folder / "got").read_text().split()}))
                outcome = outcome._replace(sender=sender, recipients=recipients, mail=_without_received(mail))
            found[name] = outcome
    return found


def _arrived(file: Path, name: str) -> None:
    until = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < until, f"Postfix has not delivered {name}"
        time.sleep(0.01)  # it has no way to tell


def _without_received(mail: bytes) -> bytes:
    """Without the first field of that name, which is the server's own."""
    lines, kept, skipping, seen = mail.split(b"\r\n"), [], False, False
    for line in lines:
        skipping = (line.startswith(b"Received: ") and not seen) or (skipping and line[:1] in (b" ", b"\t"))
        seen = seen or skipping
        if not skipping:
            kept.append(line)
    return b"\r\n".join(kept)


async def by_us(scripted: Scripted) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for name, answers in cases().items():
        scripted.script = answers
        scripted.told.clear()
        server = Server(mynetworks=("127.0.0.0/8",), milters=(scripted.address,))
        services = Services(cast(Any, None), server.clock)
        server.policy = Policy(server.settings, "mx.test", server.router, server.spool, server.clock, services=services)  # type: ignore[arg-type]
        async with server:
            reply = await asyncio.to_thread(_dialogue, server.listener.port)
        outcome = Outcome(_told(scripted), reply)
        for put in server.spool.messages:
            recipients = tuple(sorted(one.address for one in put.envelope.recipients))
            outcome = outcome._replace(
                sender=put.envelope.sender, recipients=recipients, mail=_without_received(put.prefix + put.data)
            )
        found[name] = outcome
    return found


async def test_the_same_events_replies_and_mail() -> None:
    async with milter() as scripted:
        with short_folder() as folder:
            theirs = await asyncio.to_thread(by_postfix, folder, scripted)
        ours = await by_us(scripted)
    queued = "250 2.0.0 Ok: queued as"
    different = {}
    for name in cases():
        us, them = ours[name], theirs[name]
        replies = [one.reply[: len(queued)] if one.reply.startswith(queued) else one.reply for one in (us, them)]
        if name.startswith("code alone"):  # to which we add an enhanced one (RFC 2034)
            replies[0] = replies[0].replace(" 5.7.1", "")
        if us._replace(reply=replies[0]) != them._replace(reply=replies[1]):
            different[name] = (us, them)
    assert different == {}
