"""TLS policies with a real Postfix as the mail host: its certificate by fingerprint, versions, and what it does not offer."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from support.hubs import running
from support.mail_hosts import MailHost, mail_host

from mailhub.config.lookup import Lookup
from mailhub.config.schema import Delivery, Relay
from mailhub.model.envelope import Envelope, Origin, Recipient
from mailhub.store.api import Body, QueueFilter

ALICE = "alice@mailhub.test"


def policy(case: str, host: MailHost) -> str:
    shown = (host.folder / "chain.pem").read_bytes()
    digest = x509.load_pem_x509_certificate(shown[shown.index(b"-----BEGIN CERT") :]).fingerprint(SHA256()).hex()
    return {
        "its fingerprint": f"fingerprint match={digest}",
        "another's fingerprint": f"fingerprint match={'ab' * 32}",
        "an older version": "encrypt protocols=!TLSv1.3",
        "no authority": "verify match=mail.test",
        "no TLS": "encrypt",
    }[case]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("its fingerprint", "using TLSv1.3 with cipher "),
        ("an older version", "using TLSv1.2 with cipher "),
        ("another's fingerprint", "4.7.5 127.0.0.1[127.0.0.1]: Server certificate fingerprint not verified"),
        ("no authority", "4.7.5 127.0.0.1[127.0.0.1]: Server certificate not trusted: "),
        ("no TLS", "4.7.4 TLS is required, but was not offered by host 127.0.0.1[127.0.0.1]"),
    ],
)
async def test_what_postfix_is_asked_for(case: str, said: str, tmp_path: Path) -> None:
    options = {"smtpd_tls_received_header": "yes"} | ({"smtpd_tls_security_level": "none"} if case == "no TLS" else {})
    async with mail_host("postfix", 9, **options) as host:
        nexthop = f"[127.0.0.1]:{host.port}"
        delivery = Delivery(transport=Lookup((((host.name, f"smtp:{nexthop}"),),)))
        relay = Relay(tls_policy=Lookup((((nexthop, policy(case, host)),),)))
        async with running(tmp_path, ALICE, delivery=delivery, relay=relay) as hub:
            text = b"Subject: hello\r\n\r\nyes\r\n"
            envelope = Envelope(ALICE, (Recipient(f"bob@{host.name}"),))
            await hub.spool.put(hub.spool.new_id(), envelope, Body(len(text), text), b"", Origin())
            await hub.queue.idle()
            if said.startswith("using"):
                (arrived,) = await host.arrived()
                assert said in arrived.decode()
            else:
                (item,) = await hub.store.queue.page(QueueFilter())
                assert said in str(item.recipients[0].last)
                assert host.mail() == []
