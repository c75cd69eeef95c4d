"""mutt at its keyboard for a week: what it does to folders is what lies there in the evening, and what another program did it sees."""

from pathlib import Path

import pytest
from support.hubs import PASSWORD, running
from support.programs import program, run
from support.week import ODD, Server, checksum

from mailhub.config.schema import Auth
from mailhub.model.mailbox import ANSWERED, FLAGGED, SEEN

ALICE = "alice@mailhub.test"


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_week(tmp_path: Path) -> None:
    mutt, script = program("mutt"), program("script")
    async with running(tmp_path / "var", ALICE, auth=Auth(failure_delay=0)) as hub:
        server = Server(hub, ALICE)
        imap = f"imaps://{ALICE}@127.0.0.1:{hub.port('imaps')}/"
        (tmp_path / "certs").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
        (tmp_path / "muttrc").write_text(
            f'set imap_user = "{ALICE}"\nset imap_pass = "{PASSWORD}"\nset ssl_starttls = no\nset ssl_force_tls = yes\n'
            f'set certificate_file = "certs"\nset ssl_verify_host = no\nset ssl_verify_dates = no\nset folder = "{imap}"\n'
            f'set spoolfile = "{imap}INBOX"\nset record = ""\nset confirmcreate = no\nset confirmappend = no\nset quit = yes\n'
            'set move = no\nset delete = yes\nset wait_key = no\nset sort = mailbox-order\nset mark_old = no\nset header_cache = "cache"\n'
            f'set pop_user = "{ALICE}"\nset pop_pass = "{PASSWORD}"\nset pop_last = yes\nset pop_delete = no\n'
        )  # fmt: skip

        async def keys(text: str, folder: str = "INBOX") -> None:
            """In the index of a folder; `text` ends by itself."""
            command = f"{mutt} -F muttrc -f '{imap}{folder}' -e 'push \"{text}\"'"
            await run(script, "-qec", command, "typescript", cwd=tmp_path)

        async def flags(folder: str = "INBOX") -> list[int]:
            return [flags for _, flags in await server.texts(folder)]

        await server.deliver(*ODD[:6])
        sums = [checksum(text) for text, _ in await server.texts()]
        await keys("1<enter><flag-message>2<enter><display-message><exit><sync-mailbox><quit>")
        assert await flags() == [FLAGGED, SEEN, 0, 0, 0, 0], "monday: flagged and read"
        await keys("3<enter><save-message>=Reise<enter>1<enter><copy-message>=Reise<enter><sync-mailbox><quit>")
        assert [checksum(text) for text, _ in await server.texts()] == [*sums[:2], *sums[3:]], "tuesday: saved"
        assert sorted(checksum(text) for text, _ in await server.texts("Reise")) == sorted([sums[0], sums[2]])
        await server.expunge(1)
        await server.mark(ANSWERED | SEEN, 1)
        await server.deliver(ODD[6])
        await keys("<last-entry><flag-message><first-entry><delete-message><sync-mailbox><quit>")
        assert await flags() == [ANSWERED | SEEN, 0, 0, FLAGGED], "wednesday: with another program beside it"
        await keys("<tag-pattern>~A<enter><tag-prefix><save-message>=Reise<enter><sync-mailbox><quit>")
        assert await flags() == [], "thursday: all of them"
        assert len(await server.texts("Reise")) == 6
        await keys("<delete-pattern>~F<enter><sync-mailbox><quit>", "Reise")
        assert len(await server.texts("Reise")) == 4, "friday: deleted by pattern"
        before = await server.picture()
        await keys("<quit>", "Reise")
        assert await server.picture() == before, "saturday: only looked"
