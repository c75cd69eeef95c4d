"""Users through NSS, and how a child becomes one of them: for good, and before it touches anything.

The C library is asked directly, as Python's `pwd` does not tell "there is none" from "nobody can say now" (getpwnam_r(3)).
"""

import ctypes
import errno
import fcntl
import os

from msgspec import Struct

from .exits import Exit, Failed, later

PATH = "/usr/local/bin:/usr/bin:/bin"  # of programs
_BUFFER = 1_048_576  # octets of one entry
_NONE = (0, errno.ENOENT, errno.ESRCH)  # getpwnam_r(3): there is none
_NEWNET = 0x40000000  # sched.h
_NO_NEW_PRIVS = 38  # prctl.h
_HIGH = 10


class _Passwd(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("password", ctypes.c_char_p),
        ("uid", ctypes.c_uint32),
        ("gid", ctypes.c_uint32),
        ("gecos", ctypes.c_char_p),
        ("home", ctypes.c_char_p),
        ("shell", ctypes.c_char_p),
    )


class User(Struct, frozen=True):
    name: str
    uid: int
    gid: int
    home: str
    shell: str


def look(name: str) -> User:
    """The user of exactly that name. Failed: NOUSER, or TEMPFAIL where NSS can not tell."""
    entry, buffer, found = _Passwd(), ctypes.create_string_buffer(_BUFFER), ctypes.POINTER(_Passwd)()
    get = ctypes.CDLL(None).getpwnam_r
    result = get(name.encode(), ctypes.byref(entry), buffer, ctypes.c_size_t(_BUFFER), ctypes.byref(found))
    if not found:
        if result in _NONE:
            raise Failed(Exit.NOUSER, "5.1.1 no such user")
        later("4.3.0", f"the user can not be looked up now: {os.strerror(result)}")
    if entry.name != name.encode():
        raise Failed(Exit.NOUSER, "5.1.1 no such user")
    home, shell = (os.fsdecode(text or b"") for text in (entry.home, entry.shell))
    return User(name, entry.uid, entry.gid, home, shell)


def become(user: User, extra: tuple[int, ...] = (), *, alone: bool = False) -> None:
    """Give up all rights but the user's; `extra`: groups beside his own; `alone`: with no group but his first. Root is nobody whose
    mail is written."""
    if not user.uid:
        later("4.3.5", "nothing is done as root: give it an alias")
    if os.geteuid():
        if user.uid != os.geteuid():
            later("4.3.5", "only root can act for this user")
    else:
        groups = [user.gid] if alone else os.getgrouplist(user.name, user.gid)
        os.setgroups(sorted({*groups, *extra} - {0}))
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    if os.getresuid() != (user.uid,) * 3:
        later("4.3.0", "the rights were not given up")
    os.umask(0o077)


def no_new_rights() -> None:
    """No program that is started from here on gains any (set-user-ID and the like)."""
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)


class Networks(Struct, frozen=True):
    """Descriptors of the host's network and of one without any; None where they are one, as we may not part them. Both lie high, out
    of the way of what children arrange."""

    host: int | None = None
    none: int | None = None

    @classmethod
    def part(cls) -> "Networks":
        """Leave the host's network. Only root can."""
        host = _opened()
        libc = ctypes.CDLL(None, use_errno=True)
        if host is None or os.geteuid() or libc.unshare(_NEWNET):
            return cls()
        return cls(host, _opened())

    @property
    def parted(self) -> bool:
        return self.none is not None

    def enter(self, network: int | None) -> None:
        """For who must: NSS may ask a server, and users' programs have the network that users have."""
        if network is not None and ctypes.CDLL(None, use_errno=True).setns(network, _NEWNET):
            later("4.3.0", "the network can not be entered")


def _opened() -> int | None:
    try:
        low = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(low)
    return high
