"""Messages as they come in real life and worse, made from a seed: the same seed makes the same messages.

`messages(seed, count)`: whole multiparts of all kinds, odd charsets, headers too long, folded, doubled, in 8 bits and empty, address
lists in every old syntax, boundaries that look like text, message/rfc822 in each other.
"""

from base64 import b64encode
from collections.abc import Iterator
from random import Random

_WORDS = [
    "hello",
    "Grüße",
    "你好",
    "a",
    "Re:",
    "semi;colon",
    "two  spaces",
    "a\ttab",
    'qu"ote',
    "back\\slash",
    "com,ma",
    "(paren)",
    "x" * 80,
    "<angle>",
    "=?",
]
_CHARSETS = ["us-ascii", "utf-8", "iso-8859-1", "gb2312", "gb18030", "koi8-r", "unknown-8bit", "UTF-7", "big5", ""]
_TYPES = ["text/plain", "text/html", "TEXT/Plain", "application/octet-stream", "image/png", "x-odd/y+z",
          "message/delivery-status", "text/rfc822-headers", "message/partial", "application/x-a_b"]  # fmt: skip
_ENCODINGS = [
    "7bit",
    "8bit",
    "quoted-printable",
    "base64",
    "BASE64",
    "binary",
    "x-uuencode",
    "",
    "7bit (comment)",
]
_MULTIPARTS = [
    "mixed",
    "alternative",
    "related",
    "digest",
    "report; report-type=delivery-status",
    "signed",
    "parallel",
    "x-new",
]
_ADDRESSES = [
    "a@b.example", "Ann <ann@b.example>", '"Ann, B." <ann@b.example>', "ann@b.example (Ann B.)", "<ann@b.example>", "undisclosed-recipients:;",
    "Group: a@b.example, Bob <bob@c.example>;", "Bob", "<@a.example,@b.example:bob@c.example>", "Long Route <@a.example:bob@c.example>",
    '"odd local"@b.example', "a@[192.0.2.1]", "=?utf-8?B?R3LDvMOfZQ==?= <g@b.example>", "Grüße <g@b.example>", "a b c",
    "A (c (nested) \\) x) <a@b.example>", "ann+tag@b.example", '"" <e@b.example>', "A.B. <ab@c.example>", '"back\\\\slash \\"q\\"" <q@b.example>',
]  # fmt: skip
_DATES = [
    "Thu, 1 Jan 2026 10:00:00 +0000",
    "1 Jan 26 10:00 GMT",
    "garbage",
    "",
    "Thu,  1 Jan 2026\r\n 10:00:00 (comment) -0500",
]


class _Maker:
    def __init__(self, random: Random) -> None:
        self.random, self.boundaries = random, 0

    def pick(self, values: list[str]) -> str:
        return self.random.choice(values)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def words(self, most: int = 5) -> str:
        return " ".join(self.pick(_WORDS) for _ in range(self.random.randint(0, most)))

    def header(self, name: str, value: str) -> bytes:
        """Folded here and there; a space before the colon, a colon without one behind it, raw 8-bit in some charset."""
        if self.chance(15) and " " in value and "\n" not in value:
            at = value.index(" ")
            value = value[:at] + "\r\n" + self.pick([" ", "\t", "  "]) + value[at + 1 :]
        if self.chance(10):
            name = self.pick([name.upper(), name.lower()])
        colon = self.pick([": "] * 12 + [":", ":  ", " : ", ":\t"])
        charset = self.pick(["utf-8"] * 5 + ["gb18030"])
        return (name + colon + value).encode(charset, "replace") + b"\r\n"

    def addresses(self) -> str:
        return self.pick([", ", ",", ",\r\n\t"]).join(self.pick(_ADDRESSES) for _ in range(self.random.randint(1, 4)))

    def subject(self) -> str:
        text = self.words()
        if self.chance(40):
            charset = self.pick(["utf-8", "gb18030", "iso-8859-1"])
            return f"=?{charset}?B?{b64encode(text.encode(charset, 'replace')).decode()}?="
        return text

    def envelope(self) -> bytes:
        out = b""
        for name in ("From", "To", "Cc", "Bcc", "Sender", "Reply-To"):
            for _ in range(self.random.choice([0, 1, 1, 1, 2]) if name in ("From", "To") else self.chance(25)):
                out += self.header(name, self.addresses())
        if self.chance(80):
            out += self.header("Subject", self.subject())
        if self.chance(10):
            out += self.header("Subject", "a second one")
        out += self.header("Date", self.pick(_DATES))
        if self.chance(70):
            out += self.header("Message-ID", self.pick(["<1@b.example>", "no brackets", "<a@b> <c@d>", "<", ""]))
        if self.chance(30):
            out += self.header(
                "In-Reply-To", self.pick(["<1@b.example>", "your mail of <2@b.example>", "<1@b>\r\n <2@b>"])
            )
        if self.chance(20):
            out += self.header("X-Odd", "y" * self.random.choice([0, 70, 900, 5_000]))
        return out

    def parameter(self) -> str:
        return self.pick(
            ['name="a b.txt"', "name=plain.txt", "name*=utf-8''%E4%BD%A0.txt", "name*0=first; name*1=second", "format=flowed",
             'x="a\\"b\\\\c"', "empty=", "novalue", 'name="你好.txt"', "name = spaced", "delsp=yes; delsp=no", ""]
        )  # fmt: skip

    def mime_fields(self) -> bytes:
        out = b""
        if self.chance(60):
            out += self.header("Content-Transfer-Encoding", self.pick(_ENCODINGS))
        if self.chance(30):
            out += self.header(
                "Content-Disposition",
                self.pick(["inline", "attachment", "ATTACHMENT", ""]) + "; file" + self.parameter(),
            )
        if self.chance(15):
            out += self.header("Content-ID", self.pick(["<cid@b>", "cid", ""]))
        if self.chance(15):
            out += self.header("Content-Description", self.words())
        if self.chance(10):
            out += self.header("Content-Language", self.pick(["en", "en, de", "EN (x), fr", ""]))
        if self.chance(10):
            out += self.header("Content-Location", self.pick(["http://b.example/a", "a\r\n b"]))
        if self.chance(10):
            out += self.header("Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ==")
        return out

    def leaf(self, typed: int) -> bytes:
        out = b""
        if self.chance(typed):
            value = self.pick(_TYPES)
            if charset := self.pick(_CHARSETS):
                value += f"; charset={charset}"
            if self.chance(40):
                value += "; " + self.parameter()
            out += self.header("Content-Type", value)
        out += self.mime_fields() + b"\r\n"
        lines = [
            self.words().encode(self.pick(["utf-8", "gb18030"]), "replace") for _ in range(self.random.randint(0, 5))
        ]
        return out + b"\r\n".join(lines) + (b"\r\n" if self.chance(70) else b"")

    def part(self, depth: int, told: bool = False) -> bytes:
        """`told`: with its Content-Type in any case."""
        kind = self.random.randrange(100)
        if depth > 4 or kind < 55:
            return self.leaf(100 if told else 85)
        if kind < 70:
            return (
                self.header("Content-Type", self.pick(["message/rfc822", "Message/RFC822; x=y"]))
                + self.mime_fields()
                + b"\r\n"
                + self.message(depth + 1)
            )
        return self.multipart(depth)

    def multipart(self, depth: int) -> bytes:
        self.boundaries += 1  # none begins like another: which one a line means would be anybody's guess
        boundary = f"{self.boundaries:03}" + self.pick(["b", "=_b", "-", " b b", "x" * 66, "'()+_,-./:=?"])
        written = f'"{boundary}"' if self.chance(85) or not boundary.isalnum() else boundary
        kind = self.pick(_MULTIPARTS)
        out = self.header("Content-Type", f"multipart/{kind}; boundary={written}") + self.mime_fields() + b"\r\n"
        mark = b"--" + boundary.encode()
        if self.chance(50):
            out += b"preamble\r\n"
        for _ in range(self.random.randint(1, 4)):
            out += mark + self.pick(["", "", "", " ", "\t "]).encode() + b"\r\n"
            plain = (
                kind == "digest" and depth < 4 and self.chance(50)
            )  # its parts are messages where nothing else is said
            out += (b"\r\n" + self.message(depth + 1) if plain else self.part(depth + 1, kind == "digest")) + b"\r\n"
        if self.chance(85):
            out += mark + b"--" + b"\r\n" + (b"epilogue\r\n" if self.chance(40) else b"")
        return out

    def message(self, depth: int) -> bytes:
        out = self.envelope()
        return out + self.header("MIME-Version", "1.0") + self.part(depth)


def messages(seed: int, count: int) -> Iterator[bytes]:
    for number in range(count):
        maker = _Maker(Random(seed * 1_000_003 + number))
        text = maker.message(0)
        if maker.chance(8):
            text = text.replace(b"\r\n", b"\n")
        yield text
