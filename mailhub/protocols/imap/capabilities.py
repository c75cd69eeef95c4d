"""What CAPABILITY announces: one table. A row that is never announced says why."""

from collections.abc import Callable

from msgspec import Struct

from mailhub.wire.sasl import MECHANISMS


class Facts(Struct, frozen=True):
    """What a capability may depend on. `starttls`: TLS may begin now; `passwords`: they may be sent now."""

    authenticated: bool
    starttls: bool
    passwords: bool
    mechanisms: tuple[str, ...] = ()
    append_limit: int = 0
    message_limit: int = 0


class Condition(Struct, frozen=True):
    """When a capability is announced, in words and in fact."""

    words: str
    holds: Callable[[Facts], bool]


_always = Condition("always", lambda facts: True)
_never = Condition("never", lambda facts: False)
_before_login = Condition("before the login", lambda facts: not facts.authenticated)
_logged_in = Condition("after the login", lambda facts: facts.authenticated)
_starttls = Condition('before TLS, where the listener has `tls = "starttls"`', lambda facts: facts.starttls)
_no_passwords = Condition(
    "before TLS and the login, without `auth.allow_plaintext`",
    lambda facts: not facts.authenticated and not facts.passwords,
)


def _mechanism(name: str) -> Condition:
    return Condition("before the login, as `auth.mechanisms` says", lambda facts: name in facts.mechanisms)


class Capability(Struct, frozen=True):
    """A keyword, which may have facts in it, where it is defined, when it is announced, and what to know of it."""

    keyword: str
    rfc: str
    condition: Condition
    reason: str


TABLE: tuple[Capability, ...] = (
    Capability("IMAP4rev1", "RFC 3501", _always, "the protocol itself; must come first for some clients"),
    Capability("IMAP4rev2", "RFC 9051", _always, "for who enables it"),
    Capability("LITERAL+", "RFC 7888", _always, "saves a round trip for each literal"),
    Capability("LITERAL-", "RFC 7888", _never, "LITERAL+ allows all that it does"),
    Capability("SASL-IR", "RFC 4959", _before_login, "saves a round trip of AUTHENTICATE"),
    Capability("STARTTLS", "RFC 3501", _starttls, "TLS on the port for all"),
    Capability("LOGINDISABLED", "RFC 3501", _no_passwords, "passwords are not for others to hear"),
    *(Capability(f"AUTH={name}", row.rfc, _mechanism(name), row.reason) for name, row in MECHANISMS.items()),
    Capability("ID", "RFC 2971", _always, "some clients will not go on without it"),
    Capability("ENABLE", "RFC 5161", _always, "IMAP4rev2, UTF8=ACCEPT, CONDSTORE, QRESYNC, UIDONLY"),
    Capability("IDLE", "RFC 2177", _always, "new mail is told at once"),
    Capability("NAMESPACE", "RFC 2342", _always, "personal, other users', public"),
    Capability("CHILDREN", "RFC 3348", _always, "\\HasChildren and \\HasNoChildren in every LIST"),
    Capability("LIST-EXTENDED", "RFC 5258", _always, "SUBSCRIBED, CHILDREN, RECURSIVEMATCH, several patterns"),
    Capability("LIST-STATUS", "RFC 5819", _always, "STATUS of each folder in one LIST"),
    Capability("LIST-MYRIGHTS", "RFC 8440", _always, "MYRIGHTS of each folder in one LIST"),
    Capability("LIST-METADATA", "RFC 9590", _always, "METADATA of each folder in one LIST"),
    Capability("SPECIAL-USE", "RFC 6154", _always, "\\Sent, \\Drafts, ... in every LIST"),
    Capability("CREATE-SPECIAL-USE", "RFC 6154", _always, "one folder for each use"),
    Capability("XLIST", "none", _always, "Gmail's forerunner of SPECIAL-USE, for clients of its time"),
    Capability("STATUS=SIZE", "RFC 8438", _always, "octets of a folder without a FETCH"),
    Capability("ACL", "RFC 4314", _always, "folders shared with other accounts"),
    Capability("RIGHTS=kxte", "RFC 4314", _always, "the rights beyond those of RFC 2086"),
    Capability("METADATA", "RFC 5464", _always, "annotations, private and shared, of folders and of the server"),
    Capability("QUOTA", "RFC 9208", _always, "one root for each account that has limits"),
    Capability("QUOTA=RES-STORAGE", "RFC 9208", _always, "octets of all folders, by 1,024"),
    Capability("QUOTA=RES-MESSAGE", "RFC 9208", _always, "messages of all folders"),
    Capability("QUOTASET", "RFC 9208", _never, "limits are set by who runs the server: `mailhub quota set`"),
    Capability("UIDPLUS", "RFC 4315", _always, "APPENDUID, COPYUID, UID EXPUNGE"),
    Capability("MOVE", "RFC 6851", _always, "one commit"),
    Capability("UNSELECT", "RFC 3691", _always, "CLOSE without its EXPUNGE"),
    Capability("UTF8=ACCEPT", "RFC 9755", _always, "mailbox names and header fields in UTF-8, once enabled"),
    Capability("CONDSTORE", "RFC 7162", _always, "mod-sequences: what has changed, and STORE only where nothing has"),
    Capability("QRESYNC", "RFC 7162", _always, "a client that was away is told what it missed, once enabled"),
    Capability("OBJECTID", "RFC 8474", _always, "MAILBOXID, EMAILID, THREADID"),
    Capability("MULTIAPPEND", "RFC 3502", _always, "one commit for all messages of an APPEND"),
    Capability("APPENDLIMIT={facts.append_limit}", "RFC 7889", _always, "imap.append_limit"),
    Capability("CATENATE", "RFC 4469", _always, "messages made of parts that are here"),
    Capability("URLAUTH", "RFC 4467", _always, "parts that others may read"),
    Capability("REPLACE", "RFC 8508", _always, "one commit"),
    Capability("BINARY", "RFC 3516", _always, "parts without their transfer encoding"),
    Capability("PREVIEW", "RFC 8970", _always, "made when it is asked for"),
    Capability("SAVEDATE", "RFC 8514", _always, "when a message came into its mailbox"),
    Capability("COMPRESS=DEFLATE", "RFC 4978", _logged_in, "strangers shall not make us inflate"),
    Capability("UNAUTHENTICATE", "RFC 8437", _logged_in, "for gateways that serve many users"),
    Capability("UIDONLY", "RFC 9586", _always, "no message numbers at all, once enabled"),
    Capability("NOTIFY", "RFC 5465", _always, "what happens in any mailbox, told when it happens"),
    Capability("INPROGRESS", "RFC 9585", _always, "told by COPY, MOVE, STORE, SEARCH"),
    Capability(
        "MESSAGELIMIT={facts.message_limit}", "RFC 9738", _always, "imap.message_limit: FETCH, STORE, COPY, MOVE"
    ),
    Capability("ESEARCH", "RFC 4731", _always, "RETURN (MIN MAX ALL COUNT)"),
    Capability("SEARCHRES", "RFC 5182", _always, "$ in place of a set of messages"),
    Capability("WITHIN", "RFC 5032", _always, "OLDER and YOUNGER"),
    Capability("SORT", "RFC 5256", _always, "from the index, never from files"),
    Capability("SORT=DISPLAY", "RFC 5957", _always, "by the names of people"),
    Capability("THREAD=ORDEREDSUBJECT", "RFC 5256", _always, "by subject"),
    Capability("THREAD=REFERENCES", "RFC 5256", _always, "by References, then by subject"),
    Capability("THREAD=REFS", "draft-ietf-morg-inthread", _always, "by References alone, as Dovecot does"),
    Capability("ESORT", "RFC 5267", _always, "RETURN for SORT"),
    Capability("CONTEXT=SEARCH", "RFC 5267", _always, "searches that stay alive"),
    Capability("CONTEXT=SORT", "RFC 5267", _always, "the same in an order"),
    Capability("MULTISEARCH", "RFC 7377", _always, "ESEARCH over mailboxes"),
    Capability("PARTIAL", "RFC 9394", _always, "some of the results of SEARCH, SORT and UID FETCH"),
)


def announced(facts: Facts) -> str:
    """The keywords that hold now, divided by spaces."""
    return " ".join(row.keyword.format(facts=facts) for row in TABLE if row.condition.holds(facts))
