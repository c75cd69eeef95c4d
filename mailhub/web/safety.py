"""What every answer and every request is held to."""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Collection

from aiohttp import web
from aiohttp.typedefs import Middleware

from mailhub.control.errors import ControlError
from mailhub.model.errors import MailError, NotFound, Permanent

log = logging.getLogger("mailhub.web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_READING = ("GET", "HEAD", "OPTIONS")
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A message in a frame: no scripts, no forms, no way out, and nothing fetched but what the message brings along.
MESSAGE = (
    "sandbox allow-popups; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "mailhub",
}
_STATUS = {"not_found": 404, "exists": 409, "limit": 429, "temporary": 503, "refused": 400}


def guarded(names: Collection[str], public: Collection[str] = ()) -> Middleware:
    """The middleware. `names`: host names that are ours, besides localhost and addresses. `public`: paths that look at the host name
    themselves."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not (_ours(request, names) or _place(request) in public):
                response: web.StreamResponse = failed(421, "this name is none of web.hosts")
            elif request.method not in _READING and _from_elsewhere(request):
                response = failed(403, "a page of another origin may not do that")
            else:
                response = await handler(request)
        except web.HTTPException as error:
            response = failed(error.status, error.reason)
        except (ControlError, MailError, ValueError) as error:
            response = failed(_status(error), str(error))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = failed(500, "internal trouble, see the log")
        if not response.prepared:
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return guard


def _place(request: web.Request) -> str:
    """The path of the route that was found, as it was registered."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""


def client_of(request: web.Request) -> str:
    """The address of who is really there, also behind a proxy that says so first (PROXY protocol); loopback for a unix socket."""
    client: str = getattr(request.protocol, "client", "")
    return (client or request.remote or "127.0.0.1").partition("%")[0]


def failed(status: int, reason: str) -> web.Response:
    """An answer that says why."""
    return web.json_response({"error": reason}, status=status)


def _status(error: Exception) -> int:
    if isinstance(error, ControlError):
        return _STATUS.get(error.kind, 500)
    if isinstance(error, NotFound):
        return 404
    return 400 if isinstance(error, (Permanent, ValueError)) else 503


def _ours(request: web.Request, names: Collection[str]) -> bool:
    host = request.host.rpartition(":")[0] if request.host.rpartition(":")[2].isdigit() else request.host
    host = host.strip("[]").lower()
    if host in ("localhost", *names) or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _from_elsewhere(request: web.Request) -> bool:
    """Browsers say where a page comes from; programs do not."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != request.host
