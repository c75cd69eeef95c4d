"""check_policy_service: Debian's postgrey, and a service that follows a script."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from support.hubs import messages, running, send
from support.postfix import postfix_in
from support.scanners import postgrey
from support.smtp_peer import Server, Talk
from support.trouble import LIMITS, troubled

from mailhub.config import policy_service, restrictions
from mailhub.config.endpoints import Endpoint
from mailhub.config.lookup import Malformed
from mailhub.config.schema import Limits, Smtp
from mailhub.model.clock import VirtualClock
from mailhub.policy import Policy
from mailhub.scanners import Services

ANN = "ann@mailhub.test"
FROM, TO = "MAIL FROM:<x@far.example> SIZE=100", "RCPT TO:<alice@mailhub.test>"


async def test_postgrey_puts_off_and_then_lets_pass(tmp_path: Path) -> None:
    with postgrey(1) as daemon:
        smtp = Smtp(mynetworks=(), greet_pause=0.0, recipient_restrictions=(f"check_policy_service {daemon.address}",))
        limits = Limits(connections_per_client=0, messages_per_client=0, recipients_per_client=0)
        async with running(tmp_path, ANN, smtp=smtp, limits=limits) as hub:
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                await send(hub, "x@far.test", ANN)
            code, text = refused.value.recipients[ANN]
            assert (code, text[:16]) == (450, b"4.2.0 Greylisted")
            while True:  # until its second is over
                with contextlib.suppress(smtplib.SMTPRecipientsRefused):
                    await send(hub, "x@far.test", ANN)
                    break
            (message,) = await messages(hub, ANN)
            assert b"\r\nX-Greylist: delayed " in message
            assert hub.services.states[0].failures == 0


class Service:
    """`action`: what it wants; "" says nothing, "bye" hangs up. `asked`: the attributes of each question."""

    def __init__(self) -> None:
        self.action: str = "DUNNO"
        self.asked: list[dict[str, str]] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.address = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                lines = (await reader.readuntil(b"\n\n")).decode().splitlines()
                self.asked.append(dict(cast(Any, line.split("=", 1)) for line in lines if line))
                if self.action == "bye":
                    break
                if self.action:
                    writer.write(self.action.encode() if "\n" in self.action else f"action={self.action}\n\n".encode())
        writer.close()


@contextlib.asynccontextmanager
async def asking(
    stage: str = "recipient", settings: str = "", **more: Any
) -> AsyncIterator[tuple[Service, Server, Talk]]:
    """A session whose list asks a service."""
    service, clock = Service(), VirtualClock()
    listener = await asyncio.start_server(service, "127.0.0.1", 0)
    service.address = f"inet:127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    word = f"{{ {service.address}, {settings} }}" if settings else service.address
    server = Server(clock, **{f"{stage}_restrictions": (f"check_policy_service {word}",), "greet_pause": 0.0, **more})
    services = Services(cast(Any, None), clock)
    server.policy = Policy(server.settings, "mx.mailhub.test", server.router, server.spool, clock, services=services)  # type: ignore[arg-type]
    async with server:
        talk = await server.hello()
        try:
            yield service, server, talk
        finally:
            talk.close()
            services.close()
            for writer in service.writers:
                writer.close()
            listener.close()


async def test_what_it_is_told() -> None:
    async with asking(settings="policy_context=door") as (service, _, talk):
        await talk.asks(FROM, TO, "RCPT TO:<bob@mailhub.test>")
        first, second = service.asked
        peer = talk.writer.get_extra_info("sockname")
        told = {name: value for name, value in first.items() if value}
        assert told.pop("instance") == second["instance"]
        assert told == {
            "request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "client_address": "127.0.0.1",
            "client_name": "unknown", "reverse_client_name": "unknown", "client_port": str(peer[1]), "server_address": "127.0.0.1",
            "server_port": str(talk.writer.get_extra_info("peername")[1]), "helo_name": "client.example", "sender": "x@far.example",
            "recipient": "alice@mailhub.test", "recipient_count": "0", "size": "100", "encryption_keysize": "0", "policy_context": "door",
        }  # fmt: skip
        assert second["recipient"] == "bob@mailhub.test"
        assert service.connections == 1


def _by_postfix(service: Service) -> None:
    restrictions = f"check_policy_service {service.address}"
    with (
        postfix_in(smtpd_recipient_restrictions=restrictions, mynetworks="127.0.0.0/8") as (_, port),
        smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client,
    ):
        client.ehlo()
        client.mail("x@far.example", ["SIZE=100"])
        client.rcpt("alice@mailhub.test")


async def test_it_is_told_the_same_by_postfix() -> None:
    async with asking() as (service, _, talk):
        await talk.asks(FROM, TO)
        await asyncio.to_thread(_by_postfix, service)
        ours, theirs = service.asked
        assert set(ours) == set(theirs)
        different = {name for name in ours if ours[name] != theirs[name]}
        assert different <= {"instance", "client_port", "server_port"}


@pytest.mark.parametrize(("stage", "state", "count"), [("client", "CONNECT", "0"), ("helo", "EHLO", "0"), ("sender", "MAIL", "0"),
                                                       ("data", "DATA", "1"), ("end_of_data", "END-OF-MESSAGE", "1")])  # fmt: skip
async def test_where_it_is_asked(stage: str, state: str, count: str) -> None:
    async with asking(stage, delay_reject=False) as (service, _, talk):
        await talk.asks(FROM, TO, "DATA", "Subject: x\r\n\r\ny\r\n.")
        (asked,) = service.asked
        assert (asked["protocol_state"], asked["recipient_count"]) == (state, count)
        assert asked["size"] == {"END-OF-MESSAGE": "17", "CONNECT": "0", "EHLO": "0", "MAIL": "0"}.get(state, "100")


ACTIONS = {
    "DUNNO": "250 2.1.5 Ok", "OK": "250 2.1.5 Ok", "REJECT": "554 5.7.1 Recipient address rejected: Access denied", "REJECT not you": "554 5.7.1 not you",
    "550 5.7.9 no": "550 5.7.9 no", "DEFER_IF_PERMIT 4.2.0 later": "450 4.2.0 later", "421 4.7.0 bye now": "421 4.7.0 bye now",
    "PREPEND X-Seen: yes": "250 2.1.5 Ok", "reject_unauth_destination": "250 2.1.5 Ok", "nonsense": "451 4.3.5 Server configuration error",
    "dunno\nother=1\naction=REJECT last\n\n": "451 4.3.5 Server configuration problem",
    "other=1\naction=REJECT twice\n\n": "554 5.7.1 twice",
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
async def test_what_it_wants_is_done(action: str) -> None:
    async with asking() as (service, server, talk):
        service.action = action
        asked = asyncio.create_task(talk.asks(FROM, TO))
        while not asked.done():
            await server.clock.advance(1) if "\n" in action else await asyncio.sleep(0)  # type: ignore[attr-defined]
        assert (await asked)[1] == ACTIONS[action]
        if action.startswith("PREPEND"):
            await talk.asks("DATA", "Subject: x\r\n\r\ny\r\n.")
            assert server.spool.messages[0].prefix.startswith(b"X-Seen: yes\r\n")


async def test_a_connection_serves_many_questions_and_may_be_closed_between_them() -> None:
    async with asking(settings="max_idle=100s") as (service, server, talk):
        for _ in range(3):
            await talk.asks(FROM, TO, "RSET")
        assert (service.connections, len(service.asked)) == (1, 3)
        service.writers[0].close()
        await talk.asks(FROM, TO, "RSET")
        assert (service.connections, len(service.asked)) == (2, 4)
        await server.clock.advance(101)  # type: ignore[attr-defined]
        await talk.asks(FROM, TO, "RSET")
        assert service.connections == 3
    async with asking(settings="request_limit=2") as (service, _, talk):
        for _ in range(5):
            await talk.asks(FROM, TO, "RSET")
        assert (service.connections, len(service.asked)) == (3, 5)


@pytest.mark.parametrize("mood", ["", "bye", "x" * 5_000, "a=b\n" * 200])
async def test_where_it_fails_the_default_action_is_done(mood: str) -> None:
    for settings, answer in (
        ("timeout=5s", "451 4.3.5 Server configuration problem"),
        ("timeout=5s, {default_action = DUNNO}", "250 2.1.5 Ok"),
    ):
        async with asking(settings=settings) as (service, server, talk):
            service.action = mood
            asked = asyncio.create_task(talk.asks(FROM, TO))
            while not asked.done():
                await server.clock.advance(1)  # type: ignore[attr-defined]
            assert (await asked)[1] == answer
            assert len(service.asked) == 2  # tried again


async def test_killed_stalled_and_started_again_while_mail_flows(tmp_path: Path) -> None:
    with postgrey(-1) as daemon:

        def options(failure: str) -> dict[str, Any]:
            default = {"tempfail": "451 4.3.5 later", "mark": "DUNNO"}[failure]
            return {
                "smtp": Smtp(
                    mynetworks=(), greet_pause=0.0, recipient_restrictions=(f"check_policy_service {daemon.address}",),
                    policy_service_timeout=LIMITS["time_limit"], policy_service_try_limit=1, policy_service_default_action=default,
                    policy_service_breaker_failures=int(LIMITS["breaker_failures"]), policy_service_breaker_seconds=LIMITS["breaker_seconds"],
                )
            }  # fmt: skip

        await troubled(tmp_path, daemon, options, b"\r\nX-Greylist: ", "policy")


def test_how_one_is_written() -> None:
    text = "{ inet:127.0.0.1:10023, timeout=10s, max_idle=5m, {default_action = 451 4.3.0 not now}, policy_context=a, request_limit=7 }"
    found = policy_service.service(text)
    assert found.where == Endpoint("127.0.0.1", 10_023)
    assert dict(found.settings) == {
        "timeout": 10.0, "max_idle": 300.0, "default_action": "451 4.3.0 not now", "policy_context": "a", "request_limit": 7.0,
    }  # fmt: skip
    (entry,) = restrictions.parse((f"check_policy_service {text}",))
    assert entry == restrictions.Entry("check_policy_service", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inet:a",
        "hash:/x",
        "{ inet:a:1, timeout=x }",
        "{ inet:a:1, other=1 }",
        "{ inet:a:1",
        "{ inet:a:1, try_limit=-1 }",
        "{}",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(Malformed):
        policy_service.service(text)
