"""The name of the file that a part is."""

from . import charset, headers, parameters
from .parts import Part


def file_name(part: Part) -> str:
    """Decoded; "" for none (RFC 2231)."""
    for field, wanted in ((b"content-disposition", b"filename"), (b"content-type", b"name")):
        for name, value in parameters.parse(part.fields.get(field, b""))[1]:
            if name == wanted:
                return headers.decode(value)
            if name == wanted + b"*":
                encoding, octets = parameters.extended_value(value)
                return charset.decode(octets, encoding)
    return ""
