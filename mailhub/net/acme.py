"""Certificates by ACME (RFC 8555): an account, an order for one name, its proof, the certificate.

Requests are signed by ES256 (section 6.2); a nonce is used once, and asked for again where the authority took it for an old one (section 6.5).
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.algorithms import ECAlgorithm
from msgspec import Struct

from mailhub.config.tls import Acme as Config
from mailhub.model.clock import Clock

from .challenges import Proof, Solver
from .https import Answer, Https, HttpsError

LIMIT = 262_144  # octets of an answer
_SECONDS = 30.0  # for one answer
_PATIENCE = 180.0  # for a whole order
_PAUSES = (0.5, 15.0)  # seconds between two looks at what the authority does: the first, and the longest
_NONCES = 5  # tries, where nonces are refused
_KIND = "application/jose+json"
_PROOFS = 20  # authorizations of an order that are looked at
_TEXT = 300  # characters of what an authority says


class AcmeError(Exception):
    """No certificate, and why. `kind`: the last part of the authority's word for it, such as "rateLimited" (section 6.7)."""

    def __init__(self, cause: str, kind: str = "") -> None:
        super().__init__(cause)
        self.kind = kind


class _Said(Struct, frozen=True):
    """An answer, and the JSON in it."""

    answer: Answer
    value: dict[str, Any]

    @property
    def place(self) -> str:
        return self.answer.headers.get("location", "")


class Acme:
    """An account with the authority of [tls.acme]. `solver` has its proofs ready."""

    def __init__(
        self,
        https: Https,
        clock: Clock,
        config: Config,
        key: EllipticCurvePrivateKey,
        solver: Solver,
    ) -> None:
        self._https, self._clock, self._config, self._key, self._solver = https, clock, config, key, solver
        self._places: dict[str, Any] = {}
        self._account = ""
        self._nonce = ""
        self._jwk: dict[str, Any] = dict(ECAlgorithm.to_jwk(key.public_key(), as_dict=True))

    async def certificate(self, name: str, request: bytes) -> bytes:
        """The chain in PEM, for a request (PKCS #10, DER) of that one name. AcmeError."""
        try:
            async with self._clock.timeout(_PATIENCE):
                return await self._certificate(name, request)
        except TimeoutError as error:
            raise AcmeError(f"the authority was not done within {_PATIENCE:.0f} seconds") from error
        except HttpsError as error:
            raise AcmeError(str(error)) from error

    async def _certificate(self, name: str, request: bytes) -> bytes:
        await self._sign_in()
        asked = {"identifiers": [{"type": "dns", "value": name}]}
        order = await self._post(self._place("newOrder"), asked)
        for place in _strings(order.value, "authorizations")[:_PROOFS]:
            await self._prove(place, name.removeprefix("*."))
        if order.value.get("status") != "valid":
            finalize = _string(order.value, "finalize")
            await self._post(finalize, {"csr": _base64(request)})
        done = await self._until(order.place, ("valid", "invalid"))
        if done.value.get("status") != "valid":
            raise _refused(done.value.get("error"), "the order came to nothing")
        return (await self._post(_string(done.value, "certificate"), None)).answer.body

    async def _sign_in(self) -> None:
        """Section 7.3: an account that is there already is found by its key."""
        if self._account:
            return
        answer = await self._https.get(self._config.directory, timeout=_SECONDS, limit=LIMIT)
        self._places = _Said(answer, _json(answer)).value
        contact = [f"mailto:{address}" for address in self._config.contact]
        wanted = {"termsOfServiceAgreed": self._config.agree_terms, "contact": contact}
        said = await self._post(self._place("newAccount"), wanted)
        if not said.place:
            raise AcmeError("the authority does not say where the account is")
        self._account = said.place

    async def _prove(self, place: str, name: str) -> None:
        """Section 7.5.1."""
        proof = await self._post(place, None)
        if proof.value.get("status") == "valid":
            return
        found = proof.value.get("challenges")
        mine = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        chosen = next((one for one in mine if one.get("type") == self._solver.kind), None)
        if chosen is None:
            raise AcmeError(f"the authority wants another proof than {self._solver.kind}")
        token = _string(chosen, "token")
        async with self._solver.present(Proof(name, token, f"{token}.{self._thumbprint()}")):
            await self._post(_string(chosen, "url"), {})
            done = await self._until(place, ("valid", "invalid"))
        if done.value.get("status") != "valid":
            trouble = [one.get("error") for one in done.value.get("challenges") or () if isinstance(one, dict)]
            raise _refused(next(filter(None, trouble), None), "the authority did not find the proof")

    async def _until(self, place: str, states: Sequence[str]) -> _Said:
        """Look again and again; the whole has its time."""
        pause, longest = _PAUSES
        while True:
            said = await self._post(place, None)
            if said.value.get("status") in states:
                return said
            asked = said.answer.headers.get("retry-after", "")
            wait = float(asked) if asked.isdecimal() and len(asked) < 6 else pause
            await self._clock.sleep(min(max(wait, pause), longest))
            pause = min(pause * 2, longest)

    # --- requests ----------------------------------------------------------------------------------------------------

    def _place(self, what: str) -> str:
        return _string(self._places, what)

    async def _post(self, url: str, payload: dict[str, Any] | None) -> _Said:
        """Signed; `payload` None: only to read (section 6.3)."""
        for _ in range(_NONCES):
            nonce, self._nonce = self._nonce or await self._new_nonce(), ""
            answer = await self._https.post(
                url, self._signed(url, nonce, payload), _KIND, timeout=_SECONDS, limit=LIMIT
            )
            self._nonce = answer.headers.get("replay-nonce", "")
            if len(answer.body) > LIMIT:
                raise AcmeError(f"{url}: an answer of more than {LIMIT} octets")
            if answer.status < 400:
                return _Said(answer, _json(answer) if "json" in answer.kind else {})
            trouble = _refused(_json(answer), f"{url}: status {answer.status}")
            if trouble.kind != "badNonce":
                if trouble.kind in ("accountDoesNotExist", "unauthorized"):
                    self._account = ""
                raise trouble
        raise AcmeError(f"{url}: the authority takes no nonce")

    async def _new_nonce(self) -> str:
        answer = await self._https.head(self._place("newNonce"), timeout=_SECONDS)
        return answer.headers.get("replay-nonce", "")

    def _signed(self, url: str, nonce: str, payload: dict[str, Any] | None) -> bytes:
        headers: dict[str, Any] = {"typ": "", "nonce": nonce, "url": url}
        headers |= {"kid": self._account} if self._account else {"jwk": self._jwk}
        text = b"" if payload is None else json.dumps(payload).encode()
        protected, body, signature = jwt.PyJWS().encode(text, self._key, algorithm="ES256", headers=headers).split(".")
        return json.dumps({"protected": protected, "payload": body, "signature": signature}).encode()

    def _thumbprint(self) -> str:
        """RFC 7638."""
        text = json.dumps({name: self._jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        return _base64(hashlib.sha256(text.encode()).digest())


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise AcmeError(f"the authority answers with status {answer.status} and no JSON")
    return value


def _string(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise AcmeError(f"the authority's answer has no {name}")
    return found


def _strings(value: dict[str, Any], name: str) -> list[str]:
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _refused(problem: object, otherwise: str) -> AcmeError:
    """A problem document (RFC 7807), in words that fit into a log line."""
    if not isinstance(problem, dict):
        return AcmeError(otherwise)
    kind, detail = str(problem.get("type", "")).rpartition(":")[2], str(problem.get("detail", ""))
    shown = "".join(char if char.isprintable() else "?" for char in f"{kind}: {detail}"[:_TEXT])
    return AcmeError(shown, kind)
