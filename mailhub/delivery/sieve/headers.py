"""Changes of the header (RFC 5293)."""

from mailhub.wire.sieve import Node
from mailhub.wire.sieve.static import FIELD_NAME

from .execution import Run, RunError
from .mail import Field
from .matching import Match

_LINE = 76  # characters, where a long value is folded


def _name(run: Run, node: Node) -> str:
    name = run.text(node.arguments[0])
    if not FIELD_NAME.fullmatch(name):
        raise RunError(f"{name[:80]!r} is no name of a field")
    return name


def add_header(run: Run, node: Node) -> None:
    name, value = _name(run, node), run.text(node.arguments[1])
    if name.lower() in run.environment.protected:
        return  # section 5: a field that is protected is passed over
    if "\0" in value:
        raise RunError("the value of a field holds a NUL")
    raw = _folded(name, value)
    run.added += len(name) + len(raw)
    if run.added > run.environment.limits.header:
        raise RunError("too much is added to the header (sieve.header_limit)")
    run.mail.add(Field(name.encode(), raw), last="last" in node.tags)
    run.note(node, f"addheader {name}: {value[:60]}")


def delete_header(run: Run, node: Node) -> None:
    name = _name(run, node)
    if name.lower() in run.environment.protected:
        return
    fields = run.mail.header(name)
    if "index" in node.tags:
        number = int(str(node.tags["index"]))
        fields = fields[::-1] if "last" in node.tags else fields
        fields = fields[number - 1 : number]
    if node.arguments[1] is not None:
        match, keys = Match.of(node.tags), run.texts(node.arguments[1])
        if match.kind == "count":
            fields = fields if match.find([field.text for field in fields], keys, run.tick) is not None else []
        else:
            fields = [field for field in fields if match.find((field.text,), keys, run.tick) is not None]
    run.mail.remove(fields)
    run.note(node, f"deleteheader {name}: {len(fields)} removed")


def _folded(name: str, value: str) -> bytes:
    """On lines of moderate length, line ends of its own made harmless."""
    words = " ".join(line.strip(" \t") for line in value.replace("\r", "\n").split("\n") if line.strip(" \t")).split(
        " "
    )
    lines, room = [words[0]], _LINE - len(name) - 2
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > room and word and lines[-1].strip():
            lines.append(word)
            room = _LINE
        else:
            lines[-1] += " " + word
    return "\r\n ".join(lines).encode()
