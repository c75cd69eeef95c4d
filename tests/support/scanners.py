"""Debian's daemons that look at mail, each private: a folder, a port, killed, stalled and started again at will, gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.server import free_port

START = 40.0  # seconds
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class Daemon:
    """One that listens on `port` or at `path`. `ready`: raises OSError until it answers."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        port: int = 0,
        path: str = "",
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.command, self.folder, self.port, self.path = command, folder, port, path
        self._ready = ready or self._connects
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.path}" if self.path else f"inet:127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Returns when it answers. It dies with this process."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, "HOME": str(self.folder), "LC_ALL": "C"},
            )  # fmt: skip
        until = time.monotonic() + START
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                return self._ready()
            if self._process.poll() is not None:
                break
            time.sleep(0.05)  # these daemons have no way to tell
        raise AssertionError(self.log)

    def _connects(self) -> None:
        family = socket.AF_UNIX if self.path else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(5)
            probe.connect(self.path or ("127.0.0.1", self.port))

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def stall(self) -> None:
        """The system takes connections for it, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """With its children; returns when it is gone."""
        self._signal(signal.SIGKILL)
        if self._process is None:
            return
        self._process.wait(20)
        until = time.monotonic() + START
        with contextlib.suppress(OSError):
            while time.monotonic() < until:  # its children may go a moment later
                self._connects()
                time.sleep(0.01)
        if self.path:
            Path(self.path).unlink(missing_ok=True)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A short path, open to daemons that run as somebody else."""
    made = Path(tempfile.mkdtemp(prefix="sc"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def needed(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def started(daemon: Daemon) -> Iterator[Daemon]:
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.resume()
        daemon.kill()


@contextlib.contextmanager
def clamd(*, unix: bool = False, stream_limit: str = "25M") -> Iterator[Daemon]:
    """It knows EICAR and nothing else."""
    program = needed("clamd")
    with folder() as place:
        (place / "db").mkdir()
        (place / "db" / "test.ndb").write_text(f"Eicar-Test:0:*:{EICAR.hex()}\n")
        port = 0 if unix else free_port()
        listens = f"LocalSocket {place}/s" if unix else f"TCPSocket {port}\nTCPAddr 127.0.0.1"
        (place / "clamd.conf").write_text(
            f"Foreground yes\n{listens}\nDatabaseDirectory {place}/db\nStreamMaxLength {stream_limit}\nMaxThreads 4\n"
            f"TemporaryDirectory {place}\n"
        )
        command = [program, f"--config-file={place}/clamd.conf"]
        with started(Daemon(command, place, port=port, path=f"{place}/s" if unix else "")) as daemon:
            yield daemon


@contextlib.contextmanager
def spamd(*options: str) -> Iterator[Daemon]:
    """SpamAssassin with Debian's rules and nothing that asks the network."""
    program = needed("spamd")
    with folder() as place:
        port = free_port()
        command = [
            program, "--local", "--nouser-config", "--max-children=3", "--min-children=1", "--ipv4", f"--listen=127.0.0.1:{port}",
            "--syslog=stderr", f"--helper-home-dir={place}", "--cf=use_bayes 0", *(() if os.getuid() else ("--username=nobody",)),
            *options,
        ]  # fmt: skip

        def ready() -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
                probe.sendall(b"PING SPAMC/1.2\r\n\r\n")
                if b"PONG" not in probe.recv(100):
                    raise OSError

        with started(Daemon(command, place, port=port, ready=ready)) as daemon:
            yield daemon


RSPAMD = """
options {{
  pidfile = "{place}/pid"; tempdir = "{place}"; hs_cache_dir = "{place}"; disable_hyperscan = true; url_tld = "{place}/tld";
  local_addrs = []; dns {{ nameserver = ["127.0.0.1:9"]; timeout = 1s; }}
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{milter}"; count = 1; milter = yes; timeout = 20s;
  upstream "local" {{ default = yes; hosts = "127.0.0.1:{port}"; }}
}}
actions {{ reject = 15; add_header = 6; greylist = 4; quarantine = 900; discard = 1000; }}
modules {{ path = "/usr/share/rspamd/plugins/milter_headers.lua"; }}
milter_headers {{
  use = ["x-spamd-result", "remove-headers"]; skip_local = false; skip_authenticated = false;
  routines {{ "remove-headers" {{ headers {{ "X-Bad" = 0; }} }} }}
}}
lua = "{place}/rules.lua";
"""
RULES = """
dofile("/usr/share/rspamd/rules/rspamd.lua")
rspamd_config:register_symbol{
  name = "BY_SUBJECT", type = "prefilter", callback = function(task)
    local action = (task:get_subject() or ""):match("^do (.+)$")
    if action then
      task:set_pre_result{ action = action, message = "asked to " .. action, module = "test" }
    end
  end }
rspamd_config:register_symbol{
  name = "FACTS", type = "normal", score = 2.5, callback = function(task)
    local rcpts = {}
    for _, one in ipairs(task:get_recipients("smtp") or {}) do rcpts[#rcpts + 1] = one.addr end
    local facts = string.format("%s %s %s %s %s", tostring(task:get_from_ip()), task:get_helo() or "-",
      (task:get_from("smtp") or {{addr = "-"}})[1].addr, table.concat(rcpts, ","), task:get_user() or "-")
    task:set_milter_reply({ add_headers = { ["X-Facts"] = facts } })
    return true, 1.0
  end }
"""


@contextlib.contextmanager
def rspamd() -> Iterator[tuple[Daemon, int]]:
    """It does what a subject "do ACTION" asks, and tells its facts in X-Facts. With it the port of its milter."""
    program = needed("rspamd")
    with folder() as place:
        port, milter = free_port(), free_port()
        (place / "tld").write_text("test\n")  # the public list takes it seconds to read
        (place / "rules.lua").write_text(RULES)
        (place / "rspamd.conf").write_text(RSPAMD.format(place=place, port=port, milter=milter))
        command = [program, "-f", "-c", f"{place}/rspamd.conf", *(() if os.getuid() else ("-i",))]

        def ready() -> None:
            for each in (port, milter):
                with socket.create_connection(("127.0.0.1", each), timeout=5):
                    pass
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                answer.read()

        with started(Daemon(command, place, port=port, ready=ready)) as daemon:
            yield daemon, milter


@contextlib.contextmanager
def opendkim(key: bytes, *lines: str) -> Iterator[Daemon]:
    """Debian's, as a milter: it signs mail of signed.test from this host with that key, and verifies the rest."""
    program = needed("opendkim")
    with folder() as place:
        port = free_port()
        (place / "key").write_bytes(key)
        (place / "key").chmod(0o600)
        (place / "conf").write_text(
            f"Mode sv\nSocket inet:{port}@127.0.0.1\nDomain signed.test\nSelector s\nKeyFile {place}/key\nSyslog no\nBackground no\n"
            f"PidFile {place}/pid\nAlwaysAddARHeader yes\nRequireSafeKeys no\nAuthservID opendkim.test\nUMask 002\nNameservers 127.0.0.1\n"
            f"DNSTimeout 1\n{chr(10).join(lines)}\n"
        )
        with started(Daemon([program, "-f", "-x", f"{place}/conf"], place, port=port)) as daemon:
            yield daemon


@contextlib.contextmanager
def spamass_milter(spamd: int) -> Iterator[Daemon]:
    """SpamAssassin's, as a milter before the spamd at that port; it refuses scores of 500 and more."""
    program = needed("spamass-milter")
    with folder() as place:
        place.chmod(0o777)
        command = [program, "-p", f"{place}/s", "-r", "500", "--", "-d", "127.0.0.1", "-p", str(spamd)]
        with started(Daemon(command, place, path=f"{place}/s")) as daemon:
            yield daemon


@contextlib.contextmanager
def postgrey(delay: int) -> Iterator[Daemon]:
    """Debian's greylisting policy service: what comes again after so many seconds passes, with a field X-Greylist; -1: at once."""
    program = needed("postgrey")
    with folder() as place:
        (place / "db").mkdir()
        user, group = ("nobody", "nogroup") if os.getuid() == 0 else (str(os.getuid()), str(os.getgid()))
        if os.getuid() == 0:
            shutil.chown(place / "db", user, group)
        port = free_port()
        for name in ("clients", "recipients"):
            (place / name).write_text("")
        command = [
            program, f"--inet=127.0.0.1:{port}", f"--delay={delay}", f"--dbdir={place}/db", f"--user={user}", f"--group={group}",
            "--auto-whitelist-clients=0", f"--whitelist-clients={place}/clients", f"--whitelist-recipients={place}/recipients",
            "--hostname=postgrey.test",
        ]  # fmt: skip
        with started(Daemon(command, place, port=port)) as daemon:
            yield daemon


AMAVIS = r"""
use strict;
$daemon_user = '{user}'; $daemon_group = '{group}'; $MYHOME = '{place}/home'; $TEMPBASE = "$MYHOME/tmp"; $QUARANTINEDIR = undef;
$db_home = "$MYHOME/db"; $pid_file = "$MYHOME/pid"; $lock_file = "$MYHOME/lock"; $enable_db = 0; $max_servers = 2; $do_syslog = 0;
$log_level = 1; $myhostname = 'amavis.mailhub.test'; $mydomain = 'mailhub.test'; @local_domains_acl = ('.mailhub.test');
$inet_socket_bind = '127.0.0.1'; $inet_socket_port = {port}; $unix_socketname = undef;
$forward_method = 'smtp:[127.0.0.1]:{back}'; $notify_method = $forward_method;
@bypass_spam_checks_maps = (1); $final_virus_destiny = D_REJECT; $enable_dkim_verification = 0; $enable_dkim_signing = 0;
@av_scanners = (['ClamAV-clamd', \&ask_daemon, ["CONTSCAN {{}}\n", "127.0.0.1:{clamd}"], qr/\bOK$/m, qr/\bFOUND$/m,
  qr/^.*?: (?!Infected Archive)(.*) FOUND$/m]);
$log_templ = '[:client_addr]'; $X_HEADER_LINE = 'amavis for mailhub.test';
1;
"""


@contextlib.contextmanager
def amavisd(back: int, clamd: int) -> Iterator[Daemon]:
    """Amavis before that clamd; what it lets pass goes on by SMTP to the port `back`."""
    program = needed("amavisd")
    with folder() as place:
        user, group = ("nobody", "nogroup") if os.getuid() == 0 else (str(os.getuid()), str(os.getgid()))
        for name in ("home", "home/tmp", "home/db"):
            (place / name).mkdir()
            if os.getuid() == 0:
                shutil.chown(place / name, user, group)
        port = free_port()
        (place / "conf").write_text(
            AMAVIS.format(place=place, port=port, back=back, clamd=clamd, user=user, group=group)
        )
        with started(Daemon([program, "-c", f"{place}/conf", "foreground"], place, port=port)) as daemon:
            yield daemon
