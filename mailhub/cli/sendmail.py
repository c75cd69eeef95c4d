"""`mailhub sendmail`: a message from a program of this host, as sendmail(1) takes it, handed to the running server by SMTP on loopback.

Nobody's rights are needed for it: the server's `smtp` listener takes mail of its `mynetworks`. It is sent to all recipients or to none,
and the exit code (sysexits.h) tells which.
"""

import email.utils
import os
import pwd
import smtplib
import sys
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

import click

from mailhub.config.load import ConfigError, load
from mailhub.config.schema import Config, Listener
from mailhub.model.clock import SystemClock

from .options import config_option

_TIMEOUT = 300.0  # seconds of silence of the server
_VALUES = "fFrBhLNOopRVX"  # options of sendmail that have a value
_IGNORED = "bBhLNOopRVXvmneUG"  # those that change nothing here
_TO = ("to", "cc", "bcc")


class Exit(IntEnum):
    """sysexits.h."""

    DONE = 0
    USAGE = 64
    DATAERR = 65
    NOUSER = 67
    UNAVAILABLE = 69
    TEMPFAIL = 75
    CONFIG = 78


@dataclass(slots=True)
class _Order:
    """What the arguments ask for. `dots`: a line with a dot alone ends the message."""

    recipients: list[str] = field(default_factory=list)
    sender: str | None = None
    name: str = ""
    from_header: bool = False
    dots: bool = True


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@config_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sendmail(config: Path | None, arguments: tuple[str, ...]) -> None:
    """Take a message from standard input as sendmail(1) does.

    Known are -t (recipients stand in the header), -i and -oi (a line with a dot is one), -f and -r (envelope sender), -F (name); other
    options of sendmail are accepted and change nothing, but for other modes than -bm, which are refused.
    """
    order = _order(list(arguments))
    try:
        settings = load(config)
    except ConfigError as error:
        _fail(Exit.CONFIG, str(error))
    text = _message(order, settings.smtp.message_size_limit)
    domain = (*settings.domains, settings.hostname)[0]
    head, text = _completed(text, order, domain)
    if order.from_header:
        order.recipients += [address for field in _TO for address in head.get(field, [])]
    recipients = list(dict.fromkeys(_whole(address, domain) for address in order.recipients if address))
    if not recipients:
        _fail(Exit.USAGE, "no recipients: name some, or use -t and name them in the header")
    _send(settings, _whole(order.sender, domain) if order.sender else "", recipients, text)


def _order(arguments: list[str]) -> _Order:
    order = _Order()
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            order.recipients += arguments
            break
        if len(word) < 2 or word[0] != "-":
            order.recipients.append(word)
            continue
        _option(word[1:], arguments, order)
    return order


def _option(word: str, rest: list[str], order: _Order) -> None:
    """One word: letters, of which the last may have a value, in it or behind it."""
    while word:
        letter, word = word[0], word[1:]
        if letter == "b":
            if word != "m":
                _fail(Exit.USAGE, f"-b{word} is not done here: -bm alone is")
            return
        if letter in _VALUES:
            value = word or (rest.pop(0) if rest else "")
            if letter in "fr":
                order.sender = value.strip("<>")
            elif letter == "F":
                order.name = value
            elif letter == "o" and value == "i":
                order.dots = False
            return
        if letter == "t":
            order.from_header = True
        elif letter == "i":
            order.dots = False
        elif letter not in _IGNORED:
            _fail(Exit.USAGE, f"unknown option -{letter}")


def _message(order: _Order, limit: int) -> bytes:
    """With CRLF, as it goes out."""
    data = sys.stdin.buffer.read(limit + 1) if limit else sys.stdin.buffer.read()
    if limit and len(data) > limit:
        _fail(Exit.DATAERR, f"the message is larger than {limit} octets (smtp.message_size_limit)")
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if lines and lines[0].startswith(b"From "):
        del lines[0]  # of a mailbox, not of the message
    if order.dots and b"." in lines:
        del lines[lines.index(b".") :]
    if lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _completed(text: bytes, order: _Order, domain: str) -> tuple[dict[str, list[str]], bytes]:
    """The addresses of its header by field, and the text with what RFC 5322 section 3.6 wants, and without Bcc."""
    start, blank, body = text.partition(b"\r\n\r\n")
    if text.startswith(b"\r\n"):
        start, blank, body = b"", b"\r\n", text[2:]
    if not _is_header(start):  # a text without any
        start, blank, body = b"", b"\r\n", text
    start += b"\r\n" if start else b""
    header = BytesHeaderParser().parsebytes(start)
    found = {
        name: [address for _, address in email.utils.getaddresses([str(one) for one in header.get_all(name, [])])]
        for name in _TO
    }
    us = pwd.getpwuid(os.getuid())
    if order.sender is None:
        order.sender = us.pw_name
    more = ""
    if "from" not in header:
        name = order.name or us.pw_gecos.split(",")[0]
        more += f"From: {email.utils.formataddr((name, _whole(order.sender or us.pw_name, domain)))}\r\n"
    if "date" not in header:
        more += f"Date: {email.utils.formatdate(SystemClock().now(), localtime=True)}\r\n"
    if "message-id" not in header:
        more += f"Message-ID: <{int(SystemClock().now() * 1e6):x}.{os.getpid()}@{domain}>\r\n"
    if "bcc" in header:
        start = _without_bcc(start)
    return found, more.encode() + start + (blank[-2:] or b"\r\n") + body


def _is_header(start: bytes) -> bool:
    first = start.split(b"\r\n", 1)[0]
    name, colon, _ = first.partition(b":")
    return not start or bool(colon and name and all(33 <= octet <= 126 for octet in name.rstrip()))


def _without_bcc(start: bytes) -> bytes:
    kept, skipping = [], False
    for line in start.splitlines(keepends=True):
        if line[:1] not in b" \t":
            skipping = line.partition(b":")[0].strip().lower() == b"bcc"
        if not skipping:
            kept.append(line)
    return b"".join(kept)


def _whole(address: str, domain: str) -> str:
    return address if "@" in address else f"{address}@{domain}"


def _send(config: Config, sender: str, recipients: list[str], text: bytes) -> None:
    door = next((one for one in config.listener if one.protocol == "smtp" and not one.path and one.port), None)
    if door is None:
        _fail(Exit.CONFIG, "the server has no smtp listener with a port of its own")
    try:
        with smtplib.SMTP(_address(door), door.port, local_hostname="localhost", timeout=_TIMEOUT) as server:
            server.ehlo()
            options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") and not text.isascii() else []
            if not "".join((sender, *recipients)).isascii():
                options.append("SMTPUTF8")
                server.command_encoding = "utf-8"
            _checked(server, *server.mail(sender, options), Exit.UNAVAILABLE)
            for recipient in recipients:
                _checked(server, *server.rcpt(recipient), Exit.NOUSER, recipient)
            _checked(server, *server.data(text), Exit.UNAVAILABLE)
    except smtplib.SMTPDataError as error:
        _refused(error.smtp_code, error.smtp_error, Exit.UNAVAILABLE)
    except (OSError, smtplib.SMTPException) as error:
        _fail(Exit.TEMPFAIL, f"the server at {_address(door)}:{door.port} can not be reached: {error}")


def _checked(server: smtplib.SMTP, code: int, said: bytes, final: Exit, whom: str = "") -> None:
    if code // 100 != 2:
        server.rset()
        _refused(code, said, final, whom)


def _refused(code: int, said: bytes | str, final: Exit, whom: str = "") -> NoReturn:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    about = f"{whom}: " if whom else ""
    _fail(Exit.TEMPFAIL if code // 100 == 4 else final, f"{about}{code} {text}")


def _address(door: Listener) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.address, door.address)


def _fail(code: Exit, text: str) -> NoReturn:
    for line in text.splitlines():
        click.echo(f"sendmail: {line}", err=True)
    raise SystemExit(int(code))
