"""A parsed script held against the table of signatures: every mistake that can be known before it runs, with its place.

What comes out is for running: `Node`s, whose tags and arguments are plain values. Under `ihave` (RFC 5463 section 4) what is
not known is no mistake before it is reached: such a node is named "error".
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from . import static
from .errors import Place, Problem, ScriptError
from .regex import Regex, RegexError
from .signatures import CHANGE_STRINGS, EXTENSIONS, IMPLIED, SIGNATURES, Signature, TagRule
from .tree import Argument, Command, Number, Strings, Tag, Test

Value = int | str | tuple[str, ...]
_LETTERS = {"s": "a string", "l": "a string list", "n": "a number", "v": "the name of a variable"}
_PROBLEMS = 20  # told of one script
_WORK = 50_000  # for regular expressions
_BUILT_IN = frozenset({"comparator-i;octet", "comparator-i;ascii-casemap"})
_ENCODED = re.compile(r"\$\{(hex|unicode):([0-9A-Fa-f\s]*)\}", re.IGNORECASE)


class Node(Struct, frozen=True):
    """A command or a test. `tags`: those given, with their values, "" where they take none. `arguments`: the positional ones;
    None where one was left out."""

    name: str
    place: Place
    tags: Mapping[str, Value]
    arguments: tuple[Value | None, ...]
    tests: "tuple[Node, ...]" = ()
    block: "tuple[Node, ...]" = ()


class Script(Struct, frozen=True):
    """What can be run. `extensions`: those it requires, and those it may find out about by `ihave`."""

    commands: tuple[Node, ...]
    extensions: frozenset[str]


def check(
    commands: Sequence[Command],
    signatures: Mapping[tuple[str, str], Signature] = SIGNATURES,
    extensions: frozenset[str] = frozenset(EXTENSIONS),
) -> Script:
    """ScriptError with all that is wrong."""
    checker = _Checker(signatures, extensions)
    nodes = checker.block(commands, top=True)
    if checker.problems:
        raise ScriptError(*checker.problems[:_PROBLEMS])
    return Script(nodes, frozenset(checker.required))


class _Checker:
    def __init__(self, signatures: Mapping[tuple[str, str], Signature], extensions: frozenset[str]) -> None:
        self._signatures, self._extensions = signatures, extensions
        self.required: set[str] = set()
        self.problems: list[Problem] = []
        self._work = 0  # characters and instructions of regular expressions
        self._loops: list[str | None] = []  # names of the foreverypart around

    def _wrong(self, place: Place, text: str) -> None:
        self.problems.append(Problem(place, text))

    # --- commands and tests ---------------------------------------------------------------------------------------------

    def block(self, commands: Sequence[Command], *, top: bool = False) -> tuple[Node, ...]:
        nodes = []
        before, only_require = "", top
        for command in commands:
            if command.name == "require":
                if not only_require:
                    self._wrong(command.place, "'require' has to stand before all other commands")
                self._require(command)
            else:
                only_require = False
                nodes.append(self._command(command, before))
            before = command.name
        return tuple(nodes)

    def _require(self, command: Command) -> None:
        """RFC 5228 section 3.2"""
        for argument in command.arguments:
            for name in argument.values if isinstance(argument, Strings) else ():
                if name in self._extensions:
                    self.required |= {name, IMPLIED.get(name, name)}
                else:
                    self._wrong(argument.place, f"the extension {name[:60]!r} is not supported")
        if len(command.arguments) != 1 or not isinstance(command.arguments[0], Strings):
            self._wrong(command.place, "'require' wants a list of extensions")
        if command.tests or command.block is not None:
            self._wrong(command.place, "'require' has no tests and no block")

    def _command(self, command: Command, before: str) -> Node:
        signature = self._signature("command", command)
        if signature is None:
            return _unknown(command.place)
        if signature.after and before not in signature.after:
            self._wrong(command.place, f"'{command.name}' without an 'if' before it")
        if signature.block != (command.block is not None):
            what = "wants a block" if signature.block else "has no block: expected ';'"
            self._wrong(command.place, f"'{command.name}' {what}")
        node = self._node(command, signature)
        if command.name == "break" and (
            not self._loops or ("name" in node.tags and node.tags["name"] not in self._loops)
        ):
            self._wrong(command.place, "'break' outside of the 'foreverypart' it means")  # RFC 5703 section 3.2
        if command.block is None:
            return node
        if command.name != "foreverypart":
            return _with_block(node, self.block(command.block))
        name = node.tags.get("name")
        self._loops.append(name if isinstance(name, str) else None)
        node = _with_block(node, self.block(command.block))
        self._loops.pop()
        return node

    def _test(self, test: Test) -> Node:
        signature = self._signature("test", test)
        if signature is None:
            return _unknown(test.place)
        node = self._node(test, signature)
        if test.name == "ihave":
            named = node.arguments[0] if node.arguments else ()
            self.required |= set(named if isinstance(named, tuple) else ()) & self._extensions - CHANGE_STRINGS
        return node

    def _signature(self, kind: str, item: Command | Test) -> Signature | None:
        """None where there is no such thing, or it was not required; that is told, too."""
        found = self._signatures.get((kind, item.name))
        if found is not None and (not found.needs or self.required & set(found.needs)):
            return found
        if "ihave" in self.required:
            return None
        if found is not None:
            self._wrong(item.place, f"'{item.name}' needs: require {found.needs[0]!r}")
            return None
        other = "test" if kind == "command" else "command"
        known = (other, item.name) in self._signatures
        self._wrong(
            item.place, f"'{item.name}' is a {other}, not a {kind}" if known else f"unknown {kind} '{item.name}'"
        )
        return None

    # --- arguments ------------------------------------------------------------------------------------------------------

    def _node(self, item: Command | Test, signature: Signature) -> Node:
        before = len(self.problems)
        self._nested(item, signature)
        tests = tuple(map(self._test, item.tests))
        tags, positional = self._tags(item, signature)
        values = self._positional(item, signature, positional)
        node = Node(item.name, item.place, tags, values, tests)
        if len(self.problems) == before:
            self.problems += [
                Problem(item.place, text) for text in static.wrong(node.name, tags, values, self.required)
            ]
            if "regex" in tags and isinstance(values[-1], tuple):
                self._expressions(item.place, values[-1])
        elif "ihave" in self.required:
            del self.problems[before:]
            return _unknown(item.place)
        return node

    def _expressions(self, place: Place, texts: tuple[str, ...]) -> None:
        """Those without variables, as long as they are not too much work together."""
        for text in texts:
            if "variables" in self.required and "${" in text:
                continue
            if self._work > _WORK:
                return self._wrong(place, "the regular expressions of the script are too large together")
            try:
                self._work += len(text) + Regex(text).size
            except RegexError as error:
                self._work += len(text)
                self._wrong(place, f"the regular expression {text[:80]!r}: {error}")
        return None

    def _nested(self, item: Command | Test, signature: Signature) -> None:
        if signature.tests == "none" and (item.tests or item.listed):
            self._wrong(item.place, f"'{item.name}' has no tests: is a ';' missing?")
        elif signature.tests == "one" and (len(item.tests) != 1 or item.listed):
            self._wrong(item.place, f"'{item.name}' wants one test")
        elif signature.tests == "list" and not item.listed:
            self._wrong(item.place, f"'{item.name}' wants a list of tests in parentheses")

    def _tags(self, item: Command | Test, signature: Signature) -> tuple[dict[str, Value], list[Argument]]:
        rules = {rule.name: rule for rule in signature.tags}
        found: dict[str, Value] = {}
        groups: dict[str, str] = {}
        positional: list[Argument] = []
        waiting = iter(item.arguments)
        for argument in waiting:
            if not isinstance(argument, Tag):
                positional.append(argument)
                continue
            rule = rules.get(argument.name)
            if rule is None or (rule.needs and rule.needs not in self.required):
                hint = f" without: require {rule.needs!r}" if rule else ""
                self._wrong(argument.place, f"'{item.name}' takes no tag ':{argument.name}'{hint}")
                continue
            if positional:
                self._wrong(argument.place, f"':{argument.name}' stands behind the arguments of '{item.name}'")
            if argument.name in found or groups.setdefault(rule.group or rule.name, rule.name) != rule.name:
                self._wrong(argument.place, f"more than one {rule.group or ':' + rule.name} for '{item.name}'")
            found[argument.name] = self._tag_value(item, rule, argument, waiting)
        return found, positional

    def _tag_value(self, item: Command | Test, rule: TagRule, tag: Tag, waiting: Iterator[Argument]) -> Value:
        if not rule.value:
            return ""
        argument = next(waiting, None)
        value = None if argument is None else self._value(argument, rule.value)
        if value is None:
            self._wrong(tag.place, f"':{tag.name}' wants {_LETTERS[rule.value]}, not {argument or 'nothing'}")
        return "" if value is None else value

    def _positional(
        self, item: Command | Test, signature: Signature, given: Sequence[Argument]
    ) -> tuple[Value | None, ...]:
        letters = signature.arguments
        optional = next((n for n, letter in enumerate(letters) if letter.isupper()), None)
        if optional is not None and len(given) == len(letters) - 1:
            given = [*given[:optional], *given[optional:]]
            wanted = letters[:optional] + letters[optional + 1 :]
        else:
            optional, wanted = None, letters
        if len(given) != len(wanted):
            self._wrong(item.place, f"'{item.name}' wants {len(wanted)} arguments, and has {len(given)}")
            return ()
        values: list[Value | None] = []
        for number, (letter, argument) in enumerate(zip(wanted.lower(), given, strict=True), 1):
            value = self._value(argument, letter)
            if value is None:
                self._wrong(
                    argument.place, f"'{item.name}' wants {_LETTERS[letter]} as argument {number}, not {argument}"
                )
            values.append(value)
        if optional is not None:
            values.insert(optional, None)
        return tuple(values)

    def _value(self, argument: Argument, letter: str) -> Value | None:
        """None where it is of another kind. A string is a list of one (RFC 5228 section 2.4.2.1)."""
        if isinstance(argument, Number):
            return argument.value if letter == "n" else None
        if not isinstance(argument, Strings) or letter == "n":
            return None
        values = tuple(self._decoded(text, argument.place) for text in argument.values)
        if letter == "l":
            return values
        return None if argument.is_list else values[0]

    def _decoded(self, text: str, place: Place) -> str:
        """encoded-character (RFC 5228 section 2.4.2.4)"""
        if "encoded-character" not in self.required or "${" not in text:
            return text
        try:
            return _ENCODED.sub(_character, text)
        except ValueError as error:
            self._wrong(place, f"encoded character: {error}")
            return text


def _character(found: re.Match[str]) -> str:
    digits = found[2].split()
    if found[1].lower() == "hex":
        if not digits or any(len(pair) > 2 for pair in digits):
            return found[0]
        return bytes(int(pair, 16) for pair in digits).decode("utf-8")
    if not digits:
        return found[0]
    numbers = [int(pair, 16) for pair in digits if len(pair) <= 12]
    if len(numbers) != len(digits) or any(n > 0x10FFFF or 0xD800 <= n < 0xE000 for n in numbers):
        raise ValueError(f"{found[0][:40]} is no character of Unicode")
    return "".join(map(chr, numbers))


def _with_block(node: Node, block: tuple[Node, ...]) -> Node:
    return Node(node.name, node.place, node.tags, node.arguments, node.tests, block)


def _unknown(place: Place) -> Node:
    return Node("error", place, {}, ("the script asks for what is not supported here",))
