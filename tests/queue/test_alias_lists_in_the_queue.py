"""aliases(5) and virtual(5) in a queue that runs: who gets a message, how often, and who is told."""

import asyncio
import json
import mailbox
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from support.daemons import short_folder
from support.queue_world import LATER, NEVER, World, until, world

from mailhub.config.aliasing import Aliases
from mailhub.config.lookup import Lookup, read
from mailhub.delivery.aliases.command import CommandTransport
from mailhub.delivery.aliases.file import FileTransport
from mailhub.delivery.router import COMMAND, FILE
from mailhub.store.api import Fate, Settle

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"


def aliases(w: World, text: str, **options: object) -> None:
    """`text`: the alias file."""
    file = w.path / "aliases"
    file.write_text(text)
    config = Aliases(alias_maps=read(f"aliases:{file}"), **options)  # type: ignore[arg-type]
    w.router.configure(w.delivery, config)
    w.transports[COMMAND] = CommandTransport(COMMAND, config, "+", w.clock)
    w.transports[FILE] = FileTransport(FILE, config, "+", w.clock, str(w.path), lambda: 1)


def counted(w: World) -> Counter[str]:
    return Counter(w.hosts.addresses())


async def sent(w: World, *to: str, sender: str = "s@far.test") -> None:
    await w.put(*to, sender=sender)
    await w.manager.idle()


async def test_a_list_of_names_addresses_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "members").write_text("# who is in it\nx@far.test, \\bob\n\ny@far.test\nX@Far.Test\n")
    async with world(tmp_path) as w:
        aliases(
            w,
            f"Team: Alice, z@far.test,\n  :include:{tmp_path}/members\nalice: \\alice, copy@far.test\nBOB: nobody@far.test\n",
        )
        await sent(w, "team+x@mailhub.test")
        assert counted(w) == Counter(("x@far.test", "y@far.test", "z@far.test", "copy@far.test"))
        assert len(await w.mail(ALICE)) == len(await w.mail(BOB)) == 1
        assert await w.queued() == []


async def test_the_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        aliases(w, "team: alice\n")
        await sent(w, "team@mailhub.test")
        (tmp_path / "aliases").write_text("team: alice, x@far.test\n")
        await w.clock.advance(2)
        await sent(w, "team@mailhub.test")
        assert (len(await w.mail(ALICE)), w.hosts.addresses()) == (2, ["x@far.test"])


async def test_virtual_aliases_go_before_all_others_and_may_lead_to_themselves(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias(ALICE, [ALICE, "directory@far.test"])
        table = {
            "alice@mailhub.test": "alice@mailhub.test", "x@elsewhere.test": "bob, y@far.test", "both@mailhub.test": "both@mailhub.test, bob",
            "both": "never@far.test", "@mailhub.test": "rest@far.test", "@old.test": "@new.test",
        }  # fmt: skip
        w.router.configure(w.delivery, Aliases(virtual_alias_maps=Lookup((tuple(table.items()),))))
        await sent(w, ALICE, "x@elsewhere.test", "someone@mailhub.test", "who+tag@old.test")
        assert counted(w) == Counter(("directory@far.test", "y@far.test", "rest@far.test", "who+tag@new.test"))
        assert len(await w.mail(ALICE)) == 1
        assert len(await w.mail(BOB)) == 0  # what stands for all of the domain stands for him


async def test_luser_relay_and_relocated(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        moved = Lookup(((("gone@mailhub.test", "gone@new.test"),),))
        config = Aliases(luser_relay="$user+$extension@far.test", relocated_maps=moved)
        w.router.configure(w.delivery, config)
        await sent(w, "nobody+tag@mailhub.test", ALICE, "gone@mailhub.test", sender=BOB)
        assert w.hosts.addresses() == ["nobody+tag@far.test"]
        assert b"has moved to gone@new.test" in (await w.mail(BOB))[0]


async def test_the_owner_of_a_list_is_its_sender_and_told_what_fails(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"bad@far.test": NEVER, "late@far.test": LATER, "inner@far.test": NEVER}
        aliases(w, "team: bad@far.test, alice, sub, late@far.test\nowner-team: bob\nsub: inner@far.test\n")
        await sent(w, "team@mailhub.test", sender=ALICE)
        (mail,) = await w.mail(ALICE)
        assert mail.startswith(b"Return-Path: <owner-team@mailhub.test>")
        (item,) = await w.queued()
        assert [(r.address, r.sender) for r in item.recipients] == [("late@far.test", "owner-team@mailhub.test")]
        (report,) = await w.mail(BOB)
        assert b"bad@far.test" in report
        assert b"inner@far.test" in report
        await w.clock.advance(6 * 86400)
        assert len(await w.mail(ALICE)) == 1  # who wrote to the list hears nothing of it
        assert any(b"late@far.test" in text for text in await w.mail(BOB))


async def test_owners_that_lead_back_to_their_lists_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.hosts.says = {"bad@far.test": NEVER}
        aliases(w, "team: bad@far.test\nowner-team: team\nowner-owner-team: team\n")
        await sent(w, "team@mailhub.test")
        await w.clock.advance(10 * 86400)
        assert await w.queued() == []


async def test_a_command_gets_the_message_and_the_queue_id(tmp_path: Path) -> None:
    with short_folder() as out:
        out.chmod(0o777)
        async with world(tmp_path) as w:
            aliases(
                w, f"prog: \"|(printf '%s|' $QUEUE_ID $SENDER $RECIPIENT $LOCAL; cat) > {out}/Got; exit 0\", alice\n"
            )
            await sent(w, "Prog@mailhub.test")
            head, _, text = (out / "Got").read_text().partition("From ")
            number, sender, recipient, local = head.split("|")[:4]
            assert (len(number) > 5, sender, recipient, local) == (True, "s@far.test", "prog@mailhub.test", "prog")
            assert "\nDelivered-To: prog@mailhub.test\n" in text
            assert len(await w.mail(ALICE)) == 1
            assert await w.queued() == []


async def test_a_command_that_fails_is_told_of_by_the_alias(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        aliases(w, 'prog: "|exit 69"\nlater: "|exit 75"\n')
        await sent(w, "prog@mailhub.test", "later@mailhub.test", sender=ALICE)
        (report,) = await w.mail(ALICE)
        assert b"Final-Recipient: rfc822; prog@mailhub.test\r\n" in report
        assert [r.address for r in (await w.queued())[0].recipients] == ["|exit 75"]


async def test_files_get_the_message_once_also_where_its_delivery_was_not_recorded(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        text = f"files: {tmp_path}/mbox, {tmp_path}/folder/\nfull: {tmp_path}/mbox\n"
        aliases(w, text)
        settling: list[asyncio.Task[None] | None] = []
        unrecorded, settle, never = asyncio.Event(), w.queue.settle, asyncio.Event()

        async def stuck(unit: Settle) -> None:
            if any(outcome.fate == Fate.DELIVERED for outcome in unit.outcomes):
                unrecorded.set()
                settling.append(asyncio.current_task())
                await never.wait()
            await settle(unit)

        w.queue.settle = stuck  # type: ignore[method-assign]
        await w.put(
            "files@mailhub.test",
            sender="s@far.test",
            text=b"Subject: x\r\n\r\nFrom here\r\n" + 40_000 * b"a line of it\r\n",
        )
        await unrecorded.wait()
        # Both are written before the end comes; until then neither file nor folder need be there.
        await until(lambda: (tmp_path / "mbox").exists() and any(tmp_path.glob("folder/new/*")))
        await w.crash()
        for task in settling:
            assert task is not None
            task.cancel()
        await w.open()
        aliases(w, text, mailbox_size_limit=600_000)
        await w.start()
        await w.manager.idle()
        (mbox,) = mailbox.mbox(tmp_path / "mbox")
        (file,) = (tmp_path / "folder/new").iterdir()
        assert (mbox["Delivered-To"], mbox["Return-Path"], mbox["X-Original-To"]) == (
            "files@mailhub.test",
            "<s@far.test>",
            "files@mailhub.test",
        )
        assert mbox.get_payload().startswith(">From here\na line of it\n")
        assert file.read_text().startswith("Return-Path: <s@far.test>\n")
        assert await w.queued() == []
        await sent(w, "full@mailhub.test")
        await w.put("full@mailhub.test", text=b"Subject: x\r\n\r\n" + 10_000 * b"a line of it\r\n")
        await w.manager.idle()
        assert len(mailbox.mbox(tmp_path / "mbox")) == 2
        assert "4.2.2" in str((await w.queued())[0].recipients[0].last)


@pytest.mark.parametrize("where", ["alias", "include"])
async def test_commands_and_files_stand_only_where_they_may(tmp_path: Path, where: str) -> None:
    target = tmp_path / "touched"
    (tmp_path / "list").write_text(f'"|touch {target}"\n{target}\n')
    text = f'prog: "|touch {target}", {target}\n' if where == "alias" else f"prog: :include:{tmp_path}/list\n"
    async with world(tmp_path) as w:
        aliases(w, text, **({"allow_mail_to_commands": (), "allow_mail_to_files": ()} if where == "alias" else {}))
        await sent(w, "prog@mailhub.test", sender=ALICE)
        (report,) = await w.mail(ALICE)
        assert report.count(b"Status: 5.7.1") == 2
        assert not target.exists()


async def test_what_looks_like_a_command_and_comes_from_outside_is_an_address(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        aliases(w, "luser: alice\n", luser_relay="luser@mailhub.test")
        touched = tmp_path / "touched"
        for local in (f'"|touch {touched}"', "|alias", '"/etc/passwd"', f'":include:{tmp_path}/aliases"', "\\\\alice"):
            await sent(w, f"{local}@mailhub.test")
        assert not touched.exists()
        assert len(await w.mail(ALICE)) == 5
        assert await w.queued() == []


async def test_loops_end_and_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f":include:{tmp_path}/b\n")
    (tmp_path / "b").write_text(f":include:{tmp_path}/a\nx@far.test\n")
    async with world(tmp_path) as w:
        aliases(w, f"one: two\ntwo: three\nthree: one\nfiles: :include:{tmp_path}/a\n")
        await sent(w, "one@mailhub.test", "files@mailhub.test", sender=ALICE)
        assert w.hosts.addresses() == ["x@far.test"]
        (report,) = await w.mail(ALICE)
        assert report.count(b"Status: 5.4.6") == 2
        assert await w.queued() == []


async def test_a_list_that_doubles_itself_again_and_again_stays_small(tmp_path: Path) -> None:
    lines = [f"a{n}: a{n + 1}, b{n + 1}\nb{n}: b{n + 1}, a{n + 1}, :include:{tmp_path}/l{n}\n" for n in range(20)]
    for n in range(20):
        (tmp_path / f"l{n}").write_text(f"a{n + 1}\nb{n + 1}\nb{n + 2}\n")
    async with world(tmp_path) as w:
        seen = []
        settle = w.queue.settle

        async def counting(unit: Settle) -> None:
            seen.append(sum(len(outcome.children) for outcome in unit.outcomes))
            await settle(unit)

        w.queue.settle = counting  # type: ignore[method-assign]
        aliases(w, "".join(lines) + "a20: x@far.test\nb20: x@far.test, alice\nb21: alice\n")
        await sent(w, "a0@mailhub.test")
        assert w.hosts.addresses() == ["x@far.test"]
        assert len(await w.mail(ALICE)) == 1
        assert sum(seen) < 1_000
        assert await w.queued() == []


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_a_list_of_any_length_is_expanded_in_units_of_bounded_size(tmp_path: Path, count: int) -> None:
    with (tmp_path / "members").open("w") as file:
        file.writelines(f"u{n}@far{n % 7}.test{',' if n % 3 else chr(10)}" for n in range(count))
    async with world(tmp_path, active_limit=200_000) as w:
        units = []
        settle = w.queue.settle

        async def counting(unit: Settle) -> None:
            units.append((len(unit.outcomes), sum(len(outcome.children) for outcome in unit.outcomes)))
            await settle(unit)

        w.queue.settle = counting  # type: ignore[method-assign]
        aliases(w, f"all: :include:{tmp_path}/members\nowner-all: alice\n")
        await sent(w, "all@mailhub.test")
        assert counted(w) == Counter(f"u{n}@far{n % 7}.test" for n in range(count))
        assert max(outcomes + children for outcomes, children in units) <= 1_000
        assert await w.queued() == []


async def test_a_long_line_of_a_table_is_expanded_in_parts(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        everybody = [f"u{n}@far.test" for n in range(2_500)]
        aliases(w, f"all: {', '.join(everybody)}, alice\n")
        await sent(w, "all@mailhub.test")
        assert counted(w) == Counter(everybody)
        assert len(await w.mail(ALICE)) == 1
        w.manager.configure(msgspec.structs.replace(w.config, expansion_limit=2_000))
        await sent(w, "all@mailhub.test", sender=BOB)
        assert b"queue.expansion_limit" in (await w.mail(BOB))[0]


@pytest.mark.parametrize("content", [None, "x" * 70_000, "\udcff"])
async def test_a_list_that_can_not_be_read_is_read_later(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "members"
    if content is not None:
        file.write_text(content, errors="surrogateescape")
    async with world(tmp_path) as w:
        aliases(w, f"all: :include:{file}\n")
        await sent(w, "all@mailhub.test")
        (item,) = await w.queued()
        assert str(item.recipients[0].last) == "451 4.2.4 The list can not be read now"
        file.write_text("alice")
        await w.clock.advance(400)
        assert len(await w.mail(ALICE)) == 1


def test_the_paths_of_lists_can_not_be_forged() -> None:
    """What marks a command in the queue is no key of any address that SMTP knows."""
    from mailhub.model import steps

    for local in ("|alias", '"|alias 0"', "|"):
        path = (steps.name(f"{local}@mailhub.test", ()),)
        assert steps.divided(path) == (path, None), json.dumps(path)
