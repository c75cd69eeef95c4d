"""The guard in a whole hub: wrong passwords in three protocols, a restart, an operator's commands, an account's limits."""

import asyncio
import contextlib
import imaplib
import json
import poplib
import smtplib
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner
from support.hubs import PASSWORD, config, running

from mailhub.cli.root import root
from mailhub.config import schema
from mailhub.hub import Hub
from mailhub.model.errors import Temporary

T = TypeVar("T")

ANN = "ann@mailhub.test"
OPEN = schema.Auth(allow_plaintext=True, failure_delay=0.0, failure_limit=100)
STRANGERS = schema.Smtp(mynetworks=(), greet_pause=0.0)


def by_imap(hub: Hub, password: str) -> None:
    with contextlib.suppress(imaplib.IMAP4.error):
        imaplib.IMAP4("127.0.0.1", hub.port("imap")).login(ANN, password)


def by_pop3(hub: Hub, password: str) -> None:
    client = poplib.POP3("127.0.0.1", hub.port("pop3"))
    with contextlib.suppress(poplib.error_proto):
        client.user(ANN)
        client.pass_(password)


def by_smtp(hub: Hub, password: str) -> None:
    client = smtplib.SMTP("127.0.0.1", hub.port("submission"))
    with contextlib.suppress(smtplib.SMTPException):
        client.login(ANN, password)


async def greeting(hub: Hub, name: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port(name))
    line = await reader.readline()
    writer.close()
    return line


def command(folder: Path, *args: str) -> tuple[int, Any]:
    file = folder / "config.toml"
    file.write_text(f'data = "{folder / "var"}"\n')
    done = CliRunner().invoke(root, ["--config", str(file), *args, "--json"])
    return done.exit_code, json.loads(done.stdout) if done.exit_code == 0 else done.output


async def test_a_guesser_is_banned_from_all_and_over_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "var"
    options: dict[str, Any] = {"auth": OPEN, "smtp": STRANGERS, "limits": schema.Limits(ban_auth_failures=3)}
    async with running(data, ANN, **options) as hub:
        for n, attempt in enumerate((by_imap, by_pop3, by_smtp)):
            await asyncio.to_thread(attempt, hub, f"guess {n}")
        assert (await greeting(hub, "imap")).startswith(b"* BYE [UNAVAILABLE] Your address is banned for 15 ")
        assert (await greeting(hub, "pop3")).startswith(b"-ERR [SYS/TEMP] Your address is banned ")
    async with Hub(config(data, **options)) as hub:
        for name in ("smtp", "submission"):
            assert (await greeting(hub, name)).startswith(b"421 4.7.0 Your address is banned ")
        assert await greeting(hub, "imaps") == b""
        code, status = await asyncio.to_thread(command, tmp_path, "status")
        assert (code, status["guard"]["bans"]) == (0, 1)
        assert status["guard"]["refused"] == {"banned: AUTH failures": 3}
        code, bans = await asyncio.to_thread(command, tmp_path, "ban", "list")
        assert [(ban["network"], ban["cause"]) for ban in bans] == [("127.0.0.1/32", "AUTH failures")]
        assert await asyncio.to_thread(command, tmp_path, "ban", "remove", "127.0.0.1") == (0, {"done": True})
        assert (await greeting(hub, "smtp")).startswith(b"220 ")
        assert (await asyncio.to_thread(command, tmp_path, "ban", "remove", "127.0.0.1"))[0] == 3


async def test_who_signed_in_stays_welcome_whatever_he_types(tmp_path: Path) -> None:
    limits = schema.Limits(ban_auth_failures=3)
    async with running(tmp_path / "var", ANN, auth=OPEN, smtp=STRANGERS, limits=limits) as hub:
        await asyncio.to_thread(by_imap, hub, PASSWORD)
        for n in range(6):
            await asyncio.to_thread(by_pop3, hub, f"guess {n}")
        assert (await greeting(hub, "imap")).startswith(b"* OK ")
        assert hub.guard.bans.all() == []


async def test_an_operator_bans_with_and_without_a_server(tmp_path: Path) -> None:
    code, made = await asyncio.to_thread(
        command, tmp_path, "ban", "add", "192.0.2.0/24", "--for", "2h", "--note", "spam"
    )
    assert (code, made["network"], made["until"] - made["since"]) == (0, "192.0.2.0/24", 7_200)
    async with Hub(config(tmp_path / "var")) as hub:
        assert hub.guard.connected("192.0.2.9", "smtp") is not None
        code, _ = await asyncio.to_thread(command, tmp_path, "ban", "add", "2001:db8::/32")
        assert code == 0
        assert hub.guard.connected("2001:db8::1", "imap") is not None
        for network in ("127.0.0.1", "192.0.2.1/24", "rubbish"):
            assert (await asyncio.to_thread(command, tmp_path, "ban", "add", network))[0] == 1


async def test_an_account_that_sends_too_much_is_stopped_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = schema.Limits(messages_per_account=2, new_recipients_per_account=1)
    async with running(tmp_path / "var", ANN, auth=OPEN, limits=limits) as hub:

        def send() -> list[int]:
            with smtplib.SMTP("127.0.0.1", hub.port("submission")) as client:
                client.login(ANN, PASSWORD)
                codes = []
                for to in (ANN, "someone@new.example", ANN, ANN):
                    codes.append(client.mail(ANN)[0])
                    codes.append(client.rcpt(to)[0])
                    if codes[-1] == 250:
                        codes.append(client.data(b"Subject: x\r\n\r\nx\r\n")[0])
                    client.rset()
                return codes

        assert await asyncio.to_thread(send) == [250, 250, 250, 250, 450, 250, 250, 250, 450, 503]
        code, status = await asyncio.to_thread(command, tmp_path, "status")
        events = [(alert["event"], alert["subject"]) for alert in status["guard"]["alerts"]]
        assert (code, events) == (0, [("account-recipient-limit", ANN), ("account-message-limit", ANN)])
        shown = await asyncio.to_thread(CliRunner().invoke, root, ["--config", str(tmp_path / "config.toml"), "status"])
        assert "guard     0 bans; refused: nothing\n" in shown.stdout
        assert f" account-message-limit: {ANN}: 2 messages in one day\n" in shown.stdout
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert [line.partition(":")[0] for line in errors] == [
        "alert account-recipient-limit",
        "alert account-message-limit",
    ]


class Away:
    """A store that can not say what was sent, at the moments that are named."""

    def __init__(self, *moments: str) -> None:
        self.moments = moments

    async def sent(self, account: str, day: int) -> tuple[int, int]:
        return self._said("sent", (0, 0))

    async def wrote_to(self, account: str, recipient: bytes) -> bool:
        return self._said("wrote_to", False)

    def _said(self, moment: str, answer: T) -> T:
        if moment in self.moments:
            raise Temporary("the store is away")
        return answer


@pytest.mark.parametrize(
    ("moment", "codes"), [("sent", [451]), ("wrote_to", [250, 451]), ("at the end", [250, 250, 451])]
)
async def test_where_it_can_not_be_told_what_an_account_sent_mail_is_put_off(
    tmp_path: Path, moment: str, codes: list[int]
) -> None:
    async with running(tmp_path / "var", ANN, auth=OPEN) as hub:
        away: Any = Away(moment)
        hub.guard.accounts._store = away

        def send() -> list[int]:
            with smtplib.SMTP("127.0.0.1", hub.port("submission")) as client:
                client.login(ANN, PASSWORD)
                said = [client.mail(ANN)[0], client.rcpt(ANN)[0]]
                if said == [250, 250]:
                    hub.guard.accounts._days.clear()  # too many others were there meanwhile
                    away.moments = ("sent",)
                    said.append(client.data(b"Subject: x\r\n\r\nx\r\n")[0])
                return said if said[0] == 250 else said[:1]

        assert await asyncio.to_thread(send) == codes
        assert (await hub.store.queue.counts()).items == 0
