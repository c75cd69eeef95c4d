"""rspamd: Debian's, with a rule of the test's own, asked by a whole hub."""

import json
import smtplib
from pathlib import Path
from typing import Any

import pytest
from support.hubs import messages, running, send
from support.scanners import rspamd
from support.trouble import LIMITS, troubled

from mailhub.config.schema import Rspamd, Smtp
from mailhub.scanners.rspamd import answer
from mailhub.scanners.service import Nonsense
from mailhub.store.api import QueueFilter

ANN = "ann@mailhub.test"
STRANGERS = Smtp(mynetworks=(), greet_pause=0.0)


def letter(subject: str) -> bytes:
    return f"From: x@far.test\r\nSubject: {subject}\r\nX-Bad: 1\r\n\r\ntext\r\n".encode()


async def test_what_it_wants_is_done(tmp_path: Path) -> None:
    with rspamd() as (daemon, _):
        async with running(tmp_path, ANN, smtp=STRANGERS, rspamd=Rspamd(address=daemon.address, factor=0.5)) as hub:

            async def refused(subject: str) -> str:
                with pytest.raises(smtplib.SMTPResponseException) as caught:
                    await send(hub, "x@far.test", ANN, letter(subject))
                return f"{caught.value.smtp_code} {caught.value.smtp_error!s}"

            assert await refused("do reject") == "550 b'5.7.1 asked to reject'"
            assert await refused("do soft reject") == "451 b'4.7.1 asked to soft reject'"
            await send(hub, "x@far.test", ANN, letter("do discard"))
            assert await messages(hub, ANN) == []
            await send(hub, "x@far.test", ANN, letter("do quarantine"))
            (held,) = await hub.store.queue.page(QueueFilter(quarantined=True))
            assert "rspamd=quarantine" in str(held.verdict)
            await send(hub, "x@far.test", ANN, letter("do add header"))
            assert await messages(hub, ANN) == []  # in Junk
            await send(hub, "x@far.test", ANN, letter("hello"))
            (message,) = await messages(hub, ANN)
            line = next(line for line in message.split(b"\r\n") if b"rspamd=" in line).decode()
            assert line.startswith("\trspamd=no-action +")
            assert "FACTS +2.5" in line
            assert b"\r\nX-Facts: 127.0.0.1 " in message
            assert b" x@far.test ann@mailhub.test -\r\n" in message
            assert b"\r\nX-Spamd-Result: default: False [" in message
            assert b";\r\n\tFACTS(2.50)" in message


async def test_its_wants_may_be_passed_over(tmp_path: Path) -> None:
    with rspamd() as (daemon, _):
        config = Rspamd(address=daemon.address, actions=False)
        async with running(tmp_path, ANN, smtp=STRANGERS, rspamd=config) as hub:
            for action in ("reject", "discard", "soft reject"):
                await send(hub, "x@far.test", ANN, letter(f"do {action}"))
            assert len(await messages(hub, ANN)) == 3


async def test_killed_stalled_and_started_again_while_mail_flows(tmp_path: Path) -> None:
    with rspamd() as (daemon, _):

        def options(failure: Any) -> dict[str, Any]:
            return {"rspamd": Rspamd(address=daemon.address, failure=failure, **LIMITS)}

        await troubled(tmp_path, daemon, options, b"\r\nX-Facts: ", "rspamd")


def test_its_answers() -> None:
    said: dict[str, Any] = {
        "action": "no action",
        "score": 1,
        "new": [1],
        "symbols": {"A": {"score": 2, "options": []}},
    }
    said["milter"] = {"add_headers": {"X-A": "b", "X-C": [{"value": "d", "order": 0}, {"value": 3}], "Bad\r\n": "e"}}
    said["dkim-signature"] = ["v=1", 5]
    found = answer(json.dumps(said).encode())
    assert (found.score, found.symbols["A"].score, found.smtp_message) == (1, 2, "")
    assert list(found.fields) == [("DKIM-Signature", "v=1"), ("X-A", "b"), ("X-C", "d")]


@pytest.mark.parametrize(
    "said",
    [b"", b"[]", b"{}", b'{"action": "reject"}', b'{"action": 1, "score": 1}', b'{"action": "x", "score": 1e300}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_anything_else_is_no_answer(said: bytes) -> None:
    with pytest.raises(Nonsense):
        answer(said)
