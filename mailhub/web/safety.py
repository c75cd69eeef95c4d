"""What every answer and every request is held to."""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Middleware

from mailhub.control.errors import ControlError
from mailhub.model.errors import Denied as NoRight
from mailhub.model.errors import Exists, LimitReached, MailError, NotFound, OverQuota, Permanent

from .proxies import ASKED, Asked, Proxies, peer

log = logging.getLogger("mailhub.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READING = ("GET", "HEAD", "OPTIONS")
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A message in a frame: no scripts, no forms, no way out, and nothing fetched but what the message brings along.
MESSAGE = (
    "sandbox allow-popups; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": _PAGE,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "mailhub",
}
_INTERFACE = "/api/mailhub/"  # also what only reads: another page could measure how long an answer takes, or try passwords by links
_STATUS_OF = {NotFound: 404, NoRight: 403, Exists: 409, OverQuota: 409, LimitReached: 429}
_STATUS = {"usage": 400, "not_found": 404, "exists": 409, "limit": 429, "temporary": 503, "refused": 400, "denied": 403}


class Denied(Exception):
    """`answer` is what is said."""

    def __init__(self, status: int, why: str, challenge: str = "") -> None:
        super().__init__(why)
        self.answer = failed(status, why)
        if challenge:
            self.answer.headers["WWW-Authenticate"] = challenge


def guarded(names: Collection[str], proxies: Proxies, public: Collection[str] = ()) -> Middleware:
    """The middleware. `names`: host names that are ours, besides localhost and addresses. `public`: paths that look at the host name
    themselves."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ASKED] = asked = proxies.asked(request)
        try:
            place = _place(request)
            if not (_ours(asked.host, names) or place in public):
                response: web.StreamResponse = failed(421, "this name is none of web.hosts")
            elif (request.method not in READING or _INTERFACE in place) and _from_elsewhere(request, asked):
                response = failed(403, "a page of another origin may not do that")
            elif request.headers.get("Content-Encoding", "identity").lower() != "identity":
                response = failed(415, "a body is sent as it is")
            else:
                response = await handler(request)
        except Denied as denied:
            response = denied.answer
        except web.HTTPException as error:
            response = failed(error.status, error.reason)
        except (ControlError, MailError, ValueError) as error:
            response = failed(_status(error), str(error))
        except ConnectionError:  # the client has left
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = failed(500, "internal trouble, see the log")
        if not response.prepared and request.writer.output_size:
            raise ConnectionResetError("an answer had begun, and broke off: nothing else may stand in it")
        return response

    return guard


async def with_headers(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """Every answer has them, also one that is sent piece by piece."""
    for name, value in HEADERS.items():
        if name == "Server" or name not in response.headers:
            response.headers[name] = value


def _place(request: web.Request) -> str:
    """The path of the route that was found, as it was registered."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def client_of(request: web.Request) -> str:
    """The address of who is really there, also behind proxies that are believed; loopback for a unix socket."""
    return request[ASKED].client if ASKED in request else peer(request)


def is_secret(request: web.Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy that is believed."""
    return request[ASKED].secure if ASKED in request else request.secure


def failed(status: int, reason: str) -> web.Response:
    """An answer that says why."""
    return web.json_response({"error": reason}, status=status)


def _status(error: Exception) -> int:
    if isinstance(error, ControlError):
        return _STATUS.get(error.kind, 500)
    for kind, status in _STATUS_OF.items():
        if isinstance(error, kind):
            return status
    return 400 if isinstance(error, (Permanent, ValueError)) else 503


def _ours(named: str, names: Collection[str]) -> bool:
    host = named.rpartition(":")[0] if named.rpartition(":")[2].isdigit() else named
    host = host.strip("[]").lower()
    if host in ("localhost", *names) or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _from_elsewhere(request: web.Request, asked: Asked) -> bool:
    """Browsers say where a page comes from; programs do not."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != asked.host
