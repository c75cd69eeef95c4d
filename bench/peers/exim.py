"""Debian's Exim, private: SMTP in, each message into the Maildir of its recipient. Durable as it comes (its spool and the delivered file are
synced before they count). It cannot be installed beside Postfix: `scripts/unpack` puts it into `.debian/`.

Deliveries begin as messages come, by as many processes as there are connections, as its manual has it for a busy host (`queue_only_load`
unset, `smtp_accept_max` and `smtp_accept_queue_per_connection` lifted: by default it leaves the eleventh message of a connection to the
next queue run). Its processes that deliver are nobody's children, so their CPU time is not told."""

import asyncio
import ctypes.util
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.server import REPOSITORY, free_ports

from bench import bounds
from bench.target import DOMAIN, USERS, Target, count_files, folder_on_disk, user

from . import certificate

PROGRAM = REPOSITORY / ".debian" / "exim4-daemon-light" / "usr" / "sbin" / "exim4"
_NOBODY = 65534
_AS_NOBODY = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_WRAPPER = "libnss_wrapper.so"  # Exim knows its user by a name that may not exist here
_VERSION = re.compile(rb"Exim version (\S+)")
_CONFIG = """\
primary_hostname = mx.{domain}
exim_path = {folder}/exim4
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
never_users =
deliver_drop_privilege = true
acl_smtp_rcpt = everybody
acl_smtp_data = everybody
tls_advertise_hosts = *
tls_certificate = {folder}/cert.pem
tls_privatekey = {folder}/key.pem
chunking_advertise_hosts = *
message_size_limit = 50M
check_spool_space = 0
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
split_spool_directory = true
begin acl
everybody:
  accept
begin routers
here:
  driver = accept
  domains = {domain}
  local_parts = lsearch;{folder}/users
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data/Maildir
  maildir_format
  create_directory
"""


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    if os.getuid():
        return "Exim is started by root only"
    if not PROGRAM.exists():
        return "Exim is not installed: scripts/unpack .debian exim4-daemon-light"
    return "" if ctypes.util.find_library("nss_wrapper") else "libnss-wrapper is not installed"


@asynccontextmanager
async def exim() -> AsyncIterator[Target]:
    """Exim's daemon, as nobody."""
    folder = folder_on_disk()
    (port,) = free_ports(1)
    process: asyncio.subprocess.Process | None = None
    try:
        await asyncio.to_thread(_prepare, folder, port)
        environment = {
            "PATH": "/usr/bin:/bin", "LD_PRELOAD": _WRAPPER, "NSS_WRAPPER_PASSWD": f"{folder}/passwd",
            "NSS_WRAPPER_GROUP": f"{folder}/group",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *_AS_NOBODY, str(folder / "exim4"), "-C", str(folder / "config"), "-bdf", env=environment, start_new_session=True,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await bounds.answers(process, "Exim", port)
        pid = process.pid
        maildirs = [folder / "mail" / user(n).partition("@")[0] / "Maildir" for n in range(USERS)]
        version = await _version(folder, environment)
        async with bounds.tied(process):
            yield Target("exim", version, {"smtp": port}, lambda: [pid], lambda: count_files(maildirs), all_cpu=False)
    finally:
        if process is not None:
            await bounds.end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, port: int) -> None:
    folder.chmod(0o755)
    shutil.copyfile(PROGRAM, folder / "exim4")  # without its setuid bit
    (folder / "exim4").chmod(0o755)
    (folder / "passwd").write_text(f"root:x:0:0::/:/bin/sh\nDebian-exim:x:{_NOBODY}:{_NOBODY}::/:/bin/false\n")
    (folder / "group").write_text(f"root:x:0:\nDebian-exim:x:{_NOBODY}:\n")
    (folder / "config").write_text(_CONFIG.format(domain=DOMAIN, folder=folder, port=port))
    names = [user(n).partition("@")[0] for n in range(USERS)]
    (folder / "users").write_text("".join(f"{name}: {name}\n" for name in names))
    certificate(folder)
    (folder / "mail").mkdir()
    for path in (folder, *folder.iterdir()):
        if path.name != "config":  # Exim obeys no configuration that another may write
            os.chown(path, _NOBODY, _NOBODY)


async def _version(folder: Path, environment: dict[str, str]) -> str:
    asked = await asyncio.create_subprocess_exec(
        *_AS_NOBODY, str(folder / "exim4"), "-C", str(folder / "config"), "-bV", stdout=asyncio.subprocess.PIPE, env=environment
    )  # fmt: skip
    found = _VERSION.search((await asked.communicate())[0])
    return found[1].decode() if found else ""
