"""REQUIRETLS (RFC 8689): mail that asks for it goes to verified hosts that pass that on, or back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from support.far_hosts import Text, World, world

from mailhub.config.lookup import Lookup
from mailhub.delivery.relay.dane import Dane
from mailhub.delivery.relay.tls_policy import StsPolicy, TlsServices
from mailhub.delivery.transport import Result
from mailhub.model.envelope import MailParameters
from mailhub.net.dane import Tlsa
from mailhub.net.dnssec import ValidatingResolver
from mailhub.store.api import Fate
from mailhub.tables import Tables

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


class Published:
    """An MTA-STS policy for every domain, or none."""

    def __init__(self, policy: StsPolicy | None) -> None:
        self._policy = policy

    async def policy(self, domain: str) -> StsPolicy | None:
        return self._policy


@asynccontextmanager
async def required(
    tmp: Any, *, sts: StsPolicy | None = None, signed: bool = False, tlsa: bool = False,
    authority: trustme.CA | None = AUTHORITY, offered: bool = True, **options: Any,
) -> AsyncIterator[World]:  # fmt: skip
    """far.test: what vouches for its hosts, who has made their certificates, and whether they offer REQUIRETLS."""
    AUTHORITY.cert_pem.write_to_path(tmp / "ca.pem")

    def services(far: World) -> TlsServices:
        far.dns.vouched = {"test"} if signed else set()
        dane = Dane(ValidatingResolver(far.dns.config(), far.clock))
        return TlsServices(Tables(far.clock), Published(sts), dane)

    async with world(services=services, tls_ca=str(tmp / "ca.pem"), **options) as far:
        for host in far.hosts if authority is not None else ():
            leaf = authority.issue_cert(host.name)
            host.present(leaf)
            digest = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).fingerprint(SHA256())
            if tlsa:
                far.dns.zone[f"_{far.port}._tcp.{host.name}", "TLSA"] = [str(Tlsa(3, 0, 1, digest))]
            if offered:
                host.extensions.append("REQUIRETLS")
        yield far


async def send(far: World, **job: Any) -> Result:
    (result,) = await far.deliver("b@far.test", parameters=MailParameters(requiretls=True), **job)
    return result


STS = StsPolicy(("*.far.test",), True)


@pytest.mark.parametrize(
    "grounds",
    [
        {"sts": STS},
        {"sts": StsPolicy(("*.far.test",), False)},
        {"signed": True},
        {"signed": True, "tlsa": True, "authority": STRANGER},
    ],
    ids=["MTA-STS", "MTA-STS in testing", "DNSSEC and PKIX", "DANE"],
)
async def test_it_goes_to_whom_something_vouches_for(tmp_path: Any, grounds: dict[str, Any]) -> None:
    async with required(tmp_path, **grounds) as far:
        result = await send(far)
        assert result.fate == Fate.RELAYED
        assert result.tls.startswith("Verified")
        assert far.hosts[0].commands("MAIL")[0].endswith(" REQUIRETLS")
        await far.deliver("b@far.test")
        assert "REQUIRETLS" not in far.hosts[0].commands("MAIL")[1]


@pytest.mark.parametrize(
    ("grounds", "code", "why"),
    [
        ({"sts": STS, "offered": False}, "5.7.30", "does not offer REQUIRETLS"),
        ({"signed": True, "tlsa": True, "offered": False}, "5.7.30", "does not offer REQUIRETLS"),
        ({}, "5.7.10", "neither DNSSEC nor MTA-STS vouches for the mail host"),
        ({"sts": STS, "authority": None}, "5.7.10", "TLS is required, but was not offered"),
        ({"sts": STS, "authority": STRANGER}, "5.7.10", "certificate not trusted"),
        ({"sts": StsPolicy(("*.far.test",), False), "authority": STRANGER}, "5.7.10", "certificate not trusted"),
        ({"signed": True, "authority": STRANGER}, "5.7.10", "certificate not trusted"),
    ],
)
async def test_else_it_goes_back(tmp_path: Any, grounds: dict[str, Any], code: str, why: str) -> None:
    async with required(tmp_path, **grounds) as far:
        result = await send(far)
        assert (result.fate, result.reply.code, result.reply.enhanced) == (Fate.FAILED, 550, code)
        assert why in result.reply.text
        assert not far.hosts[0].commands("MAIL")


async def test_the_next_host_may_do(tmp_path: Any) -> None:
    async with required(tmp_path, sts=STS, hosts=2) as far:
        far.hosts[0].extensions.remove("REQUIRETLS")
        assert (await send(far)).remote.startswith("mx2.far.test")


async def test_a_host_that_may_do_tomorrow_keeps_it_waiting(tmp_path: Any) -> None:
    async with required(tmp_path, sts=STS, hosts=2, offered=False) as far:
        far.hosts[1].script["greeting"] = "421 4.3.2 not now"
        assert (await send(far)).fate == Fate.DEFERRED
        await far.hosts[1].stop()
        assert (await send(far)).fate == Fate.DEFERRED
    async with required(tmp_path, sts=STS) as far:
        far.hosts[0].script["STARTTLS"] = "454 4.7.0 not now"
        assert (await send(far)).fate == Fate.DEFERRED


async def test_the_header_field_does_not_weaken_it(tmp_path: Any) -> None:
    async with required(tmp_path, sts=STS, authority=STRANGER) as far:
        result = await send(far, text=Text(b"TLS-Required: No\r\n\r\nx\r\n"))
        assert result.reply.enhanced == "5.7.10"


async def test_the_operator_may_vouch(tmp_path: Any) -> None:
    table = Lookup(((("far.test", "secure match=.far.test"),),))
    async with required(tmp_path, tls_policy=table) as far:
        assert (await send(far)).fate == Fate.RELAYED
    async with required(tmp_path) as far:
        assert (await send(far, nexthop="[mx1.far.test]")).tls.startswith("Verified"), "no MX was asked for"


async def test_mta_sts_vouches_where_the_operator_has_a_rule_of_his_own(tmp_path: Any) -> None:
    table = Lookup(((("far.test", "encrypt"),),))
    async with required(tmp_path, tls_policy=table, sts=STS) as far:
        assert (await send(far)).tls.startswith("Verified")


async def test_a_connection_in_the_clear_is_not_reused_for_it(tmp_path: Any) -> None:
    async with required(tmp_path, signed=True) as far:
        await far.deliver("b@far.test")
        assert (await send(far)).tls.startswith("Verified")
        assert far.hosts[0].connections == 2
