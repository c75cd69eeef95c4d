"""The name of the file that a part is."""

from . import charset, headers, parameters
from .parts import Part

_LONGEST = 4_000  # octets of a name that are decoded: a message may have 10,000 names of 65,536


def file_name(part: Part) -> str:
    """Decoded; "" for none (RFC 2231)."""
    for field, wanted in ((b"content-disposition", b"filename"), (b"content-type", b"name")):
        for name, value in parameters.parse(part.fields.get(field, b""))[1]:
            if name == wanted:
                return headers.decode(value[:_LONGEST])
            if name == wanted + b"*":
                encoding, octets = parameters.extended_value(value[:_LONGEST])
                return charset.decode(octets, encoding)
    return ""
