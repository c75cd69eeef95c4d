"""The table of an interface: what may be asked, in which form, and the OpenAPI description made of it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from mailhub import __version__

from .safety import Handler

T = TypeVar("T")
OPENAPI = "/api/openapi.json"
BODY = 1_048_576  # octets of a request that brings no message
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer"},
    "account": {"type": "http", "scheme": "basic"},
    "browser": {"type": "apiKey", "in": "cookie", "name": "mailhub"},
}


class Route(msgspec.Struct, frozen=True):
    """`body`, `answer`: types of what comes and goes as JSON; None for none. `query`: parameters with what they mean.
    `kind`: the answer's media type. `hidden`: not described (pages). `security`: "token", "account" or "browser", or several of them: who has to ask. `public`: it stands at
    the root, whatever web.prefix says, and is answered by any host name."""

    method: str
    path: str
    handler: Handler
    summary: str = ""
    query: Mapping[str, str] | None = None
    body: Any = None
    answer: Any = None
    kind: str = "application/json"
    hidden: bool = False
    security: str = ""
    public: bool = False


def answered(value: object, status: int = 200) -> web.Response:
    """A value as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def read(request: web.Request, kind: type[T], limit: int = BODY) -> T:
    """The body of a request as a value; ValueError in words where it is none. `limit`: octets, 0: web.body_limit."""
    try:
        return msgspec.json.decode(await (_within(request, limit) if limit else request.read()) or b"{}", type=kind)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the body of the request: {error}") from error
    except RecursionError:
        raise ValueError("the body of the request: too many levels") from None


async def _within(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for block in request.content.iter_any():
        body += block
        if len(body) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, len(body))
    return bytes(body)


def described(routes: Sequence[Route], title: str) -> Route:
    """The route that answers with the description of all others (OpenAPI 3.1)."""
    shown = [route for route in routes if not route.hidden]
    types = [kind for route in shown for kind in (route.body, route.answer) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }
    encoded = msgspec.json.encode(document)

    async def describe(request: web.Request) -> web.Response:
        return web.Response(body=encoded, content_type="application/json")

    return Route("GET", OPENAPI, describe, hidden=True)


def _operation(route: Route, schemas: Mapping[int, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in (piece[1:-1] for piece in route.path.split("/") if piece.startswith("{"))
    ]
    for name, meaning in (route.query or {}).items():
        parameters.append({"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}})
    schema = schemas[id(route.answer)] if route.answer is not None else None
    content = {route.kind: {"schema": schema} if schema else {}}
    found: dict[str, Any] = {
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            "200": {"description": "done", "content": content},
            "4XX": {"description": "refused; `error` says why"},
            "503": {"description": "not now; `error` says why"},
        },
    }
    if route.security:
        found["security"] = [{one: []} for one in route.security.split()]
        found["responses"]["401"] = {"description": "nobody, or not the right one; `error` says why"}
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[id(route.body)]}}}
    return found
