"""What the deputy is asked and what it answers: one packet each, JSON, a file beside the request where it has one."""

import re
from typing import Any

import msgspec

PACKET = 131_072  # octets of a request or answer
LOOKS = 10  # requests that only look, beside those that the operator's bound is for
VALUE = 4_096  # octets of a variable
TEXT = 65_536  # octets of one text in a request

# As useradd allows them, and what other directories have; never a path, an option, or a name that is another's lock file.
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,62}\$?")
_MARK = re.compile(r"[0-9A-Za-z._-]{1,200}")
VARIABLES = frozenset(
    (
        "SENDER", "RECIPIENT", "ORIGINAL_RECIPIENT", "EXTENSION", "DOMAIN", "LOCAL", "QUEUE_ID", "SIZE", "CLIENT_ADDRESS",
        "CLIENT_HELO", "CLIENT_HOSTNAME", "CLIENT_PROTOCOL", "SASL_USERNAME",
    )
)  # fmt: skip


class Argument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a command. `filled`: the text is what it begins with, and the rest comes from the message; `several`: one for each recipient."""

    text: str
    filled: bool = False
    several: bool = False


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the operator's. `user`: "name" or "name:group"; `environment`: "NAME=value"."""

    name: str
    user: str
    command: tuple[Argument, ...]
    directory: str
    environment: tuple[str, ...]
    time_limit: float
    output_limit: int = 4_096


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first packet: the operator's [local]."""

    mail_spool_directory: str
    home_mailbox: str
    mailbox_command: str
    delimiter: str
    forward: bool
    forward_limit: int
    forward_count: int
    mailbox_size_limit: int
    lock_timeout: float
    stale_lock_time: float
    lookup_timeout: float
    file_timeout: float
    command_timeout: float
    output_limit: int
    concurrency: int
    programs: tuple[Program, ...] = ()


PROGRAM_VARIABLES = VARIABLES | {"NEXTHOP", "MAILBOX", "USER", "LOGNAME"}


class Look(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Is there such a user? Says the number; EX_NOUSER where there is none."""

    user: str


class Forward(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What the user's .forward says, with what it includes: a list of targets in JSON. EX_NOINPUT where there is none, or none that
    counts; then a text says why."""

    user: str
    extension: str = ""


class Deliver(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Into the user's mailbox. With a file: the message as it shall stand there; for a mailbox file led by "From " and a line that
    holds the mark, for a Maildir without both.

    `mark`: of this delivery alone. `again`: it may have been made before. `path`: another mailbox, which stands in the user's
    .forward (as `extension` has it); a Maildir where it ends with a slash."""

    user: str
    mark: str
    again: bool = False
    path: str = ""
    extension: str = ""


class Run(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A command that stands in the user's .forward, or "" for mailbox_command, as that user, fed with the file. Says what the program
    said."""

    user: str
    command: str
    environment: tuple[str, ...] = ()
    extension: str = ""


class Start(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """One of the operator's programs, by its name, fed with the file. Says what the program said."""

    program: str
    argv: tuple[str, ...]
    environment: tuple[str, ...] = ()


What = Look | Forward | Deliver | Run | Start


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: int
    what: What


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`status`: as waitpid has it, a number of sysexits.h, negative for a signal. `said`: output, bounded. `late`: it was killed
    when its time was over."""

    id: int
    status: int
    said: bytes
    late: bool = False


class Number(msgspec.Struct):
    """What can be told of a request that is wrong in all else."""

    id: int


class Malformed(Exception):
    """Not a request that is served."""


_REQUEST = msgspec.json.Decoder(Request)
NUMBER = msgspec.json.Decoder(Number)
ANSWER = msgspec.json.Decoder(Answer)
SETTINGS = msgspec.json.Decoder(Settings)


def encoded(word: Any) -> bytes:
    """A packet. Malformed where it were too long."""
    packet = msgspec.json.encode(word)
    if len(packet) > PACKET:
        raise Malformed(f"{len(packet)} octets")
    return packet


def request(packet: bytes) -> Request:
    """Malformed where it is none, or says what no server of ours says."""
    try:
        found = _REQUEST.decode(packet)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    what = found.what
    if isinstance(what, Start):
        _check_environment(what.environment, PROGRAM_VARIABLES)
        return found
    if not is_name(what.user):
        raise Malformed("no user's name")
    if not isinstance(what, Look) and not is_extension(what.extension):
        raise Malformed("no extension")
    if isinstance(what, Deliver) and not _MARK.fullmatch(what.mark):
        raise Malformed("no mark")
    if isinstance(what, Deliver) and what.path and not is_path(what.path):
        raise Malformed("no path")
    if isinstance(what, Run):
        _check_run(what)
    return found


def _check_run(what: Run) -> None:
    if "\0" in what.command or len(what.command) > TEXT:
        raise Malformed("no command")
    _check_environment(what.environment, VARIABLES)


def _check_environment(environment: tuple[str, ...], known: frozenset[str]) -> None:
    for variable in environment:
        name, _, value = variable.partition("=")
        if name not in known or "\0" in value or len(value) > VALUE or len(environment) > len(known):
            raise Malformed("no environment")


def time_limit(what: What, settings: Settings) -> float:
    """Seconds that it may take."""
    match what:
        case Deliver():
            return settings.file_timeout
        case Run():
            return settings.command_timeout
        case Start():
            return program(what, settings).time_limit
    return settings.lookup_timeout


def output_limit(what: What, settings: Settings) -> int:
    """Octets of what it says that are kept."""
    if isinstance(what, Start):
        return program(what, settings).output_limit
    return TEXT if isinstance(what, Look | Forward) else settings.output_limit


def program(what: Start, settings: Settings) -> Program:
    """Malformed where there is none of that name."""
    for one in settings.programs:
        if one.name == what.program:
            return one
    raise Malformed("no program")


def is_name(user: str) -> bool:
    """Whether a user can be called so."""
    return _NAME.fullmatch(user) is not None and not user.endswith((".lock", "."))


def is_extension(text: str) -> bool:
    """Whether it can stand in the name of a .forward file."""
    return len(text) <= 64 and text.isprintable() and "/" not in text and ".." not in text


def is_path(text: str) -> bool:
    """A whole path, for a file of .forward."""
    return text.startswith("/") and text.isprintable() and len(text.encode("utf-8", "surrogatepass")) < 1_024
