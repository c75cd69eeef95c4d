"""Passkeys (WebAuthn level 3): a device that shows who somebody is, without a password, and has asked him before it did.

One signs in to the web by itself; where an account has one, its password alone opens the web login no more. Made and checked by
py_webauthn, which is imported with the first that is used.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailhub.model.address import key
from mailhub.model.clock import Clock
from mailhub.model.errors import NotFound, Permanent
from mailhub.store.api import DirectoryStore
from mailhub.store.api import PasskeyRow as PasskeyRow

_LIFE = 300.0  # seconds that a challenge may be answered
_WAITING = 10_000  # challenges
_MOST = 20  # passkeys of an account
_WRONG = (ValueError, TypeError, KeyError, RecursionError)  # what comes of an answer that is none


@dataclass(frozen=True, slots=True)
class Place:
    """Where the browser is: `host`, its name without port, and `origin`, "https://mail.example.org"."""

    host: str
    origin: str


class Passkeys:
    """One per hub. `issuer`: how devices call this host."""

    def __init__(self, store: DirectoryStore, clock: Clock, issuer: str) -> None:
        self._store, self._clock, self._issuer = store, clock, issuer
        self._waiting: OrderedDict[bytes, tuple[str, float]] = OrderedDict()  # challenge -> account or "", until

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
            challenge=self._challenge(account),
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
            challenge = self._asked(answer, account)
            made = webauthn.verify_registration_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host, expected_origin=place.origin,
                require_user_verification=True,
            )  # fmt: skip
        except (WebAuthnException, *_WRONG) as error:
            raise Permanent(f"that is no passkey: {error}") from error
        row = PasskeyRow(
            _text(made.credential_id), account, made.credential_public_key, made.sign_count, name, self._clock.now()
        )
        await self._store.put_passkey(row, _MOST)
        return row

    def ask(self, place: Place) -> dict[str, Any]:
        """What a browser is told so that somebody can sign in."""
        import webauthn
        from webauthn.helpers import structs

        options = webauthn.generate_authentication_options(
            rp_id=place.host,
            challenge=self._challenge(""),
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return dict(json.loads(webauthn.options_to_json(options)))

    async def shown(self, answer: Mapping[str, Any], place: Place) -> str:
        """The account that the browser's answer proves. NotFound or Permanent where it proves none."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        try:
            challenge = self._asked(answer, "")
            row = await self._store.passkey(str(answer["id"])[:2_000])
            if row is None:
                raise NotFound("no such passkey")
            found = webauthn.verify_authentication_response(
                credential=dict(answer), expected_challenge=challenge, expected_rp_id=place.host, expected_origin=place.origin,
                credential_public_key=row.key, credential_current_sign_count=row.counter, require_user_verification=True,
            )  # fmt: skip
        except (WebAuthnException, *_WRONG) as error:
            raise Permanent(f"that passkey does not open anything here: {error}") from error
        await self._store.use_passkey(row.id, found.new_sign_count, self._clock.now())
        return row.account

    async def remove(self, account: str, identifier: str) -> None:
        """NotFound where the account has none of that id."""
        await self._store.delete_passkey(key(account), identifier)

    # ---

    def _challenge(self, account: str) -> bytes:
        now = self._clock.monotonic()
        while self._waiting and (len(self._waiting) >= _WAITING or next(iter(self._waiting.values()))[1] <= now):
            self._waiting.popitem(last=False)
        made = secrets.token_bytes(32)
        self._waiting[made] = account, now + _LIFE
        return made

    def _asked(self, answer: Mapping[str, Any], account: str) -> bytes:
        """The challenge that it answers, which is spent by this; ValueError where nobody gave it to that account."""
        told = json.loads(_octets(str(answer["response"]["clientDataJSON"])))
        challenge = _octets(str(told["challenge"]))
        known, until = self._waiting.pop(challenge, ("", 0.0))
        if until <= self._clock.monotonic() or known != account:
            raise ValueError("it answers no question that was asked here, or too late")
        return challenge


def _octets(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
