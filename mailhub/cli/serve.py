"""`mailhub serve`: the server in the foreground, and what the signals do.

SIGTERM and SIGINT: after `sessions.leave_delay` sessions and deliveries end within `sessions.drain_timeout`, exit code 0; a second one: exit
at once, code 1. SIGHUP: configuration and certificates are read again, sessions go on.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from mailhub import __version__, heap, log
from mailhub.config.load import ConfigError, load, usual
from mailhub.config.schema import Config
from mailhub.control.pid_file import NAME as PID_FILE
from mailhub.control.pid_file import PidFile, Taken
from mailhub.hub import Hub
from mailhub.hub_confine import Narrowing
from mailhub.hub_local import make_folder, person
from mailhub.hub_reload import Reloaded
from mailhub.model.errors import MailError, Permanent
from mailhub.net.systemd import Inherited, Notify

from .exits import Exit, fail
from .options import config_option, read_config
from .output import print_table

logger = logging.getLogger("mailhub.serve")

_ECHO = 0.1  # seconds: timeout(1), and a shell with its process group, send one signal twice
DOORS = ("LISTENER", "PROTOCOL", "ADDRESS", "TLS")
_TLS = {"none": "none", "starttls": "STARTTLS", "implicit": "implicit"}


@click.command()
@click.option(
    "--ready", type=click.IntRange(3), hidden=True, help="A descriptor that is told when all listeners answer."
)
@config_option
def serve(ready: int | None, config: Path | None) -> None:
    """Run the server in the foreground (the default).

    SIGTERM ends it when sessions and deliveries have ended, a second one at once; SIGHUP reads the configuration and the
    certificates again.
    """
    heap.few_arenas()
    config = config or usual()
    settings = read_config(config, served=True)
    if settings.local.system_users and not settings.user and not os.geteuid():
        fail("local.system_users: who talks to the network does not hold root: set `user`, whom mailhub becomes")
    told = Told(ready)
    try:
        pid_file = _alone(settings)
    except MailError as error:
        told.refused(str(error), Exit.EXISTS if isinstance(error.__cause__, Taken) else Exit.FAILED)
        fail(str(error))
    try:
        run(settings, lambda: Hub(settings), config, told, confined=True)
    finally:
        pid_file.release()


def _alone(settings: Config) -> PidFile:
    """Only one process serves from a data folder. Permanent where this is not it."""
    data, somebody = Path(settings.data).absolute(), person(settings.user)
    make_folder(data, somebody)
    try:
        return PidFile(data, somebody.uid if somebody is not None else None)
    except Taken as error:
        raise Permanent(f"the store in {data} is in use by {error}: stop that one, or set another `data`") from error
    except OSError as error:
        raise Permanent(f"{data / PID_FILE}: {error.strerror or error}") from error


class Told:
    """Whoever started the program, and waits for its word: `mailhub start`."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)

    def ready(self, hub: Hub) -> None:
        rows = [dict(zip(("name", "protocol", "address", "tls"), row, strict=True)) for row in doors(hub)]
        self._say({"pid": os.getpid(), "listeners": rows})

    def refused(self, why: str, code: Exit = Exit.FAILED) -> None:
        self._say({"error": why, "code": int(code)})

    def _say(self, word: object) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # it waits no more
                os.write(self._descriptor, msgspec.json.encode(word) + b"\n")
                os.close(self._descriptor)
            self._descriptor = None


def run(
    settings: Config,
    make: Callable[[], Hub],
    path: Path | None = None,
    told: Told | None = None,
    *,
    confined: bool = False,
) -> None:
    """Serve until a signal ends it. `path`: the file that a reload reads again. `confined`: all files but the server's own are given up,
    as the configuration says."""
    told = told or Told()
    notify = Notify(os.environ)
    try:
        lines = log.setup(settings.log, sys.stderr, settings.hostname, waiting=True)
    except OSError as error:
        why = f"log.output: {settings.log.output}: {error.strerror or error}"
        told.refused(why)
        fail(why)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            hub = make()
            hub.inherited = Inherited.read(os.environ)
            hub.narrowing = Narrowing(settings, path, lines.begin, files=confined)
            runner.run(_Server(path, hub, lines, told, notify).run())
    except MailError as error:
        told.refused(str(error))
        fail(str(error))
    finally:
        logging.getLogger().removeHandler(lines)
        lines.close()


class _Server:
    """One run of the program."""

    def __init__(self, path: Path | None, hub: Hub, lines: log.LineWriter, told: Told, notify: Notify) -> None:
        self._path, self._lines, self._told, self._notify = path, lines, told, notify
        self._hub = hub
        self._stop = asyncio.Event()
        self._asked = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await self._hub.start()
        self._hub.control.reloading = self._reloaded
        gc.freeze()  # code and configuration stay: to look through them for garbage held the loop for 70 ms now and then
        _announce(self._hub)
        self._told.ready(self._hub)
        if self._hub.inherited is not None:
            self._hub.inherited.close()
        self._notify.ready(self._state())
        beside = [asyncio.ensure_future(one) for one in (self._signs_of_life(), heap.tidy(self._hub.clock))]
        ends: tuple[asyncio.Future[Any], ...] = (asyncio.ensure_future(self._stop.wait()), self._hub.failed)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        ends[0].cancel()
        self._notify.stopping(self._state())
        await self._hub.stop(self._hub.config.sessions.drain_timeout)
        for one in beside:
            one.cancel()
        if self._hub.failed.done():
            fail("a part of the server failed; the log says which")
        logger.info("stopped")

    async def _signs_of_life(self) -> None:
        """On the loop: one that is held gives none. Also while sessions may end."""
        while self._notify.watchdog:
            await self._hub.clock.sleep(self._notify.watchdog)
            self._notify.alive(self._state())

    def _state(self) -> str:
        """One line."""
        return f"{len(self._hub.sessions)} sessions" + (f"; {trouble}" if (trouble := self._hub.trouble) else "")

    def _asked_to_stop(self) -> None:
        now = self._hub.clock.monotonic()
        if self._stop.is_set() and now < self._asked + _ECHO:
            return
        if self._stop.is_set():
            logger.warning("asked to stop a second time: exit at once")
            self._lines.close()
            os._exit(int(Exit.FAILED))
        logger.info("asked to stop: %d sessions and the deliveries under way may end", len(self._hub.sessions))
        self._asked = now
        self._stop.set()

    def _reload(self) -> None:
        """What is wrong is logged, and all stays as it was."""
        if self._hub.started and not self._stop.is_set():
            with contextlib.suppress(MailError):
                self._reloaded()

    def _reloaded(self) -> Reloaded:
        """The same for who waits for the outcome: Permanent with what is wrong."""
        self._notify.reloading(self._hub.clock.monotonic())
        try:
            return self._read_again()
        finally:
            self._notify.ready(self._state())

    def _read_again(self) -> Reloaded:
        try:
            config = load(self._path, served=True)
            done = self._hub.reload(config)
            narrowing = self._hub.narrowing
            if isinstance(narrowing, Narrowing) and narrowing.stale(config):
                done = msgspec.structs.replace(done, restart=(*done.restart, "landlock"))
                logger.warning("landlock: what the configuration names now can not be reached before a restart")
        except ConfigError as error:
            for problem in error.problems:
                logger.error("not reloaded: %s", problem)
            raise Permanent(str(error)) from error
        except MailError as error:
            logger.error("not reloaded: %s", error)
            raise
        log.apply(msgspec.structs.replace(config.log, output=self._hub.config.log.output), self._lines, config.hostname)
        return done


def doors(hub: Hub) -> list[tuple[str, str, str, str]]:
    """As `DOORS` heads them."""
    rows: list[tuple[str, str, str, str]] = []
    for listener in hub.listeners:
        door = listener.config
        address = f"[{door.address}]" if ":" in door.address else door.address
        place = listener.config.path or f"{address}:{listener.port}"
        rows.append((door.label, door.protocol, place, _TLS[door.tls]))
    return rows


def _announce(hub: Hub) -> None:
    """Where everything is, for the person who started it."""
    config = hub.config
    click.echo(f"mailhub {__version__} on {config.hostname}\n")
    print_table(DOORS, doors(hub))
    click.echo(f"\ndomains  {', '.join(config.domains) or 'see `mailhub domain list`'}\ndata     {hub.data}")
    if hub.demo_accounts:
        click.echo(
            "\nTwo accounts were made to try it (the passwords are shown this once, and kept in demo-accounts.txt):"
        )
        print_table(("ADDRESS", "PASSWORD"), hub.demo_accounts)
    sys.stdout.flush()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
