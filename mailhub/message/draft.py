"""A header that is changed field by field, as filters ask: fields inserted, added, changed and taken away. Pure."""

import re
from collections.abc import Iterator

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_BREAK = re.compile(r"\r\n|\r|\n")


class Draft:
    """`header`: lines with CRLF, without the blank one. Places of fields begin with our own Received, which is not in it: what is put
    before it is `above`."""

    def __init__(self, header: bytes) -> None:
        self.above: list[bytes] = []
        self._fields = list(_split(header))
        self.changed = False

    @property
    def header(self) -> bytes:
        """What stands behind our Received."""
        return b"".join(self._fields)

    def fields(self) -> Iterator[tuple[bytes, bytes]]:
        """Names, and values as they stand, from behind the colon to before the last line end. Lines that are no field are left out."""
        for field in (*self.above, *self._fields):
            name, colon, value = field.partition(b":")
            if colon and _FIELD.match(field):
                yield name.rstrip(), value.removesuffix(b"\r\n")

    def insert(self, index: int, name: str, value: str) -> None:
        """Before the field at that place, or at the end where there are fewer."""
        self.changed = True
        behind = index - len(self.above) - 1
        if behind < 0:
            self.above.insert(index, rendered(name, value))
        else:
            self._fields.insert(behind, rendered(name, value))

    def add(self, name: str, value: str) -> None:
        self.changed = True
        self._fields.append(rendered(name, value))

    def change(self, nth: int, name: str, value: str) -> None:
        """Of the fields of that name the `nth` one, from 1. One that is not there is added; without a value it goes."""
        seen = 0
        for part in (self.above, self._fields):
            for at, field in enumerate(part):
                seen += _named(field, name)
                if seen == max(nth, 1):
                    part[at : at + 1] = [rendered(name, value)] if value else []
                    self.changed = True
                    return
        if value:
            self.add(name, value)

    def remove(self, name: str, nth: int = 0) -> None:
        """All of that name, or the `nth`: from 1, or from the end below 0."""
        count = sum(_named(field, name) for field in (*self.above, *self._fields))
        for wanted in range(count, 0, -1):
            if nth in (0, wanted, wanted - count - 1):
                self.change(wanted, name, "")


def rendered(name: str, value: str) -> bytes:
    """One field. A line break in the value begins a folded line; the value may bring its own blank."""
    first, *more = _BREAK.split(value.replace("\0", ""))
    lines = [first if first[:1] in (" ", "\t") else f" {first}"]
    lines += [line if line[0] in " \t" else f"\t{line}" for line in more if line.strip()]
    return f"{name}:".encode() + "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n"


def _named(field: bytes, name: str) -> bool:
    return field.partition(b":")[0].rstrip().lower() == name.lower().encode()


def _split(header: bytes) -> Iterator[bytes]:
    """Each field with its folding."""
    at = 0
    while at < len(header):
        end = header.find(b"\n", at) + 1 or len(header)
        while header[end : end + 1] in (b" ", b"\t"):
            end = header.find(b"\n", end) + 1 or len(header)
        field = header[at:end]
        yield field if field.endswith(b"\n") else field + b"\r\n"
        at = end
