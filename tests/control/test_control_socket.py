"""The control socket: who may open it, what its lines are, and that no line breaks it."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any, get_args

import pytest
from support.hubs import messages, running, send

from mailhub.control import words
from mailhub.control.client import Client, NoServer
from mailhub.control.errors import ControlError
from mailhub.control.server import REQUEST_LIMIT
from mailhub.control.socket_path import NAME, bind
from mailhub.hub import Hub
from mailhub.net.resolver import DnsTemporary

ANN = "ann@mailhub.test"


async def ask(data: Path, *requests: words.Request[Any]) -> list[Any]:
    """Ask over the socket, from a thread as a command would."""

    def talk() -> list[Any]:
        client = Client(data)
        try:
            return [client.ask(request) for request in requests]
        finally:
            client.close()

    return await asyncio.to_thread(talk)


async def touched(data: Path, request: words.Request[words.Touched]) -> int:
    (answer,) = await ask(data, request)
    assert answer.after == ""
    return int(answer.messages)


async def raw(data: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(data / NAME))
    writer.write(line + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    assert isinstance(answer, dict)
    return answer


async def test_only_its_owner_may_open_it_and_it_goes_with_the_server(tmp_path: Path) -> None:
    async with running(tmp_path):
        mode = (tmp_path / NAME).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not (tmp_path / NAME).exists()
    with pytest.raises(NoServer):
        Client(tmp_path)


async def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    bind(tmp_path).close()
    with pytest.raises(NoServer):
        Client(tmp_path)
    async with running(tmp_path):
        (answer,) = await ask(tmp_path, words.Status())
        assert answer.running


async def test_a_data_folder_with_a_long_path_has_one_too(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 20) / ("path" * 20)
    async with running(data):
        (answer,) = await ask(data, words.Status())
        assert answer.data == str(data)


async def test_accounts_domains_and_aliases(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await ask(
            tmp_path,
            words.UserAdd(address="Ann@Mailhub.test", password="first"),
            words.UserPasswd(address=ANN, password="second"),
            words.DomainAdd(name="new.test"),
            words.AliasAdd(address="sales@new.test", targets=(ANN, "x@other.test")),
        )
        assert await hub.authenticator.authenticate(ANN, "second", service="test", client="") is not None
        users, domains, aliases = await ask(tmp_path, words.UserList(), words.DomainList(), words.AliasList())
        assert users == (words.User(address=ANN, enabled=True),)
        assert [(domain.name, domain.source) for domain in domains] == [
            ("mailhub.test", "config"),
            ("new.test", "store"),
        ]
        assert aliases == (words.Alias(address="sales@new.test", targets=(ANN, "x@other.test")),)
        await ask(tmp_path, words.AliasRemove(address="sales@new.test"), words.DomainRemove(name="new.test"))
        await ask(tmp_path, words.UserRemove(address=ANN))
        assert await ask(tmp_path, words.UserList(), words.AliasList()) == [(), ()]


async def test_whatever_can_be_done_can_be_asked_over_the_socket(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert {*hub.control._actions, words.MailboxRebuild} == set(get_args(words.AnyRequest))


async def test_a_list_of_many_comes_in_pages(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        for n in range(7):
            await hub.directory.set_alias(f"a{n}@mailhub.test", [ANN])
        (first,) = await ask(tmp_path, words.AliasList(limit=5))
        (second,) = await ask(tmp_path, words.AliasList(after=first[-1].address, limit=5))
        assert [alias.address[:2] for alias in (*first, *second)] == [f"a{n}" for n in range(7)]


@pytest.mark.parametrize(
    ("request_", "kind", "text"),
    [
        (words.UserAdd(address=ANN, password="x"), "exists", "exists"),
        (words.UserAdd(address="ann@foreign.test", password="x"), "not_found", "domain foreign.test is not ours"),
        (words.UserRemove(address="eve@mailhub.test"), "not_found", "eve@mailhub.test"),
        (words.DomainRemove(name="mailhub.test"), "refused", "config file"),
        (words.QueueShow(id="0123"), "not_found", "no message 0123"),
        (words.QueueShow(id="!!"), "not_found", "not a queue id"),
        (words.QueueHold(which=words.Which(states=("odd",))), "usage", "no such state: 'odd'"),
        (words.MailboxRebuild(address="eve@mailhub.test"), "not_found", "no account"),
        (words.UserAdd(address="", password="x"), "usage", "address"),
    ],
)
async def test_a_failure_has_a_kind_and_a_sentence(
    tmp_path: Path, request_: words.Request[Any], kind: str, text: str
) -> None:
    async with running(tmp_path, ANN):
        with pytest.raises(ControlError) as caught:
            await ask(tmp_path, request_)
    assert caught.value.kind == kind
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "usage"),
        (b"\xff\x00", "usage"),
        (b"[" * 100_000, "usage"),
        (b'{"v":1,"request":{"do":"server.explode"}}', "usage"),
        (b'{"v":1,"request":{"do":"status","more":1}}', "usage"),
        (b'{"v":1,"request":{"do":"user.list","limit":100000000}}', "usage"),
        (b"x" * (REQUEST_LIMIT + 10), "usage"),
    ],
)
async def test_a_line_that_is_no_request_is_answered_and_the_server_goes_on(
    tmp_path: Path, line: bytes, kind: str
) -> None:
    async with running(tmp_path):
        assert (await raw(tmp_path, line))["failure"]["kind"] == kind
        (answer,) = await ask(tmp_path, words.Status())
        assert answer.running


async def test_another_version_of_the_protocol_is_named(tmp_path: Path) -> None:
    async with running(tmp_path):
        said = await raw(tmp_path, b'{"v":99,"request":{"do":"status"}}')
        assert said["failure"]["text"] == "this server speaks version 1 of the control protocol, the command version 99"


async def test_status_shows_listeners_sessions_and_queue(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imap"))
        await reader.readline()
        (answer,) = await ask(tmp_path, words.Status())
        assert {door.name: door.port for door in answer.listeners}["imap"] == hub.port("imap")
        assert {door.name: door.sessions for door in answer.listeners}["imap"] == 1
        (session,) = answer.session_list
        assert (session.listener, session.client) == ("imap", "127.0.0.1")
        assert (answer.queue_messages, answer.queue_recipients) == (0, 0)
        assert answer.memory > 1_000_000
        writer.close()


async def queued(hub: Hub) -> words.QueuedMessage:
    """A message that waits, for its relay can not be found."""
    await send(hub, "x@other.test", "far@away.invalid", b"Subject: far\r\nX-Odd: \xff\x1b[2J\r\n\r\nbody\r\n")
    await hub.queue.idle()
    (message,) = (await ask(hub.data, words.QueueList()))[0]
    assert isinstance(message, words.QueuedMessage)
    return message


async def test_the_queue_as_its_operator_sees_it(tmp_path: Path) -> None:
    async with running(tmp_path, resolver=NoNames()) as hub:
        message = await queued(hub)
        (recipient,) = message.recipients
        assert (message.sender, recipient.address, recipient.state) == ("x@other.test", "far@away.invalid", "deferred")
        assert recipient.attempts == 1
        text, totals = await ask(tmp_path, words.QueueShow(id=message.id), words.QueueSummary())
        assert text.message == message
        assert "Subject: far" in text.header
        assert "body" not in text.header
        assert (totals.messages, totals.recipients) == (1, 1)
        assert (totals.rows[0].domain, totals.rows[0].state) == ("away.invalid", "deferred")


async def test_actions_on_the_queue(tmp_path: Path) -> None:
    async with running(tmp_path, resolver=NoNames()) as hub:
        message = await queued(hub)
        only = words.Which(ids=(message.id,))

        async def state() -> tuple[str, int]:
            await hub.queue.idle()
            (now,) = (await ask(tmp_path, words.QueueList(which=only)))[0]
            return now.recipients[0].state, now.recipients[0].attempts

        assert await touched(tmp_path, words.QueueHold(which=words.Which(sender="@other.test"))) == 1
        assert await state() == ("hold", 1)
        await ask(tmp_path, words.QueueRetry(which=only))
        assert await state() == ("hold", 1)
        await ask(tmp_path, words.QueueRelease(which=only))
        assert await state() == ("deferred", 2)
        await ask(tmp_path, words.QueueRetry(which=words.Which(recipient="@away.invalid")))
        assert await state() == ("deferred", 3)
        await ask(tmp_path, words.QueueHold(which=only))
        assert await touched(tmp_path, words.QueueRequeue(which=only)) == 1
        assert await state() == ("deferred", 1), "as if just come"
        assert await touched(tmp_path, words.QueueRemove(which=words.Which(newer_than=0.0))) == 0
        assert await touched(tmp_path, words.QueueRemove(which=words.Which(older_than=3600))) == 0
        assert await touched(tmp_path, words.QueueRemove(which=only)) == 1
        assert await ask(tmp_path, words.QueueList()) == [()]


async def test_a_mailbox_is_rebuilt_beside_a_running_server_and_tells_how_far_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, ANN) as hub:
        for _ in range(3):
            await send(hub, "x@other.test", ANN)
        before = await messages(hub, ANN)
        told: list[tuple[int, int]] = []

        def rebuild() -> words.Done:
            client = Client(tmp_path)
            try:
                return client.ask(words.MailboxRebuild(address=ANN), lambda done, total: told.append((done, total)))
            finally:
                client.close()

        assert await asyncio.to_thread(rebuild) == words.Done()
        assert await messages(hub, ANN) == before
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1] == 3


class NoNames:
    """A resolver for a network that is away."""

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        raise DnsTemporary(f"MX of {domain}: timeout")

    async def addresses(self, host: str, *, ipv6: bool = True) -> list[str]:
        return []

    async def txt(self, name: str) -> list[bytes]:
        return []

    async def ptr(self, address: str) -> list[str]:
        return []

    async def close(self) -> None:
        return None


async def test_a_filter_by_state_reaches_only_that_state(tmp_path: Path) -> None:
    async with running(tmp_path, resolver=NoNames()) as hub:
        for name in ("held", "waiting"):
            await send(hub, "x@other.test", f"{name}@away.invalid")
        await hub.queue.idle()
        await ask(tmp_path, words.QueueHold(which=words.Which(recipient="held@away.invalid")))

        async def attempts() -> dict[str, tuple[str, int]]:
            await hub.queue.idle()
            (page,) = await ask(tmp_path, words.QueueList())
            recipients = [recipient for message in page for recipient in message.recipients]
            return {r.address.partition("@")[0]: (r.state, r.attempts) for r in recipients}

        for request in (words.QueueRetry, words.QueueRelease):
            state = "hold" if request is words.QueueRetry else "deferred"
            assert await touched(tmp_path, request(which=words.Which(states=(state,)))) == 0
        assert await attempts() == {"held": ("hold", 1), "waiting": ("deferred", 1)}
        assert await touched(tmp_path, words.QueueRequeue(which=words.Which(states=("hold",)))) == 1
        assert await attempts() == {"held": ("deferred", 1), "waiting": ("deferred", 1)}
        await ask(tmp_path, words.QueueHold(which=words.Which(recipient="held@away.invalid")))
        assert await touched(tmp_path, words.QueueRequeue(which=words.Which())) == 2
        assert await attempts() == {"held": ("deferred", 1), "waiting": ("deferred", 1)}
