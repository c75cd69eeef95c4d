"""Certificates by name, read again when they change, each failing alone."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.model.errors import Permanent
from mailhub.net.certificates import Pair, chosen
from mailhub.net.tls import LOOK, ServerTls, certified_names


class Files:
    """An authority, and certificates of it in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, trustme.CA()

    def write(self, file: str, *names: str) -> schema.Certificate:
        issued = self.authority.issue_cert(*names)
        path = self.folder / file
        path.write_bytes(issued.private_key_pem.bytes() + b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        return schema.Certificate(certificate=str(path))

    def tls(self, first: str, *more: schema.Certificate, **options: object) -> schema.Tls:
        return schema.Tls(certificate=str(self.folder / first), certificates=more, **options)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for end in (near, far):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return near, far


def names_shown(server: ssl.SSLContext, files: Files, name: str | None) -> set[str]:
    client = ssl.create_default_context()
    files.authority.configure_trust(client)
    client.check_hostname = False
    near, _ = shaken(server, client, name)
    certificate = near.getpeercert()
    assert certificate is not None
    alternatives: tuple[tuple[str, str], ...] = certificate["subjectAltName"]  # type: ignore[assignment]
    return {value for _, value in alternatives}


async def test_the_name_chooses(files: Files, tmp_path: Path) -> None:
    files.write("first.pem", "mx.first.test")
    more = files.write("second.pem", "mail.second.test", "*.wild.test")
    tls = ServerTls(files.tls("first.pem", more), tmp_path, "mx.first.test", VirtualClock())
    for name, shown in {
        "mail.second.test": "mail.second.test", "MAIL.second.test": "mail.second.test", "a.wild.test": "*.wild.test",
        "b.a.wild.test": "mx.first.test", "other.test": "mx.first.test", None: "mx.first.test",
    }.items():  # fmt: skip
        assert shown in names_shown(tls.context(), files, name), name


async def test_one_that_is_broken_fails_alone(files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files.write("good.pem", "good.test")
    (tmp_path / "bad.pem").write_text("nothing")
    bad = schema.Certificate(certificate=str(tmp_path / "bad.pem"), names=("bad.test",))
    tls = ServerTls(files.tls("good.pem", bad), tmp_path, "good.test", VirtualClock())
    assert "good.test" in names_shown(tls.context(), files, "bad.test")
    assert list(tls.troubles) == [str(tmp_path / "bad.pem")]
    assert "bad.pem" in caplog.text
    first_is_bad = ServerTls(
        files.tls("bad.pem", schema.Certificate(certificate=str(tmp_path / "good.pem"))), tmp_path, "x", VirtualClock()
    )
    assert "good.test" in names_shown(first_is_bad.context(), files, None)
    with pytest.raises(Permanent):
        ServerTls(files.tls("bad.pem"), tmp_path, "x", VirtualClock()).context()


async def test_a_renewed_one_is_read_by_itself(files: Files, tmp_path: Path) -> None:
    clock = VirtualClock()
    files.write("first.pem", "first.test")
    more = files.write("second.pem", "old.second.test")
    tls = ServerTls(files.tls("first.pem", more), tmp_path, "first.test", clock)
    tls.context()

    async def looked() -> ssl.SSLContext:
        await clock.advance(5)
        tls.context()
        task = tls._looking
        if task is not None:
            await asyncio.wait([task])
        return tls.context()

    files.write("second.pem", "new.second.test")
    assert "first.test" in names_shown(tls.context(), files, "new.second.test")
    assert "new.second.test" in names_shown(await looked(), files, "new.second.test")
    (tmp_path / "second.pem").write_text("half written")
    assert "new.second.test" in names_shown(await looked(), files, "new.second.test")
    assert tls.troubles
    files.write("second.pem", "third.second.test")
    assert "third.second.test" in names_shown(await looked(), files, "third.second.test")
    assert not tls.troubles


def test_wildcards_stand_for_one_label() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    exact = Pair("", "", context=context, known_as=("a.b.test",))
    wild = Pair("", "", context=context, known_as=("*.b.test",))
    broken = Pair("", "", known_as=("c.b.test",))
    assert chosen([wild, exact], "a.b.test") is exact
    assert chosen([broken, wild, exact], "c.b.test.") is wild
    assert chosen([wild], "b.test") is None


@pytest.mark.parametrize("kind", ["ask", "require"])
async def test_certificates_of_clients(files: Files, tmp_path: Path, kind: str) -> None:
    files.write("first.pem", "first.test")
    files.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    options = {"client_certificates": kind, "client_ca": str(tmp_path / "ca.pem")}
    context = ServerTls(files.tls("first.pem", **options), tmp_path, "first.test", VirtualClock()).context()
    client = ssl.create_default_context()
    files.authority.configure_trust(client)
    if kind == "ask":
        assert certified_names(shaken(context, client, "first.test")[1]) == ()
    files.authority.issue_cert("ann@mailhub.test").configure_cert(client)
    assert "ann@mailhub.test" in certified_names(shaken(context, client, "first.test")[1])
    stranger = ssl.create_default_context()
    files.authority.configure_trust(stranger)
    trustme.CA().issue_cert("bob@mailhub.test").configure_cert(stranger)
    with pytest.raises(ssl.SSLError):
        shaken(context, stranger, "first.test")


async def test_only_modern_tls(files: Files, tmp_path: Path) -> None:
    files.write("first.pem", "first.test")
    context = ServerTls(files.tls("first.pem"), tmp_path, "first.test", VirtualClock()).context()
    old = ssl.create_default_context()
    files.authority.configure_trust(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    _, far = shaken(context, old, "first.test")
    cipher = far.cipher()
    assert cipher is not None
    assert cipher[0].startswith("ECDHE-")
    old.set_ciphers("AES128-SHA")
    with pytest.raises(ssl.SSLError):
        shaken(context, old, "first.test")


async def test_the_end_of_a_certificate_is_told_of_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock(1_800_000_000.0)
    tls = ServerTls(schema.Tls(), tmp_path, "mail.test", clock)  # signs itself, for 3650 days

    async def looked() -> int:
        await clock.advance(LOOK)
        tls.context()
        if tls._looking is not None:
            await tls._looking
        return sum("ends in" in record.getMessage() for record in caplog.records)

    tls.context()
    assert await looked() == 0
    await clock.advance(3_637 * 86_400.0)
    assert await looked() == 1
    assert tls.pairs[0].days(clock.now()) < 14
    assert await looked() == 1
    await clock.advance(86_400.0)
    assert await looked() == 2
