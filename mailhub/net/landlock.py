"""Linux's Landlock (landlock(7)): this thread, and all that it starts from here on, may use the named files alone.

By system calls, whose numbers and structures are the same on every machine: 444 to 446, of linux/landlock.h.
"""

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << n for n in range(6, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14
_SINCE = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE}  # rights, by the version of the kernel's interface that knows them

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_SYM | REFER | TRUNCATE
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
NEEDED = 2  # before it, nothing can be moved from one folder to another, as Maildirs need it


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def version() -> int:
    """Of the kernel's interface; 0 where it has none, or it is switched off."""
    return max(0, _call(_CREATE, None, 0, _VERSION))


def confine(rules: Iterable[tuple[str, int]]) -> None:
    """Each rule: a file or folder that is there (others are passed over), and what may be done to it and to all below. Everything
    else is forbidden, for good. The thread has no new privileges (prctl(2)) already, or is root's. OSError where it fails, and then
    nothing is changed."""
    handled = sum(rights for since, rights in _SINCE.items() if since <= version())
    ruleset = _checked(_call(_CREATE, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0))
    try:
        for path, rights in rules:
            _add(ruleset, path, rights & handled)
        _checked(_call(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)


def _add(ruleset: int, path: str, rights: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                rights &= _OF_FILES
            _checked(_call(_ADD, ruleset, _BENEATH, ctypes.byref(_Beneath(rights, place)), 0))
        finally:
            os.close(place)


def _call(number: int, *arguments: object) -> int:
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (AttributeError, OSError, TypeError):  # no Linux
        return -1
    call.restype = ctypes.c_long
    return int(call(ctypes.c_long(number), *map(_word, arguments)))


def _word(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _checked(answer: int) -> int:
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return answer
