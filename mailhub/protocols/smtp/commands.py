"""The verbs, each with the function that carries it out.

A command checks syntax and state, asks the policy, and answers. Adding one: a function `(session, argument)` in the module
of its group, with a docstring that is its line in HELP, and a row here.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from . import auth, content, hello, mail, xclient

if TYPE_CHECKING:
    from .session import SmtpSession

Command = Callable[["SmtpSession", str], Awaitable[None]]

COMMANDS: Mapping[str, Command] = {
    "EHLO": hello.ehlo,
    "HELO": hello.helo,
    "LHLO": hello.lhlo,
    "STARTTLS": hello.starttls,
    "AUTH": auth.auth,
    "MAIL": mail.mail,
    "RCPT": mail.rcpt,
    "DATA": content.data,
    "BDAT": content.bdat,
    "RSET": hello.rset,
    "NOOP": hello.noop,
    "QUIT": hello.quit_,
    "VRFY": hello.vrfy,
    "EXPN": hello.expn,
    "ETRN": hello.etrn,
    "XCLIENT": xclient.xclient,
    "XFORWARD": xclient.xforward,
    "HELP": hello.help_,
}

# What a browser says that was made to talk to us, or a proxy scanner; the rest of it would be taken for commands.
FOREIGN = frozenset(("CONNECT", "GET", "HEAD", "OPTIONS", "POST", "PUT"))
