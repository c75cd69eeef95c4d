"""The terminals of RFC 3501's grammar (section 9), read from a frame by a cursor."""

import re
from typing import NoReturn

from .framing import Frame

_ATOM = re.compile(rb"[!#$&'+\-,./0-9:;<=>?@A-Z\[^_`a-z|}~]+")  # 1*ATOM-CHAR
_ASTRING = re.compile(rb"[!#$&'+\-,./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")  # ATOM-CHAR and "]"
_PATTERN = re.compile(rb"[!#$&'+\-,./0-9:;<=>?@A-Z\[\]^_`a-z|}~%*\x80-\xff]+")  # list-char; UTF-8 as clients send it
_TAG = re.compile(rb"[!#$&'\-,./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")  # ASTRING-CHAR but "+"
_NUMBER = re.compile(rb"[0-9]{1,19}(?![0-9])")
_QUOTED = re.compile(rb'"((?:[^"\\\0\r\n]|\\[^\0\r\n])*)"')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
END, LITERAL = -1, -2  # what `peek` answers besides an octet
NUMBER_MAX = 0xFFFF_FFFF


class BadSyntax(Exception):
    """The command is no IMAP. `text` goes to the client; it holds nothing the client sent."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Lexer:
    """A cursor on a frame. Each method reads one production or raises BadSyntax.

    `utf8`: the client has enabled UTF8=ACCEPT or IMAP4rev2, so mailbox names are UTF-8 (RFC 9755 section 3)."""

    __slots__ = ("_at", "_frame", "_n", "_text", "utf8")

    def __init__(self, frame: Frame, *, utf8: bool = False) -> None:
        self._frame, self.utf8 = frame, utf8
        self._n = 0
        self._at = 0
        self._text = frame.texts[0]

    # --- looking ahead

    def peek(self) -> int:
        """The next octet, LITERAL where a literal comes next, END at the end."""
        if self._at < len(self._text):
            return self._text[self._at]
        return LITERAL if self._n < len(self._frame.texts) - 1 else END

    def rest(self) -> bytes:
        """What is left of the text before the next literal."""
        return self._text[self._at :]

    def finish(self) -> None:
        """The command ends here; trailing spaces, which some clients leave, mean nothing."""
        while self.skip(b" "):
            pass
        if self.peek() != END:
            self.fail("Unexpected characters after the command")

    def fail(self, text: str) -> NoReturn:
        raise BadSyntax(text)

    # --- characters

    def skip(self, token: bytes) -> bool:
        """Pass over `token` if it comes next."""
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        if not self.skip(token):
            self.fail(f"Expected {token.decode('ascii')!r}")

    def space(self) -> None:
        if not self.skip(b" "):
            self.fail("Missing argument")

    def match(self, pattern: "re.Pattern[bytes]", what: str) -> "re.Match[bytes]":
        """Pass over `pattern`; `what` names it in the error."""
        found = pattern.match(self._text, self._at)
        if found is None:
            self.fail(f"Expected {what}")
        self._at = found.end()
        return found

    # --- words

    def tag(self) -> bytes:
        return self.match(_TAG, "a tag")[0]

    def atom(self) -> bytes:
        return self.match(_ATOM, "an atom")[0]

    def keyword(self) -> str:
        """An atom that is a word of the protocol, in capitals."""
        return self.atom().decode("ascii").upper()

    def number(self, most: int = NUMBER_MAX) -> int:
        value = int(self.match(_NUMBER, "a number")[0])
        if value > most:
            self.fail("Number out of range")
        return value

    def nz_number(self) -> int:
        return self.number() or self.fail("Number must not be zero")

    # --- strings

    def string(self) -> bytes:
        """string = quoted / literal"""
        following = self.peek()
        if following == LITERAL:
            return self._literal()
        if following != 0x22:
            self.fail("Expected a string")
        raw = self.match(_QUOTED, "the end of a quoted string")[1]
        return _ESCAPE.sub(rb"\1", raw) if b"\\" in raw else raw

    def _literal(self) -> bytes:
        data = self.literal8()
        if b"\0" in data:
            self.fail("NUL in a literal")
        return data

    def literal8(self) -> bytes:
        """The octets of a literal that may be a literal8 (RFC 4466): NUL may be among them."""
        data = self._frame.literals[self._n] if self.peek() == LITERAL and self._n < len(self._frame.literals) else None
        if data is None:
            self.fail("Expected a literal")
        self._n += 1
        self._text, self._at = self._frame.texts[self._n], 0
        return data

    def nstring(self) -> bytes | None:
        """nstring = string / nil"""
        if self.peek() in (LITERAL, 0x22):
            return self.string()
        if self.keyword() != "NIL":
            self.fail("Expected a string or NIL")
        return None

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        if self.peek() in (LITERAL, 0x22):
            return self.string()
        return self.match(_ASTRING, "a string")[0]

    def pattern(self) -> bytes:
        """list-mailbox = 1*list-char / string"""
        if self.peek() in (LITERAL, 0x22):
            return self.string()
        return self.match(_PATTERN, "a mailbox pattern")[0]
