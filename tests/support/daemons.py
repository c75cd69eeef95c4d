"""Password daemons of other mail hosts, each private: a folder, a socket, gone afterwards. All know ann@mailhub.test, "pénc il"."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LOGIN, PASSWORD = "ann@mailhub.test", "pénc il"
START = 15.0  # seconds


@contextlib.contextmanager
def answering(command: list[str], path: Path, environment: dict[str, str] | None = None) -> Iterator[Path]:
    """Until its socket answers; then it is there."""
    log = path.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}, start_new_session=True
        )
    try:
        until = time.monotonic() + START
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
                break
            if process.poll() is not None:
                raise AssertionError(log.read_text(errors="replace"))
            time.sleep(0.05)  # these daemons have no way to tell
        else:
            raise AssertionError(f"no answer: {log.read_text(errors='replace')}")
        yield path
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with their children; nothing of theirs is kept
        process.wait()


def _needed(program: str) -> str:
    found = shutil.which(program, path="/usr/lib/courier/courier-authlib:/usr/sbin:/usr/bin:/usr/libexec/dovecot")
    if found is None:
        pytest.skip(f"{program} is not installed")
    if os.getuid():
        pytest.skip(f"{program} has to be started by root")
    return found


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A short path, open to daemons that run as somebody else: sockets have 107 octets."""
    folder = Path(tempfile.mkdtemp(prefix="md"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def saslauthd(port: int) -> Iterator[Path]:
    """Cyrus SASL's daemon, which asks an IMAP server at that port: the sasldb of a machine is not ours to write."""
    program = _needed("saslauthd")
    with short_folder() as folder:
        command = [program, "-d", "-a", "rimap", "-O", f"127.0.0.1/{port}", "-r", "-m", str(folder), "-n", "2"]
        with answering(command, folder / "mux") as path:
            yield path


@contextlib.contextmanager
def dovecot_lmtp() -> Iterator[tuple[Path, int]]:
    """Dovecot's LMTP service on a socket and a port: ann@ and bob@mailhub.test, and full@ whose quota is a kilobyte. Their
    Maildirs lie beside the socket: `mail/ann/new`."""
    program = _needed("dovecot")
    if not Path("/usr/lib/dovecot/lmtp").exists():
        pytest.skip("dovecot-lmtpd is not installed")
    with short_folder() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", "nobody")
        names = {"ann": "", "bob": "", "full": "userdb_quota_rule=*:bytes=1000"}
        (folder / "users").write_text("".join(f"{name}@mailhub.test:::::::{more}\n" for name, more in names.items()))
        (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
ssl = no
protocols = lmtp
default_internal_user = root
default_internal_group = root
default_login_user = root
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
mail_plugins = quota
plugin {{
  quota = maildir:quota
  quota_grace = 0
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
  override_fields = uid=nobody gid=nogroup home={folder}/mail/%n
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        with answering([program, "-F", "-c", str(folder / "dovecot.conf")], folder / "lmtp") as path:
            yield path, port


@contextlib.contextmanager
def dovecot_auth(users: str = f"{LOGIN}:{{PLAIN}}{PASSWORD}::::::\n") -> Iterator[Path]:
    """Dovecot's auth service over a passwd-file that holds `users`."""
    program = _needed("dovecot")
    with short_folder() as folder:
        (folder / "users").write_text(users)
        (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
ssl = no
protocols =
default_internal_user = root
default_internal_group = root
default_login_user = root
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 scram-sha-256
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=0 gid=0 home=/tmp
}}
service auth {{
  user = root
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
""")
        with answering([program, "-F", "-c", str(folder / "dovecot.conf")], folder / "auth") as path:
            yield path


@contextlib.contextmanager
def authdaemond() -> Iterator[Path]:
    """courier-authdaemond over a userdb. Its paths are built in: it gets a view of the machine in which they are its own."""
    program, maker, unshare = _needed("authdaemond"), _needed("makeuserdb"), _needed("unshare")
    if subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare: mounts of one's own may not be made here")
    import passlib.hash

    with short_folder() as folder:
        (folder / "run").mkdir()
        (folder / "etc").mkdir()
        stored = passlib.hash.sha512_crypt.using(rounds=1_000).hash(PASSWORD)
        users = folder / "etc" / "userdb"
        users.touch(mode=0o600)
        users.write_text(f"{LOGIN}\tuid=1000|gid=1000|home=/tmp|mail=/tmp/Maildir|systempw={stored}\n")
        subprocess.run([maker, "-f", str(users)], check=True)
        (folder / "etc" / "authdaemonrc").write_text(
            'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=3\nauthdaemonvar=/run/courier/authdaemon\n'
            'DEBUG_LOGIN=0\nDEFAULTOPTIONS=""\nLOGGEROPTS=""\n'
        )
        own = (
            f"mount --bind {folder}/etc /etc/courier && mount --bind {folder}/run /mnt && mount -t tmpfs none /run && "
            f"mkdir -p /run/courier/authdaemon && mount --move /mnt /run/courier/authdaemon && "
            f"set -a && . /etc/courier/authdaemonrc && exec {program}"
        )
        with answering([unshare, "-m", "sh", "-c", own], folder / "run" / "socket") as path:
            yield path
