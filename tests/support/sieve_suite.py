"""The dialect of Pigeonhole's own tests (vnd.dovecot.testsuite): enough of it to run its files against our machine.

`run_file(path)` gives `{name of the test: "" or why it failed}`; what stands outside of a test is named "(file)".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from mailhub.delivery.sieve import Environment, Mail, Verdict
from mailhub.delivery.sieve.actions import Action, Discard, FileInto, Notify, Redirect, Reject, Vacation
from mailhub.delivery.sieve.commands import COMMANDS
from mailhub.delivery.sieve.environment import Limits
from mailhub.delivery.sieve.execution import Run, RunError, Stop, finish
from mailhub.delivery.sieve.letters import Stamp, answer, notice
from mailhub.delivery.sieve.tests import TESTS, held
from mailhub.message import address_list
from mailhub.wire.sieve import Node, Script, ScriptError, check, parse
from mailhub.wire.sieve.signatures import _MATCH, EXTENSIONS, SIGNATURES, Signature, TagRule

DIALECT = "vnd.dovecot.testsuite"
KNOWN = frozenset(EXTENSIONS) | {DIALECT}
_INDEX = TagRule("index", "n")
_RULES = (
    Signature("test", "command", "s", (), (DIALECT,), block=True),
    Signature("test_set", "command", "ss", (), (DIALECT,)),
    Signature("test_fail", "command", "s", (), (DIALECT,)),
    Signature("test_config_set", "command", "ss", (), (DIALECT,)),
    Signature("test_config_unset", "command", "s", (), (DIALECT,)),
    Signature("test_config_reload", "command", "", (TagRule("extension", "s"),), (DIALECT,)),
    Signature("test_result_reset", "command", "", (), (DIALECT,)),
    Signature("test_result_print", "command", "", (), (DIALECT,)),
    Signature("test_message", "command", "n", (TagRule("smtp"), TagRule("folder", "s")), (DIALECT,)),
    Signature("test_message", "test", "n", (TagRule("smtp"), TagRule("folder", "s")), (DIALECT,)),
    Signature("test_mailbox", "command", "s", (TagRule("create"), TagRule("delete")), (DIALECT,)),
    Signature("test_mailbox_create", "command", "s", (), (DIALECT,)),
    Signature("test_binary_load", "command", "s", (), (DIALECT,)),
    Signature("test_binary_save", "command", "s", (), (DIALECT,)),
    Signature("test_imap_metadata_set", "command", "ss", (TagRule("mailbox", "s"),), (DIALECT,)),
    Signature("test_script_compile", "test", "s", (), (DIALECT,)),
    Signature("test_script_run", "test", "", (TagRule("append_result"),), (DIALECT,)),
    Signature("test_multiscript", "test", "l", (), (DIALECT,)),
    Signature("test_result_execute", "test", "", (), (DIALECT,)),
    Signature("test_error", "test", "l", (*_MATCH, _INDEX), (DIALECT,)),
    Signature("test_result_action", "test", "l", (*_MATCH, _INDEX), (DIALECT,)),
)
DIALECT_SIGNATURES = {**SIGNATURES, **{(rule.kind, rule.name): rule for rule in _RULES}}


class Failed(Exception):
    """test_fail"""


@dataclass
class Sent:
    sender: str
    recipient: str
    data: bytes


@dataclass
class World:
    """What a file of tests changes."""

    path: Path
    environment: Environment
    data: bytes = b"\r\n"
    folders: dict[str, list[tuple[bytes, tuple[str, ...]]]] = field(default_factory=lambda: {"INBOX": []})
    smtp: list[Sent] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    script: Script | None = None
    errors: list[str] = field(default_factory=list)
    verdict: Verdict | None = None

    def compiled(self, name: str) -> Script:
        path = self.path.parent / (name if name.endswith(".sieve") else f"{name}.sieve")
        if not path.exists():
            raise Failed(f"there is no file {path.name}")
        signatures = DIALECT_SIGNATURES if DIALECT.encode() in path.read_bytes() else SIGNATURES
        return check(parse(path.read_bytes()), signatures, KNOWN)


def run_file(path: Path) -> dict[str, str]:
    try:
        script = check(parse(path.read_bytes()), DIALECT_SIGNATURES, KNOWN)
    except ScriptError as error:
        return {"(file)": f"does not compile: {error.problems[0]}"}
    world = World(path, Environment(
        sender="sender@example.com", recipient="recipient@example.com", original="recipient@example.com",
        now=1_700_000_000.0, folders={"INBOX": ""}, scripts=included(path),
        items={"name": "mailhub", "location": "MS", "phase": "during", "domain": "example.com", "host": "mx.example.com",
               "version": "1"},
    ))  # fmt: skip
    machine = Dialect(world)
    try:
        machine.script(script)
    except Stop:
        pass
    except (Failed, RunError) as error:
        world.results["(file)"] = str(error)
    return world.results


def included(path: Path) -> Mapping[tuple[str, str], Script]:
    found = {}
    for kind, folder in (("personal", "included"), ("global", "included-global")):
        for one in (path.parent / folder).glob("*.sieve"):
            try:
                found[kind, one.stem] = check(parse(one.read_bytes()), SIGNATURES, KNOWN)
            except ScriptError:
                continue  # of tests for what is not supported
    return found


class Dialect(Run):
    def __init__(self, world: World) -> None:
        self.world = world
        commands = {
            **COMMANDS,
            **{
                name: _command(name)
                for (kind, name) in DIALECT_SIGNATURES
                if kind == "command" and name.startswith("test")
            },
        }
        tests = {
            **TESTS,
            **{name: _test(name) for (kind, name) in DIALECT_SIGNATURES if kind == "test" and name.startswith("test_")},
        }
        super().__init__(
            Mail(world.data),
            replace(world.environment, limits=Limits(actions=10_000, redirects=1_000)),
            commands,
            tests,
        )

    def settings(self, **changes: object) -> None:
        self.environment = replace(self.environment, **changes)  # type: ignore[arg-type]

    def look_at(self, data: bytes) -> None:
        self.mail = Mail(data)

    def reset(self) -> None:
        self.actions, self.marks, self.implicit_keep = [], [], True

    # --- commands

    def do_test(self, node: Node) -> None:
        name = self.text(node.arguments[0])
        before = self.mail, self.environment
        try:
            self.block(node.block)
        except (Failed, RunError) as error:
            self.world.results[name] = str(error) or "failed"
        except Stop:
            pass
        self.world.results.setdefault(name, "")
        if self.mail is not before[0] and self.world.data != self.mail.data and not self._set:
            self.mail = before[0]
        self._set = False

    _set = False

    def do_test_set(self, node: Node) -> None:
        what, value = self.text(node.arguments[0]), self.text(node.arguments[1])
        if what == "message":
            self.world.data = value.encode()
            self.look_at(self.world.data)
            self._set = True
            for name, key in (("from", "sender"), ("to", "recipient")):
                for found in self.mail.header(name)[:1]:
                    for box in address_list.mailboxes(found.value):
                        if box.domain:
                            self.settings(**{key: f"{box.local.decode()}@{box.domain.decode()}"})
                            break
            self.settings(original=self.environment.recipient)
        else:
            value = "" if value == "<>" else value.strip("<>")
            key = {
                "envelope.from": "sender",
                "envelope.to": "recipient",
                "envelope.orig_to": "original",
                "envelope.auth": "login",
            }[what]
            self.settings(**{key: value})
            if key == "recipient":
                self.settings(original=value)

    def do_test_fail(self, node: Node) -> None:
        raise Failed(self.text(node.arguments[0]))

    def do_test_config_set(self, node: Node) -> None:
        name, value = self.text(node.arguments[0]), self.text(node.arguments[1])
        limits = self.environment.limits
        match name:
            case "recipient_delimiter":
                self.settings(delimiter=value)
            case "sieve_variables_max_variable_size":
                self.settings(limits=replace(limits, variable=int(value)))
            case "sieve_notify_max_notifications":
                self.settings(limits=replace(limits, notices=int(value)))
            case "sieve_include_max_includes":
                self.settings(limits=replace(limits, includes=int(value)))
            case "sieve_include_max_nesting_depth":
                self.settings(limits=replace(limits, include_depth=int(value)))
            case "sieve_editheader_max_header_size":
                self.settings(limits=replace(limits, header=int(value)))
            case "sieve_max_redirects":
                self.settings(limits=replace(limits, redirects=int(value)))
            case "sieve_max_actions":
                self.settings(limits=replace(limits, actions=int(value)))

    def do_nothing(self, node: Node) -> None:
        pass

    do_test_config_unset = do_test_config_reload = do_test_result_print = do_nothing
    do_test_binary_load = do_test_binary_save = do_nothing

    def do_test_result_reset(self, node: Node) -> None:
        self.reset()
        self.flags = ()
        self.world.smtp.clear()
        self.world.verdict = None
        self.look_at(self.world.data)

    def do_test_message(self, node: Node) -> None:
        if not self.is_test_message(node):
            raise Failed("there is no such message")

    def do_test_mailbox_create(self, node: Node) -> None:
        name = self.text(node.arguments[0])
        if "delete" in node.tags:
            self.world.folders.pop(name, None)
        else:
            self.world.folders.setdefault(name, [])
        self.settings(folders=dict.fromkeys(self.world.folders, ""))

    do_test_mailbox = do_test_mailbox_create

    def do_test_imap_metadata_set(self, node: Node) -> None:
        folder = self.text(node.tags.get("mailbox", ""))
        entry, value = self.text(node.arguments[0]), self.text(node.arguments[1])
        self.settings(metadata={**self.environment.metadata, (folder, entry): value})

    # --- tests

    def is_test_message(self, node: Node) -> bool:
        number = int(str(node.arguments[0]))
        if "smtp" in node.tags:
            if number >= len(self.world.smtp):
                return False
            sent = self.world.smtp[number]
            self.look_at(sent.data)
            self.settings(sender=sent.sender, recipient=sent.recipient, original=sent.recipient)
            return True
        kept = self.world.folders.get(self.text(node.tags["folder"]), [])
        if number < len(kept):
            data, self.flags = kept[number]
            self.look_at(data)
        return number < len(kept)

    def is_test_script_compile(self, node: Node) -> bool:
        self.world.errors = []
        try:
            self.world.script = self.world.compiled(self.text(node.arguments[0]))
        except ScriptError as error:
            self.world.errors = [problem.text for problem in error.problems] + ["validation failed"]
            return False
        return True

    def is_test_script_run(self, node: Node) -> bool:
        assert self.world.script is not None
        self.world.errors = []
        failing = {**COMMANDS, "test_fail": lambda run, node: self.do_test_fail(node)}
        machine = Run(Mail(self.world.data), replace(self.environment, limits=self._limits()), failing, TESTS)
        verdict = finish(machine, [self.world.script])
        if "append_result" in node.tags and self.world.verdict is not None:
            verdict = replace(verdict, actions=self.world.verdict.actions + verdict.actions)
        self.world.verdict = verdict
        if verdict.error:
            self.world.errors = [verdict.error]
        return verdict.error is None

    def _limits(self) -> Limits:
        limits = self.environment.limits
        return replace(limits, actions=min(limits.actions, 32), redirects=min(limits.redirects, 4))

    def is_test_multiscript(self, node: Node) -> bool:
        scripts = [self.world.compiled(name) for name in self.texts(node.arguments[0])]
        mail = Mail(self.world.data)
        verdict = finish(Run(mail, self.environment, COMMANDS, TESTS), scripts)
        self.perform(mail, verdict.actions)
        return verdict.error is None

    def is_test_result_execute(self, node: Node) -> bool:
        if self.world.verdict is not None:
            self.perform(Mail(self.world.data), self.world.verdict.actions)
            return True
        actions = list(self.actions)
        if self.implicit_keep:
            actions.append(self.kept())
        self.perform(self.mail, tuple(actions))
        return True

    def perform(self, mail: Mail, actions: tuple[Action, ...]) -> None:
        data = bytes(mail.data[:])
        for action in actions:
            header = getattr(action, "header", None)
            whole = data if header is None else header + data[mail.root.body :]
            match action:
                case FileInto():
                    self.world.folders.setdefault(action.folder, []).append((whole, action.flags))
                case Redirect():
                    self.world.smtp.append(Sent(self.environment.sender, action.address, whole))
                case Vacation() | Notify():
                    stamp = Stamp("<1@mailhub.test>", self.environment.now)
                    if isinstance(action, Vacation):
                        letter = answer(mail, self.environment, action, stamp)
                    else:
                        letter = notice(mail, self.environment, action, stamp, self.environment.recipient)
                    if not isinstance(letter, str):
                        for to in letter.recipients:
                            self.world.smtp.append(Sent(letter.sender, to, letter.data))
                case Reject():
                    if self.environment.sender:
                        self.world.smtp.append(Sent("", self.environment.sender, b"\r\n" + action.reason.encode()))
        self.settings(folders=dict.fromkeys(self.world.folders, ""))

    def is_test_error(self, node: Node) -> bool:
        errors = self.world.errors
        if "index" in node.tags:
            number = int(str(node.tags["index"]))
            errors = errors[number - 1 : number]
        return held(self, node, errors, node.arguments[0])

    def is_test_result_action(self, node: Node) -> bool:
        actions = self.world.verdict.actions if self.world.verdict is not None else tuple(self.actions)
        names = [_name(action) for action in actions]
        if "index" in node.tags:
            number = int(str(node.tags["index"]))
            names = names[number - 1 : number]
        return held(self, node, names, node.arguments[0])


def _name(action: Action) -> str:
    if isinstance(action, FileInto):
        return "keep" if action.folder == "INBOX" else "store"
    return action.word if isinstance(action, Reject) else type(action).__name__.lower()


def _command(name: str):  # type: ignore[no-untyped-def]
    return lambda run, node: getattr(run, f"do_{name}")(node)


def _test(name: str):  # type: ignore[no-untyped-def]
    return lambda run, node: getattr(run, f"is_{name}")(node)


__all__ = ["Discard", "run_file"]
