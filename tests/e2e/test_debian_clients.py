"""The server as seen by programs from Debian: swaks, curl, mutt and mbsync. Each is skipped by name where it is missing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.programs import program, run

from mailhub.config.schema import Auth, Config, Listener
from mailhub.hub import Hub

PASSWORD = "correct horse"
LISTENERS = (
    Listener(protocol="smtp"),
    Listener(protocol="submission"),
    Listener(protocol="submission", tls="implicit"),
    Listener(protocol="pop3", tls="implicit"),
    Listener(protocol="imap", tls="implicit"),
    Listener(protocol="imap"),
    Listener(protocol="lmtp", path="lmtp.sock", mode="0600", tls="none"),
)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    config = Config(data=str(tmp_path / "var"), listener=LISTENERS, auth=Auth(failure_delay=0.0))
    async with Hub(config) as hub:
        for name in ("alice", "bob"):
            await hub.directory.add_account(f"{name}@mailhub.test", PASSWORD)
        yield hub


async def messages(hub: Hub, account: str, folder: str = "INBOX") -> list[bytes]:
    """The folder's messages when the queue has nothing left to do."""
    await hub.queue.idle()
    mail = hub.mailboxes.account(account)
    view = await mail.open_view(await mail.find(folder), read_only=True)
    out = []
    for uid in view.uids:
        async with await view.open(uid) as file:
            out.append(await file.read(0, file.size))
    view.close()
    return out


async def test_swaks_signs_in_under_starttls_and_sends(hub: Hub, tmp_path: Path) -> None:
    swaks = program("swaks")
    said = await run(
        swaks, "--server", f"127.0.0.1:{hub.port('submission')}", "--tls", "--auth", "PLAIN", "--auth-user",
        "alice@mailhub.test", "--auth-password", PASSWORD, "--from", "alice@mailhub.test", "--to", "bob@mailhub.test",
        "--header", "Subject: by swaks", cwd=tmp_path,
    )  # fmt: skip
    assert "250 2.0.0 Ok: queued as" in said
    (message,) = await messages(hub, "bob@mailhub.test")
    assert b"Subject: by swaks\r\n" in message
    assert b"with ESMTPSA" in message


async def test_swaks_meets_a_wrong_password_and_an_unknown_recipient(hub: Hub, tmp_path: Path) -> None:
    swaks = program("swaks")
    server = f"127.0.0.1:{hub.port('submissions')}"
    said = await run(
        swaks, "--server", server, "--tls-on-connect", "--auth", "LOGIN", "--auth-user", "alice@mailhub.test",
        "--auth-password", "wrong", "--to", "bob@mailhub.test", cwd=tmp_path, ok=False,
    )  # fmt: skip
    assert "535 5.7.8" in said
    said = await run(
        swaks, "--server", f"127.0.0.1:{hub.port('smtp')}", "--to", "nobody@mailhub.test", cwd=tmp_path, ok=False
    )
    assert "550 5.1.1" in said


async def test_swaks_speaks_lmtp_to_the_unix_socket(hub: Hub, tmp_path: Path) -> None:
    swaks = program("swaks")
    said = await run(
        swaks, "--socket", str(hub.data / "lmtp.sock"), "--protocol", "LMTP", "--from", "x@other.test", "--to",
        "alice@mailhub.test,bob@mailhub.test", "--header", "Subject: by LMTP", cwd=tmp_path,
    )  # fmt: skip
    assert said.count("250 2.0.0 Ok: queued as") == 2
    for account in ("alice@mailhub.test", "bob@mailhub.test"):
        (message,) = await messages(hub, account)
        assert b"Subject: by LMTP\r\n" in message
        assert b"with LMTP id" in message
    said = await run(
        swaks, "--socket", str(hub.data / "lmtp.sock"), "--protocol", "LMTP", "--to", "nobody@mailhub.test", cwd=tmp_path, ok=False
    )  # fmt: skip
    assert "550 5.1.1" in said


async def test_msmtp_signs_in_and_sends(hub: Hub, tmp_path: Path) -> None:
    msmtp = program("msmtp")
    (tmp_path / "certificate").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
    for name, port, starttls in (("a", hub.port("submission"), "on"), ("b", hub.port("submissions"), "off")):
        (tmp_path / name).write_text(
            f"account default\nhost localhost\nport {port}\nfrom alice@mailhub.test\nauth on\nuser alice@mailhub.test\n"
            f'password "{PASSWORD}"\ntls on\ntls_starttls {starttls}\ntls_trust_file {tmp_path}/certificate\n'
        )
        (tmp_path / name).chmod(0o600)
        text = f"From: alice@mailhub.test\nTo: bob@mailhub.test\nSubject: by msmtp {name}\n\n.dot\n".encode()
        await run(msmtp, "-C", name, "-t", cwd=tmp_path, stdin=text)
    first, second = await messages(hub, "bob@mailhub.test")
    for name, message in (("a", first), ("b", second)):
        assert f"Subject: by msmtp {name}\r\n".encode() in message
        assert b"with ESMTPSA" in message
        assert message.endswith(b"\r\n\r\n.dot\r\n")


async def test_curl_sends_and_reads_by_imap_and_pop3(hub: Hub, tmp_path: Path) -> None:
    curl = program("curl")
    text = b"Subject: by curl\r\n\r\n" + b"".join(b"line %d\r\n.\r\n" % n for n in range(2000))
    (tmp_path / "mail").write_bytes(text)
    await run(
        curl, "-sS", f"smtp://127.0.0.1:{hub.port('smtp')}", "--mail-from", "x@other.test", "--mail-rcpt",
        "alice@mailhub.test", "-T", "mail", cwd=tmp_path,
    )  # fmt: skip
    (stored,) = await messages(hub, "alice@mailhub.test")
    assert stored.endswith(text)
    user = f"alice@mailhub.test:{PASSWORD}"
    by_imap = f"imaps://127.0.0.1:{hub.port('imaps')}/INBOX;UID=1"
    await run(curl, "-sSk", "-u", user, "-o", "imap", by_imap, cwd=tmp_path)
    await run(curl, "-sSk", "-u", user, "-o", "pop3", f"pop3s://127.0.0.1:{hub.port('pop3s')}/1", cwd=tmp_path)
    assert (tmp_path / "imap").read_bytes() == stored
    assert (tmp_path / "pop3").read_bytes() == stored


async def test_mutt_sends_flags_and_saves(hub: Hub, tmp_path: Path) -> None:
    mutt, script = program("mutt"), program("script")
    imap = f"imaps://alice@mailhub.test@127.0.0.1:{hub.port('imaps')}/"
    (tmp_path / "muttrc").write_text(
        f'set from = "alice@mailhub.test"\nset imap_user = "alice@mailhub.test"\nset imap_pass = "{PASSWORD}"\n'
        f'set smtp_url = "smtps://alice@mailhub.test@127.0.0.1:{hub.port("submissions")}/"\n'
        f'set smtp_pass = "{PASSWORD}"\nset ssl_starttls = no\nset ssl_force_tls = yes\nset certificate_file = "certs"\n'
        f'set ssl_verify_host = no\nset ssl_verify_dates = no\nset folder = "{imap}"\nset spoolfile = "{imap}INBOX"\n'
        'set record = ""\nset confirmcreate = no\nset confirmappend = no\nset quit = yes\nset move = no\n'
        "set delete = yes\nset wait_key = no\nset mail_check = 1\nset header_cache = \"\"\n"
    )  # fmt: skip
    (tmp_path / "certs").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
    await run(mutt, "-F", "muttrc", "-s", "by mutt", "alice@mailhub.test", cwd=tmp_path, stdin=b"hello from mutt\n")
    (message,) = await messages(hub, "alice@mailhub.test")
    assert b"Subject: by mutt\r\n" in message
    keys = "<flag-message><copy-message>=Archive<enter><sync-mailbox><quit>"
    await run(script, "-qec", f"{mutt} -F muttrc -e 'push \"{keys}\"'", "typescript", cwd=tmp_path)
    (copied,) = await messages(hub, "alice@mailhub.test", "Archive")
    assert copied == message
    account = hub.mailboxes.account("alice@mailhub.test")
    view = await account.open_view(await account.find("INBOX"), read_only=True)
    assert view.flags[0] & 4, "flagged by mutt"
    view.close()


async def test_mbsync_keeps_two_sides_equal(hub: Hub, tmp_path: Path) -> None:
    mbsync = program("mbsync")
    account = hub.mailboxes.account("alice@mailhub.test")
    inbox = await account.find("INBOX")
    texts = [b"Subject: %d\r\nMessage-ID: <%d@x>\r\n\r\n%b\r\n" % (n, n, b"x" * n * 10) for n in range(30)]
    for text in texts:
        writer = account.body_writer()
        writer.feed(text)
        await account.append(inbox, [(await writer.finish(), None, 0, ())])
    (tmp_path / "certificate").write_bytes((hub.data / "tls" / "certificate.pem").read_bytes())
    (tmp_path / ".mbsyncrc").write_text(
        f'IMAPAccount hub\nHost localhost\nPort {hub.port("imaps")}\nUser alice@mailhub.test\nPass "{PASSWORD}"\n'
        f"SSLType IMAPS\nCertificateFile {tmp_path}/certificate\nTimeout 20\n\nIMAPStore far\nAccount hub\n\n"
        f"MaildirStore near\nPath {tmp_path}/local/\nInbox {tmp_path}/local/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    )
    (tmp_path / "local").mkdir()
    await run(mbsync, "-a", cwd=tmp_path)
    local = tmp_path / "local/INBOX"
    files = sorted(file for sub in ("new", "cur") for file in (local / sub).iterdir())
    assert sorted(bare(file.read_bytes()) for file in files) == sorted(bare(text) for text in texts)
    first, second = files[:2]
    first.unlink()
    second.rename(local / "cur" / (second.name.partition(":")[0] + ":2,FS"))
    await run(mbsync, "-a", cwd=tmp_path)
    view = await account.open_view(inbox, read_only=True)
    assert len(view.uids) == 29
    assert sorted(view.flags)[-1] == 5, "one is seen and flagged"
    view.close()


def bare(text: bytes) -> bytes:
    """Without what mbsync adds, and with the line ends of its Maildir."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"X-TUID"))
