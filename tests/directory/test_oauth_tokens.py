"""OAuth tokens against an issuer on loopback: signatures and claims, keys that come and go, questions about opaque ones."""

import asyncio
import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.hubs import until
from support.issuer import AUDIENCE, CLIENT, Issuer, issuing

from mailhub.config import schema
from mailhub.directory.oauth import BadToken
from mailhub.directory.oauth.keys import KEYS_LIMIT, PATIENCE, parsed
from mailhub.directory.oauth.tokens import IssuedTokens
from mailhub.model.clock import SystemClock, VirtualClock
from mailhub.model.errors import LimitReached, Temporary
from mailhub.net.http import ANSWER_LIMIT, HttpClient
from mailhub.net.https import Https
from mailhub.net.resolver import DnsResolver
from mailhub.net.tls import self_signed

ANN = "ann@mailhub.test"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def issuer(clock: VirtualClock) -> AsyncIterator[Issuer]:
    async with issuing(clock) as issuer:
        yield issuer


@pytest.fixture
async def http(clock: VirtualClock) -> AsyncIterator[HttpClient]:
    resolver = DnsResolver(schema.Resolver(), clock)
    yield HttpClient(Https(resolver, clock), timeout=10.0, limit=5)
    await resolver.close()


class Made:
    """Tokens checked as the options say."""

    def __init__(self, issuer: Issuer, http: HttpClient, clock: VirtualClock, folder: Path) -> None:
        self.issuer, self.http, self.clock = issuer, http, clock
        (folder / "client").write_text(":".join(CLIENT) + "\n")
        self.oauth = schema.OAuth(jwks=issuer.url + "/keys", issuer=issuer.url, audience=("other", AUDIENCE))
        self.asking = schema.OAuth(
            introspection=issuer.url + "/introspect", introspection_client=str(folder / "client")
        )

    def by(self, oauth: schema.OAuth, **options: Any) -> IssuedTokens:
        return IssuedTokens(msgspec.structs.replace(oauth, **options), self.http, self.clock)


@pytest.fixture
def made(issuer: Issuer, http: HttpClient, clock: VirtualClock, tmp_path: Path) -> Made:
    return Made(issuer, http, clock, tmp_path)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "ES384", "EdDSA"])
async def test_a_signed_token_names_its_account(made: Made, issuer: Issuer, algorithm: str) -> None:
    issuer.rotate("key", algorithm)
    tokens = made.by(made.oauth)
    assert await tokens.account(issuer.token(ANN)) == ANN
    assert await tokens.account(issuer.token("Bob@mailhub.test", aud=["x", AUDIENCE])) == "Bob@mailhub.test"
    assert issuer.asked == ["/keys"]


async def test_claims_that_do_not_fit(made: Made, issuer: Issuer, clock: VirtualClock) -> None:
    tokens = made.by(made.oauth, scopes=("mail",))
    now = clock.now()
    assert await tokens.account(issuer.token(ANN, scope="openid mail")) == ANN
    assert await tokens.account(issuer.token(ANN, scp=["mail"], exp=now - 29, nbf=now + 29)) == ANN
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("expired", {"exp": now - 30}),
        ("expired", {"exp": -(10**30)}),
        ("never ends", {"exp": None}),
        ("exp is no number", {"exp": "tomorrow"}),
        ("exp is no number", {"exp": True}),
        ("not valid yet", {"nbf": now + 31}),
        ("another issuer", {"iss": "http://localhost"}),
        ("another issuer", {"iss": None}),
        ("another audience", {"aud": "mailhub2"}),
        ("another audience", {"aud": None}),
        ("another audience", {"aud": "mailhub other"}),
        ("another audience", {"aud": [[AUDIENCE]]}),
        ("without the scope", {"scope": "mails"}),
        ("no name", {"email": ["x"]}),
        ("no name", {"email": ""}),
        ("no name", {"email": "a\nb"}),
        ("no name", {"email": "x" * 321}),
        ("not verified", {"email_verified": False}),
        ("not verified", {"email_verified": "false"}),
    ]
    for why, claims in wrong:
        with pytest.raises(BadToken, match=why):
            await tokens.account(issuer.token(ANN, **{"scope": "mail", **claims}))


async def test_the_clock_ends_a_token(made: Made, issuer: Issuer, clock: VirtualClock) -> None:
    tokens, token = made.by(made.oauth, claim="sub", leeway=0), issuer.token(ANN, sub="ann")
    assert await tokens.account(token) == "ann"
    await clock.advance(299)
    assert await tokens.account(token) == "ann"
    await clock.advance(1)
    with pytest.raises(BadToken, match="expired"):
        await tokens.account(token)


def unsigned(header: dict[str, Any], claims: dict[str, Any], key: bytes | None = None) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = b"" if key is None else hmac.digest(key, b".".join(parts), hashlib.sha256)
    return b".".join((*parts, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


async def test_forged_signatures(made: Made, issuer: Issuer, clock: VirtualClock) -> None:
    issuer.rotate("one")
    issuer.add("two", "ES256")
    tokens = made.by(made.oauth)
    claims = {"iss": issuer.url, "aud": AUDIENCE, "email": ANN, "exp": clock.now() + 60}
    public = issuer.private().public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    right = issuer.token(ANN)
    head, body, signature = right.split(".")
    other = base64.urlsafe_b64encode(json.dumps({**claims, "email": "bob@mailhub.test"}).encode()).rstrip(b"=").decode()
    stranger = rsa.generate_private_key(65537, 2048)
    own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key()))
    forged = [
        unsigned({"alg": "none"}, claims),
        unsigned({"alg": "None", "kid": "one"}, claims),
        unsigned({"alg": "HS256", "kid": "one"}, claims, pem),  # the public key as a shared secret
        unsigned({"alg": ["RS256"]}, claims),
        unsigned({"alg": "RS256", "kid": 7}, claims),
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{'A' * len(signature)}",
        jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": "one"}),
        jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": "one", "jwk": own}),  # a key of its own
        jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": "none such", "jku": "http://localhost/"}),
        jwt.encode(claims, stranger, algorithm="RS256"),
        jwt.encode(claims, issuer.private("one"), algorithm="RS512", headers={"kid": "one"}),
        jwt.encode(claims, issuer.private("one"), algorithm="RS256", headers={"kid": "two"}),
        issuer.token(ANN, header={"crit": ["exp"]}),
        "ey.ey.ey",
        "eyJ.eyJ.",
        "ey..",
    ]
    for token in forged:
        with pytest.raises(BadToken):
            await tokens.account(token)
    assert await tokens.account(right) == ANN
    for text in (b"[]", b"7", b"{", b"\xff", b'{"exp": NaN}'):
        token = jwt.PyJWS().encode(text, issuer.private("one"), algorithm="RS256", headers={"kid": "one"})
        with pytest.raises(BadToken, match="no JSON object"):
            await tokens.account(token)


async def test_a_token_without_the_name_of_a_key_is_tried_with_those_that_fit(made: Made, issuer: Issuer) -> None:
    issuer.add("two", "ES256")
    issuer.add("three", "RS256")
    token = jwt.PyJWS().encode(
        json.dumps({"iss": issuer.url, "aud": AUDIENCE, "email": ANN, "exp": 2**40}).encode(),
        issuer.private("three"), algorithm="RS256",
    )  # fmt: skip
    assert await made.by(made.oauth).account(token) == ANN


async def test_keys_are_read_again_for_an_unknown_one_but_not_at_each(
    made: Made, issuer: Issuer, clock: VirtualClock
) -> None:
    tokens = made.by(made.oauth)
    assert await tokens.account(issuer.token(ANN)) == ANN
    await clock.advance(made.oauth.keys_interval)
    issuer.rotate("two")
    answers = await asyncio.gather(*(tokens.account(issuer.token(ANN)) for _ in range(20)))
    assert (answers, len(issuer.asked)) == ([ANN] * 20, 2)
    for n in range(20):
        with pytest.raises(BadToken, match="not signed by the key"):
            await tokens.account(issuer.token(ANN, header={"kid": f"made up {n}"}))
    assert len(issuer.asked) == 2
    await clock.advance(made.oauth.keys_interval)
    with pytest.raises(BadToken, match="not signed by the key"):
        await tokens.account(issuer.token(ANN, header={"kid": "made up"}))
    assert len(issuer.asked) == 3


async def read(tokens: IssuedTokens) -> None:
    """Wait for the reading of keys that is under way."""
    assert tokens._signed is not None
    keys = tokens._signed._keys
    await until(lambda: keys._reading is None)


async def test_keys_grow_old(made: Made, issuer: Issuer, clock: VirtualClock) -> None:
    tokens, life = made.by(made.oauth), made.oauth.keys_seconds
    await tokens.account(issuer.token(ANN))
    await clock.advance(life / 2)
    assert await tokens.account(issuer.token(ANN)) == ANN
    await read(tokens)  # in the background
    assert len(issuer.asked) == 2
    issuer.status = 503
    await clock.advance(life / 2)
    for _ in range(3):  # the issuer is away, and not asked each time
        assert await tokens.account(issuer.token(ANN)) == ANN
    await read(tokens)
    assert len(issuer.asked) == 3
    await clock.advance(life / 2)
    for _ in range(3):
        with pytest.raises(Temporary, match="503"):
            await tokens.account(issuer.token(ANN))
    assert len(issuer.asked) == 4
    issuer.status = 200
    await clock.advance(PATIENCE)
    assert await tokens.account(issuer.token(ANN)) == ANN


async def test_an_issuer_that_is_away_or_talks_rubbish_is_temporary(
    made: Made, issuer: Issuer, clock: VirtualClock
) -> None:
    issuer.opaque["t"] = {"active": True, "email": ANN}
    for body in (b"", b"{}", b"[]", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "eA"}]}',
                 b"x" * (ANSWER_LIMIT + 1), json.dumps({"keys": [{}] * (KEYS_LIMIT + 1)}).encode(), b"\xff"):  # fmt: skip
        issuer.body = body
        with pytest.raises(Temporary):
            await made.by(made.oauth).account(issuer.token(ANN))
        if not body.startswith(b"{"):
            with pytest.raises(Temporary):
                await made.by(made.asking).account("t")
    issuer.body = None
    for url in (issuer.url + "/moved", issuer.url + "/none", "http://localhost:1/keys", "http://[::1]:1/"):
        with pytest.raises(Temporary):
            await made.by(made.oauth, jwks=url).account(issuer.token(ANN))
    assert "/keys" not in issuer.asked[-1:] or issuer.asked.count("/keys") == 9  # no redirect was followed


async def test_keys_that_may_not_be_used_are_left_out(issuer: Issuer) -> None:
    (right,) = json.loads(issuer.jwks())["keys"]
    small = rsa.generate_private_key(65537, 1024).public_key()
    unfit = [
        {**right, "use": "enc"},
        {**right, "n": "AQAB"},
        {**right, "n": None},
        {**right, "kid": 3},
        {**right, "alg": "none"},
        {**right, "alg": "HS256"},
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(small)), "kid": "small"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "AKP", "kid": "of tomorrow"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        [],
        "x",
    ]
    (key,) = parsed(json.dumps({"keys": [*unfit, right]}).encode())
    assert key.name == "one"
    assert not key.fits("ES256")
    (bound,) = parsed(json.dumps({"keys": [{**right, "alg": "PS256"}]}).encode())
    assert bound.fits("PS256")
    assert not bound.fits("RS256")


async def test_keys_in_a_file(made: Made, issuer: Issuer, clock: VirtualClock, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    tokens = made.by(made.oauth, jwks=str(file))
    with pytest.raises(Temporary, match=r"keys\.json"):
        await tokens.account(issuer.token(ANN))
    file.write_bytes(issuer.jwks())
    await clock.advance(PATIENCE)
    first = issuer.token(ANN)
    assert await tokens.account(first) == ANN
    issuer.rotate("two")
    file.write_bytes(issuer.jwks())
    await clock.advance(2 * made.oauth.keys_interval)
    assert await tokens.account(issuer.token(ANN)) == ANN
    with pytest.raises(BadToken):
        await tokens.account(first)
    assert issuer.asked == []


async def test_an_opaque_token_is_asked_for_and_remembered_for_a_while(
    made: Made, issuer: Issuer, clock: VirtualClock
) -> None:
    tokens, now = made.by(made.asking), clock.now()
    issuer.opaque = {
        "long": {"active": True, "email": ANN},
        "short": {"active": True, "email": ANN, "exp": now + 20},
        "past": {"active": True, "email": ANN, "exp": now - 31},
        "nobody": {"active": True},
        "dead": {"active": False, "email": ANN},
        "yes": {"active": "true", "email": ANN},
    }
    assert await asyncio.gather(*(tokens.account("long") for _ in range(20))) == [ANN] * 20
    assert issuer.forms == [{"token": "long", "token_type_hint": "access_token"}]
    for _ in range(2):
        assert await tokens.account("short") == ANN
    assert len(issuer.asked) == 2
    for token in ("past", "nobody", "dead", "yes", "unknown"):
        with pytest.raises(BadToken):
            await tokens.account(token)
    asked = len(issuer.asked)
    await clock.advance(20)
    issuer.opaque["short"]["exp"] = now + 1_000
    assert await tokens.account("short") == ANN  # asked again: it had no longer to live
    assert await tokens.account("long") == ANN
    assert len(issuer.asked) == asked + 1
    await clock.advance(40)
    issuer.opaque["long"] = {"active": False}  # revoked
    with pytest.raises(BadToken, match="not active"):
        await tokens.account("long")


async def test_our_credentials_with_the_issuer(made: Made, issuer: Issuer, tmp_path: Path) -> None:
    issuer.opaque["t"] = {"active": True, "email": ANN, "iss": issuer.url, "aud": AUDIENCE}
    for text in ("other:s", "no colon", ":x", "a:b\nc", "", "\udcff"):
        (tmp_path / "client").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(Temporary):
            await made.by(made.asking).account("t")
    (tmp_path / "client").unlink()
    with pytest.raises(Temporary, match="client"):
        await made.by(made.asking).account("t")


async def test_both_ways_each_for_its_tokens(made: Made, issuer: Issuer) -> None:
    issuer.opaque["t"] = {"active": True, "email": "opaque@mailhub.test", "iss": issuer.url, "aud": AUDIENCE}
    asking = made.asking
    both = made.by(made.oauth, introspection=asking.introspection, introspection_client=asking.introspection_client)
    assert await both.account(issuer.token(ANN)) == ANN
    assert await both.account("t") == "opaque@mailhub.test"
    issuer.opaque["t"]["aud"] = "elsewhere"
    issuer.opaque["u"] = issuer.opaque["t"]
    with pytest.raises(BadToken, match="audience"):
        await both.account("u")
    with pytest.raises(BadToken, match=r"auth\.oauth\.introspection"):
        await made.by(made.oauth).account("t")


async def test_requests_that_wait_are_bounded(made: Made, issuer: Issuer) -> None:
    issuer.opaque = {f"{n}": {"active": True, "email": ANN} for n in range(20)}
    tokens = made.by(made.asking)
    issuer.open.clear()
    asked = [asyncio.ensure_future(tokens.account(f"{n}")) for n in range(20)]
    await until(lambda: [task.done() for task in asked].count(True) == 15)
    issuer.open.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, LimitReached) for answer in answers].count(True) == 15
    assert answers.count(ANN) == 5
    assert await tokens.account("19") == ANN


async def test_an_issuer_that_does_not_answer_in_time_is_temporary() -> None:
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    clock = SystemClock()
    resolver = DnsResolver(schema.Resolver(), clock)
    client = HttpClient(Https(resolver, clock), timeout=0.1, limit=5)
    try:
        with pytest.raises(Temporary, match="no answer within"):
            await client.get(f"http://localhost:{silent.sockets[0].getsockname()[1]}/")
    finally:
        await resolver.close()
        for writer in writers:
            writer.close()
        silent.close()


async def test_the_issuer_s_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    certificate, key = self_signed("localhost", clock.now())
    (tmp_path / "c.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem")
    resolver = DnsResolver(schema.Resolver(), clock)
    async with issuing(clock, context) as issuer:
        url = issuer.url.replace("http:", "https:") + "/keys"
        with pytest.raises(Temporary, match="CERTIFICATE_VERIFY_FAILED"):
            await HttpClient(Https(resolver, clock), timeout=10.0, limit=5).get(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "c.pem"))
        assert b'"keys"' in await HttpClient(Https(resolver, clock), timeout=10.0, limit=5).get(url)
    await resolver.close()
