"""One attempt to sign in, led through its SASL mechanism: the same for SMTP, POP3, IMAP and who else asks.

    exchange = authenticator.begin("SCRAM-SHA-256", peer)     # None: no such mechanism for this peer
    step = await exchange.step(initial response, or None)
    while isinstance(step, Challenge): step = await exchange.step(the client's answer)

`step` raises SaslError where the client's side is malformed, Temporary where it can not be told.
"""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from mailhub.config import schema
from mailhub.model.address import key
from mailhub.wire.sasl import (
    Certificate,
    Challenge,
    Context,
    Credentials,
    Disproved,
    Mechanism,
    NeedSecret,
    Proved,
    SaslError,
    Step,
    Token,
)

from . import digests, passwords
from .directory import Account
from .oauth import BadToken

if TYPE_CHECKING:
    from .authenticator import Authenticator

log = logging.getLogger("mailhub.directory")

APOP = "APOP"  # no mechanism of SASL, but offered like one
_STORED_AS = {"CRAM-MD5": ("PLAIN", "CRAM-MD5"), APOP: ("PLAIN",)}  # what passwords have to be kept as
_BY_TOKEN = ("OAUTHBEARER", "XOAUTH2")  # an issuer knows people who are none of ours


@dataclass(frozen=True, slots=True)
class Peer:
    """Who wants to sign in. `service`: "imap", "submission", ...; `client`: its address. `secure`: under TLS, or nobody can
    listen. `bindings`: channel-binding type to data. `names`: what a verified client certificate calls it."""

    service: str
    client: str = ""
    secure: bool = False
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    names: tuple[str, ...] = ()


class SignedIn(Struct, frozen=True):
    account: Account


class Refused(Struct, frozen=True):
    """Wrong, whatever it was; it was answered late."""


class Exchange:
    """One attempt."""

    def __init__(self, authenticator: "Authenticator", name: str, mechanism: Mechanism, peer: Peer) -> None:
        self._authenticator, self._name, self._mechanism, self._peer = authenticator, name, mechanism, peer
        self._signed: SignedIn | None = None
        self._why = "not proved, or for another's account"

    async def step(self, response: bytes | None) -> Challenge | SignedIn | Refused:
        if self._signed is not None:  # the client has had our last word, and has nothing to say to it
            if response:
                raise SaslError("something behind the end")
            return self._signed
        step = self._mechanism.step(response)
        while isinstance(step, NeedSecret):
            step = self._mechanism.secret(*await self._secret(step))
        if isinstance(step, Token):
            step = await self._token(step)
        if isinstance(step, Challenge):
            return step
        account = await self._account(step)
        if account is None:
            return Refused()
        if isinstance(step, Proved) and step.final is not None:
            self._signed = SignedIn(account)
            return Challenge(step.final)
        return SignedIn(account)

    async def _account(self, step: Step) -> Account | None:
        authenticator, peer = self._authenticator, self._peer
        match step:
            case Credentials(authzid, authcid, password) if not authzid or key(authzid) == key(authcid):
                return await authenticator.authenticate(authcid, password, service=peer.service, client=peer.client)
            case Proved(authzid, authcid, _) if not authzid or key(authzid) == key(authcid):
                return await authenticator.accept(authcid, peer, self._name, known=self._name in _BY_TOKEN)
            case Certificate(authzid) if wanted := self._certified(authzid):
                return await authenticator.accept(wanted, peer, self._name, known=True)
        who = step.authcid if isinstance(step, Credentials | Proved | Disproved) else ""
        await authenticator.failed(who, f"{self._name}: {self._why}", service=peer.service, client=peer.client)
        return None

    def _certified(self, authzid: str) -> str:
        """The account that the client's certificate names, "" where it names none, or not the one that is asked for."""
        names = [name for name in self._peer.names if "@" in name]
        if authzid:
            return authzid if key(authzid) in map(key, names) else ""
        return names[0] if len(names) == 1 else ""

    async def _token(self, step: Token) -> Step:
        self._authenticator.admit(step.authzid, service=self._peer.service, client=self._peer.client)
        try:
            name = await self._authenticator.token(step.token, step.authzid)
        except BadToken as error:
            self._why = f"token refused: {error}"
            return self._mechanism.refused("invalid_token")
        return Proved("", name)

    async def _secret(self, need: NeedSecret) -> tuple[str | None, str]:
        """What is stored in one of the schemes, made ready for the mechanism. For SCRAM there is always something, and it always
        takes as long: nobody learns by asking whether an account exists, or how its password is kept."""
        self._authenticator.admit(need.authcid, service=self._peer.service, client=self._peer.client)
        stored = await self._authenticator.secret(need.authcid)
        found = passwords.form(stored, *need.schemes) if stored else None
        scheme = need.schemes[0]
        if not scheme.startswith("SCRAM-"):
            return (None, scheme) if found is None else (found[1], found[0])
        clear = found[1] if found is not None and found[0] in digests.CLEAR else None
        made = await self._authenticator.derive(scheme, need.authcid, clear, self._peer.client)
        return (found[1] if found is not None and found[0] == scheme else made), scheme


def withheld(auth: schema.Auth, name: str, peer: Peer, *, tokens: bool) -> str:
    """Why a mechanism is not offered to such a peer; "" where it is. `tokens`: somebody can tell what they are good for."""
    if auth.mechanisms and name not in auth.mechanisms:
        return "not in auth.mechanisms"
    if not (peer.secure or auth.allow_plaintext):  # who listens to SCRAM may try passwords at home
        return "TLS first, or auth.allow_plaintext"
    if name.startswith("SCRAM-"):
        scheme = name.removesuffix("-PLUS")
        if scheme not in auth.scram and auth.scheme not in ("PLAIN", scheme):
            return "no such keys are stored: auth.scram"
        if scheme != name and not peer.bindings:
            return "no channel binding: TLS first"
    if name in _STORED_AS and auth.scheme not in _STORED_AS[name]:
        return "passwords are not stored as it needs them: auth.scheme"
    if name == "EXTERNAL" and not peer.names:
        return "no verified client certificate: tls.client_ca"
    if name in _BY_TOKEN and not tokens:
        return "nobody can check tokens: auth.oauth.jwks, auth.oauth.introspection"
    return ""


def context(peer: Peer, hostname: str, plus_offered: bool) -> Context:
    """What the mechanism of a new attempt gets to know."""
    return Context(hostname, secrets.token_urlsafe(24), peer.bindings, plus_offered)
