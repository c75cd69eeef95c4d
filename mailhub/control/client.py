"""The command's side of the control socket. Plain blocking calls: a command has nothing else to do."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from . import socket_path
from .errors import ControlError
from .words import LINE_LIMIT, VERSION, Call, Request, Said, answer_type

Answer = TypeVar("Answer")


class NoServer(Exception):
    """Nobody listens on the socket."""


class Client:
    """A connection to a running server; NoServer where there is none, ControlError where it can not be used."""

    def __init__(self, data: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with socket_path.address(data) as name:
                self._socket.connect(name)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            self._socket.close()
            raise NoServer from error
        except OSError as error:
            self._socket.close()
            path = data / socket_path.NAME
            raise ControlError("refused", f"cannot talk to the server by {path}: {error.strerror or error}") from error
        self._lines = self._socket.makefile("rb")

    def ask(self, request: Request[Answer], progress: Callable[[int, int], None] | None = None) -> Answer:
        """The server's answer; ControlError carries its failure."""
        call: Any = request
        try:
            self._socket.sendall(msgspec.json.encode(Call(v=VERSION, request=call)) + b"\n")
            while True:
                said = self._line()
                if isinstance(said.progress, tuple):
                    if progress is not None:
                        progress(*said.progress)
                elif isinstance(said.answer, msgspec.Raw):
                    answer: Answer = msgspec.json.decode(said.answer, type=answer_type(type(request)))
                    return answer
                elif not isinstance(said.failure, msgspec.UnsetType):
                    raise ControlError(said.failure.kind, said.failure.text)
        except OSError as error:
            raise ControlError("temporary", f"the connection to the server broke: {error.strerror or error}") from error
        except msgspec.DecodeError as error:
            raise ControlError("bug", f"the server's answer can not be read: {error}") from error

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _line(self) -> Said:
        line = self._lines.readline(LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise ControlError("temporary", "the server ended the connection before it had answered")
        return msgspec.json.decode(line, type=Said)
