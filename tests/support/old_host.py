"""A mail host as the tutorials build it: Debian's Postfix, Dovecot and MariaDB with PostfixAdmin's tables, each private, on loopback.

`running()` starts Postfix and Dovecot; mail, database and configuration stay between two times."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.daemons import answering
from support.mariadb import Mariadb
from support.postfix import private
from support.postfixadmin import POSTFIXADMIN
from support.server import free_port

OWNER, GROUP = "nobody", "nogroup"  # vmail, on such a host
NEEDED = (
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/pop3",
    "/usr/lib/postfix/postfix-mysql.so.1.0.1",
)
SCRIPT = 'require ["fileinto"];\nif header :contains "subject" "project" { fileinto "Work"; }\n'
_MAP = "hosts = inet:127.0.0.1:{port}\nuser = mail\npassword = pa ss\ndbname = postfix\nquery = {query}\n"
QUERIES = {
    "domains": "SELECT domain FROM domain WHERE domain='%s' AND backupmx = '0' AND active = '1'",
    "mailboxes": "SELECT maildir FROM mailbox WHERE username='%s' AND active = '1'",
    "aliases": "SELECT goto FROM alias WHERE address='%s' AND active = '1'",
}


class OldHost:
    """`smtp`, `imap`, `pop3`: ports, of whichever server runs. `etc`: main.cf, master.cf and dovecot.conf. `mail`: the Maildirs."""

    def __init__(self, folder: Path, database: Mariadb) -> None:
        self.folder, self.mail, self.etc = folder, folder / "vmail", folder / "etc"
        self.smtp, self.imap, self.pop3, self.lmtp = free_port(), free_port(), free_port(), free_port()
        self.mail.mkdir()
        self.etc.mkdir()
        shutil.chown(self.mail, OWNER, GROUP)
        database.run(POSTFIXADMIN)
        for name, query in QUERIES.items():
            (self.etc / f"{name}.cf").write_text(_MAP.format(port=database.port, query=query))
        (self.etc / "dovecot-sql.conf.ext").write_text(
            f"driver = mysql\nconnect = host=127.0.0.1 port={database.port} dbname=postfix user=dovecot password=secret\n"
            "default_pass_scheme = MD5-CRYPT\n"
            "password_query = SELECT username AS user, password FROM mailbox WHERE username = '%u' AND active = '1'\n"
        )
        database.run(
            "create user 'dovecot'@'127.0.0.1' identified by 'secret'; grant select on postfix.* to 'dovecot'@'127.0.0.1';"
        )
        (self.etc / "dovecot.conf").write_text(self._dovecot())

    def _dovecot(self) -> str:
        return f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = /dev/stderr
ssl = no
disable_plaintext_auth = no
protocols = imap pop3 lmtp
listen = 127.0.0.1
default_internal_user = root
default_internal_group = root
default_login_user = dovenull
first_valid_uid = 1
mail_location = maildir:{self.mail}/%d/%n
mail_uid = {OWNER}
mail_gid = {GROUP}
passdb {{
  driver = sql
  args = {self.etc}/dovecot-sql.conf.ext
}}
userdb {{
  driver = static
  args = uid={OWNER} gid={GROUP} home={self.mail}/%d/%n
}}
namespace inbox {{
  inbox = yes
  separator = .
}}
lda_mailbox_autocreate = yes
lda_mailbox_autosubscribe = yes
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:{self.mail}/scripts/%u.sieve
  quota_rule = *:storage=1G
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  unix_listener {self.folder}/lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp}
  }}
}}
"""

    def script(self, account: str) -> Path:
        """The account's Sieve script, where Dovecot has it."""
        file = self.mail / "scripts" / f"{account}.sieve"
        file.parent.mkdir(exist_ok=True)
        file.write_text(SCRIPT)
        self.own()
        return file

    def own(self) -> None:
        """All mail belongs to the one user that both servers are on a real host; here mailhub is who runs the test."""
        for path in (self.mail, *self.mail.rglob("*")):
            shutil.chown(path, OWNER, GROUP)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        maps = {name: f"mysql:{self.etc}/{name}.cf" for name in QUERIES}
        settings = {
            "myhostname": "mail.a.test", "mydestination": "", "mynetworks": "127.0.0.0/8", "inet_protocols": "ipv4", "alias_maps": "",
            "local_recipient_maps": "", "smtpd_peername_lookup": "no", "virtual_mailbox_domains": maps["domains"],
            "virtual_mailbox_maps": maps["mailboxes"], "virtual_alias_maps": maps["aliases"],
            "virtual_transport": f"lmtp:inet:127.0.0.1:{self.lmtp}", "recipient_delimiter": "+", "smtpd_tls_security_level": "none",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        }  # fmt: skip
        services = (
            f"127.0.0.1:{self.smtp} inet n - n - - smtpd\nlmtp unix - - n - - lmtp\nvirtual unix - n n - - virtual\n"
        )
        command = [str(shutil.which("dovecot", path="/usr/sbin:/usr/bin")), "-F", "-c", str(self.etc / "dovecot.conf")]
        with answering(command, self.folder / "lmtp"), private(services, settings, [self.smtp]) as postfix:
            for name in ("main.cf", "master.cf"):
                shutil.copy(postfix / "etc" / name, self.etc / name)
            yield


def skip_where_it_can_not_be() -> None:
    lacking = [
        name
        for name in NEEDED
        if not Path(name).exists() and not list(Path(name).parent.glob(Path(name).name[:13] + "*"))
    ]
    if lacking or os.getuid() or shutil.which("dovecot", path="/usr/sbin:/usr/bin") is None:
        pytest.skip(f"such a host needs root, and {', '.join(lacking) or 'Dovecot'}")
