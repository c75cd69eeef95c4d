"""Each action of control by HTTP: POST /api/mailhub/v1/queue.list with its fields as JSON; what changes nothing also by GET."""

import logging
from typing import Any

import msgspec
from aiohttp import web

from mailhub.control import words
from mailhub.control.delegated import Delegated, rule
from mailhub.control.scopes import ACTIONS, reads
from mailhub.control.service import Control

from ..access import Access, Denied
from ..routes import BODY, Route, answered, read
from ..safety import Handler, client_of

log = logging.getLogger("mailhub.web")

ROOT = "/api/mailhub/v1/"


def routes(control: Control, delegated: Delegated, access: Access) -> list[Route]:
    made = []
    for action, kind in ACTIONS.items():
        summary = _summary(kind)
        handler = _handler(control, delegated, access, action, kind)
        answer = words.answer_type(kind)
        if reads(action):
            made.append(
                Route("GET", ROOT + action, handler, summary, _scalars(kind), None, answer, security="token browser")
            )
        made.append(Route("POST", ROOT + action, handler, summary, None, kind, answer, security="token browser"))
    return made


def _handler(
    control: Control, delegated: Delegated, access: Access, action: str, kind: "type[words.Request[Any]]"
) -> Handler:
    async def do(request: web.Request) -> web.StreamResponse:
        try:
            who = await access.asker(request, action)
        except Denied as denied:
            return denied.answer
        if who.domains is not None:
            rule(kind)
        limit = 0 if who.domains is None else BODY
        asked = _from_query(request, kind) if request.method == "GET" else await read(request, kind, limit)
        if not reads(action):
            log.info("http: %s by %s from %s", action, who.name, client_of(request))
        if who.domains is None:
            if not (who.is_operator or reads(action)):
                await delegated.spare(asked)
            return answered(await control.perform(asked))
        return answered(await delegated.perform(asked, who.domains, who.whole))

    return do


def _from_query(request: web.Request, kind: "type[words.Request[Any]]") -> "words.Request[Any]":
    try:
        asked: words.Request[Any] = msgspec.convert(dict(request.query), kind, strict=False)
        return asked
    except msgspec.ValidationError as error:
        raise ValueError(f"{error} (what is no single value is asked by POST, as JSON)") from error


def _scalars(kind: "type[words.Request[Any]]") -> dict[str, str]:
    """Those fields that a query can hold."""
    info = msgspec.inspect.type_info(kind)
    simple = (msgspec.inspect.StrType, msgspec.inspect.IntType, msgspec.inspect.FloatType, msgspec.inspect.BoolType)
    assert isinstance(info, msgspec.inspect.StructType)
    return {field.encode_name: "" for field in info.fields if isinstance(field.type, simple)}


def _summary(kind: "type[words.Request[Any]]") -> str:
    """The first sentence of its docstring."""
    text = " ".join((kind.__doc__ or "").split())
    return "" if text.startswith(f"{kind.__name__}(") else text
