"""Our pipe transport and Postfix's pipe(8): the same program, the same messages."""

import re
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.far_hosts import Text
from support.postfix import postfix_in

from mailhub.config import schema
from mailhub.delivery.pipe import PipeTransport
from mailhub.delivery.transport import Job, JobRecipient
from mailhub.model import address as addresses
from mailhub.model.clock import SystemClock
from mailhub.store.api import Fate

STATUS = {Fate.RELAYED: "sent", Fate.DELIVERED: "sent", Fate.DEFERRED: "deferred", Fate.FAILED: "bounced"}
MESSAGE = b"Received: from x\r\nSubject: x\r\n\r\n.dot\r\nFrom here\r\nend\r\n"
ARGUMENTS = (
    "${recipient}",
    "${sender}",
    "${user}",
    "${extension}",
    "${mailbox}",
    "${domain}",
    "${nexthop}",
    "a${user}b",
)
ENDS = [f"exit {code}" for code in (0, 1, *range(64, 79), 100, 127)]
ENDS += [
    "kill -9 $$",
    "echo 4.2.2 full; exit 73",
    "echo 5.7.1 no; exit 75",
    "echo words; exit 75",
    "echo 4.9.9 odd; exit 0",
]
WAIT = 30.0  # seconds for a Postfix to deliver


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that anybody may look into."""
    with short_folder() as made:
        yield made


def script(folder: Path, text: str) -> Path:
    file = folder / "program"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return file


def by_postfix(program: Path, ways: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    """(dsn, status) of each recipient, from its log. `ways`: recipients of one domain each, by flags."""
    services, table = "", []
    for n, (flags, recipients) in enumerate(ways.items()):
        services += f"prog{n} unix - n n - 10 pipe\n  flags={flags} user=nobody argv={program} {' '.join(ARGUMENTS)}\n"
        table.append(f"{{{addresses.domain_of(recipients[0])} = prog{n}:Next.Hop}}")
    everybody = [recipient for recipients in ways.values() for recipient in recipients]
    limits = {f"prog{n}_destination_recipient_limit": "1" for n in range(len(ways))}
    with postfix_in(
        services, transport_maps=f"inline:{{{', '.join(table)}}}", mynetworks="127.0.0.0/8", recipient_delimiter="+",
        local_header_rewrite_clients="", **limits,
    ) as (folder, port):  # fmt: skip
        with smtplib.SMTP("127.0.0.1", port) as client:
            for recipient in everybody:
                client.sendmail("Sender+x@Far.test", [recipient], MESSAGE)
        found: dict[str, tuple[str, str]] = {}
        until = time.monotonic() + WAIT
        while not found.keys() >= set(everybody):
            assert time.monotonic() < until, (folder / "log").read_text(errors="replace")
            time.sleep(0.1)  # it has no way to tell
            for line in (folder / "log").read_text(errors="replace").splitlines():
                if match := re.search(r"to=<([^>]*)>, .*relay=prog.*dsn=([0-9.]+), status=(\w+)", line):
                    found[match[1]] = (match[2], match[3])
        return found


async def ours(flags: str, program: Path, recipients: list[str]) -> dict[str, tuple[str, str]]:
    config = schema.Transport(protocol="pipe", command=(str(program), *ARGUMENTS), user="nobody", flags=flags)
    transport = PipeTransport("prog", config, "+", SystemClock())
    to = tuple(JobRecipient(n, recipient) for n, recipient in enumerate(recipients))
    results = await transport.deliver(Job(1, "Sender+x@Far.test", Text(MESSAGE), to, 0.0, "Next.Hop", "prog"))
    return {recipients[result.n]: (result.reply.enhanced, STATUS[result.fate]) for result in results}


async def test_what_the_end_of_a_program_means(folder: Path) -> None:
    cases = "".join(f"  {n}) {end} ;;\n" for n, end in enumerate(ENDS))
    program = script(folder, f"cat >/dev/null\ncase $3 in\n{cases}esac\n")
    recipients = [f"{n}@there.test" for n in range(len(ENDS))]
    theirs = by_postfix(program, {"X": recipients})
    mine = await ours("X", program, recipients)
    assert {ENDS[n]: mine[name] for n, name in enumerate(recipients)} == {
        ENDS[n]: theirs[name] for n, name in enumerate(recipients)
    }


async def test_what_a_program_gets(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    out.chmod(0o777)
    program = script(folder, f'f=$(mktemp {out}/XXXXXX); cat > $f; printf "%s|" "$@" >> $f\n')
    ways = {
        flags: [f'"Bob Jr"@There{n}.Test', f"Ann+Tag@There{n}.Test"]
        for n, flags in enumerate(("X", "DOR", "Fq", "FRODhu", "hqu.", "B>"))
    }

    def taken() -> list[str]:
        texts = []
        for file in out.iterdir():
            text = re.sub(
                r"Received: from .*\n(?:\s.*\n)+|Message-Id: .*\n|Date: .*\n|From: .*\n", "", file.read_text()
            )
            texts.append(re.sub(r"(From \S+  ).*", r"\1TIME", text).replace("Received: from x\n", ""))
            file.unlink()
        return sorted(texts)

    by_postfix(program, ways)
    theirs = taken()
    for flags, recipients in ways.items():
        await ours(flags, program, recipients)
    assert taken() == theirs
    assert len(theirs) == 12
