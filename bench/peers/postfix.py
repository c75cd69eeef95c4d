"""Debian's Postfix, private: its queue, its virtual Maildirs and its ports lie in a folder of ours. Root only.

Durable as it is by default (two fsync a message). `in_flow_delay = 0` as its tuning guide says of bursts: it would slow a load
on purpose.
"""

import asyncio
import contextlib
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

from support.server import free_ports

from bench import bounds
from bench.target import DOMAIN, USERS, Target, count_files, folder_on_disk, user

from . import certificate

RELAY_DOMAIN = "relay.test"
MASTER = "/usr/lib/postfix/sbin/master"

_MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable={sasl}
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN = """\
compatibility_level = 3.7
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
queue_directory = {folder}/queue
data_directory = {folder}/lib
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.{domain}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
maillog_file = /var/log/postfix-bench-{smtp}.log
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = hash:{folder}/vmailbox
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
virtual_transport = {transport}
message_size_limit = 52428800
relay_domains = {relay}
transport_maps = hash:{folder}/transport
in_flow_delay = 0
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtp_tls_security_level = none
smtpd_tls_security_level = {tls}
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
"""


def missing() -> str:
    """Why it cannot be measured here; "" where it can."""
    if os.getuid():
        return "Postfix is started by root only"
    return "" if shutil.which("postfix", path="/usr/sbin:/usr/bin") else "Postfix is not installed"


@asynccontextmanager
async def postfix(
    *, transports: Mapping[str, str] = MappingProxyType({}), auth: Path | None = None, lmtp: Path | None = None
) -> AsyncIterator[Target]:
    """Postfix with virtual(8), or with `lmtp`: the socket of who files the mail. `transports`: domains below relay.test, and where their mail goes. `auth`: the socket of Dovecot's auth
    service that its submission asks."""
    folder = folder_on_disk()
    smtp, submission = free_ports(2)
    log = Path(f"/var/log/postfix-bench-{smtp}.log")
    master: asyncio.subprocess.Process | None = None
    try:
        owner = pwd.getpwnam("postfix")
        await asyncio.to_thread(_write, folder, owner, smtp, submission, transports, auth, lmtp)
        await _run("postfix", "-c", str(folder), "check")  # makes the folders of its queue
        version = (await _run("postconf", "-h", "mail_version")).strip()
        master = await asyncio.create_subprocess_exec(MASTER, "-c", str(folder), "-d")
        try:
            await bounds.answers(master, "Postfix", smtp, submission)
        except bounds.Stuck as trouble:
            raise bounds.Stuck(f"{trouble}; its log ends: {_end_of(log)}") from None
        pid = master.pid
        maildirs = [folder / "mail" / user(n).partition("@")[0] / "Maildir" for n in range(USERS)]
        async with bounds.tied(master):
            yield Target(
                "postfix",
                version,
                {"smtp": smtp, "submission": submission},
                lambda: [pid],
                lambda: count_files(maildirs),
            )
    finally:
        if master is not None:
            await bounds.end(master)
        await asyncio.to_thread(_clean, folder, log)


def _end_of(log: Path) -> str:
    with contextlib.suppress(OSError):
        return " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    return "(none)"


def _write(
    folder: Path,
    owner: pwd.struct_passwd,
    smtp: int,
    submission: int,
    transports: Mapping[str, str],
    auth: Path | None,
    lmtp: Path | None,
) -> None:
    folder.chmod(0o755)
    for name in ("queue", "lib", "mail"):
        (folder / name).mkdir()
    for name in ("lib", "mail"):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    certificate(folder)
    main = _MAIN.format(
        folder=folder, domain=DOMAIN, relay=RELAY_DOMAIN, smtp=smtp, tls="may", auth=auth or "smtpd",
        transport=f"lmtp:unix:{lmtp}" if lmtp else "virtual",
        uid=owner.pw_uid, gid=grp.getgrnam("postfix").gr_gid,
    )  # fmt: skip
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(_MASTER.format(smtp=smtp, submission=submission, sasl="yes" if auth else "no"))
    boxes = {user(n): f"{user(n).partition('@')[0]}/Maildir/" for n in range(USERS)}
    for name, table in (("vmailbox", boxes), ("transport", transports)):
        (folder / name).write_text("".join(f"{key} {value}\n" for key, value in table.items()))
        subprocess.run(["postmap", "-c", str(folder), f"hash:{folder}/{name}"], check=True, capture_output=True)


def _clean(folder: Path, log: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    log.unlink(missing_ok=True)


async def _run(*command: str) -> str:
    output = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=asyncio.subprocess.STDOUT)
    try:
        async with bounds.within(bounds.START, " ".join(command)):
            out, _ = await process.communicate()
    except bounds.Stuck:
        await bounds.end(process)
        raise
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {out.decode(errors='replace')}")
    return out.decode()
