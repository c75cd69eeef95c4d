"""Certificates by ACME from Debian's pebble: got, shown without a restart, renewed with the same key; one bad name keeps nobody waiting."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from support.daemons import short_folder
from support.hubs import config as configured
from support.pebble import PROGRAM, Pebble, challenge_server, pebble

from mailhub.config.schema import Acme, Listener, Tls
from mailhub.control import words
from mailhub.control.setup import zone
from mailhub.hub import Hub
from mailhub.model.clock import SystemClock
from mailhub.testing.authority import Authority
from mailhub.testing.dns import DnsServer

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no pebble")

US = "127.9.1.1"
HOST = "mail.a.test"


def free(*hosts: str) -> list[int]:
    with contextlib.ExitStack() as open_now:
        made = [open_now.enter_context(socket.create_server((host, 0))) for host in hosts]
        return [one.getsockname()[1] for one in made]


@dataclass
class World:
    """A server, its authority, and DNS."""

    hub: Hub
    authority: Pebble
    dns: DnsServer

    async def settled(self) -> None:
        assert self.hub.renewal is not None
        await self.hub.renewal.job.idle()

    async def shown(self, name: str) -> x509.Certificate:
        """To who asks for that name; only what the authority vouches for gets through."""
        context = ssl.create_default_context(cadata=(await self.authority.root()).decode())
        context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
        _, writer = await asyncio.open_connection(US, self.hub.port("imaps"), ssl=context, server_hostname=name)
        secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
        writer.close()
        return certificate


@contextlib.asynccontextmanager
async def world(folder: Path, *names: str, **acme: float) -> AsyncIterator[World]:
    authority = Authority(folder, SystemClock().now())
    http, main, management = free(US, "127.0.0.1", "127.0.0.1")
    async with DnsServer() as dns:
        for name in (HOST, "mta-sts.a.test", "mta-sts.b.test"):
            dns.zone[name, "A"] = [US]
        async with pebble(folder, authority, dns.address, http, (main, management)) as there:
            wanted = Acme(
                directory=there.directory,
                agree_terms=True,
                names=names,
                ca=str(there.ca),
                contact=("root@a.test",),
                **acme,
            )
            made = configured(
                folder / "var", hostname=HOST, domains=("a.test", "b.test"), tls=Tls(acme=wanted), resolver=dns.config(),
                listener=(
                    Listener(protocol="imap", address=US, tls="implicit"),
                    Listener(protocol="http", address=US, tls="none", port=http),
                ),
            )  # fmt: skip
            async with Hub(made) as hub:
                yield World(hub, there, dns)


async def test_a_certificate_comes_and_is_shown_at_once(tmp_path: Path) -> None:
    async with asyncio.timeout(50), world(tmp_path) as there:
        await there.settled()
        found = await there.shown(HOST)
        (status,) = [
            one
            for one in (await there.hub.control.perform(words.Status())).certificates
            if HOST in one.names and one.days < 3_000
        ]
        assert abs(status.until - found.not_valid_after_utc.timestamp()) < 1
        file = tmp_path / "var/tls/acme/certificates" / f"{HOST}.pem"
        assert file.stat().st_mode & 0o777 == 0o600
        told = await there.hub.control.perform(words.DnsShow(domain="a.test"))
        assert [one.data for one in told.records if one.kind == "TLSA"] == [zone.tlsa(found)]


async def test_one_bad_name_does_not_block_the_others(tmp_path: Path) -> None:
    """It has no address, so nobody can prove that it is ours. "%d": each of our domains."""
    async with asyncio.timeout(50), world(tmp_path, "gone.a.test", HOST, "mta-sts.%d") as there:
        await there.settled()
        for name in (HOST, "mta-sts.a.test", "mta-sts.b.test"):
            assert name in str((await there.shown(name)).extensions)
        assert there.hub.renewal is not None
        assert set(there.hub.renewal.troubles) == {"gone.a.test"}
        status = await there.hub.control.perform(words.Status())
        assert set(status.acme) == {"gone.a.test"}


async def test_a_name_that_begins_to_work_gets_one_later(tmp_path: Path) -> None:
    async with asyncio.timeout(50), world(tmp_path, "late.a.test") as there:
        await there.settled()
        renewal = there.hub.renewal
        assert renewal is not None
        assert set(renewal.troubles) == {"late.a.test"}
        there.dns.zone["late.a.test", "A"] = [US]
        await renewal.work()
        assert set(renewal.troubles) == {"late.a.test"}, "it is left alone for a while"
        renewal._failed.clear()  # as if that while was over
        await renewal.work()
        assert renewal.troubles == {}
        assert "late.a.test" in str((await there.shown("late.a.test")).extensions)


async def test_it_is_renewed_with_the_same_key_before_it_ends(tmp_path: Path) -> None:
    """pebble's certificates are good for five years: none of them is good enough for who renews twenty years ahead."""
    async with asyncio.timeout(50), world(tmp_path, HOST) as there:
        await there.settled()
        first = await there.shown(HOST)
        renewal = there.hub.renewal
        assert renewal is not None
        await renewal.work()
        assert await there.shown(HOST) == first, "one that is good is left alone"
        renewal._config = msgspec.structs.replace(renewal._config, renew_days=365.0 * 20)
        await renewal.work()
        second = await there.shown(HOST)
        assert second.serial_number != first.serial_number
        assert second.public_key() == first.public_key()


async def test_after_a_restart_nothing_is_asked_for_again(tmp_path: Path) -> None:
    async with asyncio.timeout(50), world(tmp_path, HOST) as there:
        await there.settled()
        first = await there.shown(HOST)
        config = there.hub.config
        await there.hub.stop(0.0)
        async with Hub(config) as again:
            there.hub = again
            await there.settled()
            assert await there.shown(HOST) == first


HOOK = """#!/bin/sh
# Named by the authority's own name server; what was asked stands in a file beside it.
echo "$1 $2" >> {log}
case "$1" in
present) exec curl -sf -d '{{"host":"'"$2"'.","value":"'"$3"'"}}' http://127.0.0.1:{port}/set-txt ;;
cleanup) exec curl -sf -d '{{"host":"'"$2"'."}}' http://127.0.0.1:{port}/clear-txt ;;
esac
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@contextlib.asynccontextmanager
async def world_by_dns(folder: Path, open_to_all: Path, script: str, *names: str) -> AsyncIterator[Hub]:
    """No listener speaks HTTP: names are proved in DNS, by that script, which nobody runs where we are root."""
    authority = Authority(folder, SystemClock().now())
    dns, control, main, management = free(*["127.0.0.1"] * 4)
    hook, log = open_to_all / "hook", open_to_all / "asked"
    hook.write_text(script.format(port=control, log=log))
    hook.chmod(0o755)
    log.touch()
    log.chmod(0o666)
    async with (
        challenge_server(dns, control),
        pebble(folder, authority, f"127.0.0.1:{dns}", 1, (main, management)) as there,
    ):
        wanted = Acme(
            directory=there.directory,
            agree_terms=True,
            names=names,
            ca=str(there.ca),
            dns_command=(str(hook),),
            dns_user="nobody",
            dns_wait=0.0,
        )
        doors = (Listener(protocol="imap", tls="implicit"),)
        made = configured(folder / "var", hostname=HOST, domains=("a.test",), tls=Tls(acme=wanted), listener=doors)
        async with Hub(made) as hub:
            assert hub.renewal is not None
            await hub.renewal.job.idle()
            yield hub


async def test_names_are_proved_in_dns_by_a_program(tmp_path: Path, shared: Path) -> None:
    async with asyncio.timeout(50), world_by_dns(tmp_path, shared, HOOK, "*.%d", HOST) as hub:
        assert hub.renewal is not None
        assert hub.renewal.troubles == {}
        names = {name for pair in hub.certificates for name in pair.known_as}
        assert {"*.a.test", HOST} <= names
        asked = (shared / "asked").read_text().splitlines()
        assert asked == [
            "present _acme-challenge.a.test", "cleanup _acme-challenge.a.test",
            "present _acme-challenge.mail.a.test", "cleanup _acme-challenge.mail.a.test",
        ]  # fmt: skip


async def test_a_program_that_fails_is_told_of(tmp_path: Path, shared: Path) -> None:
    async with (
        asyncio.timeout(50),
        world_by_dns(tmp_path, shared, "#!/bin/sh\necho no such zone; exit 3\n", HOST) as hub,
    ):
        assert hub.renewal is not None
        (why,) = hub.renewal.troubles.values()
        assert "exit status 3: no such zone" in why


async def test_an_authority_that_is_away_stops_nobody(tmp_path: Path) -> None:
    (closed,) = free("127.0.0.1")
    wanted = Acme(directory=f"https://localhost:{closed}/dir", agree_terms=True)
    doors = (Listener(protocol="imap", tls="implicit"), Listener(protocol="http", tls="none"))
    async with (
        asyncio.timeout(50),
        Hub(configured(tmp_path / "var", hostname=HOST, tls=Tls(acme=wanted), listener=doors)) as hub,
    ):
        assert hub.renewal is not None
        await hub.renewal.job.idle()
        assert set(hub.renewal.troubles) == {HOST}
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imaps"), ssl=_blind())
        assert (await reader.readline()).startswith(b"* OK")
        writer.close()


def _blind() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
