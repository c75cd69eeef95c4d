"""The base of all requests, and bounds that many share. `words` has them all."""

from typing import Annotated, Any, Generic, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from .errors import ControlError

PAGE = 500  # entries of a list in one answer

Answer = TypeVar("Answer", covariant=True)
Page = Annotated[int, Meta(ge=1, le=PAGE)]


class Request(Struct, Generic[Answer], frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """Base of all requests."""


class Done(Struct, frozen=True, kw_only=True):
    """An action with nothing more to say."""

    done: bool = True


def answer_type(request: "type[Request[Any]]") -> Any:
    """The type that answers such a request."""
    return get_args(request.__orig_bases__[0])[0]  # type: ignore[attr-defined]


def checked(request: "Request[Answer]") -> "Request[Answer]":
    """The request, or a ControlError where a bound is not kept, as if it had come by the socket."""
    try:
        return msgspec.convert(msgspec.to_builtins(request), type(request))
    except msgspec.ValidationError as error:
        raise ControlError("usage", f"not a request: {error}") from error
