"""A reader of delivery reports that forgives nothing: whatever RFC 5322, 2046, 6522, 3464 and 6533 do not allow is an
AssertionError. It shares no line with what writes them.

    report = read(data)
    report.per_message["Reporting-MTA"], report.recipients[0]["Action"], report.words, report.returned
"""

import binascii
import itertools
import quopri
import re
import unicodedata
from dataclasses import dataclass

FIELD = re.compile(rb"([!-9;-~]+): (.*)\Z", re.DOTALL)
DELIMITER = re.compile(r'boundary="([ -~]{1,70})"')
DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
MTA = r"[a-z0-9-]+; \S.*"
TYPED = r"[A-Za-z0-9-]+; ?.*"
PER_MESSAGE = {
    "Original-Envelope-Id": r".*",
    "Reporting-MTA": MTA,
    "X-Mailhub-Queue-ID": r"[0-9A-Z]+",
    "X-Mailhub-Sender": TYPED,
    "Arrival-Date": DATE,
    "Deliver-By-Date": DATE,
}
PER_RECIPIENT = {
    "Original-Recipient": TYPED,
    "Final-Recipient": TYPED,
    "Action": r"failed|delayed|delivered|relayed|expanded",
    "Status": r"[245]\.\d{1,3}\.\d{1,3}",
    "Remote-MTA": MTA,
    "Diagnostic-Code": r"(smtp|x-mailhub);.*",
    "Last-Attempt-Date": DATE,
    "Final-Log-ID": r"[0-9A-Z]+",
    "Will-Retry-Until": DATE,
}


@dataclass(frozen=True, slots=True)
class Part:
    header: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        return self.header["Content-Type"].partition(";")[0]


@dataclass(frozen=True, slots=True)
class Read:
    header: dict[str, str]
    parts: tuple[Part, Part, Part]
    per_message: dict[str, str]
    recipients: tuple[dict[str, str], ...]

    @property
    def words(self) -> str:
        """What people read."""
        part = self.parts[0]
        how = part.header["Content-Transfer-Encoding"]
        body = part.body
        if how == "base64":
            body = binascii.a2b_base64(body)
        elif how == "quoted-printable":
            body = quopri.decodestring(body)
        return body.decode("utf-8" if "utf-8" in part.header["Content-Type"] else "ascii")

    @property
    def returned(self) -> bytes:
        return self.parts[2].body


def header_of(data: bytes) -> tuple[dict[str, str], bytes]:
    """Each field once, unfolded; what stands behind the blank line."""
    head, found, rest = data.partition(b"\r\n\r\n")
    assert found, "no blank line"
    fields: dict[str, str] = {}
    for field in re.sub(rb"\r\n(?=[ \t])", b"", head).split(b"\r\n"):
        match = FIELD.match(field)
        assert match, field
        name = match[1].decode()
        assert name not in fields, name
        fields[name] = match[2].decode()
    return fields, rest


def fields_of(group: bytes, allowed: dict[str, str]) -> dict[str, str]:
    """One group of a delivery-status: known fields, each with the value that its grammar allows."""
    fields, _ = header_of(group + b"\r\n\r\n")
    for name, value in fields.items():
        assert name in allowed, name
        assert re.fullmatch(allowed[name], value), (name, value)
        assert not {"Cc", "Zl", "Zp", "Cs"} & set(map(unicodedata.category, value)), (name, value)
    return fields


def lines_are_lines(data: bytes) -> None:
    assert data.endswith(b"\r\n")
    whole = data.replace(b"\r\n", b"")
    assert b"\n" not in whole
    assert b"\r" not in whole
    assert max(len(line) for line in data.split(b"\r\n")) <= 998


def read(data: bytes, *, long_lines: bool = False) -> Read:
    """`long_lines`: the returned message has some, and is returned as it came."""
    header, rest = header_of(data)
    kind, _, parameters = header["Content-Type"].partition("; ")
    assert kind == "multipart/report"
    marked = DELIMITER.search(parameters)
    assert marked, parameters
    mark = b"--" + marked[1].encode()
    lines = rest.split(b"\r\n")
    where = [n for n, line in enumerate(lines) if line.startswith(mark)]
    assert [lines[n] for n in where] == [mark] * 3 + [mark + b"--"], "a delimiter too many, or one too few"
    assert where[0] == 0, "something before the first delimiter"
    assert lines[where[3] + 1 :] == [b""], "nothing behind the last delimiter"
    bodies = [b"\r\n".join(lines[a + 1 : b]) for a, b in itertools.pairwise(where)]
    parts = tuple(Part(*header_of(body)) for body in bodies)
    assert len(parts) == 3
    for part in parts:
        how = part.header["Content-Transfer-Encoding"]
        assert how in ("7bit", "8bit", "base64", "quoted-printable")
        if how != "8bit":
            assert part.body.isascii(), part.type
    if header["Content-Transfer-Encoding"] == "7bit":
        assert rest.isascii()
    lines_are_lines(b"\r\n".join(lines[: where[2]]) + b"\r\n" if long_lines else data)
    international = parts[1].type == "message/global-delivery-status"
    assert parts[0].type == "text/plain"
    assert parts[1].type in ("message/delivery-status", "message/global-delivery-status")
    assert parts[1].header["Content-Transfer-Encoding"] in (("7bit", "8bit") if international else ("7bit",))
    assert parameters.startswith(f"report-type={parts[1].type.partition('/')[2]};")
    plain = {"message/rfc822", "text/rfc822-headers"}
    assert parts[2].type in (plain | {"message/global", "message/global-headers"} if international else plain)
    first, *others = parts[1].body.removesuffix(b"\r\n").split(b"\r\n\r\n")
    per_message = fields_of(first, PER_MESSAGE)
    assert {"Reporting-MTA", "Arrival-Date"} <= set(per_message)
    recipients = tuple(fields_of(group, PER_RECIPIENT) for group in others)
    assert recipients
    for recipient in recipients:
        assert {"Final-Recipient", "Action", "Status"} <= set(recipient)
        assert ("Will-Retry-Until" in recipient) <= (recipient["Action"] == "delayed")
        if "Remote-MTA" in recipient:
            assert recipient["Diagnostic-Code"].startswith("smtp;")
    one, two, three = parts
    return Read(header, (one, two, three), per_message, recipients)
