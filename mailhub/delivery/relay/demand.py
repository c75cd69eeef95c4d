"""What a connection to a mail host has to be before mail goes over it, and Postfix's words for that. Pure.

    none            no TLS
    may             TLS where it is offered, with whomever; in the clear where it does not work
    encrypt         TLS, with whomever
    dane            as its TLSA records say where DNSSEC vouches for them, else may; dane-only: else not at all
    fingerprint     TLS with a certificate or key of that digest (match=...)
    verify          a certificate of a known authority for the mail host's name, or match=...
    secure          the same for the nexthop or a name below it, whatever DNS says, or match=...

An entry of `relay.tls_policy` is a level with attributes: "secure match=mx.example.org:.example.net protocols=>=TLSv1.3 ciphers=high".
"""

import re
import ssl
from dataclasses import dataclass, field, replace

from msgspec import Struct

from mailhub.net.dane import Tlsa
from mailhub.wire.sasl.client import Login

NO_POLICY, TLSA, STS = "no-policy-found", "tlsa", "sts"
LEVELS = ("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
PKIX = ("verify", "secure")  # the levels that ask authorities
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")  # never spoken, whatever is written
_CIPHERS = {"high": "HIGH:!aNULL:!MD5:!SHA1", "medium": ""}
_DIGEST = re.compile(r"(?:[0-9a-f]{2}:?)+", re.IGNORECASE)
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by their hexadecimal digits


class Form(Struct, frozen=True):
    """How TLS is spoken: versions by their TLSVersion numbers (0: OpenSSL's own bound), OpenSSL's word for ciphers."""

    minimum: int = 0
    maximum: int = 0
    ciphers: str = ""


class Rule(Struct, frozen=True):
    """A level with its attributes, as the operator wrote it."""

    level: str
    match: tuple[str, ...] = ()
    form: Form = Form()


class Basis(Struct, frozen=True):
    """What a demand rests on, for reports (RFC 8460 section 4.2): policy-type, policy-string, mx-host."""

    kind: str = NO_POLICY
    lines: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()


NOTHING = Basis()


@dataclass(frozen=True, slots=True)
class Demand:
    """For one host. `level`: none, may, encrypt, dane, fingerprint, verify or secure. `names`: what the certificate may be for.
    `server_name`: what is asked for in SNI where it is not the host's name. `lenient`: where it fails, what is wrong is told
    and the mail goes nevertheless (MTA-STS in testing mode). `login`: as whom we sign in."""

    level: str
    names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    tlsa: tuple[Tlsa, ...] = ()
    form: Form = Form()
    server_name: str = ""
    lenient: bool = False
    basis: Basis = field(default=NOTHING, compare=False)
    login: Login | None = None

    @property
    def mandatory(self) -> bool:
        return self.level not in ("none", "may")

    @property
    def second(self) -> "Demand | None":
        """What a new connection may be where this one's TLS failed."""
        if self.level == "may":
            return replace(CLEAR, login=self.login)
        return replace(MAY, login=self.login) if self.lenient else None


CLEAR = Demand("none")
MAY = Demand("may")


def rule(text: str) -> Rule:
    """An entry of the table. ValueError says what is wrong with it."""
    level, *attributes = text.replace(",", " ").split() or [""]
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no level: {', '.join(LEVELS)}")
    match: list[str] = []
    minimum = maximum = 0
    ciphers = ""
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        if key == "match" and value:
            match += re.split(r"[|]" if level == "fingerprint" else "[:|]", value)
        elif key == "protocols" and value:
            minimum, maximum = protocols(value)
        elif key == "ciphers" and value in _CIPHERS:
            ciphers = _CIPHERS[value]
        else:
            raise ValueError(f"{attribute!r} is none of match=, protocols=, ciphers=high or medium")
    if level == "fingerprint":
        match = [digest(text) for text in match]
        if not match:
            raise ValueError("fingerprint without match=")
    elif match and level not in PKIX:
        raise ValueError(f"match= has no meaning for {level}")
    return Rule(level, tuple(match), Form(minimum, maximum, ciphers))


def protocols(text: str) -> tuple[int, int]:
    """ ">=TLSv1.2", "!SSLv3:!TLSv1", "TLSv1.2:TLSv1.3" as the least and the greatest version. ValueError for what leaves none."""
    known = [*_OLD, *_VERSIONS]
    named: set[str] = set()
    denied = set(_OLD)
    for word in re.split("[:|]", text):
        version = word.lstrip("<>=!")
        sign = word.removesuffix(version)
        if version not in known or sign not in ("", "!", ">=", "<="):
            raise ValueError(f"{word!r} is no version: {', '.join(known)}, with !, >= or <= before it")
        place = known.index(version)
        if sign == "!":
            denied.add(version)
        elif sign:
            denied.update(known[:place] if sign == ">=" else known[place + 1 :])
        else:
            named.add(version)
    allowed = [version for version in _VERSIONS if version not in denied and (not named or version in named)]
    if not allowed:
        raise ValueError(f"{text!r} leaves no version")
    return int(_VERSIONS[allowed[0]]), int(_VERSIONS[allowed[-1]])


def digest(text: str) -> str:
    """A fingerprint in lower case without colons. ValueError for what is none."""
    plain = text.replace(":", "").lower()
    if not _DIGEST.fullmatch(text) or len(plain) not in _DIGESTS:
        raise ValueError(f"{text!r} is no digest of MD5, SHA-1, SHA-256 or SHA-512")
    return plain


def algorithm(fingerprint: str) -> str:
    return _DIGESTS[len(fingerprint)]
