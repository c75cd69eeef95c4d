"""i;unicode-casemap (RFC 5051): two texts are the same where their casemaps are; its order is that of code points.

A character becomes its title case, then everything is taken apart, so that E, e and the letter of é are one.
"""

import unicodedata


def casemap(text: str) -> str:
    """The text as it is compared. It may be longer than what was given."""
    if text.isascii():
        return text.upper()
    # the simple mapping, one to one: "ß" stays what it is
    titles = {ord(sign): title for sign in frozenset(text) if len(title := sign.title()) == 1}
    return unicodedata.normalize("NFKD", text.translate(titles))
