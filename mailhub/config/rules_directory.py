"""What no type can say about [directory]."""

from collections.abc import Iterator

from .findings import Finding
from .schema import Config


def directory(config: Config) -> Iterator[Finding]:
    """Where the database is, and which queries have to be there."""
    found = config.directory
    if found.kind == "embedded":
        return
    if config.mode == "capture":
        yield Finding(("directory", "kind"), '"mysql" in capture mode', '"embedded": capture makes its own mailboxes')
    if config.demo:
        yield Finding(("demo",), "true with a directory that is only read", 'false, or directory.kind = "embedded"')
    if not found.hosts:
        yield Finding(("directory", "hosts"), "an empty list", 'a server, such as "inet:127.0.0.1:3306"')
    for n, host in enumerate(found.hosts):
        kind, _, place = host.partition(":")
        port = place.rpartition(":")[2] if ":" in place else "3306"
        if kind not in ("inet", "unix") or not place or (kind == "inet" and not (port.isascii() and port.isdigit())):
            yield Finding(("directory", "hosts", n), repr(host), '"inet:HOST:PORT" or "unix:PATH"')
    if found.schema == "queries" and not (found.user_query or found.password_query):
        yield Finding(("directory", "user_query"), "nothing", 'a query, where directory.schema = "queries"')
