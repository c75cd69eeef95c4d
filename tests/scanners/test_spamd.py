"""SpamAssassin: Debian's spamd with Debian's rules, asked by a whole hub about mail of strangers."""

from pathlib import Path
from typing import Any

import pytest
from support.hubs import messages, running, send
from support.scanners import spamd
from support.trouble import LIMITS, troubled

from mailhub.config.schema import Smtp, Spamassassin
from mailhub.model.clock import VirtualClock
from mailhub.net.stream import pair
from mailhub.scanners.service import Nonsense
from mailhub.scanners.spamd import Judged, judged

ANN = "ann@mailhub.test"
STRANGERS = Smtp(mynetworks=(), greet_pause=0.0)
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
LETTER = b"From: x@far.test\r\nTo: ann@mailhub.test\r\nSubject: hello\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\n\r\n"


async def test_its_score_is_added_to_ours(tmp_path: Path) -> None:
    rule = "--cf=header HAS_OUR_MARKS EnvelopeFrom =~ /x\\@far\\.test/"  # from the lines that we put before the message
    with spamd(rule, "--cf=score HAS_OUR_MARKS 0.5", "--cf=score GTUBE 8") as daemon:
        config = Spamassassin(address=daemon.address, factor=2.0)
        async with running(tmp_path, ANN, smtp=STRANGERS, spamassassin=config) as hub:
            await send(hub, "x@far.test", ANN, LETTER + b"A letter about nothing.\r\n")
            with pytest.raises(Exception, match="looks like junk"):
                await send(hub, "x@far.test", ANN, LETTER + GTUBE + b"\r\n")
            (message,) = await messages(hub, ANN)
            line = next(line for line in message.split(b"\r\n") if b"spamassassin=" in line).decode()
            word, score = line.split()[:2]
            assert word == "spamassassin=ham"
            assert float(score) == pytest.approx(2 * float(line.partition("(")[2].partition(" of 5:")[0]), abs=0.11)
            assert "HAS_OUR_MARKS" in line
            assert "NO_RECEIVED" not in line
            assert hub.services.states[0].asked == 2


async def test_who_is_trusted_and_what_is_long_is_not_shown(tmp_path: Path) -> None:
    with spamd() as daemon:
        config = Spamassassin(address=daemon.address, size_limit=1_000)
        async with running(tmp_path / "a", ANN, spamassassin=config) as hub:
            await send(hub, "x@far.test", ANN, LETTER)  # by loopback: one of mynetworks
            (message,) = await messages(hub, ANN)
            assert b"spamassassin" not in message
        async with running(tmp_path / "b", ANN, smtp=STRANGERS, spamassassin=config) as hub:
            await send(hub, "x@far.test", ANN, LETTER + b"x" * 998 + b"\r\n")
            (message,) = await messages(hub, ANN)
            assert b"spamassassin=unseen (too long)" in message
            assert hub.services.states[0].asked == 0


async def test_killed_stalled_and_started_again_while_mail_flows(tmp_path: Path) -> None:
    with spamd() as daemon:

        def options(failure: Any) -> dict[str, Any]:
            return {"spamassassin": Spamassassin(address=daemon.address, failure=failure, **LIMITS)}

        await troubled(tmp_path, daemon, options, b"spamassassin=ham", "spamassassin")


async def _nothing() -> Any:
    for block in (b"a", b"b"):
        yield block


async def heard(answer: bytes) -> tuple[Judged, bytes]:
    """What is made of an answer, and what was asked."""
    ours, theirs = pair(VirtualClock())
    theirs.write(answer)
    return await judged(ours, b"P: q\r\n", 2, _nothing(), "bob\r\nx"), theirs._buffer


async def test_its_answers() -> None:
    said = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 20\r\nSpam: True ; -1004.2 / 5.0\r\n\r\nGTUBE,NO_RELAYS,\r\n,x"
    found, _ = await heard(said)
    assert found == Judged(True, -1004.2, 5.0, ("GTUBE", "NO_RELAYS", "x"))
    found, _ = await heard(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0 / 5\r\n\r\n")
    assert found == Judged(False, 0, 5)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SPAMD/1.1 74 Bad header line: (no content)\r\n",
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\n" + b"x: y\r\n" * 200,
    ],
)
async def test_anything_else_is_no_answer(said: bytes) -> None:
    with pytest.raises(Nonsense):
        await heard(said)
