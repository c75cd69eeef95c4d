"""Dovecot's IMAP program on a private Maildir, without a daemon: signed in already, talking on its standard input."""

import contextlib
import imaplib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = "/usr/lib/dovecot/imap"


def configuration(folder: Path, home: Path) -> str:
    """What the program has to be told: what is its own lies in `folder`, the Maildir in `home`."""
    return f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
first_valid_uid = 1
mail_uid = nobody
mail_gid = nogroup
mail_location = maildir:{home}/Maildir
default_internal_user = root
default_internal_group = root
default_login_user = root
namespace inbox {{
  inbox = yes
  separator = .
}}
"""


@contextlib.contextmanager
def _borrowed(program: str, maildir: Path, folder: Path) -> Iterator[str]:
    """The command that runs Dovecot's program on a copy of `maildir`, whose files are given to the user that Dovecot takes; what
    it makes of them comes back. `folder` is short and open to that one."""
    if not Path(program).exists():
        pytest.skip(f"dovecot-{Path(program).name}d is not installed")
    if os.getuid():
        pytest.skip("Dovecot has to be started by root")
    maildir.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(maildir, home / "Maildir", symlinks=True)  # `cp -a`: times are INTERNALDATEs
    for path in (home, *home.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    conf = folder / "dovecot.conf"
    conf.write_text(configuration(folder, home))
    yield f"exec env USER=alice HOME={home} {program} -c {conf}"
    shutil.rmtree(maildir)
    shutil.copytree(home / "Maildir", maildir, symlinks=True)


@contextlib.contextmanager
def dovecot_imap(maildir: Path, folder: Path) -> Iterator[imaplib.IMAP4]:
    """A session on `maildir`, as `_borrowed` has it."""
    with _borrowed(PROGRAM, maildir, folder) as command:
        session = imaplib.IMAP4_stream(command)
        try:
            yield session
        finally:
            session.logout()
            session.process.wait(10)


def dovecot_pop3(maildir: Path, folder: Path, *commands: bytes) -> list[bytes]:
    """What Dovecot's POP3 program answers to these commands on `maildir`, line by line."""
    with _borrowed(PROGRAM.replace("imap", "pop3"), maildir, folder) as command:
        said = b"".join(line + b"\r\n" for line in (*commands, b"QUIT"))
        heard = subprocess.run(command, shell=True, input=said, capture_output=True, timeout=15, check=True)
    return heard.stdout.split(b"\r\n")


Message = tuple[frozenset[str], str, int, bytes]


def messages(session: imaplib.IMAP4, folder: str) -> dict[int, Message]:
    """By UID: flags (but for \\Recent), INTERNALDATE, size, text of all messages of a folder."""
    status, counted = session.select(folder, readonly=True)
    assert status == "OK", counted
    if counted == [b"0"]:
        return {}
    found = {}
    _, answers = session.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    for answer in answers:
        if not isinstance(answer, tuple):
            continue
        head = answer[0].decode()
        words = head.replace("(", " ").replace(")", " ").split()
        flags = head.partition("FLAGS (")[2].partition(")")[0].split()
        found[int(words[words.index("UID") + 1])] = (
            frozenset(flags) - {"\\Recent"},
            head.partition('INTERNALDATE "')[2].partition('"')[0].strip(),
            int(words[words.index("RFC822.SIZE") + 1]),
            answer[1],
        )
    return found


def uidvalidity(session: imaplib.IMAP4, folder: str) -> int:
    _, answer = session.status(folder, "(UIDVALIDITY)")
    assert answer[0] is not None
    return int(answer[0].rstrip(b")").split()[-1])


def listed(session: imaplib.IMAP4, command: str) -> set[str]:
    """Names of LIST or LSUB, without folders that can not be selected."""
    _, answers = session.list('""', "*") if command == "LIST" else session.lsub('""', "*")
    lines = [answer.decode() for answer in answers if isinstance(answer, bytes)]
    return {line.partition('"." ')[2].strip('"') for line in lines if "\\Noselect" not in line}
