"""What the junk filter can be taught and asked."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .request import Page, Request

Message = Annotated[bytes, Meta(max_length=1 << 20)]  # its beginning; what is behind that is not looked at


class Taught(Struct, frozen=True, kw_only=True):
    """Whether the lesson was new."""

    new: bool


class Clue(Struct, frozen=True, kw_only=True):
    """A word, the messages with it that were taught, and how probably a message with it is junk, by this word alone."""

    word: str
    junk: float
    good: float
    probability: float


class JunkOpinion(Struct, frozen=True, kw_only=True):
    """`probability` None: too little was taught. `clues`: those first that say most."""

    probability: float | None
    clues: tuple[Clue, ...] = ()


class JunkOwner(Struct, frozen=True, kw_only=True):
    """What one account taught; `account` "" is the whole site."""

    account: str
    junk: float
    good: float
    words: int


class JunkTrain(Request[Taught], frozen=True, kw_only=True, tag="junk.train"):
    """`account` "": taught to the site alone."""

    message: Message
    kind: Literal["junk", "good", "forget"]
    account: str = ""


class JunkExplain(Request[JunkOpinion], frozen=True, kw_only=True, tag="junk.explain"):
    message: Message
    account: str = ""


class JunkList(Request[tuple[JunkOwner, ...]], frozen=True, kw_only=True, tag="junk.list"):
    """The site, and accounts by name. The first page begins with the site."""

    after: str = ""
    limit: Page = 100
