"""xtext (RFC 3461 section 4), and the forms of addresses of other scripts inside ORCPT (RFC 6533 section 3)."""

import re

from mailhub.model.address import seven_bit as encode_address

__all__ = ["decode", "decode_address", "encode", "encode_address"]

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_PAIR = re.compile(r"\+([0-9A-F]{2})")
_UTF8 = re.compile(r"\\x\{(10[0-9A-F]{4}|[1-9A-F][0-9A-F]{1,4}|0?[0-9A-F]{2})\}")


def decode(text: str) -> str:
    """What was meant: printable ASCII. ValueError where the text is no xtext or hides control characters."""
    plain = decode_utf8(text)
    if not plain.isascii():
        raise ValueError("not ASCII")
    return plain


def decode_utf8(text: str) -> str:
    """The same where the octets may be UTF-8. RFC 3461 does not have that; Postfix writes addresses of other scripts so."""
    if not _XTEXT.match(text):
        raise ValueError("not xtext")
    plain = _PAIR.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1").decode("utf-8")
    if not plain.isprintable():
        raise ValueError("not printable")
    return plain


def encode(text: str) -> str:
    """`text` (ASCII) as xtext."""
    return "".join(char if "!" <= char <= "~" and char not in "+=" else f"+{ord(char):02X}" for char in text)


def decode_address(text: str) -> str:
    """The address in `utf-8;` ORCPT: as it is (SMTPUTF8), or with \\x{HEX} for what is not plain ASCII. ValueError."""
    if not text.isprintable() or "=" in text or " " in text:
        raise ValueError("not an address of RFC 6533")
    plain = _UTF8.sub(lambda found: chr(int(found[1], 16)), text)
    if "\\x{" in plain or not plain.isprintable():
        raise ValueError("not an address of RFC 6533")
    return plain
