"""What one side of a mail dialogue says to the other: code, enhanced status code, text."""

from msgspec import Struct


class Reply(Struct, frozen=True):
    """A reply of SMTP or LMTP (RFC 5321 section 4.2, RFC 3463), and the outcome kept with a recipient.

    `text` may hold several lines divided by "\\n"; it holds no CR and no enhanced code.
    """

    code: int
    enhanced: str
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}" if self.enhanced else f"{self.code} {self.text}"


def plain(text: str, empty: str = "Refused") -> str:
    """What somebody else wrote as it may stand in a reply: one line of printable ASCII, `empty` where there is nothing."""
    return "".join(c if " " <= c <= "~" else "?" for c in " ".join(text.split())[:400]) or empty
