"""The orders of RFC 5256: what SORT compares, and how THREAD joins messages."""

from enum import Enum

from msgspec import Struct


class By(Enum):
    """RFC 5256 section 3; DISPLAYFROM and DISPLAYTO: RFC 5957. The value is the name on the wire."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


class Criterion(Struct, frozen=True):
    """`descending`: REVERSE stood before it."""

    by: By
    descending: bool = False


class Algorithm(Enum):
    """RFC 5256; REFS (draft-ietf-morg-inthread): as REFERENCES, but subjects join nothing, and the thread with the latest
    message comes last."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"
    REFS = "REFS"


class Node(Struct):
    """A message and what answers it; `uid` 0 stands for one that is not among them."""

    uid: int
    children: "list[Node]"
