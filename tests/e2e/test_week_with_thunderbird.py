"""Thunderbird, without a screen, beside the server for a week: each evening both have the same messages with the same flags."""

from pathlib import Path

import pytest
from support.hubs import PASSWORD, running
from support.thunderbird import Thunderbird, thunderbird
from support.week import ODD, Picture, Server, checksum

from mailhub.config.schema import Auth
from mailhub.model.mailbox import ANSWERED, FLAGGED, SEEN

ALICE = "alice@mailhub.test"
LETTERS = {1: "S", 2: "R", 4: "F", 0x200000: "T"}


async def picture(bird: Thunderbird) -> Picture:
    found = {
        name: sorted(
            (checksum(text), "".join(sorted(letter for flag, letter in LETTERS.items() if flags & flag)))
            for text, flags in messages
        )
        for name, messages in (await bird.messages()).items()
    }
    return {name: entries for name, entries in found.items() if entries}


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_week(tmp_path: Path) -> None:
    options = {"auth": Auth(failure_delay=0, allow_plaintext=True)}
    async with running(tmp_path / "var", ALICE, **options) as hub:
        server = Server(hub, ALICE)
        await server.deliver(*ODD)

        async def evening(bird: Thunderbird) -> Picture:
            """Both sides, once they are equal; if they never are, the test's time is up with the difference unseen."""
            while (here := await server.picture()) != await picture(bird):
                await bird.look()
            return here

        async with thunderbird(tmp_path, hub.port("imap"), ALICE, PASSWORD) as bird:
            monday = await evening(bird)
            assert [len(messages) for messages in monday.values()] == [len(ODD)]
            await bird.do(
                "const i = folder('INBOX'); i.markMessagesRead(at('INBOX', 0, 1), true);"
                "i.markMessagesFlagged(at('INBOX', 1), true);"
            )
            tuesday = await evening(bird)
            assert sorted(flags for _, flags in tuesday["INBOX"]) == ["", "", "", "", "", "", "FS", "S"]
            await bird.do(
                "server.rootFolder.createSubfolder('\\u65c5\\u884c', null); await until(() => folder('旅行'));"
                "await copied(l => MailServices.copy.copyMessages(folder('INBOX'), at('INBOX', 1), folder('旅行'), false, l, null, false));"
                "await copied(l => MailServices.copy.copyMessages(folder('INBOX'), at('INBOX', 2, 3), folder('旅行'), true, l, null, false));"
            )
            wednesday = await evening(bird)
            assert len(wednesday["INBOX"]) == 6
            assert len(wednesday["旅行"]) == 3
            await server.deliver(ODD[0], ODD[7])  # told in IDLE
            await server.expunge(0)
            await server.mark(ANSWERED | SEEN, 1)
            await server.mark(FLAGGED, 0, folder="旅行")
            thursday = await evening(bird)
            assert len(thursday["INBOX"]) == 7
            await bird.do(
                "await copied(l => folder('INBOX').deleteMessages(at('INBOX', 0, 2), null, false, false, l, false));"
                "const f = Services.dirsvc.get('ProfD', Ci.nsIFile); f.append('sent.eml');"
                "await IOUtils.writeUTF8(f.path, 'From: alice@mailhub.test\\r\\nSubject: sent\\r\\nMessage-ID: <1@a.test>\\r\\n\\r\\ntext\\r\\n');"
                "await copied(l => MailServices.copy.copyFileMessage(f, folder('Sent'), null, false, Ci.nsMsgMessageFlags.Read, '', l, null));"
            )
            friday = await evening(bird)
            assert len(friday["Trash"]) == 2
            assert [flags for _, flags in friday["Sent"]] == ["S"]
            await bird.do(
                "const f = folder('旅行'); f.rename('Später', null); await until(() => folder('Später'));"
                "folder('INBOX').addKeywordsToMessages(at('INBOX', 0), 'Junk $label1'); folder('Trash').emptyTrash(null);"
                "await until(() => ![...folder('Trash').messages].length);"
            )
            saturday = await evening(bird)
            assert set(saturday) == {"INBOX", "Sent", "Später"}
            mail = hub.mailboxes.account(ALICE)
            assert {"Junk", "$label1"} <= set((await mail.find("INBOX")).keywords)
