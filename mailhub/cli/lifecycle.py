"""`mailhub start`, `stop`, `restart`, `reload` and `abort`: what they are to postfix(1)."""

import contextlib
import os
import select
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from mailhub.config.load import usual
from mailhub.config.schema import Config
from mailhub.control.pid_file import Running

from .exits import KINDS, Exit, fail
from .options import common, config_option, read_config
from .output import print_json, print_table
from .program import program

LOG = "mailhub.log"
_TAIL = 4_096  # octets of the log that are looked at where a start fails without a word
_AGAIN = 0.3  # seconds between two signals of `abort`: a second one that comes sooner counts as an echo
_KILLED = 5.0  # seconds after which `abort` asks no more
_SLACK = 30.0  # seconds beyond the time that sessions have to end
_LONG = 65_536  # octets of the server's word

wait_option = click.option(
    "--timeout",
    type=click.FloatRange(0.1, 86_400),
    default=None,
    help="Seconds to wait; default: 60 to start, and as long as sessions may take to stop.",
)
log_option = click.option(
    "--log", type=click.Path(path_type=Path), help=f"Where log lines go; default: {LOG} in the data folder."
)


@click.command()
@log_option
@wait_option
@common
def start(log: Path | None, timeout: float | None, config: Path | None, as_json: bool) -> None:
    """Start the server in the background, and return when every listener answers.

    Exit 1, with the reason, where it can not start; 4 where it runs already; 5 where it is not ready in time, and goes on.
    """
    settings = read_config(config)
    with _server(settings) as running:
        if running is not None:
            fail(f"already running, process {running.pid}", Exit.EXISTS)
    _start(settings, config, log, timeout or 60.0, as_json)


@click.command()
@wait_option
@common
def stop(timeout: float | None, config: Path | None, as_json: bool) -> None:
    """Stop the server: nothing new begins, sessions and deliveries may end. Exit 3 where none runs, 5 where it takes longer."""
    pid = _stop(read_config(config), timeout)
    if pid is None:
        fail("no server runs", Exit.ABSENT)
    if as_json:
        print_json({"stopped": pid})


@click.command()
@log_option
@wait_option
@common
def restart(log: Path | None, timeout: float | None, config: Path | None, as_json: bool) -> None:
    """Stop the server, where one runs, and start it. A configuration that can not be used stops nothing."""
    settings = read_config(config)
    _stop(settings, timeout)
    _start(settings, config, log, timeout or 60.0, as_json)


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reload(config: Path | None, as_json: bool) -> None:
    """Have the server read configuration and certificates again; sessions go on. Exit 1, and nothing is changed, where they are wrong."""
    from mailhub.control.client import Client, NoServer
    from mailhub.control.errors import ControlError
    from mailhub.control.words import Reload

    settings = read_config(config)
    try:
        client = Client(Path(settings.data))
        try:
            done = client.ask(Reload())
        finally:
            client.close()
    except NoServer:
        fail("no server runs", Exit.ABSENT)
    except ControlError as error:
        fail(str(error), KINDS[error.kind])
    if as_json:
        print_json(done)
        return
    click.echo(f"changed: {', '.join(done.applied) or 'nothing'}")
    if done.restart:
        click.echo(f"needs a restart: {', '.join(done.restart)}")


@click.command()
@common
def abort(config: Path | None, as_json: bool) -> None:
    """End the server at once: nobody is waited for. What got its 250 is kept."""
    with _server(read_config(config)) as running:
        if running is None:
            fail("no server runs", Exit.ABSENT)
        running.signal(signal.SIGTERM)
        for _ in range(int(_KILLED / _AGAIN)):
            if running.ended(_AGAIN):
                break
            running.signal(signal.SIGTERM)
        else:
            running.signal(signal.SIGKILL)
            running.ended(_KILLED)
        if as_json:
            print_json({"ended": running.pid})


@contextlib.contextmanager
def _server(settings: Config) -> Iterator[Running | None]:
    """The running one."""
    try:
        running = Running(Path(settings.data))
    except LookupError:
        yield None
        return
    except OSError as error:
        fail(f"{error.strerror or error}")
    try:
        yield running
    finally:
        running.close()


def _stop(settings: Config, timeout: float | None) -> int | None:
    """The process that has ended; None where none ran."""
    sessions = settings.sessions
    patience = sessions.leave_delay + sessions.drain_timeout + _SLACK if timeout is None else timeout
    with _server(settings) as running:
        if running is None:
            return None
        try:
            running.signal(signal.SIGTERM)
        except OSError as error:
            fail(f"process {running.pid}: {error.strerror}")
        if not running.ended(patience):
            fail(f"process {running.pid} still runs after {patience:g} s; `mailhub abort` ends it at once", Exit.LATER)
        return running.pid


def _start(settings: Config, path: Path | None, log: Path | None, timeout: float, as_json: bool) -> None:
    file = path or usual()
    words = [*program(), *(() if file is None else ("--config", str(file.absolute()))), "serve"]
    lines, begin = _log(settings, log)
    with lines, contextlib.ExitStack() as ends:
        heard, told = os.pipe()
        ends.callback(os.close, heard)
        with os.fdopen(told, "wb"):
            process = subprocess.Popen(
                [*words, "--ready", str(told)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=lines,
                start_new_session=True, pass_fds=(told,), cwd=None if file is None else "/",
            )  # fmt: skip
        word = _word(heard, timeout)
        if word is None:
            fail(_not_ready(settings, process.pid, timeout), Exit.LATER)
        if not word:
            process.wait()
            fail(_last_words(lines.name, begin) or f"the server ended with code {process.returncode}: see {lines.name}")
    answer: dict[str, Any] = msgspec.json.decode(word)
    if "error" in answer:
        process.wait()
        fail(answer["error"], Exit(answer["code"]))
    if as_json:
        print_json(answer)
        return
    click.echo(f"mailhub runs, process {answer['pid']}\n")
    print_table(("LISTENER", "PROTOCOL", "ADDRESS", "TLS"), [tuple(row.values()) for row in answer["listeners"]])
    if (accounts := Path(settings.data) / "demo-accounts.txt").exists():
        click.echo(f"\naccounts to try it: {accounts}")


def _log(settings: Config, path: Path | None) -> tuple[Any, int]:
    """Open to append to, and how long it is."""
    from mailhub.hub_local import make_folder, person
    from mailhub.model.errors import MailError

    try:
        make_folder(Path(settings.data), person(settings.user))
        file = open(path or Path(settings.data) / LOG, "ab", opener=_private)  # noqa: SIM115
        found, owner = os.fstat(file.fileno()), os.stat(settings.data)
        if stat.S_ISREG(found.st_mode) and found.st_nlink != 1:
            fail(f"{file.name}: it has other names, too: remove it")
        if not os.geteuid() and path is None:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    except MailError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    return file, file.tell()


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, 0o640)


def _word(heard: int, timeout: float) -> bytes | None:
    """What the server says of itself: b"" where it ended without a word, None where it says nothing in time."""
    waiting = select.poll()
    waiting.register(heard, select.POLLIN)
    word = b""
    while waiting.poll(int(timeout * 1000)):
        block = os.read(heard, _LONG)
        if not block:
            return word
        word += block
    return word or None


def _not_ready(settings: Config, pid: int, timeout: float) -> str:
    """Which listeners do not answer."""
    silent = []
    for door in settings.listener:
        if door.port and not door.path:
            address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.address, door.address)
            try:
                socket.create_connection((address, door.port), 1.0).close()
            except OSError:
                silent.append(f"{door.label} ({door.address}:{door.port})")
    named = f", do not answer: {', '.join(silent)}" if silent else ""
    return f"process {pid} is not ready after {timeout:g} s, and goes on{named}"


def _last_words(log: str, begin: int) -> str:
    with open(log, "rb") as file:
        file.seek(max(begin, os.fstat(file.fileno()).st_size - _TAIL))
        return file.read().decode("utf-8", "replace").strip()
