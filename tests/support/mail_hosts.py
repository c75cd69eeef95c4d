"""Mail hosts of Debian on loopback, private and gone afterwards: a Postfix and an Exim.

Each takes mail for the domain that is its name into a Maildir, whoever the recipient is (but gone@, which it sends on to where it
is refused), and gives all other mail to one hub. Both ways with STARTTLS where it is offered. Exim can not be installed beside
Postfix: `scripts/unpack` puts it into `.debian/`.
"""

import asyncio
import contextlib
import ctypes.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from support.postfix import answers, postfix_in
from support.server import REPOSITORY, free_port

ARRIVAL = 20.0  # seconds
EXIM = REPOSITORY / ".debian" / "exim4-daemon-light" / "usr" / "sbin" / "exim4"
WRAPPER = "libnss_wrapper.so"
NOBODY = 65534
REFUSED = "nobody@mailhub.test"

POSTFIX_SERVICES = """
pickup unix n - n 60 1 pickup
verify unix - - n - 1 verify
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
scache unix - - n - 1 scache
"""

EXIM_CONFIG = """
primary_hostname = {name}
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
tls_certificate = {folder}/chain.pem
tls_privatekey = {folder}/chain.pem
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
dsn_advertise_hosts = *
pipelining_advertise_hosts = *
message_size_limit = 50M
check_spool_space = 0
bounce_return_size_limit = 50M
begin acl
everybody:
  accept
begin routers
gone:
  driver = redirect
  domains = {name}
  local_parts = gone
  data = {refused}
here:
  driver = accept
  domains = {name}
  transport = maildir
hub:
  driver = manualroute
  route_list = * 127.0.0.1::{hub}
  transport = hub
  self = send
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {folder}/mail
hub:
  driver = smtp
  port = {hub}
  allow_localhost
  tls_verify_certificates =
  tls_verify_hosts =
  tls_try_verify_hosts =
begin retry
* * F,1h,1s
"""


@dataclass(frozen=True)
class MailHost:
    """`port`: of its SMTP server on 127.0.0.1; `name`: its own, and its domain. `logs`: where they lie."""

    name: str
    port: int
    folder: Path
    logs: Path

    def mail(self) -> list[bytes]:
        """All that has come for its domain, with line ends as on the wire."""
        found = (self.folder / "mail" / "new").glob("*")
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in sorted(found)]

    async def arrived(self, count: int = 1) -> list[bytes]:
        """So many messages, as soon as they are there."""
        try:
            async with asyncio.timeout(ARRIVAL):
                while len(mail := self.mail()) < count:
                    await asyncio.sleep(0.05)  # another process's files
        except TimeoutError:
            raise AssertionError(f"{len(mail)} of {count} messages came to {self.name}:\n{self.log()}") from None
        return mail

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.glob("*log")))


@contextlib.asynccontextmanager
async def mail_host(kind: str, hub: int, **options: str) -> AsyncIterator[MailHost]:
    """`kind`: "postfix" or "exim"; `hub`: the port where all other mail goes. `options`: more of Postfix's main.cf."""
    with {"postfix": postfix, "exim": exim}[kind](hub, options) as host:
        yield host


@contextlib.contextmanager
def postfix(hub: int, options: Mapping[str, str]) -> Iterator[MailHost]:
    name = "postfix.test"
    with _folder(name) as folder:
        parameters = {
            "myhostname": name, "inet_interfaces": "127.0.0.1", "mynetworks": "127.0.0.0/8", "local_header_rewrite_clients": "",
            "virtual_mailbox_domains": name, "virtual_mailbox_base": str(folder), "virtual_mailbox_maps": "static:mail/",
            "virtual_uid_maps": f"static:{NOBODY}", "virtual_gid_maps": f"static:{NOBODY}", "virtual_minimum_uid": "1",
            "virtual_mailbox_limit": "0", "virtual_alias_maps": f"inline:{{ gone@{name}={REFUSED} }}",
            "default_transport": "smtp", "relayhost": f"[127.0.0.1]:{hub}", "smtp_dns_support_level": "disabled",
            "smtp_tls_security_level": "may", "smtpd_tls_security_level": "may",
            "smtpd_tls_chain_files": f"{folder}/chain.pem", "message_size_limit": "50000000", "smtputf8_enable": "yes", **options,
        }  # fmt: skip
        with postfix_in(POSTFIX_SERVICES, **parameters) as (logs, port):
            yield MailHost(name, port, folder, logs)


@contextlib.contextmanager
def exim(hub: int, options: Mapping[str, str]) -> Iterator[MailHost]:
    """As whoever runs the test, or as nobody: Debian's Exim knows its user by a name that may not exist here."""
    assert not options
    if not EXIM.exists():
        pytest.skip("exim is not there: scripts/unpack .debian exim4-daemon-light")
    if ctypes.util.find_library("nss_wrapper") is None:
        pytest.skip("libnss-wrapper is not installed")
    user = os.getuid() or NOBODY
    name = "exim.test"
    with _folder(name) as folder:
        host = MailHost(name, free_port(), folder, folder)
        (folder / "exim4").write_bytes(EXIM.read_bytes())  # where it may be run from, and without its setuid bit
        (folder / "exim4").chmod(0o755)
        (folder / "passwd").write_text(f"root:x:0:0::/:/bin/sh\nDebian-exim:x:{user}:{user}::/:/bin/false\n")
        (folder / "group").write_text(f"root:x:0:\nDebian-exim:x:{user}:\n")
        (folder / "config").write_text(
            EXIM_CONFIG.format(name=host.name, folder=folder, port=host.port, hub=hub, refused=REFUSED)
        )
        environment = {
            "PATH": "/usr/bin:/bin", "LD_PRELOAD": WRAPPER, "NSS_WRAPPER_PASSWD": f"{folder}/passwd",
            "NSS_WRAPPER_GROUP": f"{folder}/group",
        }  # fmt: skip
        command = [str(folder / "exim4"), "-C", str(folder / "config"), "-bdf"]
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, env=environment, start_new_session=True,
                **({} if os.getuid() else {"user": user, "group": user, "extra_groups": ()}),
            )  # fmt: skip
        try:
            answers(host.port, process, folder / "out")
            yield host
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with its children
            process.wait()


@contextlib.contextmanager
def _folder(name: str) -> Iterator[Path]:
    """With a Maildir's place in it, and a certificate for that name."""
    folder = Path(tempfile.mkdtemp(prefix="mh"))
    folder.chmod(0o755)
    try:
        (folder / "mail").mkdir()
        issued = trustme.CA().issue_cert(name)
        (folder / "chain.pem").write_bytes(issued.private_key_and_cert_chain_pem.bytes())
        if not os.getuid():
            for path in (folder, folder / "mail", folder / "chain.pem"):
                os.chown(path, NOBODY, NOBODY)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
