"""pipe(8) with real programs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.daemons import short_folder
from support.far_hosts import Text

from mailhub.config import schema
from mailhub.delivery.pipe import PipeTransport, copy, outcome
from mailhub.delivery.transport import Job, JobRecipient, Result
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.model.envelope import Origin
from mailhub.model.errors import Temporary
from mailhub.store.api import Fate

ORIGIN = Origin("ESMTPS", "192.0.2.9", "client.example", "login@x.test")


def pipe(*command: str, clock: Any = None, **settings: Any) -> PipeTransport:
    """Run by nobody where we are root."""
    config = schema.Transport(protocol="pipe", command=command, user="nobody", **settings)
    return PipeTransport("prog", config, "+", clock or SystemClock())


def shell(script: str, *arguments: str, **settings: Any) -> PipeTransport:
    """A shell as the operator's program: its own dollars are doubled."""
    return pipe("/bin/sh", "-c", script.replace("$", "$$"), *arguments, **settings)


def read(file: Path) -> str:
    return file.read_text()


def job(*recipients: str, text: Text | None = None, sender: str = "s@far.test") -> Job:
    to = tuple(JobRecipient(n, address) for n, address in enumerate(recipients))
    return Job(12345, sender, text or Text(), to, 0.0, "Next.Hop", "prog", origin=ORIGIN)


@pytest.fixture
def out() -> Iterator[Path]:
    """A file that anybody may write."""
    with short_folder() as folder:
        file = folder / "out"
        file.touch()
        file.chmod(0o666)
        yield file


async def test_the_program_gets_the_message_and_its_arguments(out: Path) -> None:
    script = 'cat > "$0"; printf "%s|" "$@" "$QUEUE_ID" "$SENDER" "$RECIPIENT" "$LOCAL" "$OWN" >> "$0"; pwd >> "$0"'
    arguments = ("${recipient}", "$sender", "$(nexthop)", "${user}/${extension}@$domain", "$$x", "$queue_id", "$size")
    transport = shell(script, str(out), *arguments, environment=("OWN=of the operator",), directory="/usr")
    (result,) = await transport.deliver(job("Bob+Tag@There.test"))
    assert (result.fate, result.reply.code, result.reply.enhanced) == (Fate.RELAYED, 250, "2.0.0"), result
    told = "Bob+Tag@There.test|s@far.test|Next.Hop|Bob/Tag@There.test|$x|C1S|25|"
    kept = "C1S|s@far.test|Bob+Tag@There.test|Bob+Tag|of the operator|/usr\n"
    assert read(out) == "Subject: x\n\n.dot\nend\n" + told + kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_root_becomes_somebody_else(out: Path) -> None:
    await shell('id -un > "$0"; id -Gn >> "$0"', str(out)).deliver(job("b@x.test"))
    assert read(out) == "nobody\nnogroup\n"
    config = schema.Transport(protocol="pipe", command=("/bin/true",))
    for user in ("", "root", "no-such-user", "nobody:no-such-group"):
        (result,) = await PipeTransport("prog", _with(config, user), "+", SystemClock()).deliver(job("b@x.test"))
        assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.3.5")


def _with(config: schema.Transport, user: str) -> schema.Transport:
    return msgspec.structs.replace(config, user=user)


async def test_the_flags_of_fields_and_folding(out: Path) -> None:
    transport = shell('cat > "$0"; echo "$1|$2|$3|$4" >> "$0"', str(out), "$recipient", "$user", "$nexthop", "$sender",
        flags="FRODhquX.>B", clock=VirtualClock(0.0),
    )  # fmt: skip
    text = Text(b"Subject: x\r\n\r\n.dot\r\nFrom here\r\n>From\r\nlast")
    (result,) = await transport.deliver(job('"Bob Jr"@There.Test', text=text, sender=""))
    assert result.fate == Fate.DELIVERED
    assert read(out) == (
        "From MAILER-DAEMON  Thu Jan  1 00:00:00 1970\nReturn-Path: <>\n"
        'X-Original-To: "Bob Jr"@There.Test\nDelivered-To: "Bob Jr"@There.Test\n'
        "Subject: x\n\n..dot\n>From here\n>From\nlast\n\n"
        '"bob jr"@there.test|bob jr|next.hop|MAILER-DAEMON\n'
    )


async def test_quotes_are_taken_off_for_who_does_not_ask_for_them(out: Path) -> None:
    await shell('echo "$1|$2" > "$0"', str(out), "$recipient", "$mailbox").deliver(job('"a b"@x.test'))
    assert read(out) == "a b@x.test|a b\n"


async def test_what_a_sender_says_of_the_recipient_is_no_header(out: Path) -> None:
    said = JobRecipient(0, "postmaster", orcpt="rfc822;a@x.test\r\nEvil: yes\0")
    transport = shell(
        'cat > "$0"; printf "%s|" "$@" >> "$0"', str(out), "$original_recipient", "$user", "$domain", flags="O"
    )
    (result,) = await transport.deliver(Job(1, "", Text(), (said,), 0.0, "", "prog"))
    assert result.fate == Fate.RELAYED
    assert read(out) == (
        "X-Original-To: a@x.test??Evil: yes?\nSubject: x\n\n.dot\nend\na@x.test??Evil: yes?|postmaster||"
    )


async def test_several_recipients_in_one_run_and_in_some(out: Path) -> None:
    script = 'echo "$*" >> "$0"'
    to = [f"u{n}@x.test" for n in range(3)]
    results = await shell(script, str(out), "-a", "$user", "$sender", recipient_limit=2).deliver(job(*to))
    assert [result.n for result in results] == [0, 1, 2]
    assert read(out) == "-a u0 u1 s@far.test\n-a u2 s@far.test\n"


async def test_an_address_never_becomes_an_option_or_a_line_of_a_shell(out: Path) -> None:
    transport = shell('echo "$RECIPIENT $1" >> "$0"', str(out), "$recipient", "--to=$recipient")
    results = await transport.deliver(job("-oX@x.test", '"() { :;}; touch z"@x.test'))
    assert {r.n: (r.fate, r.reply.enhanced) for r in results} == {0: (Fate.FAILED, "5.1.3"), 1: (Fate.RELAYED, "2.0.0")}
    assert read(out) == "__ _ :___ touch z@x.test () { :;}; touch z@x.test\n"


@pytest.mark.parametrize(
    ("script", "fate", "enhanced", "text"),
    [
        ("exit 0", Fate.RELAYED, "2.0.0", "delivered via /bin/sh"),
        ("echo done; exit 0", Fate.RELAYED, "2.0.0", "delivered via /bin/sh (done)"),
        ("exit 75", Fate.DEFERRED, "4.3.0", 'temporary failure: "/bin/sh" (exit status 75)'),
        ("echo nobody >&2; exit 67", Fate.FAILED, "5.1.1", "nobody"),
        ("echo 4.2.2 full; exit 73", Fate.DEFERRED, "4.2.2", "full"),
        ("echo 5.7.1 no; exit 75", Fate.FAILED, "5.7.1", "no"),
        ("exit 73", Fate.FAILED, "5.2.0", 'can\'t create user output file: "/bin/sh" (exit status 73)'),
        ("exit 1", Fate.FAILED, "5.3.0", 'unknown mail system error: "/bin/sh" (exit status 1)'),
        ("kill -9 $$", Fate.DEFERRED, "4.3.0", 'Command died with signal 9: "/bin/sh"'),
        ("printf 'a\\0\\033[2Jb\\n c'; exit 70", Fate.FAILED, "5.3.0", "a??[2Jb c"),
    ],
)
async def test_what_its_end_means(script: str, fate: Fate, enhanced: str, text: str) -> None:
    (result,) = await shell(script).deliver(job("b@x.test"))
    assert (result.fate, result.reply.enhanced, result.reply.text) == (fate, enhanced, text)


async def test_a_program_that_does_not_read_and_one_that_says_too_much() -> None:
    big = Text(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" * 200_000)
    (result,) = await pipe("/bin/true").deliver(job("b@x.test", text=big))
    assert result.fate == Fate.RELAYED
    (result,) = await pipe("/bin/cat", output_limit=20).deliver(job("b@x.test", text=big))
    assert result.reply.text == "delivered via /bin/cat (Subject: x xxxxxxxx)"


async def test_one_that_is_too_slow_is_killed_with_all_it_started(out: Path) -> None:
    clock = VirtualClock()
    transport = shell('sleep 600 & echo $$ $! > "$0"; wait', str(out), clock=clock, time_limit=60.0)
    delivery = asyncio.create_task(transport.deliver(job("b@x.test")))
    await _until(lambda: read(out).endswith("\n"))
    while not delivery.done():
        await clock.advance(61)
    (result,) = await delivery
    assert (result.fate, result.reply.text) == (Fate.DEFERRED, "Command time limit exceeded")
    await _until(lambda: not any(map(_lives, read(out).split())))


async def test_whoever_stops_a_delivery_stops_the_program(out: Path) -> None:
    delivery = asyncio.create_task(shell('echo $$ > "$0"; sleep 600', str(out)).deliver(job("b@x.test")))
    await _until(lambda: read(out).endswith("\n"))
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    await _until(lambda: not _lives(read(out).strip()))


async def test_one_that_leaves_another_behind_is_done_when_it_ends(out: Path) -> None:
    (result,) = await shell('sleep 600 & echo $! > "$0"', str(out)).deliver(job("b@x.test"))
    assert result.fate == Fate.RELAYED
    await _until(lambda: not _lives(read(out).strip()))


async def test_one_that_sends_another_away_does_not_wait_for_it(out: Path) -> None:
    script = 'setsid sh -c "echo \\$$ >> $0; sleep 600" & while [ ! -s "$0" ]; do sleep 0.01; done; echo said; cat >/dev/null'
    (result,) = await shell(script, str(out)).deliver(job("b@x.test"))
    os.killpg(int(read(out)), signal.SIGKILL)
    assert (result.fate, result.reply.text) == (Fate.RELAYED, "delivered via /bin/sh (said)")


async def test_no_program_and_a_message_that_can_not_be_read() -> None:
    (result,) = await pipe("/no/such/program").deliver(job("b@x.test"))
    assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.3.5")
    (result,) = await pipe("/bin/cat").deliver(job("b@x.test", text=Text(failure=Temporary("the disk"))))
    assert (result.fate, result.reply.enhanced) == (Fate.DEFERRED, "4.3.0")


async def test_the_same_where_the_kernel_does_not_tell_of_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    (result,) = await shell("cat >/dev/null; echo ok; exit 75").deliver(job("b@x.test"))
    assert (result.fate, result.reply.text) == (Fate.DEFERRED, "ok")
    clock = VirtualClock()
    delivery = asyncio.create_task(shell("sleep 600", clock=clock, time_limit=60.0).deliver(job("b@x.test")))
    while not delivery.done():
        await clock.advance(61)
    assert (await delivery)[0].reply.text == "Command time limit exceeded"


def test_the_same_on_uvloop(out: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def deliver() -> list[Result]:
        big = Text(b"Subject: x\r\n\r\n" + b"line\r\n" * 100_000)
        return [*await shell('cat > "$0"; echo ok', str(out)).deliver(job("b@x.test", text=big)),
                *await pipe("/bin/true").deliver(job("b@x.test", text=big))]  # fmt: skip

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(deliver())
    assert [result.reply.text for result in results] == ["delivered via /bin/sh (ok)", "delivered via /bin/true"]
    assert out.stat().st_size == 500_012


async def test_flag_d_ends_a_loop() -> None:
    text = Text(b"Delivered-To: B@x.test\r\n\r\nagain\r\n")
    results = await pipe("/bin/cat", flags="D").deliver(job("b@x.test", "c@x.test", text=text))
    assert {r.n: r.reply.enhanced for r in results} == {0: "5.4.6", 1: "2.0.0"}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
async def test_quoting_does_not_depend_on_where_blocks_end(size: int) -> None:
    text = b".a\r\n..\r\n\r\nFrom x\r\nFrom\r\nF\r\n\n.\rFrom \r\nend\r"
    config = schema.Transport(protocol="pipe", flags=".>")

    async def blocks() -> AsyncIterator[bytes]:
        for at in range(0, len(text), size):
            yield text[at : at + size]

    found = b"".join([piece async for piece in copy.rendered(b"", blocks(), config)])
    assert found == b"..a\n...\n\n>From x\nFrom\nF\n\n..\rFrom \nend\r\n"


def test_every_exit_status_is_one_reply() -> None:
    for status in range(-64, 256):
        reply = outcome.reply("/x", status, b"")
        assert (
            reply.enhanced[0]
            == str(reply.code)[0]
            == ("2" if status == 0 else "4" if status in range(-64, 0) or status in (71, 75) else "5")
        )


async def _until(happened: Callable[[], object]) -> None:
    while not happened():
        await asyncio.sleep(0)


def _lives(number: str) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
