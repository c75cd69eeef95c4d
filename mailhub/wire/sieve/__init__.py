"""The Sieve language (RFC 5228): octets to a typed tree, and a tree that is known to make sense. Pure.

    script = check(parse(octets))

`lexer` makes tokens, `parser` the tree of `tree`; `signatures` is the table of all commands and tests, by extension; `check`
holds a tree against that table (constant values by `static`, expressions by `regex`)
and gives `Node`s, which `delivery.sieve` runs. `encode` writes a tree as text again.
Whatever the octets: nothing but `ScriptError` is raised.
"""

from .check import Node, Script, check
from .errors import Problem, ScriptError
from .lexer import Limits
from .parser import parse

__all__ = ["Limits", "Node", "Problem", "Script", "ScriptError", "check", "parse"]
