"""What SMTP says of recipients that alias tables know."""

import asyncio
import smtplib
from pathlib import Path

import msgspec
import pytest
from support.hubs import messages, running

from mailhub.config.aliasing import Aliases
from mailhub.config.lookup import Lookup, read
from mailhub.hub import Hub

ALICE = "alice@mailhub.test"


async def answers(hub: Hub, *recipients: str) -> dict[str, tuple[int, str]]:
    def ask() -> dict[str, tuple[int, str]]:
        with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
            client.ehlo()
            client.mail("s@far.test")
            said = {recipient: client.rcpt(recipient) for recipient in recipients}
            return {recipient: (code, text.decode()) for recipient, (code, text) in said.items()}

    return await asyncio.to_thread(ask)


async def test_names_of_a_table_are_known_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "aliases").write_text('team: alice\nprog: "|exit 0"\nlist: :include:/nowhere\n')
    aliases = Aliases(
        alias_maps=read(f"aliases:{tmp_path}/aliases"),
        virtual_alias_maps=Lookup(((("info@mailhub.test", "alice"),),)),
        relocated_maps=Lookup(((("gone@mailhub.test", "gone@new.test"),),)),
        local_domains=("mailhub.test",),
    )
    async with running(tmp_path / "var", ALICE, domains=("mailhub.test", "other.test"), aliases=aliases) as hub:
        found = await answers(
            hub,
            *(f"{name}@mailhub.test" for name in ("team", "Team+x", "prog", "list", "info", "nobody", "gone")),
            "team@other.test",
        )
        assert {name.partition("@")[0] for name, (code, _) in found.items() if code == 250} == {
            "team",
            "Team+x",
            "prog",
            "list",
            "info",
        }
        assert found["team@other.test"][0] == 550
        assert found["gone@mailhub.test"] == (550, "5.1.6 User has moved to gone@new.test")
        hub.reload(msgspec.structs.replace(hub.config, aliases=Aliases()))
        assert (await answers(hub, "team@mailhub.test"))["team@mailhub.test"][0] == 550


@pytest.mark.parametrize("option", ["alias_maps", "virtual_alias_maps", "relocated_maps"])
async def test_a_table_that_can_not_be_asked_is_asked_later(tmp_path: Path, option: str) -> None:
    aliases = Aliases(**{option: read("fail:away")})
    async with running(tmp_path, ALICE, aliases=aliases) as hub:
        assert (await answers(hub, ALICE))[ALICE][0] == 451


async def test_what_is_no_address_in_a_virtual_table_runs_nothing(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    table = Lookup(((("x@mailhub.test", f'"|touch {touched}", {touched}, alice@mailhub.test'),),))
    async with running(tmp_path / "var", ALICE, aliases=Aliases(virtual_alias_maps=table)) as hub:

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", hub.port("smtp")) as client:
                client.sendmail(ALICE, ["x@mailhub.test"], b"Subject: x\r\n\r\n")

        await asyncio.to_thread(send)
        mail = await messages(hub, ALICE)
        assert not touched.exists()
        assert sum(b"multipart/report" in text for text in mail) == 1
        assert len(mail) == 2
