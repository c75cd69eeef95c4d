"""A private Dovecot: Debian's daemon as it comes, with IMAP and POP3 on free ports and its Maildirs in a folder of its own, and LMTP on a
socket where a mail server before it asks for that. What a client was told is on disk, as Dovecot's `mail_fsync = optimized` has it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.server import free_ports

from bench import bounds
from bench.target import PASSWORD, READER, USERS, Target, count_files, folder_on_disk, user

PROGRAM = "/usr/sbin/dovecot"
_LMTP = """\
service lmtp {{
  process_min_avail = 2
  process_limit = 200
  unix_listener {socket} {{
    mode = 0666
  }}
}}
"""


def missing(*, lmtp: bool = False) -> str:
    """Why it cannot be measured here; "" where it can."""
    if os.getuid():
        return "Dovecot is started by root only"
    if not Path(PROGRAM).exists():
        return "Dovecot is not installed"
    wanted = ("imap", "pop3", "lmtp") if lmtp else ("imap", "pop3")
    absent = [name for name in wanted if not Path(f"/usr/lib/dovecot/{name}").exists()]
    return f"Dovecot's {absent[0]} is not installed" if absent else ""


def _configuration(run: Path, folder: Path, imap: int, pop3: int, lmtp: Path | None) -> str:
    """`run` is short: a socket's path has 108 octets."""
    return f"""
protocols = imap pop3{" lmtp" if lmtp else ""}
base_dir = {run}/run
state_dir = {run}/state
log_path = /dev/stderr
info_log_path = /dev/null
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 20000
default_client_limit = 20000
default_process_limit = 6000
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {run}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={folder}/home/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  separator = .
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = 6000
}}
service pop3-login {{
  service_count = 0
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
""" + (_LMTP.format(socket=lmtp) if lmtp else "")


def _set_up(run: Path, folder: Path, home: Path, prepare: Callable[[Path], object], configuration: str) -> Path:
    """The configuration's file; the mail belongs to the user that Dovecot takes."""
    prepare(home / "Maildir")
    for path in (folder, folder / "home", home, *home.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    run.chmod(0o755)
    (run / "users").write_text(f"{READER}:{{PLAIN}}{PASSWORD}::::::\n")
    conf = run / "dovecot.conf"
    conf.write_text(configuration)
    return conf


@asynccontextmanager
async def dovecot(prepare: Callable[[Path], object], *, lmtp: Path | None = None) -> AsyncIterator[Target]:
    """`prepare` fills READER's Maildir before it is served. `lmtp`: the socket on which mail for everybody is taken."""
    folder, run = folder_on_disk(), Path(tempfile.mkdtemp(prefix="bench-"))
    home = folder / "home" / READER.partition("@")[0]
    imap, pop3 = free_ports(2)
    process: asyncio.subprocess.Process | None = None
    try:
        conf = await asyncio.to_thread(
            _set_up, run, folder, home, prepare, _configuration(run, folder, imap, pop3, lmtp)
        )
        asked = await asyncio.create_subprocess_exec(PROGRAM, "--version", stdout=asyncio.subprocess.PIPE)
        version = (await asked.communicate())[0].decode().split()
        process = await asyncio.create_subprocess_exec(PROGRAM, "-F", "-c", str(conf))
        await bounds.answers(process, "Dovecot", imap, pop3)
        pid = process.pid
        maildirs = [folder / "home" / user(n).partition("@")[0] / "Maildir" for n in range(USERS)]
        async with bounds.tied(process):
            yield Target(
                name="dovecot",
                version=version[0] if version else "",
                ports={"imap": imap, "pop3": pop3},
                roots=lambda: [pid],
                delivered=lambda: count_files(maildirs),
            )
    finally:
        if process is not None:
            await bounds.end(process)
        shutil.rmtree(run)
        shutil.rmtree(folder)
