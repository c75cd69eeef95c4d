"""The addresses at which it is asked for."""

from collections.abc import Awaitable, Callable
from email.utils import quote

from aiohttp import web

from mailhub.config.schema import Config
from mailhub.control.setup import services, sts
from mailhub.model.address import domain_of
from mailhub.model.errors import NotFound
from mailhub.net.names import people_name

from ..routes import Route
from . import apple, outlook, page, thunderbird
from .account import Account, account

_LONGEST = 320  # characters of an address
_LABELS = ("autoconfig.", "autodiscover.", "mta-sts.")
_NOTHING = "nothing is known of that domain here"


class Setup:
    """`config`: as it is now, with the ports that listeners have; `ours`: whether mail for a domain is."""

    def __init__(self, config: Callable[[], Config], ours: Callable[[str], Awaitable[bool]]) -> None:
        self._config, self._ours = config, ours
        self._style = page.static("setup.css")

    def routes(self) -> list[Route]:
        """All of them public: for whoever asks, by whichever name of ours."""
        asked = {
            "/.well-known/autoconfig/mail/config-v1.1.xml": self._thunderbird,
            "/mail/config-v1.1.xml": self._thunderbird,
            "/.well-known/mta-sts.txt": self._policy,
            "/setup": self._page,
            "/setup/setup.css": self._css,
            "/setup/mail.mobileconfig": self._apple,
        }
        paths = ("/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml")
        return [
            *(Route("GET", path, handler, hidden=True, public=True) for path, handler in asked.items()),
            *(Route("POST", path, self._outlook, hidden=True, public=True) for path in paths),
        ]

    async def _thunderbird(self, request: web.Request) -> web.Response:
        found = await self._account(request, request.query.get("emailaddress", ""))
        return web.Response(body=thunderbird.document(found), content_type="text/xml", charset="utf-8")

    async def _outlook(self, request: web.Request) -> web.Response:
        body = await request.content.read(outlook.BODY_LIMIT + 1)
        if len(body) > outlook.BODY_LIMIT:
            raise web.HTTPRequestEntityTooLarge(outlook.BODY_LIMIT, len(body))
        address = outlook.address(body)
        if "@" not in address:
            raise outlook.NoQuestion("there is no EMailAddress in it")
        found = await self._account(request, address)
        return web.Response(body=outlook.document(found), content_type="text/xml", charset="utf-8")

    async def _apple(self, request: web.Request) -> web.Response:
        found = await self._account(request, request.query.get("emailaddress", ""))
        if not found.incoming or not found.outgoing:
            raise NotFound(_NOTHING)
        name = quote(f"{found.domain.encode('ascii', 'ignore').decode()}.mobileconfig")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=apple.document(found), content_type=apple.KIND, headers=headers)

    async def _page(self, request: web.Request) -> web.Response:
        found = await self._account(request, request.query.get("emailaddress", ""))
        config = self._config()
        port = services.web(config)
        host = config.hostname if port == services.HTTPS else f"{config.hostname}:{port}"
        url = f"https://{host}{config.web.prefix}/setup" if port else ""
        text = page.document(found, url, request.headers.get("Accept-Language", ""))
        return web.Response(text=text, content_type="text/html", charset="utf-8")

    async def _css(self, request: web.Request) -> web.Response:
        return web.Response(text=self._style, content_type="text/css", charset="utf-8")

    async def _policy(self, request: web.Request) -> web.Response:
        """RFC 8461 section 3.3: by the name mta-sts.DOMAIN alone."""
        host = _host(request)
        text = sts.policy(self._config())
        domain = people_name(host.removeprefix("mta-sts."))
        if not text or not host.startswith("mta-sts.") or not await self._ours(domain):
            raise NotFound(_NOTHING)
        return web.Response(text=text, content_type="text/plain")

    async def _account(self, request: web.Request, address: str) -> Account:
        """Of the address, else of the domain that is named, else of the host name. NotFound where that is none of our domains, in the
        same words whatever stands before the @."""
        usable = len(address) <= _LONGEST and address.isprintable() and not set(address) & set("<>&\"'\\ ")
        if address and not (usable and "@" in address):
            raise ValueError("no address such as name@example.org")
        domain = domain_of(address) if address else request.query.get("domain", "") or _named(_host(request))
        domain = people_name(domain.lower().rstrip("."))
        if not domain or not await self._ours(domain):
            raise NotFound(_NOTHING)
        return account(self._config(), domain, address)


def _host(request: web.Request) -> str:
    host, colon, port = request.host.rpartition(":")
    return (host if colon and port.isdigit() else request.host).lower().rstrip(".")


def _named(host: str) -> str:
    """The domain behind a host's name."""
    return next((host.removeprefix(label) for label in _LABELS if host.startswith(label)), host)
