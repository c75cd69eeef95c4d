"""What each command does: a table."""

from collections.abc import Mapping

from mailhub.wire.sieve import Node
from mailhub.wire.sieve.static import address

from . import notices
from .actions import Discard, FileInto, Redirect, Reject, Vacation
from .execution import Break, Command, Frame, Return, Run, RunError, Stop
from .headers import add_header, delete_header
from .mail import Mail
from .variables import shortened

_DAY = 86_400
_VACATION_DAYS = (1, 30)  # RFC 5230 section 4.1
VACATION_DEFAULT = 7 * _DAY


def _stop(run: Run, node: Node) -> None:
    raise Stop


def _keep(run: Run, node: Node) -> None:
    run.implicit_keep = False
    run.act(node, FileInto("INBOX", _flags_of(run, node), header=run.changed_header()))


def _discard(run: Run, node: Node) -> None:
    run.implicit_keep = False
    run.act(node, Discard())


def _redirect(run: Run, node: Node) -> None:
    target = address(run.text(node.arguments[0]))
    if target is None:
        raise RunError(f"{run.text(node.arguments[0])[:80]!r} is no mail address")
    if "copy" not in node.tags:
        run.implicit_keep = False
    run.act(node, Redirect(target, run.changed_header()))


def _fileinto(run: Run, node: Node) -> None:
    folder = run.text(node.arguments[0])
    if not 0 < len(folder) <= 1000 or any(sign < " " or sign == "\x7f" for sign in folder):
        raise RunError(f"{folder[:80]!r} is no name of a mailbox")
    folder = "INBOX" if folder.upper() == "INBOX" else folder
    if "copy" not in node.tags:
        run.implicit_keep = False
    use = run.text(node.tags["specialuse"]) if "specialuse" in node.tags else ""
    run.act(node, FileInto(folder, _flags_of(run, node), "create" in node.tags, use, run.changed_header()))


def _reject(run: Run, node: Node) -> None:
    run.implicit_keep = False
    run.act(node, Reject(run.text(node.arguments[0]), node.name))


def _vacation(run: Run, node: Node) -> None:
    tags = node.tags
    low, high = _VACATION_DAYS
    seconds = VACATION_DEFAULT
    if "seconds" in tags:  # RFC 6131 section 2: 0 answers each message
        seconds = min(int(str(tags["seconds"])), high * _DAY)
    elif "days" in tags:
        seconds = min(max(int(str(tags["days"])), low), high) * _DAY
    reason = run.text(node.arguments[0])
    subject = run.text(tags["subject"]) if "subject" in tags else None
    sender = run.text(tags["from"]) if "from" in tags else None
    if sender is not None and address(sender) is None:
        raise RunError(f"{sender[:80]!r} is no mail address")
    handle = run.text(tags["handle"]) if "handle" in tags else repr((reason, subject, sender, "mime" in tags))
    addresses = run.texts(tags.get("addresses", ()))
    run.act(node, Vacation(reason, subject, sender, addresses, "mime" in tags, handle, seconds))


def _notify(run: Run, node: Node) -> None:
    found = notices.notice(run.text, run.texts, node.tags, run.text(node.arguments[0]))
    if isinstance(found, str):
        raise RunError(found)
    if sum(isinstance(action, type(found)) for action in run.actions) >= run.environment.limits.notices:
        raise RunError("too many notices (sieve.notice_limit)")
    run.act(node, found)


def _set(run: Run, node: Node) -> None:
    run.assign(
        run.text(node.arguments[0]), shortened(run.text(node.arguments[1]), node.tags, run.environment.limits.variable)
    )


# --- flags (RFC 5232) -----------------------------------------------------------------------------------------------------

_SYSTEM = {name.lower(): name for name in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")}
_NO_KEYWORD = frozenset('(){%*"\\]')


def flags(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The flags in a list of strings that may hold several each; what is none is left out (section 2)."""
    found: dict[str, str] = {}
    for word in " ".join(texts).split():
        if word.startswith("\\"):
            name = _SYSTEM.get(word.lower())
        else:
            name = word if word.isascii() and word.isprintable() and not _NO_KEYWORD & set(word) else None
        if name is not None:
            found.setdefault(name.lower(), name)
    return tuple(found.values())


def _flags_of(run: Run, node: Node) -> tuple[str, ...]:
    return flags(run.texts(node.tags["flags"])) if "flags" in node.tags else run.flags


def _change_flags(run: Run, node: Node) -> None:
    name = node.arguments[0]
    given = flags(run.texts(node.arguments[1]))
    if name is not None and "variables" not in run.frame.script.extensions:
        raise RunError("a variable for flags without: require 'variables'")
    now = run.flags if name is None else flags((run.variable(run.text(name)),))
    if node.name == "addflag":
        now = flags((*now, *given))
    elif node.name == "removeflag":
        gone = {flag.lower() for flag in given}
        now = tuple(flag for flag in now if flag.lower() not in gone)
    else:
        now = given
    if name is None:
        run.flags = now
    else:
        run.assign(run.text(name), " ".join(now))


# --- include (RFC 6609) ---------------------------------------------------------------------------------------------------


def _include(run: Run, node: Node) -> None:
    limits = run.environment.limits
    key = ("global" if "global" in node.tags else "personal", run.text(node.arguments[0]))
    if "once" in node.tags and key in run.included:
        return
    script = run.environment.scripts.get(key)
    if script is None:
        if "optional" in node.tags:
            return
        raise RunError(f"there is no {key[0]} script {key[1][:80]!r}")
    run.include_count += 1
    if run.include_count > limits.includes or len(run.frames) > limits.include_depth:
        raise RunError("scripts include too many others (sieve.include_limit)")
    if any(frame.script is script for frame in run.frames):
        raise RunError(f"the script {key[1][:80]!r} includes itself")
    run.included.add(key)
    run.script(script)


def _return(run: Run, node: Node) -> None:
    if len(run.frames) == 1:
        raise Stop
    raise Return


def _global(run: Run, node: Node) -> None:
    frame: Frame = run.frame
    frame.shared |= {name.lower() for name in run.texts(node.arguments[0])}


def _error(run: Run, node: Node) -> None:
    raise RunError(run.text(node.arguments[0])[:500])


# --- parts (RFC 5703) -----------------------------------------------------------------------------------------------------


def _foreverypart(run: Run, node: Node) -> None:
    name = node.tags.get("name")
    mail: Mail = run.mail
    if len(run.parts) >= 10:
        raise RunError("foreverypart nested too deep")
    top = run.parts[-1] if run.parts else None
    for part in mail.parts(top):
        if part is top:
            continue
        run.tick(10)
        run.parts.append(part)
        try:
            run.block(node.block)
        except Break as leaving:
            if leaving.name is not None and leaving.name != name:
                raise
            return
        finally:
            run.parts.pop()


def _break(run: Run, node: Node) -> None:
    raise Break(run.text(node.tags["name"]) if "name" in node.tags else None)


def _extracttext(run: Run, node: Node) -> None:
    if not run.parts:
        raise RunError("'extracttext' outside of 'foreverypart'")
    part = run.parts[-1]
    text = run.mail.text(part) if not part.parts else ""
    run.tick(1 + (len(text) >> 4))
    first = node.tags.get("first")
    text = text[: int(str(first))] if first is not None else text
    run.assign(run.text(node.arguments[0]), shortened(text, node.tags, run.environment.limits.variable))


COMMANDS: Mapping[str, Command] = {
    "stop": _stop, "keep": _keep, "discard": _discard, "redirect": _redirect, "fileinto": _fileinto, "reject": _reject,
    "ereject": _reject, "vacation": _vacation, "notify": _notify, "set": _set, "setflag": _change_flags,
    "addflag": _change_flags, "removeflag": _change_flags, "include": _include, "return": _return, "global": _global,
    "error": _error, "foreverypart": _foreverypart, "break": _break, "extracttext": _extracttext,
    "addheader": add_header, "deleteheader": delete_header,
}  # fmt: skip
