"""Connections to MySQL-compatible servers, and what their errors mean. Who asks what is others' business."""

from collections.abc import Mapping, Sequence
from typing import Any

from mailhub.model.clock import Clock
from mailhub.model.errors import Temporary

CONNECT = 10.0  # seconds for a connection
_ASIDE = 60.0  # seconds that a host which hung is asked after the others
_STOPPING = (0, 1053, 1927)  # the server shuts down, or has killed the connection


class Away(Temporary):
    """The database can not be reached, or does not answer in time; other troubles are those of one query."""


class Hosts:
    """Servers in the order in which they are asked. Who hangs costs its whole time again and again: it is asked last for a while."""

    def __init__(self, hosts: Sequence[str], clock: Clock) -> None:
        self._configured = self._now = tuple(hosts)
        self._clock, self._until = clock, 0.0

    def order(self) -> tuple[str, ...]:
        if self._clock.monotonic() >= self._until:
            self._now = self._configured
        return self._now

    def leave(self, host: str) -> None:
        """It did not answer, or has lost the others."""
        if host in self._now:
            self._now = (*(one for one in self._now if one != host), host)
            self._until = self._clock.monotonic() + _ASIDE


async def connect(
    hosts: Sequence[str],
    login: Mapping[str, str],
    clock: Clock,
    first: str = "",
    *,
    flags: int = 0,
    seconds: float = CONNECT,
) -> Any:
    """A connection of aiomysql to the first of `hosts` ("inet:HOST:PORT", "unix:PATH" or HOST) that takes one. `login`: user,
    password, db. `first`: what it says first. `flags`: of the client (pymysql's CLIENT). `seconds`: for each host. Away where none does."""
    import aiomysql

    class Quiet(aiomysql.Cursor):  # type: ignore[misc]
        """Warnings are not asked for, each time by one more question: what matters is an error (STRICT_TRANS_TABLES)."""

        async def _show_warnings(self, conn: object) -> None:
            return

        def _escape_args(self, args: Sequence[object], conn: Any) -> tuple[str, ...]:
            """Octets as x'...': aiomysql 0.3.2 asks PyMySQL 1.2 for a function that it has taken away."""
            return tuple(f"x'{arg.hex()}'" if isinstance(arg, bytes) else conn.escape(arg) for arg in args)

    trouble: Exception = Temporary("no hosts")
    for host in hosts:
        try:
            async with clock.timeout(seconds):
                connection = await aiomysql.connect(
                    **_place(host),
                    **login,
                    charset="utf8mb4",
                    autocommit=True,
                    connect_timeout=None,  # by asyncio.wait_for, which in Python 3.11 loses a cancellation now and then
                    init_command=first or None,
                    client_flag=flags,
                    cursorclass=Quiet,
                )
                connection.place = host
                return connection
        except Exception as error:
            trouble = error
    raise Away(f"mysql {' '.join(hosts)}: {trouble}")


def _place(host: str) -> dict[str, Any]:
    if host.startswith("unix:"):
        return {"unix_socket": host.removeprefix("unix:")}
    name, _, port = host.removeprefix("inet:").rpartition(":")
    return {"host": name, "port": int(port)} if name and port.isdigit() else {"host": name or port, "port": 3306}


def lost(error: Exception) -> bool:
    """Whether it is the connection's trouble (the client's own codes begin at 2000), or a server's that stops (1053)."""
    number = code(error)
    if number is None:
        return not isinstance(error, ValueError)
    return number in _STOPPING or 2000 <= number < 3000


def is_of_driver(error: Exception) -> bool:
    """Whether the driver raised it, with or without a number."""
    from pymysql.err import MySQLError

    return isinstance(error, MySQLError)


def code(error: Exception) -> int | None:
    """The server's or the client's number of it; None for what is no error of MySQL's."""
    from pymysql.err import MySQLError

    number = error.args[0] if isinstance(error, MySQLError) and error.args else None
    return number if isinstance(number, int) else None
