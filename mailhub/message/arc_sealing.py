"""ARC sets made (RFC 8617 section 5.1). Tags stand in the order of their names and fold between each other alone, as the authors' suite wants
them. Pure."""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from . import arc, authres, dkim
from .dkim_signing import SigningKey, names
from .headers import unfold


def results_of(fields: Sequence[tuple[bytes, bytes]], authserv_id: str) -> list[bytes]:
    """What our own Authentication-Results say, result by result, from the top."""
    found: list[bytes] = []
    for name, field in fields:
        value = field.partition(b":")[2]
        if name == authres.FIELD_NAME.lower() and authres.authserv(value) == authserv_id.lower().encode():
            found += [b" ".join(piece.split()) for piece in unfold(value).split(b";")[1:]]
    return [one for one in found if one]


def status_of(results: Sequence[bytes], chain: bool) -> arc.Status | None:
    """What we found of the chain, where there is one; None where we did not look, so that nothing can be said."""
    if not chain:
        return "none"
    words = [one.split()[0] for one in results if one.startswith(b"arc=")]
    if words and words[0] in (b"arc=pass", b"arc=fail"):
        return "pass" if words[0] == b"arc=pass" else "fail"
    return None


def made(
    key: SigningKey,
    fields: Sequence[tuple[bytes, bytes]],
    body_hash: bytes,
    results: Sequence[bytes],
    authserv_id: str,
    status: arc.Status,
    now: int,
    signed: Sequence[bytes] = (),
) -> bytes:
    """The fields of one set more, with their line ends. `fields`: of the message; `signed`: what is signed of them, else what DKIM would
    sign and its signatures. ValueError where a chain is there that can have no more."""
    before = [] if status == "fail" else arc.sets(fields)
    instance = 1 + max((_instance(field) for name, field in fields if name == arc.SEAL), default=0)
    if instance > arc.MOST:
        raise ValueError(f"there are {arc.MOST} sets already")
    if any(_tag(field, b"cv") == b"fail" for name, field in fields if name == arc.SEAL):  # section 5.1.2
        raise ValueError("the chain is told to be broken already")
    private = key.private
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("the key is for another algorithm")
    head = [f"ARC-Authentication-Results: i={instance}", authres.value(authserv_id)]
    told = ";\r\n ".join([*head, *(one.decode("ascii", "replace") for one in results)]).encode("ascii", "replace")
    wanted = list(signed) or [*names(fields), *(name for name, _ in fields if name == dkim.FIELD_NAME)]
    tags = {
        "a": "rsa-sha256", "b": "", "bh": _text(body_hash), "c": "relaxed/relaxed", "d": key.domain,
        "h": b":".join(wanted).decode("ascii"), "i": str(instance), "s": key.selector, "t": str(now),
    }  # fmt: skip
    signature = dkim.Signature(
        _field("ARC-Message-Signature", tags), "rsa-sha256", key.domain, key.selector, "", tuple(wanted), "relaxed",
        "relaxed", body_hash, b"",
    )  # fmt: skip
    message = _field(
        "ARC-Message-Signature",
        {**tags, "b": _signed(private, dkim.signed(signature, [(arc.RESULTS, told), *fields]))},
    )
    sealing = {"a": "rsa-sha256", "b": "", "cv": status, "d": key.domain, "i": str(instance), "s": key.selector, "t": str(now)}  # fmt: skip
    seal = arc.Seal(_field("ARC-Seal", sealing), "rsa-sha256", key.domain, key.selector, status, b"")
    chain = [*before, arc.Set(told, _with(signature, message), seal)]
    value = _signed(private, arc.sealed(chain, len(chain)))
    return b"\r\n".join((_field("ARC-Seal", {**sealing, "b": value}), message, told, b""))


def _with(signature: dkim.Signature, field: bytes) -> dkim.Signature:
    return dkim.Signature(
        field, signature.algorithm, signature.domain, signature.selector, "", signature.names, "relaxed", "relaxed",
        signature.body_hash, b"",
    )  # fmt: skip


def _instance(seal: bytes) -> int:
    """Of a seal in a chain that may be broken; 0 where it can not be read."""
    text = _tag(seal, b"i")
    return int(text) if text.isdigit() and len(text) <= 2 else 0


def _tag(field: bytes, wanted: bytes) -> bytes:
    for tag in unfold(field.partition(b":")[2]).split(b";"):
        name, _, value = tag.partition(b"=")
        if name.strip() == wanted:
            return value.strip()
    return b""


def _field(name: str, tags: dict[str, str]) -> bytes:
    return f"{name}: {_joined([f'{tag}={value}' for tag, value in tags.items()])}".encode("ascii")


def _joined(tags: Sequence[str]) -> str:
    """Folded between tags where a line would be long."""
    text, line = "", 20
    for n, tag in enumerate(tags):
        if n:
            fold = line + len(tag) > 72
            text += ";\r\n " if fold else "; "
            line = 1 if fold else line + 2
        text += tag
        line += len(tag)
    return text


def _signed(private: rsa.RSAPrivateKey, data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return _text(private.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256())))


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
