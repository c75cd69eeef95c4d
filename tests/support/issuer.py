"""An identity provider on loopback: it publishes keys, signs tokens (PyJWT), and answers questions about others."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote_plus

import jwt
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CLIENT = ("mail+hub", "s€cret & more")  # id and secret with which we may ask
AUDIENCE = "mailhub"


class Issuer:
    """`url` after `running`. `asked`: requests by path. `status`: what it answers everything with, where it is no 200."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.url = ""
        self.status = 200
        self.asked: list[str] = []
        self.forms: list[Mapping[str, Any]] = []
        self.opaque: dict[str, dict[str, Any]] = {}
        self.body: bytes | None = None  # said instead of what is true
        self.open = asyncio.Event()  # it answers questions about tokens
        self.open.set()
        self._private: dict[str, tuple[str, Any]] = {}
        self.rotate("one")

    def rotate(self, name: str, algorithm: str = "RS256") -> None:
        """From now on it signs with another key; those before are published no longer."""
        self._private = {}
        self.add(name, algorithm)

    def add(self, name: str, algorithm: str) -> None:
        curves: dict[str, Any] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}
        if algorithm == "EdDSA":
            private: Any = ed25519.Ed25519PrivateKey.generate()
        elif algorithm in curves:
            private = ec.generate_private_key(curves[algorithm])
        else:
            private = rsa.generate_private_key(65537, 2048)
        self._private[name] = algorithm, private

    def private(self, name: str = "") -> Any:
        return self._private[name or next(iter(self._private))][1]

    def jwks(self) -> bytes:
        keys = []
        for name, (algorithm, private) in self._private.items():
            maker: Any = jwt.get_algorithm_by_name(algorithm)
            keys.append({**maker.to_jwk(private.public_key(), as_dict=True), "kid": name, "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def token(self, account: str, /, *, key: str = "", header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A right one, but for what is said. A claim of None is left out."""
        name = key or next(iter(self._private))
        algorithm, private = self._private[name]
        now = self.clock.now()
        stated = {"iss": self.url, "aud": AUDIENCE, "email": account, "exp": now + 300, "nbf": now, **claims}
        payload = json.dumps({claim: value for claim, value in stated.items() if value is not None}).encode()
        given = {"kid": name, **(header or {})}
        return jwt.PyJWS().encode(payload, private, algorithm=algorithm, headers=given)

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        body = self.jwks() if self.body is None else self.body
        return web.Response(status=self.status, body=body, content_type="application/json")

    async def _introspect(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        shown = BasicAuth.decode(request.headers["Authorization"])
        if (unquote_plus(shown.login), unquote_plus(shown.password)) != CLIENT:
            return web.Response(status=401)
        await self.open.wait()
        form = await request.post()
        self.forms.append(dict(form))
        body = json.dumps(self.opaque.get(str(form["token"]), {"active": False})).encode()
        return web.Response(status=self.status, body=body if self.body is None else self.body)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/keys")


@contextlib.asynccontextmanager
async def issuing(clock: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    issuer = Issuer(clock)
    app = web.Application()
    app.router.add_get("/keys", issuer._keys)
    app.router.add_get("/moved", issuer._elsewhere)
    app.router.add_post("/introspect", issuer._introspect)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        issuer.url = f"http://localhost:{runner.addresses[0][1]}"
        yield issuer
    finally:
        await runner.cleanup()
