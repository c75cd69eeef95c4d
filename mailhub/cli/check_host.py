"""What `mailhub check` finds in the folders, files, disk and clock that a server needs. Nothing is made or changed."""

import ctypes
import os
import pwd
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mailhub.config.schema import Config
from mailhub.config.tls import EXPIRY
from mailhub.control import pid_file, socket_path
from mailhub.control.backups import UNFINISHED
from mailhub.jobs import dropped
from mailhub.model.clock import SystemClock

from .output import octets

_FOLDERS = ("", "mail", "spool", "tls", "search", "import")  # below the data folder, where they are there
_PRIVATE = ("mailhub.db", "trace.db", "tls/key.pem", "demo-accounts.txt", socket_path.NAME)
_INODES = 1_000  # free ones below which nothing is begun
_SLACK = 120.0  # seconds that a file may be newer than now
_DESCRIPTORS = 200  # besides those of sessions
_UNSYNCHRONISED = 5  # adjtimex(2): TIME_ERROR
_AHEAD = 2  # times store.free_space_floor, from where on it is told of


class Fault(NamedTuple):
    """`place`: which file, folder or thing; `fix`: what to do."""

    place: str
    wrong: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place}: {self.wrong}: {self.fix}"


def faults(config: Config, file: Path) -> list[Fault]:
    """What keeps a server from running well, or safely."""
    data = Path(config.data)
    found = [*_config_file(file), *_disk(config, data), *_clock(data)]
    if data.is_dir():
        found += [*_permissions(config, data), *_keys(config), *_half_restored(data)]
    return found


def remarks(config: Config, file: Path) -> list[str]:
    """What is worth knowing."""
    data = Path(config.data)
    return [
        str(fault)
        for fault in (*_leftovers(config, data, file), *_room(config, data), *_kernel(config), *_ending(config))
    ]


def _mode(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _config_file(file: Path) -> Iterator[Fault]:
    found = _mode(file)
    if found is not None and stat.S_IMODE(found.st_mode) & 0o022:
        yield Fault(str(file), "others than its owner may write to it", f"chmod go-w {file}")


def _owner(config: Config, data: Path) -> int:
    """Whom the server is, or was last."""
    if config.user:
        try:
            return pwd.getpwnam(config.user.partition(":")[0]).pw_uid
        except KeyError:  # told of elsewhere
            pass
    return os.stat(data).st_uid


def _permissions(config: Config, data: Path) -> Iterator[Fault]:
    owner = _owner(config, data)
    name = config.user.partition(":")[0] or str(owner)
    for part in (*_FOLDERS, dropped.FOLDER):
        place = data / part if part else data
        found = _mode(place)
        if found is None:
            continue
        if not stat.S_ISDIR(found.st_mode) and not (part == "mail" and place.is_dir()):
            yield Fault(str(place), "it is no folder", "move it away: the next start makes one")
        elif found.st_uid != owner:
            yield Fault(str(place), f"it belongs to user id {found.st_uid}", f"chown -R {name} {place}")
        elif found.st_mode & 0o700 != 0o700:
            yield Fault(str(place), "its owner may not use it", f"chmod u+rwx {place}")
        elif found.st_mode & 0o022:
            yield Fault(str(place), "others than its owner may write to it", f"chmod go-w {place}")
    for part in _PRIVATE:
        found = _mode(data / part)
        if found is None:
            continue
        if found.st_uid != owner:
            yield Fault(str(data / part), f"it belongs to user id {found.st_uid}", f"chown {name} {data / part}")
        elif found.st_mode & 0o077:
            yield Fault(str(data / part), "others than its owner may use it", f"chmod go= {data / part}")
    yield from _shared_drop(config)


def _shared_drop(config: Config) -> Iterator[Fault]:
    path = Path(config.maildrop.path)
    if not config.maildrop.path:
        return
    found, wanted = _mode(path), dropped.EVERYBODY if config.maildrop.everybody else dropped.OURS
    if found is None or not stat.S_ISDIR(found.st_mode):
        yield Fault(str(path), "there is no such folder", f"install -d -o {config.user or 'USER'} {path}")
    elif stat.S_IMODE(found.st_mode) != wanted:
        yield Fault(str(path), f"its mode is {stat.S_IMODE(found.st_mode):o}", f"chmod {wanted:o} {path}")


def _keys(config: Config) -> Iterator[Fault]:
    for key in (config.tls.key, *(more.key for more in config.tls.certificates)):
        found = _mode(Path(key)) if key else None
        if found is not None and found.st_mode & 0o007:
            yield Fault(key, "everybody may read this key", f"chmod o= {key}")
    yield from (fault for soon, fault in _certificates(config) if not soon)


def _certificates(config: Config) -> Iterator[tuple[bool, Fault]]:
    """Whether there is time left, and what is wrong with one."""
    for certificate in (config.tls.certificate, *(more.certificate for more in config.tls.certificates)):
        if certificate:
            yield from _certificate(certificate)


def _certificate(file: str) -> Iterator[tuple[bool, Fault]]:
    """One that can not be read is told of elsewhere."""
    from cryptography import x509

    try:
        with open(file, "rb") as stream:
            found = x509.load_pem_x509_certificate(stream.read())
    except (OSError, ValueError):
        return
    now = SystemClock().now()
    days = (found.not_valid_after_utc.timestamp() - now) / 86_400
    if days < 0:
        yield False, Fault(file, f"it ended {-days:.0f} days ago", "renew it")
    elif days < EXPIRY:
        yield True, Fault(file, f"it ends in {days:.0f} days", "renew it")
    elif found.not_valid_before_utc.timestamp() > now:
        yield (
            False,
            Fault(
                file,
                f"it begins only {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
                "set the clock, or take another",
            ),
        )


def _ending(config: Config) -> Iterator[Fault]:
    yield from (fault for soon, fault in _certificates(config) if soon)


def _disk(config: Config, data: Path) -> Iterator[Fault]:
    try:
        disk = os.statvfs(_there(data))
    except OSError as error:
        yield Fault(str(data), f"its file system does not answer: {error.strerror}", "mount it")
        return
    free, floor = disk.f_bavail * disk.f_frsize, config.store.free_space_floor
    if free < floor:
        yield Fault(
            str(data),
            f"{octets(free)} are free, of {octets(floor)} that have to be",
            "make room, or lower store.free_space_floor",
        )
    if disk.f_files and disk.f_favail < _INODES:
        yield Fault(str(data), f"{disk.f_favail} inodes are free", "remove small files from that file system")
    if disk.f_flag & os.ST_RDONLY:
        yield Fault(
            str(data), "its file system is read-only", "mount it for writing; the kernel's log says why it is so"
        )


def _there(place: Path) -> Path:
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _room(config: Config, data: Path) -> Iterator[Fault]:
    disk = os.statvfs(_there(data))
    free, floor = disk.f_bavail * disk.f_frsize, config.store.free_space_floor
    if floor <= free < _AHEAD * floor:
        yield Fault(str(data), f"{octets(free)} are free", f"make room: mail is refused below {octets(floor)}")


def _clock(data: Path) -> Iterator[Fault]:
    """A file from the future was written before the clock was set back, or is of another host."""
    now = SystemClock().now()
    for name in ("mailhub.db", "mailhub.db-wal"):
        found = _mode(data / name)
        if found is not None and found.st_mtime > now + _SLACK:
            ahead = found.st_mtime - now
            yield Fault(
                "clock",
                f"{data / name} was written {ahead:.0f} s from now",
                "set the clock (chrony, systemd-timesyncd)",
            )
            return


def _kernel(config: Config) -> Iterator[Fault]:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = config.sessions.limit + _DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        fix = f"ulimit -n {wanted} (LimitNOFILE= in a systemd unit), or lower sessions.limit"
        yield Fault("open files", f"{soft} are allowed here, sessions.limit is {config.sessions.limit}", fix)
    if _clock_state() == _UNSYNCHRONISED:
        yield Fault("clock", "the kernel does not know whether it is right", "run chrony or systemd-timesyncd")


def _clock_state() -> int:
    """As adjtimex(2) has it; -1 where it can not be asked."""
    try:
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
    except (AttributeError, OSError):
        return -1


def _half_restored(data: Path) -> Iterator[Fault]:
    try:
        name = (data / UNFINISHED).read_text("ascii", "replace")[:100].strip()
    except FileNotFoundError:
        return
    except OSError as error:
        name = error.strerror or str(error)
    wrong = f"it holds half of the backup {name!r}, and no server starts on it"
    yield Fault(str(data), wrong, "run the same `mailhub restore` again: it goes on where it was broken off")


def _leftovers(config: Config, data: Path, file: Path) -> Iterator[Fault]:
    runs = True
    try:
        pid_file.Running(data).close()
    except LookupError:
        runs = False
    except OSError:
        pass
    pid = _mode(data / pid_file.NAME)
    if not runs and (_mode(data / socket_path.NAME) is not None or (pid is not None and pid.st_size)):
        yield Fault(str(data), "the last server did not end by itself", "nothing: the next start finishes what it left")
    drop = config.maildrop.path or str(data / dropped.FOLDER)
    names = _listed(drop)
    if bad := sum(name.endswith(dropped.WRONG) for name in names):
        yield Fault(drop, f"{bad} files were no messages (*{dropped.WRONG})", "look at them, and remove them")
    if not runs and (waiting := sum(name.endswith(dropped.READY) for name in names)):
        yield Fault(drop, f"{waiting} messages wait for a server", "mailhub start")
    for name in _listed(str(file.absolute().parent)):
        if name.startswith(f".{file.name}."):
            yield Fault(str(file.absolute().parent / name), "an edit of the configuration was broken off", "remove it")
    for name in _listed(str(data)):
        if name.startswith("mailhub.db.before-"):
            size = octets(os.path.getsize(data / name))
            wrong = f"the store as it was before an upgrade, {size}"
            if name.endswith(".part"):
                yield Fault(
                    str(data / name), "a copy before an upgrade was broken off", "nothing: the next start makes it anew"
                )
            else:
                yield Fault(
                    str(data / name), wrong, "remove it once all is well; docs/upgrading.md says how to go back to it"
                )
    if (data / "demo-accounts.txt").exists():
        yield Fault(
            str(data / "demo-accounts.txt"),
            "passwords of the demo accounts",
            "remove it, and the accounts where you need none",
        )


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
