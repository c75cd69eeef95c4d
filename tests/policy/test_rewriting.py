"""Addresses rewritten as mail comes in, in a whole server."""

import asyncio
import smtplib
from pathlib import Path

import pytest
from support.hubs import messages, running, send

from mailhub.config.aliasing import Aliases, Canonical
from mailhub.config.lookup import Lookup, read
from mailhub.config.schema import Smtp

TABLE = {"old@mailhub.test": "alice@mailhub.test", "me@inside.mailhub.test": "bob@mailhub.test"}
CANONICAL = Canonical(canonical_maps=Lookup((tuple(TABLE.items()),)), masquerade_domains=("mailhub.test",))
TEXT = b"From: Me <me@inside.mailhub.test>\r\nTo: old@mailhub.test, x@far.test\r\nSubject: old@mailhub.test\r\n\r\nto old@mailhub.test\r\n"


async def test_envelope_and_header_of_mail_from_a_network_of_ours(tmp_path: Path) -> None:
    async with running(tmp_path, "alice@mailhub.test", "bob@mailhub.test", canonical=CANONICAL) as hub:
        await send(
            hub,
            "me@inside.mailhub.test",
            "old@mailhub.test",
            TEXT + b"x" * 900 + b"\r\n" + 3000 * (b"y" * 70 + b"\r\n"),
        )
        (mail,) = await messages(hub, "alice@mailhub.test")
        assert mail.startswith(b"Return-Path: <bob@mailhub.test>\r\nDelivered-To: alice@mailhub.test\r\n")
        assert (
            b"\r\nFrom: Me <bob@mailhub.test>\r\nTo: alice@mailhub.test, x@far.test\r\nSubject: old@mailhub.test\r\n\r\n"
            in mail
        )
        assert b"\r\nto old@mailhub.test\r\n" in mail
        assert mail.endswith(b"x" * 900 + b"\r\n" + 3000 * (b"y" * 70 + b"\r\n"))


@pytest.mark.parametrize("everywhere", [False, True])
async def test_headers_of_strangers_stay_unless_all_are_to_be_rewritten(tmp_path: Path, everywhere: bool) -> None:
    canonical = Canonical(canonical_maps=CANONICAL.canonical_maps, rewrite_all_headers=everywhere)
    smtp = Smtp(mynetworks=())
    async with running(tmp_path, "alice@mailhub.test", canonical=canonical, smtp=smtp) as hub:
        await send(hub, "s@far.test", "old@mailhub.test", TEXT)
        (mail,) = await messages(hub, "alice@mailhub.test")
        assert (b"\r\nTo: alice@mailhub.test," in mail) is everywhere
        assert (b"\r\nFrom: Me <bob@mailhub.test>" in mail) is everywhere


async def test_an_address_that_is_rewritten_to_one_of_ours_is_known_and_others_are_not(tmp_path: Path) -> None:
    async with running(tmp_path, "alice@mailhub.test", canonical=CANONICAL) as hub:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send(hub, "s@far.test", "other@mailhub.test")


async def test_a_table_that_can_not_be_asked_puts_the_mail_off(tmp_path: Path) -> None:
    canonical = Canonical(sender_canonical_maps=read("fail:away"))
    async with running(tmp_path, "alice@mailhub.test", canonical=canonical) as hub:

        def refused(text: bytes) -> int:
            with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
                try:
                    client.sendmail("s@far.test", ["alice@mailhub.test"], text)
                except smtplib.SMTPResponseException as error:
                    return error.smtp_code
            return 250

        assert await asyncio.to_thread(refused, b"From: a@b.test\r\n\r\ntext\r\n") == 451
        assert await asyncio.to_thread(refused, b"Subject: no address\r\n\r\ntext\r\n") == 451
        assert await messages(hub, "alice@mailhub.test") == []


async def test_canonical_names_go_before_virtual_ones_and_a_reload_takes_new_tables(tmp_path: Path) -> None:
    import msgspec

    virtual = Aliases(virtual_alias_maps=Lookup(((("alice@mailhub.test", "bob@mailhub.test"),),)))
    async with running(tmp_path, "alice@mailhub.test", "bob@mailhub.test", canonical=CANONICAL, aliases=virtual) as hub:
        await send(hub, "s@far.test", "old@mailhub.test")
        assert len(await messages(hub, "bob@mailhub.test")) == 1
        hub.reload(msgspec.structs.replace(hub.config, aliases=Aliases(), canonical=Canonical()))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await send(hub, "s@far.test", "old@mailhub.test")
        await send(hub, "s@far.test", "alice@mailhub.test")
        assert len(await messages(hub, "alice@mailhub.test")) == 1
