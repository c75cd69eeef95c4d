"""A hub whose transport table sends mail to programs, and by transports with an address of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import short_folder
from support.hubs import messages, running, send
from support.smtp_peer import Server

from mailhub.config import lookup, schema

ANN = "ann@mailhub.test"


def program(folder: Path, text: str) -> str:
    file = folder / "program"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return str(file)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that anybody may look into."""
    with short_folder() as made:
        yield made


async def test_a_program_takes_mail_and_sends_it_back(tmp_path: Path, folder: Path) -> None:
    out = folder / "out"
    out.touch()
    out.chmod(0o666)
    script = program(folder, f"""
if [ "$1" = bad ]; then echo "no list $1"; exit 67; fi
{{ echo "$QUEUE_ID $@"; cat; }} >> {out}
""")  # fmt: skip
    transport = {
        "list": schema.Transport(protocol="pipe", command=(script, "${user}", "$sender"), user="nobody", flags="DR")
    }
    table = lookup.read({"good@mailhub.test": "pipe:list", "bad@mailhub.test": "list:"})
    async with running(tmp_path / "var", ANN, transport=transport, delivery=schema.Delivery(transport=table)) as hub:
        for to in ("good@mailhub.test", "bad@mailhub.test"):
            await send(hub, ANN, to)
            await hub.queue.idle()
        (bounce,) = await messages(hub, ANN)
    first, *rest = out.read_text().splitlines()
    assert first.split()[1:] == ["good", ANN]
    assert rest[:2] == [f"Return-Path: <{ANN}>", "Delivered-To: good@mailhub.test"]
    assert f"id {first.split()[0]}" in " ".join(rest)
    assert rest[-3:] == ["Subject: test", "", "text"]
    assert b"Status: 5.1.1" in bounce
    assert b"no list bad" in bounce


async def test_each_sender_leaves_from_his_own_address(tmp_path: Path) -> None:
    transport = {
        name: schema.Transport(protocol="smtp", relay=schema.Relay(source_ipv4=address))
        for name, address in (("one", "127.0.0.41"), ("two", "127.0.0.42"))
    }
    by_sender = lookup.read({"one@here.test": "one:", "@two.test": "two:"})
    async with Server(mynetworks=("127.0.0.0/8",)) as peer:
        delivery = schema.Delivery(
            relayhost=f"[127.0.0.1]:{peer.listener.port}", sender_default_transport=by_sender
        )  # fmt: skip
        async with running(tmp_path, transport=transport, delivery=delivery) as hub:
            for sender in ("one@here.test", "x@two.test", "else@here.test"):
                await send(hub, sender, "x@far.test")
                await hub.queue.idle()
        assert [put.origin.client for put in peer.spool.messages] == ["127.0.0.41", "127.0.0.42", "127.0.0.1"]
