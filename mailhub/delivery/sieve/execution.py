"""The machine that runs a script: its state, and one command after the other.

What each command and test does stands in `commands` and `tests`. A script that breaks (`RunError`) keeps its mail in the inbox
(RFC 5228 section 2.10.6); what it had decided before is forgotten, but for its marks.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mailhub.message.parts import Part
from mailhub.wire.sieve import Node, Script

from .actions import Action, Discard, FileInto, Mark, Redirect, Reject, Step, Vacation, Verdict
from .environment import Environment
from .mail import Mail
from .variables import REFERENCE, cut

_TRACED = 1_000  # steps kept for `mailhub sieve test`


class RunError(Exception):
    """A script can not go on."""


class Stop(Exception):
    """`stop`: nothing more is run, included scripts and those after among it."""


class Return(Exception):
    """`return`: the script that was included ends (RFC 6609 section 3.3)."""


class Break(Exception):
    """`break`: out of the loop of that name, or the innermost one (RFC 5703 section 3.2)."""

    def __init__(self, name: str | None) -> None:
        super().__init__(name)
        self.name = name


class Frame(Struct):
    """A script that runs: the main one or one included. `shared`: its variables that are global (RFC 6609 section 3.4.1)."""

    script: Script
    variables: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)


Command = Callable[["Run", Node], None]
Test = Callable[["Run", Node], bool]


class Run:
    """One script, or several in a row, over one message. The tables of words are given, so that a test can add its own."""

    def __init__(
        self, mail: Mail, environment: Environment, commands: Mapping[str, Command], tests: Mapping[str, Test]
    ) -> None:
        self.mail, self.environment = mail, environment
        self._commands, self._tests = commands, tests
        self.frames: list[Frame] = []
        self.globals: dict[str, str] = {}
        self.matched: tuple[str, ...] = ()
        self.flags: tuple[str, ...] = ()
        self.actions: list[Action] = []
        self.marks: list[Mark] = []
        self.implicit_keep = True
        self.included: set[tuple[str, str]] = set()
        self.include_count = 0
        self.parts: list[Part] = []  # of the foreverypart around
        self.added = 0  # octets of header fields
        self.steps: list[Step] = []
        self._left = environment.limits.steps

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def tick(self, steps: int = 1) -> None:
        self._left -= steps
        if self._left < 0:
            raise RunError("the script takes too long (sieve.step_limit)")

    def note(self, node: Node, text: str) -> None:
        if len(self.steps) < _TRACED:
            self.steps.append(Step(node.place.line, text))

    # --- running ----------------------------------------------------------------------------------------------------------

    def script(self, script: Script) -> None:
        """Run it in a frame of its own; Stop where it says so."""
        self.frames.append(Frame(script))
        try:
            self.block(script.commands)
        except Return:
            pass
        finally:
            self.frames.pop()

    def block(self, commands: Sequence[Node]) -> None:
        open_chain = False  # an if or elsif before was false
        for node in commands:
            self.tick()
            if node.name == "if" or (node.name == "elsif" and open_chain):
                open_chain = not self.test(node.tests[0])
                if not open_chain:
                    self.block(node.block)
            elif node.name == "else":
                if open_chain:
                    self.block(node.block)
                open_chain = False
            elif node.name != "elsif":
                self._command(node)

    def _command(self, node: Node) -> None:
        try:
            self._commands[node.name](self, node)
        except RunError as error:
            if error.args and not str(error).startswith("line "):
                raise RunError(f"line {node.place.line}: {error}") from error
            raise

    def test(self, node: Node) -> bool:
        self.tick()
        match node.name:
            case "allof":
                result = all(map(self.test, node.tests))
            case "anyof":
                result = any(map(self.test, node.tests))
            case "not":
                result = not self.test(node.tests[0])
            case _:
                result = self._tests[node.name](self, node)
                self.note(node, f"{node.name}: {'true' if result else 'false'}")
        return result

    # --- strings ----------------------------------------------------------------------------------------------------------

    @property
    def _variables(self) -> bool:
        return "variables" in self.frame.script.extensions

    def text(self, value: object) -> str:
        """A string with its variables filled in."""
        text = str(value)
        if "${" not in text or not self._variables:
            return text
        self.tick(1 + (len(text) >> 6))
        filled = REFERENCE.sub(lambda found: self.variable(found[1]), text)
        if len(filled) > self.environment.limits.variable * 16:
            raise RunError("a string with variables is too long (sieve.variable_limit)")
        return filled

    def texts(self, value: object) -> tuple[str, ...]:
        return (
            tuple(map(self.text, value)) if isinstance(value, tuple) else () if value is None else (self.text(value),)
        )

    def variable(self, name: str) -> str:
        if name.isdigit():
            number = int(name[:9])
            return self.matched[number] if number < len(self.matched) else ""
        name = name.lower()
        if name.startswith("global."):
            return self.globals.get(name.removeprefix("global."), "")
        return (self.globals if name in self.frame.shared else self.frame.variables).get(name, "")

    def assign(self, name: str, value: str) -> None:
        limits, name = self.environment.limits, name.lower()
        if name.startswith("global."):
            name, target = name.removeprefix("global."), self.globals
        else:
            target = self.globals if name in self.frame.shared else self.frame.variables
        if name not in target and len(target) >= limits.variables:
            raise RunError("too many variables (sieve.variable_count)")
        target[name] = cut(value, limits.variable)

    def remember(self, captured: tuple[str, ...] | None) -> bool:
        """Whether it matched; what wildcards stood for becomes ${0}, ${1}, ... (RFC 5229 section 3.2)."""
        if captured and self._variables:
            self.matched = tuple(cut(text, self.environment.limits.variable) for text in captured)
        return captured is not None

    # --- deciding ---------------------------------------------------------------------------------------------------------

    def act(self, node: Node, action: Action) -> None:
        """Add it to what is decided; the same one twice is one (RFC 5228 section 2.10.3)."""
        self.note(node, f"{node.name}: {describe(action)}")
        for number, other in enumerate(self.actions):
            if isinstance(action, FileInto) and isinstance(other, FileInto) and other.folder == action.folder:
                self.actions[number] = action
                return
            if action == other:
                return
        _conflict(action, self.actions)
        limits = self.environment.limits
        if isinstance(action, Redirect) and sum(isinstance(a, Redirect) for a in self.actions) >= limits.redirects:
            raise RunError(f"more than {limits.redirects} redirects (sieve.redirect_limit)")
        if len(self.actions) >= limits.actions:
            raise RunError(f"more than {limits.actions} actions (sieve.action_limit)")
        self.actions.append(action)

    def changed_header(self) -> bytes | None:
        return self.mail.header_section() if self.mail.changed else None

    def kept(self) -> FileInto:
        return FileInto("INBOX", self.flags, header=self.changed_header())


def describe(action: Action) -> str:
    """For people."""
    match action:
        case FileInto(folder, flags):
            return f"file into {folder!r}" + (f" with flags {' '.join(flags)}" if flags else "")
        case Redirect(address):
            return f"redirect to {address}"
        case Reject(reason, word):
            return f"{word}: {reason!r}"
        case Vacation(reason):
            return f"answer with {reason[:60]!r}"
        case Discard():
            return "discard"
        case _:
            return f"notify {action.method}"


def _conflict(action: Action, others: Sequence[Action]) -> None:
    """RFC 5429 section 2.2.1, RFC 5230 section 4.7"""
    bad: tuple[type, ...] = ()
    if isinstance(action, Reject):
        bad = (FileInto, Redirect, Vacation, Reject)
    elif isinstance(action, FileInto | Redirect | Vacation):
        bad = (Reject,)
    if isinstance(action, Vacation):
        bad = (Reject, Vacation)
    if any(isinstance(other, bad) for other in others):
        raise RunError(f"'{describe(action)}' can not go together with what was decided before")


def finish(machine: Run, scripts: Sequence[Script]) -> Verdict:
    try:
        for script in scripts:
            machine.script(script)
            if not machine.implicit_keep:
                break
    except Stop:
        pass
    except RunError as error:
        return Verdict((FileInto(),), tuple(machine.marks), str(error), tuple(machine.steps))
    except RecursionError:
        return Verdict((FileInto(),), tuple(machine.marks), "nested too deep", tuple(machine.steps))
    actions = list(machine.actions)
    if machine.implicit_keep and not any(isinstance(a, FileInto) and a.folder == "INBOX" for a in actions):
        actions.append(replace(machine.kept(), implicit=True))
    return Verdict(tuple(actions), tuple(machine.marks), None, tuple(machine.steps))
