"""Header and body checks, ours and those of Postfix's cleanup(8) over the same tables: replies, and what is left of the message."""

import asyncio
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from support.daemons import short_folder
from support.postfix import postfix_in
from support.smtp_rooms import MemorySpool, SmallRouter

from mailhub.config import lookup, schema
from mailhub.model.clock import SystemClock
from mailhub.model.envelope import Origin, Recipient
from mailhub.policy import Policy
from mailhub.policy.content_tables import ContentTables
from mailhub.queue.spool import Spool
from mailhub.tables import Tables

HEADER_CHECKS = r"""
/^Subject: reject-bare/ REJECT
/^Subject: reject-words/ REJECT not here
/^Subject: reject-code/ REJECT 5.6.7 not like that
/^Subject: reject-later/ REJECT 4.6.7 perhaps later
/^Subject: discard/ DISCARD for a reason
/^(X-Before):/ PREPEND X-Put: before $1
/^X-Two:/ REPLACE X-One: instead
/^X-Gone:/ IGNORE
/^X-Strip:/ STRIP it was there
/^X-Folded: first.*third/s REPLACE X-Was: folded
/^X-No:/ DUNNO
/^X-Warned:/ WARN of this
/^X-Odd:/ PREPEND no field at all
/^Content-Type: .*boundary=/ PREPEND X-Mime: seen
/name="?evil\.exe/ REPLACE Content-Type: text/plain; name="tame.txt"
/^X-Inner:/ REPLACE X-Inner: changed
/^X-Redirect:/ REDIRECT other@far.test
"""
BODY_CHECKS = r"""
/^reject this/ REJECT in the body
/^before this/ PREPEND a line before
/^replace this/ REPLACE another line
/^ignore this/ IGNORE
/^strip this/ STRIP
/^redirect this/ REDIRECT third@far.test
/^discard this/ DISCARD
/^X-Before: in the body/ REPLACE not a header
"""
BASE = b"From: a@far.test\r\nTo: b@far.test\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\n"
MULTI = (
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nreplace this\r\n'
    b'--b\r\nContent-Type: application/octet-stream; name="evil.exe"\r\n\r\nignore this\r\nkept\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n'
    b"X-Inner: mail\r\nSubject: inside\r\n\r\nlast\r\nstrip this\r\n--b--\r\n"
)
MESSAGES = {
    "plain": b"Subject: hello\r\n\r\ntext\r\n",
    "reject-bare": b"Subject: reject-bare\r\n\r\ntext\r\n",
    "reject-words": b"Subject: reject-words\r\n\r\ntext\r\n",
    "reject-code": b"Subject: reject-code\r\n\r\ntext\r\n",
    "reject-later": b"Subject: reject-later\r\n\r\ntext\r\n",
    "discard": b"Subject: discard\r\n\r\ntext\r\n",
    "edits": b"Subject: x\r\nX-Before: one\r\nX-Two: two\r\nX-Gone: 3\r\nX-Strip: 4\r\nX-No: 5\r\nX-Warned: 6\r\nX-Odd: 7\r\n\r\ntext\r\n",
    "case": b"Subject: x\r\nx-before: one\r\n\r\nBEFORE THIS\r\n",
    "folded": b"Subject: x\r\nX-Folded: first\r\n\tsecond\r\n third\r\n\r\ntext\r\n",
    "redirect": b"Subject: x\r\nX-Redirect: 1\r\n\r\ntext\r\n",
    "body": b"Subject: x\r\n\r\nbefore this\r\nreplace this\r\nignore this\r\nstrip this\r\nX-Before: in the body\r\nend\r\n",
    "body-reject": b"Subject: x\r\n\r\ntext\r\nreject this\r\nmore\r\n",
    "body-discard": b"Subject: x\r\n\r\ndiscard this\r\n",
    "body-redirect": b"Subject: x\r\n\r\nredirect this\r\n",
    "multipart": b"Subject: x\r\n" + MULTI,
    "beyond": b"Subject: x\r\n\r\n" + b"0123456789012345678901234567890\r\n" * 2_000 + b"reject this\r\n",
}
Outcome = tuple[int, bytes, tuple[str, ...], bytes]  # code, what stands behind it, recipients, the message


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        (made / "header").write_text(HEADER_CHECKS)
        (made / "body").write_text(BODY_CHECKS)
        yield made


def by_postfix(tables: Path) -> dict[str, Outcome]:
    script = tables / "keep"
    script.write_text(
        f'#!/bin/sh\ncat > "{tables}/mail.$1"; echo "$2" > "{tables}/got.$1.new"; mv "{tables}/got.$1.new" "{tables}/got.$1"\n'
    )
    script.chmod(0o755)
    tables.chmod(0o777)
    service = f"keep unix - n n - 5 pipe\n  flags= user=nobody argv={script} ${{queue_id}} ${{recipient}}\n"
    found: dict[str, Outcome] = {}
    with postfix_in(
        service, mynetworks="127.0.0.0/8", default_transport="keep:", keep_destination_recipient_limit="1",
        header_checks=f"pcre:{tables}/header", body_checks=f"pcre:{tables}/body", local_header_rewrite_clients="",
    ) as (_, port), smtplib.SMTP("127.0.0.1", port) as client:  # fmt: skip
        for name, text in MESSAGES.items():
            client.mail("a@far.test")
            client.rcpt("b@far.test")
            code, told = client.data(BASE + text)
            if code != 250:
                found[name] = code, told, (), b""
                continue
            number = told.split()[-1].decode()
            if "discard" in name:
                found[name] = 250, b"", (), b""
                continue
            until = time.monotonic() + 30
            while not (tables / f"got.{number}").exists():
                assert time.monotonic() < until, f"Postfix has not delivered {name}"
                time.sleep(0.05)  # it has no way to tell
            mail = (tables / f"mail.{number}").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            recipients = tuple((tables / f"got.{number}").read_text().split())
            found[name] = 250, b"", recipients, _without_received(mail)
    return found


def _without_received(mail: bytes) -> bytes:
    """From our own first field on, but for what is put before that."""
    lines = mail.split(b"\r\n")
    kept, skipping = [], False
    for line in lines:
        skipping = line.startswith((b"Received: ", b"X-Mailhub-Verdict")) or (skipping and line[:1] in (b" ", b"\t"))
        if not skipping:
            kept.append(line)
    return b"\r\n".join(kept)


async def by_us(folder: Path) -> dict[str, Outcome]:
    config = schema.ContentChecks(
        header_checks=lookup.read(f"pcre:{folder}/header"), body_checks=lookup.read(f"pcre:{folder}/body")
    )
    tables = Tables(SystemClock())
    found: dict[str, Outcome] = {}
    for name, text in MESSAGES.items():
        spool = MemorySpool()
        policy = Policy(
            schema.Smtp(), "mx.test", SmallRouter(()), cast(Spool, spool), SystemClock(), tables=tables,
            content_tables=ContentTables(config, tables),
        )  # fmt: skip
        transaction = policy.begin(Origin("ESMTP", "127.0.0.1", "client.example"), "smtp")
        assert (await transaction.sender("a@far.test")).ok
        assert (await transaction.recipient(Recipient("b@far.test"))).ok
        intake = transaction.body()
        intake.feed(BASE + text)
        reply = await transaction.content(await intake.finish())
        if not reply.ok:
            found[name] = reply.code, f"{reply.enhanced} {reply.text}".encode(), (), b""
            continue
        await transaction.commit()
        (put,) = spool.messages or (None,)
        recipients = tuple(one.address for one in put.envelope.recipients) if put else ()
        found[name] = 250, b"", recipients, _without_received(put.prefix + put.data) if put else b""
    tables.close()
    return found


async def test_the_same_replies_and_the_same_mail(folder: Path) -> None:
    theirs, ours = await asyncio.to_thread(by_postfix, folder), await by_us(folder)
    theirs = {name: (code, told.replace(b"Error: ", b""), to, mail) for name, (code, told, to, mail) in theirs.items()}
    different = {name: (ours[name], theirs[name]) for name in MESSAGES if ours[name] != theirs[name]}

    assert different == {}
    assert {name for name, (code, *_) in ours.items() if code != 250} == {
        "reject-bare", "reject-words", "reject-code", "reject-later", "body-reject",
    }  # fmt: skip
