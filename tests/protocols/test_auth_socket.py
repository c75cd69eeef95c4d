"""Dovecot's authentication protocol as mailhub serves it: to a real Postfix, to our own provider, and to who talks rubbish."""

import asyncio
import base64
import contextlib
import shutil
import smtplib
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.daemons import short_folder
from support.hubs import running, trusting, until
from support.postfix import postfix

from mailhub.config import schema
from mailhub.directory.app_passwords import AppPasswords
from mailhub.directory.providers.daemons import DovecotAuth
from mailhub.directory.second_factor import STEP, SecondFactors, code
from mailhub.hub import Hub
from mailhub.model.clock import SystemClock, VirtualClock

ANN, PASSWORD = "ann@mailhub.test", "an easy one"
AUTH = schema.Auth(failure_delay=0, scheme="PLAIN", scram=("SCRAM-SHA-256",), allow_plaintext=True)


@pytest.fixture
def place() -> Iterator[Path]:
    with short_folder() as place:
        yield place


@contextlib.asynccontextmanager
async def serving(place: Path, auth: schema.Auth = AUTH, group: str = "", **options: Any) -> AsyncIterator[Hub]:
    door = schema.Listener(protocol="auth", path=str(place / "auth"), tls="none", mode="0660", group=group)
    async with running(place / "var", auth=auth, listener=(door,), **options) as hub:
        await hub.directory.add_account(ANN, PASSWORD)
        yield hub


# --- Postfix -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def asking(place: Path) -> AsyncIterator[int]:
    """A Postfix that asks us, and relays for who signed in alone. Its smtpd asks before it greets."""
    tls = f"{place}/var/tls"
    started = postfix(
        smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path=f"{place}/auth",
        smtpd_tls_security_level="may", smtpd_tls_cert_file=f"{tls}/certificate.pem", smtpd_tls_key_file=f"{tls}/key.pem",
        smtpd_relay_restrictions="permit_sasl_authenticated, reject",
    )  # fmt: skip
    port = await asyncio.to_thread(started.__enter__)
    try:
        yield port
    finally:
        await asyncio.to_thread(started.__exit__, None, None, None)


def answered(port: int, mechanism: str, login: str, password: str, *, secure: bool = True) -> tuple[int, int]:
    """The codes of AUTH, and of a recipient that only who signed in may have."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        if secure:
            client.starttls(context=trusting())
        client.ehlo()
        client.user, client.password = login, password  # type: ignore[attr-defined]
        method: Any = getattr(client, f"auth_{mechanism.replace('-', '_').lower()}")
        try:
            code = client.auth(mechanism, method)[0]
        except smtplib.SMTPAuthenticationError as error:
            code = error.smtp_code
        client.mail(ANN)
        return code, client.rcpt("x@elsewhere.test")[0]


async def ask(port: int, mechanism: str, login: str, password: str, *, secure: bool = True) -> tuple[int, int]:
    return await asyncio.to_thread(answered, port, mechanism, login, password, secure=secure)


async def test_a_postfix_authenticates_against_our_accounts(place: Path) -> None:
    async with serving(place, group="postfix") as hub:
        found = (place / "auth").stat()
        assert (stat.S_IMODE(found.st_mode), (place / "auth").group()) == (0o660, "postfix")
        async with asking(place) as port:
            for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
                for secure in (True, False):
                    assert await ask(port, mechanism, ANN, PASSWORD, secure=secure) == (235, 250)
                for login, password in ((ANN, "wrong"), ("nobody@mailhub.test", PASSWORD), (ANN, PASSWORD + " ")):
                    assert await ask(port, mechanism, login, password) == (535, 554)
            hub.authenticator.configure(schema.Auth(failure_delay=0, scheme="PLAIN"))  # the clear is not allowed now
            assert await ask(port, "PLAIN", ANN, PASSWORD) == (235, 250)
            assert await ask(port, "PLAIN", ANN, PASSWORD, secure=False) == (535, 554)


async def test_scram_through_a_postfix(place: Path) -> None:
    async with serving(place, group="postfix") as hub:
        await hub.directory.set_password(ANN, "pénc il")
        async with asking(place) as port:
            for mechanism in ("SCRAM-SHA-256", "PLAIN"):
                assert await gsasl(port, mechanism, "pénc il") == 0
                assert await gsasl(port, mechanism, "wrong") != 0


async def gsasl(port: int, mechanism: str, password: str) -> int:
    program = shutil.which("gsasl")
    if program is None:
        pytest.skip("gsasl is not installed")
    process = await asyncio.create_subprocess_exec(
        program, "--smtp", f"--mechanism={mechanism}", f"--authentication-id={ANN}", f"--password={password}", "--no-starttls",
        "--no-cb", f"--connect=127.0.0.1:{port}", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return await process.wait()


def refusal(port: int) -> bytes:
    """Postfix 3.7 answers 535 to every FAIL of this protocol, a temporary one too; its text tells."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.starttls(context=trusting())
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login(ANN, PASSWORD)
    assert isinstance(caught.value.smtp_error, bytes)
    return caught.value.smtp_error


async def test_a_postfix_tells_that_it_can_not_be_told_now(place: Path) -> None:
    auth = schema.Auth(failure_delay=0, providers=(f"saslauthd:{place}/none",))
    async with serving(place, auth, group="postfix"), asking(place) as port:
        assert (
            await asyncio.to_thread(refusal, port)
            == b"5.7.8 Error: authentication failed: Temporary authentication failure"
        )


# --- other askers --------------------------------------------------------------------------------------------------


async def test_our_own_provider_asks_it(place: Path) -> None:
    async with serving(place):
        provider = DovecotAuth(f"{place}/auth", SystemClock())
        right = [provider.verify(ANN.upper(), PASSWORD, service="imap", client="192.0.2.1") for _ in range(30)]
        assert await asyncio.gather(*right) == [ANN] * 30
        assert await provider.verify(ANN, "wrong", service="imap", client="192.0.2.1") is None


class Talk:
    """A connection to the socket, past the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.offered: list[str] = []

    async def begin(self) -> "Talk":
        self._writer.write(b"VERSION\t1\t1\nCPID\t1\n")
        while (line := await self.line()) != "DONE":
            self.offered += [line]
        return self

    def say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\n" for line in lines).encode())

    async def line(self) -> str:
        """ "" at the end of the connection."""
        return (await self._reader.readline()).decode().rstrip("\n")

    async def ask(self, *lines: str) -> str:
        self.say(*lines)
        return await self.line()

    def close(self) -> None:
        self._writer.close()


async def connected(place: Path) -> Talk:
    return Talk(*await asyncio.open_unix_connection(f"{place}/auth"))


def plain(login: str, password: str) -> str:
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


async def test_the_dialogue(place: Path) -> None:
    async with serving(place):
        talk = await (await connected(place)).begin()
        assert [line.split("\t")[0] for line in talk.offered[-3:]] == ["SPID", "CUID", "COOKIE"]
        assert talk.offered[:-3] == [
            "VERSION\t1\t2", "MECH\tSCRAM-SHA-256\tmutual-auth", "MECH\tSCRAM-SHA-1\tmutual-auth",
            "MECH\tCRAM-MD5\tdictionary\tactive", "MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext",
        ]  # fmt: skip
        right, wrong = plain(ANN, PASSWORD), plain(ANN, "wrong")
        assert await talk.ask("AUTH\t9\tLOGIN") == "CONT\t9\tVXNlcm5hbWU6"  # waits while the others come and go
        assert await talk.ask(f"AUTH\t1\tPLAIN\tservice=smtp\tsecured\tnologin\tresp={right}") == f"OK\t1\tuser={ANN}"
        assert await talk.ask(f"AUTH\t1\tplain\tresp={right}=") == "FAIL\t1\treason=Malformed response: not base64"
        assert await talk.ask("AUTH\t2\tPLAIN\tservice=imap") == "CONT\t2\t"
        assert await talk.ask(f"CONT\t2\t{wrong}") == "FAIL\t2\treason=Wrong login or password"
        assert await talk.ask("AUTH\t3\tPLAIN\tresp=") == "FAIL\t3\treason=Malformed response: PLAIN needs two NULs"
        assert await talk.ask("AUTH\t4\tGSSAPI\tsecured") == "FAIL\t4\treason=Mechanism not offered here"
        assert await talk.ask("AUTH\t5\tEXTERNAL\tsecured\tresp=") == "FAIL\t5\treason=Mechanism not offered here"
        assert await talk.ask("AUTH\t6\tPLAIN") == "CONT\t6\t"
        talk.say("CANCEL\t6", f"CONT\t6\t{right}", "CANCEL\t77")
        assert await talk.ask("CONT\t9\t" + base64.b64encode(ANN.encode()).decode()) == "CONT\t9\tUGFzc3dvcmQ6"
        assert await talk.ask("CONT\t9\t" + base64.b64encode(PASSWORD.encode()).decode()) == f"OK\t9\tuser={ANN}"
        talk.close()


async def test_the_service_is_the_asker_s_word(place: Path) -> None:
    """Limits of app passwords hold, and nobody gets round a second factor by calling himself the web login."""
    async with serving(place) as hub:
        phone = await AppPasswords(hub.store.directory, hub.clock).add(ANN, "phone", ["imap"])
        factors = SecondFactors(hub.store.directory, hub.clock, "mailhub.test")
        enrolled = await factors.begin(ANN)
        await factors.confirm(ANN, code(enrolled.secret, int(hub.clock.now()) // STEP))
        talk = await (await connected(place)).begin()
        for number, (service, password, verdict) in enumerate(
            [("imap", phone, "OK"), ("smtp", phone, "FAIL"), ("xmpp", phone, "FAIL"), ("web", PASSWORD, "FAIL"),
             ("imap", PASSWORD, "FAIL")]
        ):  # fmt: skip
            said = await talk.ask(f"AUTH\t{number}\tPLAIN\tservice={service}\tresp={plain(ANN, password)}")
            assert said.split("\t")[0] == verdict, service
        talk.close()


async def test_wrong_passwords_count_for_the_client_that_is_named(place: Path) -> None:
    async with serving(place, limits=schema.Limits(ban_auth_failures=3)) as hub:
        talk = await (await connected(place)).begin()

        async def tried(client: str, password: str) -> str:
            return await talk.ask(f"AUTH\t1\tPLAIN\trip={client}\tresp={plain(ANN, password)}")

        for n in range(3):
            assert await tried("192.0.2.66", f"wrong {n}") == "FAIL\t1\treason=Wrong login or password"
        assert (await tried("192.0.2.66", PASSWORD)).endswith("\ttemp")
        assert "banned" in await tried("192.0.2.66", PASSWORD)
        assert await tried("192.0.2.67", PASSWORD) == f"OK\t1\tuser={ANN}"
        assert hub.guard.bans.covering("192.0.2.66", "imap") is not None
        talk.close()


HOSTILE = [
    b"", b"\n", b"\0\n", b"\xff\n", b"EHLO x\r\n", b"GET / HTTP/1.1\r\n\r\n", b"AUTH\t1\tPLAIN\n", b"VERSION\n", b"VERSION\tx\n",
    b"VERSION\t2\t0\nCPID\t1\n", b"VERSION\t1\t1\nVERSION\t1\t1\n", b"CPID\t1\n", b"x" * 100_000, b"x" * 100_000 + b"\n",
]  # fmt: skip
LATER = [
    b"\n", b"AUTH\n", b"AUTH\t1\n", b"AUTH\t-1\tPLAIN\n", b"AUTH\t4294967296\tPLAIN\n", b"AUTH\t1\tPLAIN\t\xff\n", b"CONT\t1\n",
    b"AUTH\t1\tPLAIN\tx=\1\n", b"AUTH\t1\tPLAIN\t\1x\n", b"AUTH\t1" + b"\t" * 101 + b"\n", b"CPID\t2\n", b"VERSION\t1\t1\n",
    b"AUTH\t1\tPLAIN\nAUTH\t1\tPLAIN\n", b"AUTH\t1\tPLAIN\nCONT\t1\tAA==\tx\n", b"OK\t1\n", b"x" * 17_000 + b"\n", b"\xc3\xa9" * 20_000,
    b"AUTH\t" + b"9" * 5_000 + b"\tPLAIN\n",
]  # fmt: skip


async def test_rubbish_ends_the_connection_and_nothing_else(place: Path) -> None:
    async with serving(place) as hub:
        waiting = await (await connected(place)).begin()
        assert await waiting.ask("AUTH\t1\tPLAIN") == "CONT\t1\t"
        for octets in (*HOSTILE, *(b"VERSION\t1\t1\nCPID\t1\n" + later for later in LATER)):
            reader, writer = await asyncio.open_unix_connection(f"{place}/auth")
            writer.write(octets)
            writer.write_eof()
            said = await reader.read()
            assert said.split(b"DONE\n")[1].startswith((b"", b"CONT\t1\t\n"))
            assert b"OK\t" not in said
            writer.close()
        await until(lambda: len(hub.sessions) == 1)
        assert await waiting.ask(f"CONT\t1\t{plain(ANN, PASSWORD)}") == f"OK\t1\tuser={ANN}"
        waiting.close()


async def test_requests_of_one_connection_are_bounded(place: Path) -> None:
    async with serving(place, auth_socket=schema.AuthSocket(request_limit=3)):
        talk = await (await connected(place)).begin()
        talk.say(*(f"AUTH\t{n}\tLOGIN" for n in range(5)))
        said = sorted([await talk.line() for _ in range(5)])
        assert said[:3] == [f"CONT\t{n}\tVXNlcm5hbWU6" for n in range(3)]
        assert said[3:] == [f"FAIL\t{n}\treason=Try again later\ttemp" for n in (3, 4)]
        talk.close()


async def test_who_says_nothing_is_not_waited_for(place: Path) -> None:
    clock = VirtualClock()
    async with serving(place, clock=clock) as hub:
        silent, talk = await connected(place), await (await connected(place)).begin()
        await until(lambda: len(hub.sessions) == 2)
        assert await talk.ask("AUTH\t1\tPLAIN") == "CONT\t1\t"
        await clock.advance(schema.Sessions().handshake_timeout)
        await until(lambda: len(hub.sessions) == 1)
        await clock.advance(schema.AuthSocket().request_timeout)
        assert await talk.line() == "FAIL\t1\treason=No answer in time"
        assert await talk.ask(f"AUTH\t1\tPLAIN\tresp={plain(ANN, PASSWORD)}") == f"OK\t1\tuser={ANN}"
        silent.close()
        talk.close()


async def test_a_stop_lets_a_dialogue_end(place: Path) -> None:
    async with serving(place) as hub:
        idle, talk = await (await connected(place)).begin(), await (await connected(place)).begin()
        assert await talk.ask("AUTH\t1\tPLAIN") == "CONT\t1\t"
        stopping = asyncio.create_task(hub.stop(10.0))
        assert await idle.line() == ""
        assert await talk.ask("AUTH\t2\tPLAIN") == "FAIL\t2\treason=Try again later\ttemp"
        assert await talk.ask(f"CONT\t1\t{plain(ANN, PASSWORD)}") == f"OK\t1\tuser={ANN}"
        assert await talk.line() == ""
        await stopping
        idle.close()
        talk.close()
