"""The base subject (RFC 5256 section 2.1): what is left of a subject when replies and forwards have had their say."""

import re

_SPACE = re.compile(r"[ \t\r\n]+")
_TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE)  # subj-trailer = "(fwd)" / WSP
_BLOB = re.compile(r"\[[^\[\]]*\] *")  # subj-blob = "[" *BLOBCHAR "]" *WSP
_REFWD = re.compile(r"(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:", re.IGNORECASE)  # ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
LIMIT = 2_000  # characters that are looked at
_FWD = "[fwd:"  # subj-fwd-hdr


def base_subject(subject: str) -> tuple[str, bool]:
    """The base of a decoded subject, and whether the subject is that of a reply or a forward."""
    text = _SPACE.sub(" ", subject[:LIMIT])
    answer = False
    while True:
        text, found = _without_trailers(text)
        answer |= found
        text, found = _without_leaders(text)
        answer |= found
        if not (text.lower().startswith(_FWD) and text.endswith("]")):
            return text, answer
        text, answer = text[len(_FWD) : -1], True


def _without_trailers(text: str) -> tuple[str, bool]:
    answer = False
    while found := _TRAILER.search(text, max(0, len(text) - 5)):
        answer |= found[0] != " "
        text = text[: found.start()]
    return text, answer


def _without_leaders(text: str) -> tuple[str, bool]:
    """subj-leader = (*subj-blob subj-refwd) / WSP, as often as it comes; then blobs, as long as they leave something"""
    at, answer = 0, False
    while True:
        while text.startswith(" ", at):
            at += 1
        behind = last = at
        while blob := _BLOB.match(text, behind):
            last, behind = behind, blob.end()
        word = _REFWD.match(text, behind)
        if word is None:
            return text[behind if behind < len(text) else last :], answer
        at, answer = word.end(), True
