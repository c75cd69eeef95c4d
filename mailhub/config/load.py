"""config.toml to a `Config`, or a `ConfigError` that names every problem at once.

Comes from: the operator's file. Gives to: `cli` and `hub`. Each problem says file, line, dotted key, what was found and
what is allowed. Types and bounds come from `schema` alone; what no type can say stands in `rules`.
"""

import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from . import credentials, environment, lines, lookup, restrictions, rules, schema, secrets
from .near import near

FILE = "config.toml"
SYSTEM_FILE = Path("/etc/mailhub/config.toml")  # where `mailhub setup` and packages put it
FILE_LIMIT = 4_194_304  # octets


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong. `line` is 0 and `key` "" where the file as a whole is meant."""

    file: str
    line: int
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f" {self.key}:" if self.key else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        return f"{place}:{key} found {self.found}{allowed}"


class ConfigError(Exception):
    """The configuration can not be used. `problems`: all of them, in the order of their lines."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(map(str, self.problems)))


def load(path: Path | None = None, *, served: bool = False) -> schema.Config:
    """Read the file at `path`; with None that which is `usual`, or the defaults where there is none. Options of the environment
    stand above it.

    Relative paths in it (`data`, `tls.certificate`, `tls.key`) are made absolute, from the folder of the file. `served`: by the server itself,
    to which systemd says where the credentials are; for a command they are where the service has them.
    """
    file = path or usual() or Path(FILE)
    text = "" if path is None and not file.exists() else read(file)
    environ = os.environ if served else credentials.of_commands(os.environ)
    return _anchored(parse(text, str(file), environ), file.absolute().parent)


def usual() -> Path | None:
    """Of a command that is not told which: `./config.toml`, else that of the system; None where there is neither."""
    return next((file for file in (Path(FILE), SYSTEM_FILE) if file.exists()), None)


def parse(text: str, file: str = FILE, environ: Mapping[str, str] | None = None) -> schema.Config:
    """The configuration in `text`; `file` is what the problems call it. Paths are left as written. `environ`: options above it."""
    try:
        data = tomllib.loads(text)
        where = lines.locate(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(text, file, str(error))]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 0, "", "nesting too deep", "plain tables and lists")]) from None
    above, variables = environment.document(environ or {})
    findings: list[rules.Finding] = []
    folder = (environ or {}).get(credentials.VARIABLE, "")
    whole = credentials.placed(environment.merged(data, above), folder, findings)
    return _made(whole, file, where, variables, findings)


def under(environ: Mapping[str, str], config: schema.Config, but: frozenset[str]) -> schema.Config:
    """`config`, made by a program, with the options of the environment above it; none of the keys and tables in `but`."""
    above, variables = environment.document(environ)
    above = {key: value for key, value in above.items() if key not in but}
    read = _made(above, "environment", {}, variables)
    return msgspec.structs.replace(config, **{key: _over(config, read, key, above[key]) for key in above})


def _over(under: Any, read: Any, key: str, written: Any) -> Any:
    before, after = getattr(under, key), getattr(read, key)
    if not isinstance(before, schema.Section):
        return after
    return msgspec.structs.replace(before, **{name: _over(before, after, name, written[name]) for name in written})


def _made(
    data: dict[str, Any],
    file: str,
    where: dict[lines.Path, int],
    variables: Mapping[tuple[str, ...], str],
    before: Sequence[rules.Finding] = (),
) -> schema.Config:
    findings = [*before]
    config: schema.Config = _Reader(findings).table(data, schema.Config, ())
    if not findings:
        config = _inherited(config, data)
        findings.extend(rules.check(config))
    if findings:
        raise ConfigError([_problem(file, where, variables, finding) for finding in findings])
    return config


# Of a listener or a transport: the section behind a section of its own.
INHERITED = {"smtp": "smtp", "tls_options": "tls", "sessions": "sessions", "relay": "relay"}


def _inherited(config: schema.Config, data: dict[str, Any]) -> schema.Config:
    """Sections of a listener, or of a transport, hold the keys that differ; the others are those of the section they stand for."""
    changed: dict[str, Any] = {}
    if "listener" in data:
        doors = zip(config.listener, data["listener"], strict=True)
        changed["listener"] = tuple(_completed(config, door, written) for door, written in doors)
    if "transport" in data:
        ways = config.transport.items()
        changed["transport"] = {name: _completed(config, way, data["transport"][name]) for name, way in ways}
    return msgspec.structs.replace(config, **changed)


def _completed(config: schema.Config, part: schema.Section, written: dict[str, Any]) -> Any:
    changed = {}
    for name, section in INHERITED.items():
        if name in written:
            differing = {key: getattr(getattr(part, name), key) for key in written[name]}
            changed[name] = msgspec.structs.replace(getattr(config, section), **differing)
    return msgspec.structs.replace(part, **changed)


def read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ConfigError(
            [Problem(str(file), 0, "", error.strerror or str(error), "a file that can be read")]
        ) from None
    if len(data) > FILE_LIMIT:
        raise ConfigError([Problem(str(file), 0, "", "a larger file", f"at most {FILE_LIMIT} octets")])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"octet 0x{data[error.start]:02x}"
        raise ConfigError([Problem(str(file), line, "", found, "text in UTF-8")]) from None


def _anchored(config: schema.Config, folder: Path) -> schema.Config:
    def absolute(path: str) -> str:
        return str(folder / path) if path else ""

    def secured(tls: schema.Tls) -> schema.Tls:
        more = tuple(
            msgspec.structs.replace(one, certificate=absolute(one.certificate), key=absolute(one.key))
            for one in tls.certificates
        )
        certificate, key, authority = absolute(tls.certificate), absolute(tls.key), absolute(tls.client_ca)
        return msgspec.structs.replace(tls, certificate=certificate, key=key, certificates=more, client_ca=authority)

    listeners = tuple(
        msgspec.structs.replace(
            door,
            path=absolute(door.path)
            if "/" in door.path
            else door.path,  # a mere name: the hub puts it in the data folder
            tls_options=None if door.tls_options is None else secured(door.tls_options),
        )
        for door in config.listener
    )
    auth = _signing_in(config.auth, folder)
    data = absolute(config.data)
    webhook = {
        name: msgspec.structs.replace(one, secret_file=absolute(one.secret_file))
        for name, one in config.webhook.items()
    }
    config = msgspec.structs.replace(
        config, webhook=webhook, data=data, tls=secured(config.tls), listener=listeners, auth=auth
    )
    anchored: schema.Config = _tables(config, str(folder))
    return anchored


def _signing_in(auth: schema.Auth, folder: Path) -> schema.Auth:
    """The same with the files and sockets of providers and token issuers made absolute."""

    def provider(word: str) -> str:
        kind, colon, name = word.partition(":")
        if kind == "table":
            return f"table:{lookup.anchor(name, str(folder))}"
        return f"{kind}:{folder / name}" if colon else word

    oauth = auth.oauth
    keys = str(folder / oauth.jwks) if oauth.jwks and not rules.is_url(oauth.jwks) else oauth.jwks
    client = str(folder / oauth.introspection_client) if oauth.introspection_client else ""
    oauth = msgspec.structs.replace(oauth, jwks=keys, introspection_client=client)
    return msgspec.structs.replace(auth, providers=tuple(map(provider, auth.providers)), oauth=oauth)


def _tables(value: Any, folder: str) -> Any:
    """The same with every file name in a lookup table made absolute, and those of a relay, of which there may be several."""
    if isinstance(value, lookup.Lookup):
        return lookup.anchored(value, folder)
    if isinstance(value, tuple):
        return tuple(_tables(item, folder) for item in value)
    if isinstance(value, dict):
        return {name: _tables(item, folder) for name, item in value.items()}
    if isinstance(value, schema.Smtp):
        lists = [name for name in value.__struct_fields__ if name.endswith("_restrictions")]
        made = {name: restrictions.anchored(getattr(value, name), folder) for name in lists}
        made["mynetworks"] = tuple(lookup.anchor(text, folder) for text in value.mynetworks)
        value = msgspec.structs.replace(value, **made)
    if isinstance(value, schema.Relay) and value.tls_ca:
        value = msgspec.structs.replace(value, tls_ca=os.path.join(folder, value.tls_ca))
    if isinstance(value, schema.Maildrop) and value.path:
        value = msgspec.structs.replace(value, path=os.path.join(folder, value.path))
    if isinstance(value, schema.Hooks) and value.file:
        value = msgspec.structs.replace(value, file=os.path.join(folder, value.file))
    if isinstance(value, schema.Section):
        changed = {
            name: after
            for name in value.__struct_fields__
            if (after := _tables(before := getattr(value, name), folder)) is not before
        }
        return msgspec.structs.replace(value, **changed) if changed else value
    return value


def _syntax(text: str, file: str, message: str) -> Problem:
    """tomllib says "What is wrong (at line 3, column 5)" or "... (at end of document)"."""
    what, _, place = message.rpartition(" (at ")
    number = place.removeprefix("line ").partition(",")[0]
    line = int(number) if number.isdigit() else text.count("\n") + 1
    return Problem(file, line, "", f"what is not TOML ({what[:1].lower()}{what[1:]})", "TOML 1.0")


def _problem(
    file: str, where: dict[lines.Path, int], variables: Mapping[tuple[str, ...], str], finding: rules.Finding
) -> Problem:
    """The line is that of the key, or of the nearest table around it where the key is not written. An option of the environment
    has the name of its variable for a file."""
    path = finding.path
    while path and path not in where and path not in variables:
        path = path[:-1]
    file = variables.get(path, file)  # type: ignore[arg-type]
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in finding.path).removeprefix(".")
    secret = secrets.held(finding.path)
    found, allowed = (
        (f"a value {secrets.HIDDEN}", secrets.ALLOWED[secret]) if secret else (finding.found, finding.allowed)
    )
    return Problem(file, where.get(path, 0), key, found, allowed)


class _Reader:
    """Walks the schema and the document side by side, noting each finding and going on."""

    def __init__(self, findings: list[rules.Finding]) -> None:
        self._findings = findings

    def table(self, data: object, section: type[Any], path: lines.Path) -> Any:
        """A `section` made from what is right in `data`; not to be used where there are findings."""
        if not isinstance(data, dict):
            return self._wrong(path, data, "a table")
        fields = {field.name: field for field in msgspec.structs.fields(section)}
        values = {}
        for key, value in data.items():
            if key in fields:
                values[key] = self._value(value, inspect.type_info(fields[key].type), (*path, key))
            else:
                self._findings.append(rules.Finding((*path, key), "an unknown key", _guess(key, list(fields))))
        for field in fields.values():
            if field.required and field.name not in data:
                allowed = _allowed(inspect.type_info(field.type))
                self._findings.append(rules.Finding((*path, field.name), "nothing", allowed))
        return None if self._findings else section(**values)

    def _value(self, value: object, info: inspect.Type, path: lines.Path) -> Any:
        if isinstance(info, inspect.UnionType):  # a section that may be left out
            info = next(kind for kind in info.types if isinstance(kind, inspect.StructType))
        if isinstance(info, inspect.StructType) and info.cls is lookup.Lookup:
            return self._lookup(value, path)
        if isinstance(info, inspect.StructType):
            return self.table(value, info.cls, path)
        if isinstance(info, inspect.VarTupleType):
            if not isinstance(value, list):
                return self._wrong(path, value, _allowed(info))
            return tuple(self._value(item, info.item_type, (*path, n)) for n, item in enumerate(value))
        if isinstance(info, inspect.DictType):
            if not isinstance(value, dict):
                return self._wrong(path, value, "a table of tables")
            return {key: self._value(item, info.value_type, (*path, key)) for key, item in value.items()}
        if not _fits(value, info):
            return self._wrong(path, value, _allowed(info))
        return float(value) if isinstance(info, inspect.FloatType) and isinstance(value, int) else value

    def _lookup(self, value: object, path: lines.Path) -> lookup.Lookup | None:
        try:
            return lookup.read(value)
        except lookup.Malformed as error:
            self._wrong(path, value, str(error))
            return None

    def _wrong(self, path: lines.Path, value: object, allowed: str) -> None:
        self._findings.append(rules.Finding(path, rules.shown(value), allowed))


def _fits(value: object, info: inspect.Type) -> bool:
    match info:
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(value, info)
        case inspect.FloatType():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and math.isfinite(value) and _within(value, info)  # type: ignore[arg-type]
        case inspect.StrType():
            return isinstance(value, str) and (info.min_length or 0) <= len(value) <= (info.max_length or math.inf)
        case inspect.LiteralType():
            return value in info.values
    raise TypeError(f"the schema has a type that the loader does not know: {info!r}")


def _within(value: float, info: inspect.IntType | inspect.FloatType) -> bool:
    return (info.ge is None or value >= info.ge) and (info.le is None or value <= info.le)


def _allowed(info: inspect.Type) -> str:
    """What a value of this type may be, for people."""
    match info:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_range(info)}"
        case inspect.FloatType():
            return f"a number{_range(info)}"
        case inspect.StrType():
            return "text" + (f" of {info.min_length or 0} to {info.max_length} characters" if info.max_length else "")
        case inspect.LiteralType():
            return ", ".join(f'"{value}"' for value in info.values)
        case inspect.VarTupleType():
            return f"a list, each element {_allowed(info.item_type)}"
        case inspect.StructType():
            return "a table"
    raise TypeError(f"the schema has a type that the loader does not know: {info!r}")


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    return f" from {info.ge:.15g} to {info.le:.15g}" if info.ge is not None and info.le is not None else ""


def _guess(key: str, known: list[str]) -> str:
    meant = near(key, known)
    return f'"{meant[0]}" (did you mean that?)' if meant else ", ".join(sorted(known))
