"""An authority that says anything: what comes of it is an AcmeError within its time, and nothing is left standing."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mailhub.config.tls import Acme as Config
from mailhub.model.clock import VirtualClock
from mailhub.net.acme import Acme, AcmeError
from mailhub.net.challenges import Challenges
from mailhub.net.https import Answer, HttpsError

DIRECTORY = {name: f"https://ca.test/{name}" for name in ("newNonce", "newAccount", "newOrder")}
ORDER = {"status": "pending", "authorizations": ["https://ca.test/authz"], "finalize": "https://ca.test/finalize"}
PROOF = {"status": "pending", "challenges": [{"type": "http-01", "url": "https://ca.test/chall", "token": "tok"}]}
CONFIG = Config(directory="https://ca.test/dir", agree_terms=True, contact=("a@b.test",))
Reply = Answer | Callable[[], Answer]


def said(value: object, status: int = 200, **headers: str) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    given = {"replay-nonce": "n", **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Answer(status, "application/problem+json" if status >= 400 else "application/json", body, given)


def problem(kind: str, status: int = 400) -> Answer:
    return said({"type": f"urn:ietf:params:acme:error:{kind}", "detail": "because\r\nof this"}, status)


class Authority:
    """Answers by the last part of the path; a list is said one after the other, the last again and again."""

    def __init__(self, **answers: Any) -> None:
        usual = {
            "dir": said(DIRECTORY), "newNonce": said({}), "newAccount": said({}, location="https://ca.test/me"),
            "newOrder": said(ORDER, location="https://ca.test/order"), "authz": [said(PROOF), said({"status": "valid"})],
            "chall": said({}), "finalize": said({}), "order": said({"status": "valid", "certificate": "https://ca.test/cert"}),
            "cert": Answer(200, "application/pem-certificate-chain", b"a chain", {}),
        }  # fmt: skip
        self._answers = {**usual, **answers}
        self.asked: list[str] = []
        self.challenges = Challenges()
        self.seen: str | None = None

    async def get(self, url: str, **options: Any) -> Answer:
        return await self._next(url)

    async def head(self, url: str, **options: Any) -> Answer:
        return await self._next(url)

    async def post(self, url: str, body: bytes, kind: str, **options: Any) -> Answer:
        assert set(json.loads(body)) == {"protected", "payload", "signature"}
        return await self._next(url)

    async def _next(self, url: str) -> Answer:
        what = url.rpartition("/")[2]
        self.asked.append(what)
        if what == "chall":
            self.seen = self.challenges.answer("tok")
        found = self._answers[what]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        answer: Answer = found
        return answer

    async def certificate(self, clock: VirtualClock | None = None) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        here: Any = self
        acme = Acme(here, clock or VirtualClock(), CONFIG, key, self.challenges)
        asking = asyncio.get_running_loop().create_task(acme.certificate("a.test", b"csr"))
        while not asking.done() and clock is not None:
            await clock.advance(1)
            await asyncio.sleep(0)
        return await asking


async def test_the_proof_is_there_while_it_is_asked_for() -> None:
    authority = Authority()
    assert await authority.certificate() == b"a chain"
    assert authority.seen is not None
    assert authority.seen.startswith("tok.")
    assert authority.challenges.answer("tok") is None
    assert authority.asked == [
        "dir", "newNonce", "newAccount", "newOrder", "authz", "chall", "authz", "finalize", "order", "cert",
    ]  # fmt: skip


async def test_a_name_that_is_proved_already_is_not_proved_again() -> None:
    authority = Authority(authz=said({"status": "valid"}))
    assert await authority.certificate() == b"a chain"
    assert "chall" not in authority.asked


async def test_nonces_are_asked_for_again() -> None:
    authority = Authority(
        newOrder=[problem("badNonce"), problem("badNonce"), said(ORDER, location="https://ca.test/order")]
    )
    assert await authority.certificate() == b"a chain"


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"dir": said(b"<html>")}, "no JSON"),
        ({"dir": said([])}, "no JSON"),
        ({"dir": said({})}, "no newAccount"),
        ({"dir": HttpsError("nobody is there")}, "nobody is there"),
        ({"newAccount": said({})}, "where the account is"),
        ({"newAccount": problem("userActionRequired", 403)}, "userActionRequired: because??of this"),
        ({"newOrder": problem("badNonce")}, "takes no nonce"),
        ({"newOrder": problem("rateLimited", 429)}, "rateLimited"),
        ({"newOrder": said(b"x" * 300_000)}, "more than"),
        ({"newOrder": said({"authorizations": 7}, location="https://ca.test/order")}, "no finalize"),
        ({"authz": said({"status": "pending"})}, "another proof"),
        ({"authz": said({"status": "pending", "challenges": ["x", {"type": "dns-01"}]})}, "another proof"),
        (
            {"authz": [said(PROOF), said({"status": "invalid", "challenges": [{"error": {"detail": "not found"}}]})]},
            "not found",
        ),
        ({"authz": [said(PROOF), said({"status": "invalid", "challenges": None})]}, "did not find the proof"),
        ({"order": said({"status": "invalid", "error": {"type": "x:y", "detail": "z"}})}, "y: z"),
        ({"order": said({"status": "valid"})}, "no certificate"),
    ],
)
async def test_whatever_it_says_is_told_in_words(answers: dict[str, Any], told: str) -> None:
    authority = Authority(**answers)
    with pytest.raises(AcmeError, match=told.replace("?", r"\?")) as caught:
        await asyncio.wait_for(authority.certificate(), 20)
    assert str(caught.value).isprintable()
    assert authority.challenges.answer("tok") is None


async def test_an_order_that_never_ends_is_given_up() -> None:
    clock = VirtualClock()
    authority = Authority(order=said({"status": "processing"}, retry_after="5"))
    with pytest.raises(AcmeError, match="not done within 180 seconds"):
        await authority.certificate(clock)
    assert authority.asked.count("order") < 60
