"""ClamAV: Debian's clamd with a database of the test's own, asked by a whole hub."""

from base64 import encodebytes
from pathlib import Path
from smtplib import SMTPDataError
from typing import Any

import pytest
from support.hubs import messages, running, send
from support.scanners import EICAR, clamd
from support.trouble import LIMITS, troubled

from mailhub.config.schema import Clamav
from mailhub.scanners.clamd import Scanned, answer
from mailhub.scanners.service import Nonsense
from mailhub.store.api import QueueFilter

ANN = "ann@mailhub.test"
LETTER = b"Subject: hello\r\n\r\ntext\r\n"
ILL = (
    b"Subject: invoice\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=a.txt\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(EICAR).replace(b"\n", b"\r\n")
)


@pytest.mark.parametrize("unix", [False, True])
async def test_what_it_finds_is_refused_and_the_rest_comes(tmp_path: Path, unix: bool) -> None:
    with clamd(unix=unix) as daemon:
        async with running(tmp_path, ANN, clamav=Clamav(address=daemon.address)) as hub:
            with pytest.raises(SMTPDataError) as refused:
                await send(hub, "x@far.test", ANN, ILL)
            assert str(refused.value.smtp_error, "ascii") == "5.7.1 Message refused: it carries Eicar-Test.UNOFFICIAL"
            await send(hub, "x@far.test", ANN, LETTER)
            (message,) = await messages(hub, ANN)
            assert b"clamav=clean" in message
            (state,) = hub.services.states
            assert (state.name, state.state, state.asked, state.busy) == ("clamav", "closed", 2, 0)


@pytest.mark.parametrize(("size_limit", "stream_limit"), [(200_000, "25M"), (26_214_400, "1M")])
async def test_a_long_message_is_shown_in_part(tmp_path: Path, size_limit: int, stream_limit: str) -> None:
    """By our limit, and by clamd's own, which it tells in the middle."""
    long = (b"y" * 76 + b"\r\n") * 40_000
    with clamd(stream_limit=stream_limit) as daemon:
        config = Clamav(address=daemon.address, size_limit=size_limit, oversize="quarantine")
        async with running(tmp_path, ANN, clamav=config) as hub:
            await send(hub, "x@far.test", ANN, LETTER + long)
            (held,) = await hub.store.queue.page(QueueFilter(quarantined=True))
            assert "clamav=partly (too long)" in str(held.verdict)
            (state,) = hub.services.states
            assert (state.asked, state.failures) == (1, 0)


@pytest.mark.parametrize(
    ("line", "scanned"),
    [
        (b"stream: OK\n", Scanned()),
        (b"stream: Win.Test.EICAR_HDB-1 FOUND\n", Scanned("Win.Test.EICAR_HDB-1")),
        (b"stream: two words FOUND\n", Scanned("two words")),
        (b"stream: \xff\x00 FOUND\n", Scanned("\ufffd?")),
        (b"INSTREAM size limit exceeded. ERROR\n", Scanned(partly=True)),
    ],
)
def test_its_answers(line: bytes, scanned: Scanned) -> None:
    assert answer(line) == scanned


@pytest.mark.parametrize(
    "line", [b"\n", b"FOUND\n", b"stream: FOUND\n", b"stream: Can't allocate memory ERROR\n", b"OK\n"]
)
def test_anything_else_is_no_answer(line: bytes) -> None:
    with pytest.raises(Nonsense):
        answer(line)


async def test_killed_stalled_and_started_again_while_mail_flows(tmp_path: Path) -> None:
    with clamd() as daemon:

        def options(failure: Any) -> dict[str, Any]:
            return {"clamav": Clamav(address=daemon.address, failure=failure, **LIMITS)}

        await troubled(tmp_path, daemon, options, b"clamav=clean", "clamav")
