"""Base64 as SASL profiles write it on one line (RFC 4648 section 4): padding required, nothing else allowed."""

import binascii

from .mechanisms import SaslError


def decode(line: bytes) -> bytes:
    """SaslError where the line is no base64. A lone "=" is the empty string of an initial response (RFC 4954 section 4)."""
    if line == b"=":
        return b""
    try:
        return binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error:
        raise SaslError("not base64") from None


def encode(text: bytes) -> bytes:
    return binascii.b2a_base64(text, newline=False)
