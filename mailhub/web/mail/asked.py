"""What requests about an account's mail have in common: whose it is, which folder and message are meant, the numbers they bring."""

from collections.abc import Sequence

from aiohttp import web

from mailhub.mailbox.service import AccountMail, Mailboxes
from mailhub.model.errors import NotFound
from mailhub.model.mailbox import KEYWORD_SHIFT, SYSTEM_FLAGS, Folder

from ..access import Access
from ..own.signed import OWN
from .looking import Looking

FOLDER = OWN + "folders/{folder}"
MESSAGE = FOLDER + "/messages/{uid}"
_LARGEST = (1 << 32) - 1


class Asked:
    """One per hub: what the handlers of mail are made of."""

    def __init__(self, mailboxes: Mailboxes, looking: Looking, access: Access) -> None:
        self.mailboxes, self.looking, self.access = mailboxes, looking, access

    async def mail(self, request: web.Request) -> AccountMail:
        """Of who asks. Denied (web) where he has not shown who he is."""
        return self.mailboxes.account(await self.access.account(request))

    async def folder(self, request: web.Request, rights: str = "r") -> tuple[AccountMail, Folder]:
        """Whose mail it is, and the folder in the path."""
        mail = await self.mail(request)
        return mail, await mail.by_id(request.match_info["folder"], rights)


def uid_of(request: web.Request) -> int:
    """The message in the path."""
    text = request.match_info["uid"]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:11]) <= _LARGEST):
        raise NotFound(f"no message {text[:20]!r}")
    return int(text)


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """A parameter of the query, from 0 to `most`; ValueError."""
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= most):
        raise ValueError(f"{name}: a number from 0 to {most}")
    return int(text)


def flag_names(flags: int, keywords: Sequence[str]) -> tuple[str, ...]:
    """A flags number in words."""
    system = [name for name, bit in SYSTEM_FLAGS.items() if flags & bit]
    return (*system, *[name for n, name in enumerate(keywords) if flags >> KEYWORD_SHIFT + n & 1])
