"""How `mailhub sendmail` hands a message over: to the running server by SMTP on loopback, else into the maildrop.

Nobody's rights are needed for SMTP: the server's `smtp` listener takes mail of its `mynetworks`, to all recipients or to none.
"""

import os
import smtplib
import socket
import sys
from contextlib import suppress
from typing import NoReturn

from mailhub.config.schema import Config, Listener
from mailhub.model.clock import SystemClock
from mailhub.wire.smtp import xtext

from .composing import Order
from .sysexits import SysExit, give_up

_TIMEOUT = 300.0  # seconds of silence of the server
_BLOCK = 65_536


class _Away(Exception):
    """The server takes nothing now, and has taken nothing of this message."""


def submit(config: Config, sender: str, recipients: list[str], text: bytes, order: Order) -> None:
    """The program ends where the message is not taken. `order`: which reports are wanted."""
    try:
        _send(config, sender, recipients, text, order)
    except _Away as error:
        _leave(config, sender, recipients, text, order, str(error))


def _door(config: Config) -> Listener:
    door = next((one for one in config.listener if one.protocol == "smtp" and not one.path and one.port), None)
    if door is None:
        give_up(SysExit.CONFIG, "the server has no smtp listener with a port of its own")
    return door


def _send(config: Config, sender: str, recipients: list[str], text: bytes, order: Order) -> None:
    door = _door(config)
    sent = False
    try:
        with smtplib.SMTP(_address(door), door.port, local_hostname="localhost", timeout=_TIMEOUT) as server:
            server.ehlo()
            options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") and not text.isascii() else []
            if not "".join((sender, *recipients)).isascii():
                options.append("SMTPUTF8")
                server.command_encoding = "utf-8"
            reports = server.has_extn("dsn")
            if reports and order.ret is not None:
                options.append(f"RET={order.ret}")
            if reports and order.envid is not None:
                options.append(f"ENVID={xtext.encode(order.envid)}")
            notify = [f"NOTIFY={','.join(str(bit.name) for bit in order.notify)}"] if reports and order.notify else []
            _checked(server, *server.mail(sender, options), SysExit.UNAVAILABLE)
            for recipient in recipients:
                _checked(server, *server.rcpt(recipient, notify), SysExit.NOUSER, recipient)
            sent = True
            _checked(server, *server.data(text), SysExit.UNAVAILABLE)
    except smtplib.SMTPDataError as error:
        _refused(error.smtp_code, error.smtp_error, SysExit.UNAVAILABLE)
    except (OSError, smtplib.SMTPException) as error:
        said = f"the server at {_address(door)}:{door.port} can not be reached: {error}"
        if not sent:
            raise _Away(said) from error
        give_up(SysExit.TEMPFAIL, said)


def _checked(server: smtplib.SMTP, code: int, said: bytes, final: SysExit, whom: str = "") -> None:
    if code == 421:  # it is stopping, or has no more sessions to give
        raise smtplib.SMTPServerDisconnected(said.decode("utf-8", "replace"))
    if code // 100 != 2:
        server.rset()
        _refused(code, said, final, whom)


def _refused(code: int, said: bytes | str, final: SysExit, whom: str = "") -> NoReturn:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    about = f"{whom}: " if whom else ""
    give_up(SysExit.TEMPFAIL if code // 100 == 4 else final, f"{about}{code} {text}")


def _leave(config: Config, sender: str, recipients: list[str], text: bytes, order: Order, why: str) -> None:
    """In the maildrop, until a server runs."""
    from mailhub.jobs import dropped

    section = config.maildrop
    folder = section.path or os.path.join(config.data, dropped.FOLDER)
    bounds = dropped.Bounds(section.message_limit, section.size_limit, config.store.free_space_floor)
    envelope = dropped.Envelope(
        sender=sender, recipients=tuple(recipients), notify=int(order.notify), ret=order.ret, envid=order.envid
    )
    if len(recipients) > config.smtp.recipient_limit:
        give_up(SysExit.DATAERR, f"more than {config.smtp.recipient_limit} recipients (smtp.recipient_limit)")
    try:
        dropped.leave(folder, envelope, text, SystemClock().now(), bounds)
    except dropped.Full as error:
        give_up(SysExit.TEMPFAIL, f"{why}; and in {folder} {error}")
    except OSError as error:
        give_up(SysExit.TEMPFAIL, f"{why}; and nothing can be left in {folder}: {error.strerror or error}")


def converse(config: Config) -> None:
    """SMTP between standard input and output and the server: `sendmail -bs`."""
    door = _door(config)
    try:
        server = socket.create_connection((_address(door), door.port), _TIMEOUT)
    except OSError as error:
        sys.stdout.write(f"421 4.3.2 {config.hostname} Service not available\r\n")
        give_up(SysExit.TEMPFAIL, f"the server at {_address(door)}:{door.port} can not be reached: {error}")
    with server, suppress(BrokenPipeError):
        _relay(server)


def _relay(server: socket.socket) -> None:
    """Both ways, until the server ends it."""
    import selectors

    source, out = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer, sys.stdout.buffer
    with selectors.DefaultSelector() as waiting:
        waiting.register(server, selectors.EVENT_READ)
        try:
            waiting.register(source, selectors.EVENT_READ)
        except PermissionError:  # a file, which epoll does not take: it is all there
            server.sendall(source.read())
            server.shutdown(socket.SHUT_WR)
        while ready := waiting.select(_TIMEOUT):
            for key, _ in ready:
                if key.fileobj is server:
                    block = server.recv(_BLOCK)
                    if not block:
                        return
                    out.write(block)
                    out.flush()
                elif block := os.read(key.fd, _BLOCK):
                    server.sendall(block)
                else:
                    waiting.unregister(source)
                    server.shutdown(socket.SHUT_WR)


def _address(door: Listener) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.address, door.address)
