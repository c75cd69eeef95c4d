"""What one child does, as the user, and how it ends: with a status of sysexits.h and a text on its standard output."""

import errno
import os
import resource
import signal
import stat
from typing import NoReturn

import msgspec

from mailhub.message.alias_list import Kind

from . import forward, mailbox, maildir, programs, rights, words
from .exits import Exit, Failed, later
from .words import TEXT, Deliver, Forward, Look, Run, Settings, Start, What

SOURCE = 3  # the descriptor of the request's file
_NOTHING = "/dev/null"  # a file that .forward may name, to throw mail away
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def serve(what: What, settings: Settings, networks: rights.Networks, out: int, source: int | None) -> NoReturn:
    """Never returns. `out`: where its text goes."""
    status = int(Exit.TEMPFAIL)
    try:
        _arranged(out, source)
        status = _done(what, settings, networks)
    except Failed as error:
        status = int(error.status)
        _say(str(error))
    except OSError as error:
        code = "4.2.2" if error.errno in _FULL else "4.3.0"
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        _say(f"{code} {where}{error.strerror or error}")
    except BaseException as error:
        _say(f"4.3.0 {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _arranged(out: int, source: int | None) -> None:
    """A session of its own, its text where the deputy reads it, nothing else from the deputy."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open("/dev/null", os.O_RDWR)
    for target in (0, 2):
        os.dup2(nothing, target)
    os.dup2(out, 1)
    if source is not None and source != SOURCE:
        os.dup2(source, SOURCE)
    os.chdir("/")


def _done(what: What, settings: Settings, networks: rights.Networks) -> int:
    if isinstance(what, Start):
        _is_a_file()
        program = words.program(what, settings)
        if not programs.fits(what.argv, program.command):
            later("4.3.5", "these are no arguments of that program")
        programs.run(program, what, SOURCE, networks)
    networks.enter(networks.host)  # NIS and LDAP may be asked over it
    user = rights.look(what.user)
    if not isinstance(what, Run):
        networks.enter(networks.none)
        rights.no_new_rights()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.closerange(SOURCE + 1, 1 << 16)
    match what:
        case Look():
            _say(str(user.uid))
        case Forward():
            rights.become(user)
            found = forward.read(user, what.extension, settings)
            said = msgspec.json.encode([(target.kind.value, target.text) for target in found]).decode()
            if len(said.encode()) > TEXT:
                later("4.3.5", ".forward says too much")
            _say(said)
        case Deliver():
            _deliver(what, user, settings)
        case Run():
            _run(what, user, settings)
    return int(Exit.DONE)


def _say(text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(1, data) :]


def _deliver(what: Deliver, user: rights.User, settings: Settings) -> None:
    _is_a_file()
    if what.path:
        rights.become(user)
        forward.stands(user, what.extension, settings, Kind.FILE, what.path)
        path = what.path
        if path == _NOTHING:
            return
    elif settings.home_mailbox:
        rights.become(user)
        _need_home(user)
        path = f"{user.home}/{settings.home_mailbox}"
    else:
        folder = settings.mail_spool_directory
        rights.become(user, _lock_group(folder))
        path = f"{folder}/{user.name}"
    if path.endswith("/"):
        maildir.deliver(path.rstrip("/"), SOURCE, what.mark, what.again)
    else:
        limits = mailbox.Limits(settings.mailbox_size_limit, settings.lock_timeout, settings.stale_lock_time)
        mailbox.append(path, SOURCE, what.mark, what.again, limits)


def _is_a_file() -> None:
    if not stat.S_ISREG(os.fstat(SOURCE).st_mode):
        later("4.3.0", "there is no message with the request")


def _need_home(user: rights.User) -> None:
    if not os.path.isdir(user.home):
        later("4.3.0", "the home directory is not there")


def _lock_group(folder: str) -> tuple[int, ...]:
    """Where a group may write the spool folder, as Debian's "mail": locks are made there by its right, as mail programs that are
    set-group-ID do."""
    found = os.stat(folder)
    by_group = found.st_mode & stat.S_IWGRP and not found.st_mode & stat.S_IWOTH
    return (found.st_gid,) if by_group else ()


def _run(what: Run, user: rights.User, settings: Settings) -> NoReturn:
    _is_a_file()
    rights.become(user)
    command = what.command or settings.mailbox_command
    if what.command:
        forward.stands(user, what.extension, settings, Kind.COMMAND, what.command)
    elif not command:
        later("4.3.5", "there is no mailbox_command")
    _need_home(user)
    os.chdir(user.home)
    own = {
        "PATH": rights.PATH,
        "LANG": "C.UTF-8",
        "HOME": user.home,
        "SHELL": user.shell or "/bin/sh",
        "USER": user.name,
    }
    environment = {**own, "LOGNAME": user.name, **dict(line.partition("=")[::2] for line in what.environment)}
    os.lseek(SOURCE, 0, os.SEEK_SET)
    os.dup2(SOURCE, 0)
    os.dup2(1, 2)
    os.close(SOURCE)
    os.execve("/bin/sh", ["sh", "-c", command], environment)
