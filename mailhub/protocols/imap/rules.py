"""Which function carries out which command, and in which states it may come (RFC 3501 section 6)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from mailhub.mailbox.search import keys
from mailhub.model.search import SAVED, Numbers
from mailhub.wire.imap import commands as c
from mailhub.wire.imap.search_commands import Program

from . import (
    acl,
    anystate,
    append,
    auth,
    copying,
    fetch,
    folders,
    idle,
    listing,
    metadata,
    multisearch,
    notify,
    quota,
    search,
    selected,
    status,
    store,
    urls,
)
from .answers import Answer
from .states import ANY, LOGGED_IN, SELECTED, STRANGER, State

if TYPE_CHECKING:
    from .session import ImapSession


class Rule(Struct, frozen=True):
    """`after` runs when OK has been written (STARTTLS)."""

    carry_out: "Callable[[ImapSession, Any], Awaitable[Answer]]"
    states: frozenset[State]
    after: "Callable[[ImapSession], Awaitable[None]] | None" = None


RULES: Mapping[type[c.Verb], Rule] = {
    c.Capability: Rule(anystate.capability, ANY),
    c.Noop: Rule(anystate.noop, ANY),
    c.Logout: Rule(anystate.logout, ANY),
    c.Id: Rule(anystate.identify, ANY),
    c.StartTls: Rule(auth.start_tls, STRANGER, auth.handshake),
    c.Authenticate: Rule(auth.authenticate, STRANGER),
    c.Login: Rule(auth.login, STRANGER),
    c.Enable: Rule(anystate.enable, LOGGED_IN),
    c.Namespace: Rule(anystate.namespace, LOGGED_IN),
    c.Select: Rule(selected.select, LOGGED_IN),
    c.Examine: Rule(selected.examine, LOGGED_IN),
    c.Create: Rule(folders.create, LOGGED_IN),
    c.Delete: Rule(folders.delete, LOGGED_IN),
    c.Rename: Rule(folders.rename, LOGGED_IN),
    c.Subscribe: Rule(folders.subscribe, LOGGED_IN),
    c.Unsubscribe: Rule(folders.unsubscribe, LOGGED_IN),
    c.List: Rule(listing.list_, LOGGED_IN),
    c.Xlist: Rule(listing.xlist, LOGGED_IN),
    c.Lsub: Rule(listing.lsub, LOGGED_IN),
    c.Status: Rule(status.status, LOGGED_IN),
    c.SetAcl: Rule(acl.set_acl, LOGGED_IN),
    c.DeleteAcl: Rule(acl.delete_acl, LOGGED_IN),
    c.GetAcl: Rule(acl.get_acl, LOGGED_IN),
    c.ListRights: Rule(acl.list_rights, LOGGED_IN),
    c.MyRights: Rule(acl.my_rights, LOGGED_IN),
    c.GetMetadata: Rule(metadata.get_metadata, LOGGED_IN),
    c.SetMetadata: Rule(metadata.set_metadata, LOGGED_IN),
    c.GetQuota: Rule(quota.get_quota, LOGGED_IN),
    c.GetQuotaRoot: Rule(quota.get_quota_root, LOGGED_IN),
    c.SetQuota: Rule(quota.set_quota, LOGGED_IN),
    c.Append: Rule(append.append, LOGGED_IN),
    c.Replace: Rule(append.replace, SELECTED),
    c.GenUrlAuth: Rule(urls.gen_url_auth, LOGGED_IN),
    c.UrlFetch: Rule(urls.url_fetch, LOGGED_IN),
    c.ResetKey: Rule(urls.reset_key, LOGGED_IN),
    c.Compress: Rule(anystate.compress, LOGGED_IN, anystate.deflate),
    c.Unauthenticate: Rule(auth.unauthenticate, LOGGED_IN),
    c.Idle: Rule(idle.idle, LOGGED_IN),
    c.Notify: Rule(notify.notify, LOGGED_IN),
    c.Check: Rule(selected.check, SELECTED),
    c.Close: Rule(selected.close, SELECTED),
    c.Unselect: Rule(selected.unselect, SELECTED),
    c.Expunge: Rule(selected.expunge, SELECTED),
    c.Search: Rule(search.search, SELECTED),
    c.Sort: Rule(search.sort, SELECTED),
    c.Thread: Rule(search.thread, SELECTED),
    c.Esearch: Rule(multisearch.esearch, LOGGED_IN),
    c.CancelUpdate: Rule(search.cancel_update, SELECTED),
    c.Fetch: Rule(fetch.fetch, SELECTED),
    c.Store: Rule(store.store, SELECTED),
    c.Copy: Rule(copying.copy, SELECTED),
    c.Move: Rule(copying.move, SELECTED),
}


def _names_numbers(program: Program) -> bool:
    """ "$" is none: it stands for UIDs (RFC 5182)."""
    return program.key is not None and any(
        isinstance(one, Numbers) and one.ranges != SAVED for one in keys(program.key)
    )


def uses_numbers(verb: c.Verb) -> bool:
    """What a client that has enabled UIDONLY may not say (RFC 9586 sections 3.1 and 3.5)."""
    match verb:
        case (
            c.Fetch(messages=it)
            | c.Store(messages=it)
            | c.Copy(messages=it)
            | c.Move(messages=it)
            | c.Replace(messages=it)
        ):
            return not it.by_uid
        case c.Search(by_uid=by_uid) | c.Sort(by_uid=by_uid) | c.Thread(by_uid=by_uid):
            return not by_uid or _names_numbers(verb.program)
        case c.Esearch(program=program):
            return _names_numbers(program)
        case c.Select(resync=resync) | c.Examine(resync=resync):
            return resync is not None and resync.match is not None
        case _:
            return False


def tells_expunges(verb: c.Verb) -> bool:
    """EXPUNGE must not be sent while FETCH, STORE or SEARCH by number is under way (RFC 3501 section 7.4.1), and the same
    goes for SORT and THREAD (RFC 5256 section 3), and for all three by UID where their keys name numbers (RFC 7162 section 3.2.10)."""
    match verb:
        case c.Fetch(messages=messages) | c.Store(messages=messages):
            return messages.by_uid
        case c.Search(by_uid=by_uid) | c.Sort(by_uid=by_uid) | c.Thread(by_uid=by_uid):
            return by_uid and not _names_numbers(verb.program)
        case c.Esearch(program=program):
            return not _names_numbers(program)
        case _:
            return True
