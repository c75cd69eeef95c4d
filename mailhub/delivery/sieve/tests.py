"""What each test does: a table."""

import datetime
from collections.abc import Iterable, Mapping

from mailhub.message import address_list, headers, parameters
from mailhub.message.parts import Part
from mailhub.model.address import without_detail
from mailhub.wire.sieve import Node
from mailhub.wire.sieve.signatures import CHANGE_STRINGS, EXTENSIONS

from . import dates, notices
from .actions import Mark, remembered
from .commands import flags
from .execution import Run, RunError, Test
from .mail import Field
from .matching import Match

_DUPLICATE_SECONDS = 7 * 86_400


def held(run: Run, node: Node, values: Iterable[str], keys: object) -> bool:
    """Whether one of the values matches one of the keys."""
    try:
        return run.remember(Match.of(node.tags).find(tuple(values), run.texts(keys), run.tick))
    except ValueError as error:  # an expression made of variables
        raise RunError(f"regular expression: {error}") from error


def _fields(run: Run, node: Node, names: object) -> list[Field]:
    """The fields a test looks at: of the message, or of its part and those below (RFC 5703 section 4)."""
    found: list[Field] = []
    part = run.parts[-1] if run.parts and "mime" in node.tags else None
    parts: list[Part | None] = [part]
    if "anychild" in node.tags:
        parts = list(run.mail.parts(part))
    for name in run.texts(names):
        for one in parts:
            run.tick(1 + len(run.mail.fields) + (0 if one is None else (one.body - one.start) >> 4))
            found += _indexed(node, run.mail.header(name, one))
    return found


def _indexed(node: Node, fields: list[Field]) -> list[Field]:
    """:index and :last (RFC 5260 section 6)"""
    if "index" not in node.tags:
        return fields
    number = int(str(node.tags["index"]))
    fields = fields[::-1] if "last" in node.tags else fields
    return fields[number - 1 : number]


def _header(run: Run, node: Node) -> bool:
    fields = _fields(run, node, node.arguments[0])
    if "mime" in node.tags and node.tags.keys() & {"type", "subtype", "contenttype", "param"}:
        values = [value for field in fields for value in _mime_values(run, node, field)]
    else:
        values = [field.text for field in fields]
    return held(run, node, values, node.arguments[1])


def _mime_values(run: Run, node: Node, field: Field) -> list[str]:
    """RFC 5703 section 4.2"""
    kind, found = parameters.parse(headers.unfold(field.value))
    main, _, sub = kind.lower().decode("ascii", "replace").partition("/")
    if "type" in node.tags:
        return [main]
    if "subtype" in node.tags:
        return [sub]
    if "contenttype" in node.tags:
        return [f"{main}/{sub}" if sub else main]
    wanted = {name.lower().encode() for name in run.texts(node.tags["param"])}
    values = []
    for name, value in found:
        if name in wanted:
            values.append(headers.text(value))
        elif name.removesuffix(b"*") in wanted:
            values.append(parameters.extended_value(value)[1].decode("utf-8", "replace"))
    return values


def address_part(run: Run, node: Node, local: str, domain: str) -> str | None:
    """None where there is no such part (RFC 5228 section 2.7.4, RFC 5233)."""
    tags = node.tags
    if "localpart" in tags:
        return local
    if "domain" in tags:
        return domain
    user, detail = without_detail(local, run.environment.delimiter)
    if "user" in tags:
        return user
    if "detail" in tags:
        return detail
    return f"{local}@{domain}" if domain else local


def _address(run: Run, node: Node) -> bool:
    values = []
    for field in _fields(run, node, node.arguments[0]):
        for mailbox in address_list.mailboxes(headers.unfold(field.value)):
            local, domain = headers.text(mailbox.local), headers.text(mailbox.domain)
            if local or domain:
                values.append(address_part(run, node, local, domain))
    return held(run, node, [value for value in values if value is not None], node.arguments[1])


def _envelope(run: Run, node: Node) -> bool:
    environment = run.environment
    values: list[str | None] = []
    for name in run.texts(node.arguments[0]):
        match name.lower():
            case "from":
                whole = environment.sender
            case "to":
                whole = environment.recipient
            case "orig_to":
                whole = environment.original
            case "auth":
                whole = environment.login
            case _:
                raise RunError(f"{name[:80]!r} is no part of the envelope")
        local, at, domain = whole.rpartition("@")
        if whole or name.lower() == "from":  # RFC 5228 section 5.4: the null reverse-path is ""
            values.append(address_part(run, node, local if at else whole, domain if at else ""))
    return held(run, node, [value for value in values if value is not None], node.arguments[1])


def _exists(run: Run, node: Node) -> bool:
    part = run.parts[-1] if run.parts and "mime" in node.tags else None
    parts = list(run.mail.parts(part)) if "anychild" in node.tags else [part]
    return all(any(run.mail.header(name, one) for one in parts) for name in run.texts(node.arguments[0]))


def _size(run: Run, node: Node) -> bool:
    limit = int(str(node.arguments[0]))
    return run.mail.size > limit if "over" in node.tags else run.mail.size < limit


def _body(run: Run, node: Node) -> bool:
    if not run.mail.has_body:
        return False  # RFC 5173 section 4: a header that no blank line ends
    if "raw" in node.tags:
        values: tuple[str, ...] = (run.mail.raw_body(),)
    elif "content" in node.tags:
        values = tuple(run.mail.content(run.texts(node.tags["content"])))
    else:
        values = tuple(run.mail.text(part) for part in run.mail.parts() if run.mail.is_text(part))
    keys = run.texts(node.arguments[0])
    before = run.matched
    run.tick(sum(len(value) for value in values) >> 4)
    found = held(run, node, values, keys)
    run.matched = before  # RFC 5173 section 6: a body sets no match variables
    return found


def _string(run: Run, node: Node) -> bool:
    values = run.texts(node.arguments[0])
    if "count" in node.tags:
        values = tuple(value for value in values if value)  # RFC 5229 section 5: empty strings are not counted
    return held(run, node, values, node.arguments[1])


def _hasflag(run: Run, node: Node) -> bool:
    names = node.arguments[0]
    now = run.flags if names is None else flags(tuple(run.variable(name) for name in run.texts(names)))
    wanted = run.texts(node.arguments[1])
    if not node.tags.keys() & {"count", "matches", "regex", "value"}:
        wanted = tuple(word for text in wanted for word in text.split())
    return held(run, node, now, wanted)


def _environment(run: Run, node: Node) -> bool:
    value = run.environment.items.get(run.text(node.arguments[0]).lower())
    return value is not None and held(run, node, (value,), node.arguments[1])


def _zone(run: Run, node: Node) -> datetime.timezone:
    if "zone" in node.tags:
        found = dates.zone(run.text(node.tags["zone"]))
        if found is None:
            raise RunError(f"{run.text(node.tags['zone'])[:80]!r} is no time zone")
        return found
    return datetime.timezone(datetime.timedelta(minutes=run.environment.zone))


def _date(run: Run, node: Node) -> bool:
    values = []
    for field in _fields(run, node, node.arguments[0]):
        when = dates.parse(field.text.rpartition(";")[2].strip())  # as in Received
        if when is not None and "originalzone" not in node.tags:
            when = dates.shown(when, _zone(run, node))
        if when is not None:
            values.append(dates.part(when, run.text(node.arguments[1])))
    return held(run, node, values, node.arguments[2])


def _currentdate(run: Run, node: Node) -> bool:
    now = datetime.datetime.fromtimestamp(run.environment.now, _zone(run, node))
    return held(run, node, (dates.part(now, run.text(node.arguments[0])),), node.arguments[1])


def _ihave(run: Run, node: Node) -> bool:
    return set(run.texts(node.arguments[0])) <= (EXTENSIONS.keys() - CHANGE_STRINGS | run.frame.script.extensions)


def _canonical(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name


def _mailboxexists(run: Run, node: Node) -> bool:
    folders = run.environment.folders
    return all(_canonical(name) == "INBOX" or name in folders for name in run.texts(node.arguments[0]))


def _specialuse_exists(run: Run, node: Node) -> bool:
    folders = run.environment.folders
    wanted = {use.lower() for use in run.texts(node.arguments[1])}
    names = node.arguments[0]
    if names is None:
        return wanted <= {use.lower() for use in folders.values() if use}
    return all(wanted <= {folders.get(_canonical(name), "").lower()} for name in run.texts(names))


def _metadata(run: Run, node: Node) -> bool:
    server = node.name.startswith("server")
    arguments = node.arguments if server else node.arguments[1:]
    folder = "" if server else _canonical(run.text(node.arguments[0]))
    known = run.environment.metadata
    if node.name.endswith("exists"):
        return all((folder, entry.lower()) in known for entry in run.texts(arguments[0]))
    entries = run.texts(arguments[0])
    values = [known[folder, entry.lower()] for entry in entries if (folder, entry.lower()) in known]
    return held(run, node, values, arguments[1])


def _valid_notify_method(run: Run, node: Node) -> bool:
    return all(notices.targets(method) is not None for method in run.texts(node.arguments[0]))


def _notify_method_capability(run: Run, node: Node) -> bool:
    """RFC 5436 section 2.8: whether somebody is online can not be told."""
    method, capability = run.text(node.arguments[0]), run.text(node.arguments[1])
    if notices.targets(method) is None or capability.lower() != "online":
        return False
    return held(run, node, ("maybe",), node.arguments[2])


def _duplicate(run: Run, node: Node) -> bool:
    """RFC 7352: by Message-ID where nothing else is named. What is remembered counts from the next message on."""
    tags = node.tags
    if "uniqueid" in tags:
        value = run.text(tags["uniqueid"])
    else:
        fields = run.mail.header(run.text(tags.get("header", "message-id")))
        value = fields[0].text if fields else ""
    if not value:
        return False
    key = remembered("duplicate", run.text(tags.get("handle", "")), value)
    seen = key in run.environment.seen
    last = "last" in tags
    if not seen or last:
        run.marks.append(Mark(key, min(int(str(tags.get("seconds", _DUPLICATE_SECONDS))), 90 * 86_400), last))
    return seen


TESTS: Mapping[str, Test] = {
    "true": lambda run, node: True, "false": lambda run, node: False, "header": _header, "address": _address,
    "envelope": _envelope, "exists": _exists, "size": _size, "body": _body, "string": _string, "hasflag": _hasflag,
    "environment": _environment, "date": _date, "currentdate": _currentdate, "ihave": _ihave,
    "mailboxexists": _mailboxexists, "specialuse_exists": _specialuse_exists, "metadata": _metadata,
    "metadataexists": _metadata, "servermetadata": _metadata, "servermetadataexists": _metadata,
    "valid_notify_method": _valid_notify_method, "notify_method_capability": _notify_method_capability,
    "duplicate": _duplicate, "error": lambda run, node: _unsupported(),
}  # fmt: skip


def _unsupported() -> bool:
    raise RunError("the script asks for what is not supported here")
