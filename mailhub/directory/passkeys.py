"""Passkeys (WebAuthn level 3): a device that shows who somebody is, without a password, and has asked him before it did.

One signs in to the web by itself; where an account has one, its password alone opens the web login no more. Made and checked by
py_webauthn, which is imported with the first that is used.

Questions are kept nowhere: each carries whom it was asked and until when, sealed with a key of the store's, so that nobody's are pushed out by
those who ask without end, and another node of a cluster knows them. What was answered is remembered by the node that took the answer.
"""

import hmac
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound, Permanent
from mailhub.store.api import DirectoryStore
from mailhub.store.api import PasskeyRow as PasskeyRow

from .keys import kept_key

_LIFE = 300.0  # seconds that a challenge may be answered
_SPENT = 10_000  # challenges remembered as answered: each of them signed somebody in, or is a new passkey
_NONCE, _SEAL = 16, 16  # octets
_UNTIL = struct.Struct(">d")
_MOST = 20  # passkeys of an account
_WRONG = (ValueError, TypeError, KeyError, RecursionError)  # what comes of an answer that is none


class Place(Struct, frozen=True):
    """Where the browser is: `host`, its name without port, and `origin`, "https://mail.example.org"."""

    host: str
    origin: str


class Passkeys:
    """One per hub. `issuer`: how devices call this host."""

    def __init__(self, store: DirectoryStore, clock: Clock, issuer: str) -> None:
        self._store, self._clock, self._issuer = store, clock, issuer
        self._spent: OrderedDict[bytes, float] = OrderedDict()  # challenge -> until
        self._key = b""

    async def of(self, account: str) -> list[PasskeyRow]:
        return await self._store.passkeys(key(account))

    async def offer(self, account: str, place: Place) -> dict[str, Any]:
        """What a browser is told to make a new one."""
        import webauthn
        from webauthn.helpers import structs

        account = key(account)
        known = [structs.PublicKeyCredentialDescriptor(_octets(row.id)) for row in await self.of(account)]
        options = webauthn.generate_registration_options(
            rp_id=place.host,
            rp_name=self._issuer,
            user_name=account,
            user_id=account.encode()[:64],
            challenge=await self._challenge(account),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=known,
        )
        return dict(json.loads(webauthn.options_to_json(options)))

    async def add(self, account: str, name: str, answer: Mapping[str, Any], place: Place) -> PasskeyRow:
        """What the browser has made. Permanent where it is none that was asked for; LimitReached, Exists."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        account = key(account)
        try:
            challenge, until = await self._asked(answer, account)
            made = webauthn.verify_registration_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host, expected_origin=place.origin,
                require_user_verification=True,
            )  # fmt: skip
        except (WebAuthnException, *_WRONG) as error:
            raise Permanent(f"that is no passkey: {error}") from error
        self._spend(challenge, until)
        row = PasskeyRow(
            _text(made.credential_id), account, made.credential_public_key, made.sign_count, name, self._clock.now()
        )
        await self._store.put_passkey(row, _MOST)
        return row

    async def ask(self, place: Place) -> dict[str, Any]:
        """What a browser is told so that somebody can sign in."""
        import webauthn
        from webauthn.helpers import structs

        options = webauthn.generate_authentication_options(
            rp_id=place.host,
            challenge=await self._challenge(""),
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return dict(json.loads(webauthn.options_to_json(options)))

    async def shown(self, answer: Mapping[str, Any], place: Place) -> str:
        """The account that the browser's answer proves. NotFound or Permanent where it proves none."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        try:
            challenge, until = await self._asked(answer, "")
            row = await self._store.passkey(str(answer["id"])[:2_000])
            if row is None:
                raise NotFound("no such passkey")
            found = webauthn.verify_authentication_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host, expected_origin=place.origin,
                credential_public_key=row.key, credential_current_sign_count=row.counter, require_user_verification=True,
            )  # fmt: skip
        except (WebAuthnException, *_WRONG) as error:
            raise Permanent(f"that passkey does not open anything here: {error}") from error
        self._spend(challenge, until)
        await self._store.use_passkey(row.id, found.new_sign_count, self._clock.now())
        return row.account

    async def remove(self, account: str, identifier: str) -> None:
        """NotFound where the account has none of that id."""
        await self._store.delete_passkey(key(account), identifier)

    # ---

    async def _challenge(self, account: str) -> bytes:
        """Nonce, until when (wall time), seal over both and the account, or "" of who is not known yet."""
        told = secrets.token_bytes(_NONCE) + _UNTIL.pack(self._clock.now() + _LIFE)
        return told + await self._seal(told, account)

    async def _seal(self, told: bytes, account: str) -> bytes:
        if not self._key:
            self._key = await kept_key(self._store, "passkey_key")
        return hmac.digest(self._key, told + account.encode(), "sha256")[:_SEAL]

    async def _asked(self, answer: Mapping[str, Any], account: str) -> tuple[bytes, float]:
        """The challenge that it answers, and its end; ValueError where nobody gave it to that account, or it was answered before."""
        told = json.loads(_octets(str(answer["response"]["clientDataJSON"])))
        challenge = _octets(str(told["challenge"]))
        asked, seal = challenge[: _NONCE + _UNTIL.size], challenge[_NONCE + _UNTIL.size :]
        if len(seal) != _SEAL or not hmac.compare_digest(seal, await self._seal(asked, account)):
            raise ValueError("it answers no question that was asked here")
        (until,) = _UNTIL.unpack(asked[_NONCE:])
        if not 0 < until - self._clock.now() <= _LIFE:
            raise ValueError("it answers too late")
        if challenge in self._spent:
            raise ValueError("that was answered before")
        return challenge, until

    def _spend(self, challenge: bytes, until: float) -> None:
        """It was answered. Permanent for the second of two answers at one time."""
        if challenge in self._spent:
            raise Permanent("that was answered before")
        now = self._clock.now()
        while self._spent and (len(self._spent) >= _SPENT or next(iter(self._spent.values())) <= now):
            self._spent.popitem(last=False)
        self._spent[challenge] = until


def _octets(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
