"""How an action fails, for the one who asked: a kind that programs can tell apart, and a sentence for people."""

from typing import Literal, cast, get_args

Kind = Literal["usage", "not_found", "exists", "limit", "temporary", "refused", "denied", "bug"]


class ControlError(Exception):
    """The action was not done. `kind` is one of `Kind`; an unknown one (of a newer server) counts as "bug"."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind: Kind = cast(Kind, kind) if kind in get_args(Kind) else "bug"
