"""What is wrong with a script, and where."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """Line and column, both from 1."""

    line: int
    column: int


class Problem(Struct, frozen=True):
    place: Place
    text: str

    def __str__(self) -> str:
        return f"line {self.place.line}, column {self.place.column}: {self.text}"


class ScriptError(Exception):
    """A script that can not be run; `problems` in their order, at least one."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
