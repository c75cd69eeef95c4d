"""What a user may do with a folder, by letter (RFC 4314 section 2.1).

l  know that it exists, subscribe            k  create folders below it
r  read it                                   x  delete or rename it
s  set \\Seen                                t  set \\Deleted
w  set other flags                           e  expunge
i  put messages into it                      a  administer its rights
p  send mail to its address: nothing here asks for it
"""

from collections.abc import Iterable

ALL = frozenset("lrswipkxtea")
MEMBERS = {"c": "kx", "d": "et"}  # rights of RFC 2086 and what they stand for (section 2.1.1)
ORDER = "lrswipkxtecda"
WRITING = frozenset("swtie")  # any one of them: not read-only (section 5.2)
KNOWING = frozenset("lrikxa")  # any one of them: may ask which he has (section 4)
NONE: frozenset[str] = frozenset()

Rights = frozenset[str]  # of ALL


def expanded(letters: Iterable[str]) -> Rights:
    """Letters with "c" and "d" replaced by what they stand for."""
    return frozenset("".join(MEMBERS.get(letter, letter) for letter in letters))


def told(rights: Rights) -> str:
    """As a client reads them: with "c" and "d" where one of their members is there."""
    old = {letter for letter, members in MEMBERS.items() if not rights.isdisjoint(members)}
    return "".join(letter for letter in ORDER if letter in rights or letter in old)


def effective(entries: Iterable[tuple[str, str]], identifiers: Iterable[str]) -> Rights:
    """What entries (identifier, rights) of a list give to who is called by any of `identifiers`: all that is granted, without
    what "-identifier" takes away (section 2). A name that begins with "-" is thus nobody's, and gets nothing."""
    names = set(identifiers)
    granted, taken = set[str](), set[str]()
    for identifier, rights in entries:
        minus, name = identifier.startswith("-"), identifier.removeprefix("-")
        if name in names:
            (taken if minus else granted).update(rights)
    return frozenset(granted - taken)
