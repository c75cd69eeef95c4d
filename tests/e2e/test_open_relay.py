"""Every form of address that ever made a server relay, at every door of a whole hub with a catch-all: nothing leaves it."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from support.far_hosts import FarHost
from support.hubs import messages, running
from support.relay_forms import FORMS, SENDERS, UTF8_FORMS
from support.smtp_peer import Talk

from mailhub.config.schema import Delivery, Listener, Relay, Smtp

ALICE = "alice@mailhub.test"
PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n"
DOORS = (
    Listener(
        protocol="smtp", tls="none", smtp=Smtp(mynetworks=(), greet_pause=0.0, error_limit=100_000, error_sleep=0.0)
    ),
    Listener(protocol="smtp", tls="none", name="proxied", proxy_protocol=True),
    Listener(protocol="lmtp", tls="none"),
)


@pytest.mark.parametrize("door", ["smtp", "proxied", "lmtp"])
async def test_nothing_leaves(door: str, tmp_path: Path) -> None:
    """mynetworks holds 127.0.0.1, and who is behind a proxy or speaks LMTP from there gains nothing by it."""
    far = FarHost("anywhere.test")
    port = await far.start("127.0.0.1", 0)
    try:
        async with running(
            tmp_path, ALICE, listener=DOORS, delivery=Delivery(relayhost=f"[127.0.0.1]:{port}"), relay=Relay(tls="none"),
            smtp=Smtp(greet_pause=0.0, error_limit=100_000, error_sleep=0.0),
        ) as hub:  # fmt: skip
            await hub.directory.set_alias("@mailhub.test", (ALICE,))
            talk = Talk(*await asyncio.open_connection("127.0.0.1", hub.port(door)))
            talk.send(PROXY if door == "proxied" else b"")
            await talk.reply()
            await talk.ask("LHLO c" if door == "lmtp" else "EHLO c")
            for sender in SENDERS:
                for form in (*FORMS, *UTF8_FORMS):
                    await talk.ask(f"MAIL FROM:{sender} SMTPUTF8")
                    if (await talk.ask(f"RCPT TO:{form}")).startswith("2"):
                        assert (await talk.asks("DATA", "Subject: taken\r\n."))[1].startswith("2")
                    await talk.ask("RSET")
            assert (await talk.asks("MAIL FROM:<x@y.example>", "RCPT TO:<anybody@mailhub.test>", "DATA"))[2][
                :3
            ] == "354"
            assert (await talk.ask("Subject: for the catch-all\r\n.")).startswith("250 ")
            await hub.queue.idle()
            assert [b"catch-all" in mail for mail in await messages(hub, ALICE)] == [True]
            assert (await hub.store.queue.counts()).items == 0
            assert far.connections == 0
            talk.close()
            with contextlib.suppress(ConnectionError):
                await talk.writer.wait_closed()
    finally:
        await far.stop()
