"""What an account's mailboxes may hold, and what is shared of them."""

from typing import Annotated, Literal

from msgspec import Meta

from .section import Count, Limit, Name, Octets, Seconds, Section


class AutoExpunge(Section, frozen=True, kw_only=True):
    """[[mailbox.autoexpunge]]: what leaves a folder by itself, once a day. `folder`: "Trash"; "Trash.*": all below it."""

    folder: Name
    age: Seconds = 0.0  # since a message came into the folder; 0: any
    count: Limit = 0  # the newest stay; 0: all


class Mailbox(Section, frozen=True, kw_only=True):
    folder_limit: Count = 10_000
    message_limit: Count = 10_000_000  # in one folder
    name_limit: Annotated[int, Meta(ge=1, le=200)] = 200  # octets of a folder's name
    # Where folders that other accounts share are seen, and those of `public_account`, which are everybody's ("": not at all).
    other_users_prefix: str = "Other Users"
    public_prefix: str = "Public"
    public_account: str = ""
    # Whether owners other than `public_account` may grant rights to "anyone", that is to all accounts of all domains.
    acl_anyone: bool = False
    acl_limit: Count = 200  # entries of one folder's access control list
    # METADATA: entries of one folder, octets of a value, octets of all that an account has.
    metadata_limit: Annotated[int, Meta(ge=10)] = 100
    metadata_value_limit: Annotated[int, Meta(ge=1_024)] = 65_536
    metadata_account_limit: Octets = 10_485_760
    # What clients may read of the server: how to reach who runs it (such as "mailto:postmaster@example.org"), and a text.
    metadata_admin: str = ""
    metadata_comment: str = ""
    # What an account may hold in all its folders, octets and messages; 0: no limit. `mailhub quota set` gives a domain or an
    # account limits of its own.
    quota_storage: Octets = 0
    quota_messages: Limit = 0
    # What leaves folders by itself, once a day: by the time since it came there, or because there are newer ones.
    autoexpunge: tuple[AutoExpunge, ...] = ()
    # The part of a limit by which mail that comes in may pass it.
    quota_grace: Annotated[float, Meta(ge=0, le=1)] = 0.1
    # What a sender is told at RCPT of a mailbox that is full: to try again (452 4.2.2), or not to (552 5.2.2).
    quota_full: Literal["defer", "reject"] = "defer"
