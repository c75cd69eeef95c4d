"""What scripts decide, done by the queue: filed, sent on, answered, refused, each once, whatever breaks."""

from pathlib import Path

import msgspec
import pytest
from support.queue_world import Faulty, World, world

from mailhub.config import schema
from mailhub.delivery.sieve.files import OperatorScripts, read
from mailhub.model.errors import Permanent, Temporary
from mailhub.model.mailbox import FLAGGED, SEEN
from mailhub.model.verdict import Action as VerdictAction
from mailhub.model.verdict import Evidence, Verdict
from mailhub.wire.sieve import check, parse

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"
NAMED = b"From: sender@far.test\r\nTo: alice@mailhub.test\r\nSubject: hello\r\nMessage-ID: <1@far.test>\r\n\r\nhow are you\r\n"


async def flags(w: World, account: str, folder: str = "INBOX") -> list[int]:
    (found,) = [one for one in await w.store.mailboxes.folders(account) if one.name == folder]
    return list((await w.store.mailboxes.view(found.id)).flags)


async def test_mail_is_filed_where_the_script_says(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script(
            'require ["fileinto", "mailbox", "imap4flags"]; fileinto :create :flags ["\\\\Seen", "work"] "lists.dev"; keep;'
        )
        await w.put(ALICE, BOB, text=NAMED)
        await w.manager.idle()
        assert [len(await w.mail(ALICE, name)) for name in ("INBOX", "lists.dev")] == [1, 1]
        assert len(await w.mail(BOB)) == 1
        assert await flags(w, ALICE, "lists.dev") == [SEEN | 32]
        assert await w.queued() == []


async def test_a_folder_that_is_missing_is_the_inbox_and_special_use_finds_the_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require ["fileinto", "special-use"]; fileinto "none"; fileinto :specialuse "\\\\Junk" "Spam";')
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert [len(await w.mail(ALICE, name)) for name in ("INBOX", "Junk")] == [1, 1]


async def test_mail_is_discarded(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script("discard;")
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert await w.mail(ALICE) == []
        assert await w.queued() == []


async def test_mail_is_sent_on_once_also_when_it_comes_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('redirect "x@far.test"; redirect "bob@mailhub.test"; redirect "alice@mailhub.test";')
        await w.script('redirect "alice@mailhub.test";', BOB)
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]
        assert [len(await w.mail(name)) for name in (ALICE, BOB)] == [1, 1]
        assert await w.queued() == []


async def test_two_who_send_everything_to_each_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('redirect "bob@mailhub.test";')
        await w.script('redirect "alice@mailhub.test";', BOB)
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert [len(await w.mail(name)) for name in (ALICE, BOB)] == [0, 1]
        assert await w.queued() == []


async def test_a_changed_header_goes_along(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script(
            'require ["editheader", "copy"]; addheader "X-Spam" "no"; redirect :copy "x@far.test"; deleteheader "subject";'
        )
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        (kept,) = await w.mail(ALICE)
        assert b"\r\nX-Spam: no\r\n" in kept
        assert b"Subject" not in kept
        assert kept.endswith(b"\r\n\r\nhow are you\r\n")
        ((address, sent),) = w.hosts.taken
        assert address == "x@far.test"
        assert sent.startswith(b"X-Spam: no\r\nReceived:")
        assert b"Subject: hello" in sent


async def test_a_changed_message_that_is_large(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "editheader"; addheader "X-New" "1";')
        text = NAMED + b"x" * 998 + b"\r\n" + (b"y" * 98 + b"\r\n") * 3_000
        await w.put(ALICE, text=text)
        await w.manager.idle()
        (kept,) = await w.mail(ALICE)
        assert kept.endswith(text[-100:])
        assert len(kept) > len(text)


async def test_a_rejection_is_told_to_the_sender(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "reject"; reject "Not to me,\r\nplease";')
        await w.put(ALICE, sender=BOB, text=NAMED)
        await w.put(ALICE, sender="", text=NAMED)
        await w.manager.idle()
        assert await w.mail(ALICE) == []
        (report,) = await w.mail(BOB)
        assert b"Status: 5.7.1" in report
        assert b"Not to me" in report


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"spf": "fail"}, False),
        ({"spf": "softfail", "dkim": "pass"}, False),
        ({"spf": "fail", "dmarc": "pass"}, True),
        ({"dmarc": "fail"}, False),
        ({"spf": "pass"}, True),
        ({"spf": "none"}, True),
        ({}, True),
    ],
)
async def test_nobody_gets_reports_and_answers_on_what_he_may_not_have_written(
    tmp_path: Path, found: dict[str, str], told: bool
) -> None:
    verdict = Verdict(VerdictAction.ACCEPT, 0.0, tuple(Evidence(check, result) for check, result in found.items()))
    async with world(tmp_path) as w:
        await w.script('require "vacation"; vacation "I am away";')
        await w.script('require "reject"; reject "Not to me";', BOB)
        await w.put(ALICE, BOB, text=NAMED, verdict=verdict)
        await w.manager.idle()
        assert [len(await w.mail(account)) for account in (ALICE, BOB)] == [1, 0]
        sent = [text for _, text in w.hosts.taken]
        assert [any(words in text for text in sent) for words in (b"Not to me", b"I am away")] == [told, told]
        assert await w.queued() == []


async def test_junk_is_not_answered(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "vacation"; vacation "I am away";')
        await w.put(ALICE, text=NAMED, verdict=Verdict(VerdictAction.JUNK, 9.0))
        await w.manager.idle()
        assert w.hosts.taken == []
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert len(w.hosts.taken) == 1, "nothing was remembered of the one before"


async def test_a_sender_is_answered_once_in_a_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "vacation"; vacation :days 2 "I am away";')
        for _ in range(2):
            await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        await w.put(ALICE, text=NAMED, sender="other@far.test")
        await w.manager.idle()
        assert w.hosts.addresses() == ["sender@far.test", "other@far.test"]
        assert b"I am away" in w.hosts.taken[0][1]
        await w.clock.advance(2 * 86_400)
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert w.hosts.addresses()[2:] == ["sender@far.test"]
        assert len(await w.mail(ALICE)) == 4


@pytest.mark.parametrize("field", [b"List-Id: x", b"Auto-Submitted: auto-generated", b"Precedence: bulk"])
async def test_machines_are_not_answered(tmp_path: Path, field: bytes) -> None:
    async with world(tmp_path) as w:
        await w.script('require ["vacation", "editheader"]; deleteheader "list-id"; vacation "I am away";')
        await w.put(ALICE, text=field + b"\r\n" + NAMED)
        await w.put(ALICE, text=NAMED, sender="")
        await w.put(ALICE, text=NAMED, sender=ALICE)
        await w.manager.idle()
        assert w.hosts.addresses() == []
        assert len(await w.mail(ALICE)) == 3


async def test_a_duplicate_is_known(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "duplicate"; if duplicate :seconds 100 { discard; }')
        for _ in range(2):
            await w.put(ALICE, text=NAMED)
            await w.manager.idle()
        assert len(await w.mail(ALICE)) == 1
        await w.clock.advance(101)
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert len(await w.mail(ALICE)) == 2


async def test_a_script_that_breaks_is_told_to_its_owner_once_a_day(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script('require "ihave"; error "no more";')
        for _ in range(2):
            await w.put(ALICE, text=NAMED)
            await w.manager.idle()
        first, note, second = await w.mail(ALICE)
        assert b"line 1: no more" in note
        assert b"how are you" in first
        assert b"how are you" in second


async def test_a_script_that_does_not_compile_keeps_the_mail(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.script("frop")
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert len(await w.mail(ALICE)) == 2


async def test_scripts_of_the_operator_come_before_and_after(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = check(parse(b'require ["imap4flags"]; addflag "\\\\Flagged";'))
        after = check(parse(b'require ["imap4flags", "include"]; include :global "part";'))
        part = check(parse(b'require ["imap4flags"]; keep :flags "\\\\Seen";'))
        w.sieve.configure(schema.Sieve(), OperatorScripts((before,), (after,), {"part": part}), "+")
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        await w.script("keep;")
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert await flags(w, ALICE) == [SEEN, FLAGGED]
        w.sieve.configure(
            msgspec.structs.replace(schema.Sieve(), enabled=False), OperatorScripts((before,), (), {}), "+"
        )
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert (await flags(w, ALICE))[2:] == [0]


async def test_the_operators_files(tmp_path: Path) -> None:
    (tmp_path / "spam.sieve").write_text("keep;")
    config = schema.Sieve(before=(str(tmp_path / "spam.sieve"),), global_folder=str(tmp_path))
    assert list(read(config).shared) == ["spam"]
    (tmp_path / "spam.sieve").write_text("kep;")
    with pytest.raises(Permanent, match=r"spam\.sieve has a mistake: line 1, column 1: unknown command 'kep'"):
        read(config)
    with pytest.raises(Permanent, match="can not be read"):
        read(schema.Sieve(after=(str(tmp_path / "none"),)))


@pytest.mark.parametrize("lost", [False, True])
async def test_nothing_is_done_twice_where_settling_is_tried_again(tmp_path: Path, lost: bool) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        await w.restart(faulty)  # type: ignore[arg-type]
        (faulty.lost if lost else faulty.errors).append(Temporary("busy"))
        await w.script(
            'require ["vacation", "copy", "editheader"]; vacation "away"; redirect :copy "x@far.test"; addheader "A" "b";'
        )
        await w.put(ALICE, text=NAMED)
        await w.clock.advance(10)
        assert sorted(w.hosts.addresses()) == ["sender@far.test", "x@far.test"]
        assert len(await w.mail(ALICE)) == 1
        assert await w.queued() == []


async def test_a_crash_before_the_settling_unit_does_all_again_and_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        faulty = Faulty(w.queue)
        await w.restart(faulty)  # type: ignore[arg-type]
        faulty.errors.append(Temporary("the last of it"))
        await w.script(
            'require ["vacation", "fileinto", "mailbox"]; vacation "away"; fileinto :create "f"; redirect "x@far.test";'
        )
        await w.put(ALICE, text=NAMED)
        await faulty.settling.wait()
        await w.crash()
        await w.reopen()
        await w.manager.idle()
        assert sorted(w.hosts.addresses()) == ["sender@far.test", "x@far.test"]
        assert len(await w.mail(ALICE, "f")) == 1


async def test_annotations_are_known(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        mail = w.mailboxes.account(ALICE)
        await mail.annotations.set(await mail.find("Junk"), [("/private/vendor/x", b"yes")])
        await mail.annotations.set(None, [("/private/away", b"1")])
        await w.script(
            'require ["mboxmetadata", "servermetadata", "fileinto"];'
            'if allof (metadata "Junk" "/private/vendor/x" "yes", servermetadataexists "/private/away") { fileinto "Junk"; }'
        )
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert len(await w.mail(ALICE, "Junk")) == 1


async def test_a_bug_keeps_the_mail_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as w:

        async def broken(*arguments: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(w.sieve, "_run", broken)
        await w.script("discard;")
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        kept, note = await w.mail(ALICE)
        assert b"how are you" in kept
        assert b"internal trouble" in note


async def test_an_alias_of_the_accounts_own_name_does_not_switch_its_script_off(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_alias(ALICE, [ALICE, "x@far.test"])
        await w.script('require "fileinto"; fileinto "Junk";')
        await w.mailboxes.account(ALICE).folders()
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]
        assert [len(await w.mail(ALICE, name)) for name in ("INBOX", "Junk")] == [0, 1]


async def test_two_who_send_everything_changed_to_each_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for account, other in ((ALICE, BOB), (BOB, ALICE)):
            await w.script(f'require "editheader"; addheader "X-Via" "{account}"; redirect "{other}";', account)
        await w.put(ALICE, text=NAMED)
        await w.manager.idle()
        await w.clock.advance(1)
        assert [len(await w.mail(name)) for name in (ALICE, BOB)] == [0, 1]
        assert await w.queued() == []
