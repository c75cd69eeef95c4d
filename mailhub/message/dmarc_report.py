"""DMARC aggregate reports (RFC 9990, and RFC 7489 before it): read, with nothing of XML but elements and text. Pure."""

from xml.parsers import expat

from msgspec import Struct, field

RECORDS = 100_000  # of one report that are read
_DEPTH = 16
_TEXT = 1_000  # characters of one element


class Row(Struct):
    """Messages that were judged alike. `dkim`, `spf`: whether each spoke for the domain in From ("pass", "fail")."""

    source: str = ""
    count: int = 0
    disposition: str = ""
    dkim: str = ""
    spf: str = ""
    header_from: str = ""
    envelope_from: str = ""
    reasons: list[str] = field(default_factory=list)


class DmarcReport(Struct):
    """Times: seconds since 1970."""

    organization: str = ""
    email: str = ""
    id: str = ""
    begin: int = 0
    end: int = 0
    domain: str = ""
    policy: str = ""
    rows: list[Row] = field(default_factory=list)


_HEAD = {
    "report_metadata/org_name": "organization",
    "report_metadata/email": "email",
    "report_metadata/report_id": "id",
    "report_metadata/date_range/begin": "begin",
    "report_metadata/date_range/end": "end",
    "policy_published/domain": "domain",
    "policy_published/p": "policy",
}
_ROW = {
    "record/row/source_ip": "source",
    "record/row/count": "count",
    "record/row/policy_evaluated/disposition": "disposition",
    "record/row/policy_evaluated/dkim": "dkim",
    "record/row/policy_evaluated/spf": "spf",
    "record/identifiers/header_from": "header_from",
    "record/identifiers/envelope_from": "envelope_from",
}
_NUMBERS = frozenset(("begin", "end", "count"))


def read(octets: bytes) -> DmarcReport:
    """ValueError for what is no report. Declarations of entities and document types are refused: a report has no need of them."""
    reader = _Reader()
    try:
        reader.parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from error
    report = reader.report
    if not report.id or not report.domain:
        raise ValueError("no DMARC report: it has no report_id, or no domain")
    return report


class _Reader:
    def __init__(self) -> None:
        self.report = DmarcReport()
        self._path: list[str] = []
        self._text = ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type is declared")

    def _start(self, name: str, _: object) -> None:
        if len(self._path) >= _DEPTH:
            raise ValueError("elements are nested too deep")
        self._path.append(name.rpartition(" ")[2])
        self._text = ""
        if self._path[1:] == ["record"]:
            if len(self.report.rows) >= RECORDS:
                raise ValueError(f"more than {RECORDS} records")
            self.report.rows.append(Row())

    def _characters(self, text: str) -> None:
        if len(self._text) < _TEXT:
            self._text += text[:_TEXT]

    def _end(self, _: str) -> None:
        path, text = "/".join(self._path[1:]), self._text.strip()[:_TEXT]
        if path in _HEAD:
            setattr(self.report, _HEAD[path], _value(_HEAD[path], text))
        elif self.report.rows and path in _ROW:
            setattr(self.report.rows[-1], _ROW[path], _value(_ROW[path], text))
        elif self.report.rows and path == "record/row/policy_evaluated/reason/type" and text:
            self.report.rows[-1].reasons[:10] = [*self.report.rows[-1].reasons, text][:10]
        self._path.pop()
        self._text = ""


def _value(name: str, text: str) -> str | int:
    if name not in _NUMBERS:
        return "".join(char for char in text if char.isprintable())
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ValueError(f"{name} is no number")
    return int(text)
