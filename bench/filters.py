"""What it costs to know friend from foe: the same mail in with no checks, with SPF, DKIM and DMARC of each message (a DNS server on this host answers),
and signed twice (RSA and Ed25519) on its way in; IMAP NOOP on another connection meanwhile.

All other checks are off in all three, so that the difference is what is named.
"""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bench import smtp
from bench.smtp import Load, body
from bench.target import DOMAIN, Target, mailhub
from mailhub.message import dkim, dkim_signing
from mailhub.testing.dns import DnsServer

_SIZE = 4_096
_KEY = dkim_signing.SigningKey("other.test", "s", "rsa", dkim_signing.loaded(dkim_signing.made("rsa")))
_OFF = "".join(
    f"[{name}]\nenabled = false\n" for name in ("greylist", "dnsbl", "attachments", "junk", "iprev", "arc")
)  # fmt: skip
_NONE = _OFF + "".join(f"[{name}]\nenabled = false\n" for name in ("spf", "dkim", "dmarc"))


def _signed() -> bytes:
    """A message that other.test signed."""
    text = body(_SIZE)
    head, _, rest = text.partition(b"\r\n\r\n")
    hashed = dkim.BodyHash("relaxed")
    hashed.feed(rest)
    return dkim_signing.field(_KEY, dkim.fields(head + b"\r\n"), hashed.digest(), 1_700_000_000) + text


SIGNED, OWN = _signed(), body(_SIZE, f"u000@{DOMAIN}")
FULL = (Load(20, 4_000, _SIZE), Load(1, 400, _SIZE))
SHORT = (Load(20, 400, _SIZE),)


@asynccontextmanager
async def unchecked() -> AsyncIterator[Target]:
    async with mailhub(f"[smtp]\nmynetworks = []\ngreet_pause = 0\n{_NONE}") as target:
        yield replace(target, name="unchecked")


@asynccontextmanager
async def checked() -> AsyncIterator[Target]:
    record = dkim_signing.record(_KEY.private)
    zone = {
        ("other.test", "TXT"): ['"v=spf1 ip4:127.0.0.1 -all"'],
        ("_dmarc.other.test", "TXT"): ['"v=DMARC1; p=reject"'],
        ("s._domainkey.other.test", "TXT"): [f'"{record[:200]}" "{record[200:]}"'],
    }
    async with DnsServer(zone) as dns:
        servers = ", ".join(f'"{address}"' for address in dns.config().nameservers)
        async with mailhub(
            f"[smtp]\nmynetworks = []\ngreet_pause = 0\n[resolver]\nnameservers = [{servers}]\n{_OFF}"
        ) as target:
            yield replace(target, name="checked")


@asynccontextmanager
async def signing() -> AsyncIterator[Target]:
    def keys(data: Path) -> None:
        command = [sys.executable, "-m", "mailhub", "--config", str(data.parent / "config.toml"), "dkim"]
        for words in (["create", DOMAIN], ["activate", DOMAIN]):
            subprocess.run([*command, *words], check=True, stdout=subprocess.DEVNULL)

    async with mailhub(_NONE, prepare=keys) as target:
        yield replace(target, name="signing")


async def measure(target: Target, load: Load) -> dict[str, object]:
    """One row."""
    return await smtp.measure(target, replace(load, text=OWN if target.name == "signing" else SIGNED))
