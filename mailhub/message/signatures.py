"""What octets are, by how they begin: the few kinds that rules about attachments speak of. Pure."""

_BEGINNINGS = (
    (b"MZ", "executable"), (b"\x7fELF", "executable"), (b"\xca\xfe\xba\xbe", "executable"), (b"\xcf\xfa\xed\xfe", "executable"),
    (b"\xce\xfa\xed\xfe", "executable"), (b"\xfe\xed\xfa\xce", "executable"), (b"\xfe\xed\xfa\xcf", "executable"),
    (b"L\0\0\0\x01\x14\x02\0", "shortcut"), (b"#!", "script"), (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"),
    (b"Rar!\x1a\x07", "rar"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"), (b"MSCF", "cab"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"), (b"\x89PNG\r\n\x1a\n", "image"), (b"\xff\xd8\xff", "image"), (b"GIF87a", "image"),
    (b"GIF89a", "image"),
)  # fmt: skip
_TAR, _ISO = 257, 32_769
_HTML = (b"<!doctype html", b"<html", b"<script", b"<svg", b"<head", b"<body")
READ = _ISO + 5  # octets that are enough
ARCHIVES = frozenset(("zip", "gzip", "bzip2", "tar"))


def kind(data: bytes) -> str:
    """ "executable", "script", "zip", "pdf", ...; "" for none of them."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[_TAR : _TAR + 5] == b"ustar":
        return "tar"
    if data[_ISO : _ISO + 5] == b"CD001":
        return "iso"
    text = data[:1_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "html" if text.startswith(_HTML) else ""
