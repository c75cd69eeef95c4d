"""One door to all operator actions: a request value goes in, its answer comes out, or a ControlError.

Comes from: `server` (the socket of a running hub) and `offline`. To add an action: a request in `words`, a method in the
module of its subject, a row in the table here, a command in `cli`.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from mailhub.delivery.router import Router
from mailhub.directory import Directory
from mailhub.mailbox.junk import JunkFilter
from mailhub.mailbox.scripts import Scripts as KeptScripts
from mailhub.model import errors
from mailhub.model.clock import Clock
from mailhub.policy import Guard, Policy
from mailhub.store.api import Store
from mailhub.trace import Trace

from . import words
from .accounts import Accounts
from .bans import Bans
from .credentials import Credentials
from .dkim import Dkim
from .errors import ControlError
from .explaining import Explaining
from .histories import Histories
from .junk import Junk
from .mail import ACTIONS as MAIL_ACTIONS
from .mail import Mail
from .mailboxes import Mailboxes
from .quarantines import Quarantines
from .queues import Deadline, Queues
from .quotas import Quotas
from .reports import Reports
from .restoring import Restoring
from .routes import Routes
from .scripts import Scripts
from .sent import Sent
from .setup.doctor import Doctor
from .suppressions import Suppressions
from .tokens import Tokens
from .traces import Traces
from .webhooks import Webhooks

log = logging.getLogger("mailhub.control")
Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]
StatusOf = Callable[[words.Status], Awaitable[words.ServerStatus]]

_KINDS: tuple[tuple[type[errors.MailError], str], ...] = (
    (errors.NotFound, "not_found"),
    (errors.Exists, "exists"),
    (errors.LimitReached, "limit"),
    (errors.OverQuota, "limit"),
    (errors.Temporary, "temporary"),
    (errors.MailError, "refused"),
)


class Outcome(Protocol):
    """Of a reload: keys of options."""

    @property
    def applied(self) -> tuple[str, ...]: ...

    @property
    def restart(self) -> tuple[str, ...]: ...


class Control:
    """`status` tells how the server is; `wake` lets the queue manager look again after a change to the queue; `deadline` is when a
    message is given up for one of its recipients; `rehearsing` makes a policy that counts and traces nothing, None where no server runs."""

    def __init__(
        self,
        directory: Directory,
        store: Store,
        clock: Clock,
        status: StatusOf,
        wake: Callable[[], object],
        hostname: str,
        guard: Guard,
        trace: Trace,
        router: Router,
        deadline: Deadline,
        scripts: KeptScripts,
        learnt: JunkFilter,
        doctor: Doctor,
        webhooks: Webhooks,
        rehearsing: Callable[[], Policy] | None = None,
    ) -> None:
        self.reloading: Callable[[], Outcome] | None = None  # the program's, which knows the file
        self.mail: Mail | None = None  # where a server runs
        self._mailboxes = Mailboxes(directory, store.mailboxes)
        quotas = Quotas(directory, store.mailboxes)
        accounts = Accounts(directory, store.mailboxes, store.texts, store.tokens, store.browsers)
        traces = Traces(store.traces, trace)
        queues = Queues(store.queue, clock, wake, deadline, traces)
        bans, suppressions = Bans(guard), Suppressions(store.suppressions, clock)
        reports = Reports(directory, store.mailboxes, clock)
        sent = Sent(store.queue, clock, queues, traces, trace)
        sieve, routes = Scripts(directory, scripts), Routes(router)
        quarantines = Quarantines(store.queue, clock, wake, queues, routes, trace)
        junk = Junk(directory, store.junk, learnt)
        dkim = Dkim(directory, store.dkim, clock)
        self.tokens = tokens = Tokens(store.tokens, clock)
        credentials = Credentials(directory, store.directory, clock, hostname)
        self._actions: dict[type, Callable[..., Awaitable[Any]]] = {
            words.Status: status,
            words.Reload: self._reload,
            **{kind: partial(self._with_mail, action) for kind, action in MAIL_ACTIONS.items()},
            words.UserAdd: accounts.add_user,
            words.UserRestore: accounts.restore_user,
            words.UserParts: Restoring(store).parts,
            words.UserEnable: accounts.enable,
            words.UserPasswd: accounts.set_password,
            words.UserRemove: accounts.remove_user,
            words.UserList: accounts.users,
            words.DomainAdd: accounts.add_domain,
            words.DomainAdmins: accounts.domain_admins,
            words.DomainRemove: accounts.remove_domain,
            words.DomainList: accounts.domains,
            words.AliasAdd: accounts.set_alias,
            words.AliasRemove: accounts.remove_alias,
            words.AliasList: accounts.aliases,
            words.ForwardGet: accounts.forward,
            words.ForwardSet: accounts.set_forward,
            words.AppPasswordAdd: credentials.add_app_password,
            words.AppPasswordList: credentials.app_passwords,
            words.AppPasswordRemove: credentials.remove_app_password,
            words.SecondFactorBegin: credentials.begin_second_factor,
            words.SecondFactorConfirm: credentials.confirm_second_factor,
            words.SecondFactorRemove: credentials.remove_second_factor,
            words.DkimCreate: dkim.create,
            words.DkimList: dkim.show,
            words.DkimActivate: dkim.activate,
            words.DkimRemove: dkim.remove,
            words.DnsShow: doctor.zones.show,
            words.DoctorCheck: doctor.check,
            words.TokenAdd: tokens.add,
            words.TokenList: tokens.page,
            words.TokenRemove: tokens.remove,
            words.ReportsDmarc: reports.dmarc,
            words.ReportsTls: reports.tls,
            words.HistoryShow: Histories(store.history, clock).show,
            words.SentShow: sent.show,
            words.SentTakeBack: sent.take_back,
            words.WebhookList: webhooks.page,
            words.WebhookTest: webhooks.test,
            words.TraceFind: traces.find,
            words.MailboxCheck: self._mailboxes.check,
            words.MailboxRepair: self._mailboxes.repair,
            words.MailboxTake: self._mailboxes.take,
            words.MailboxSync: self._mailboxes.sync,
            words.QuotaGet: quotas.get,
            words.QuotaSet: quotas.set,
            words.QuotaRecalculate: quotas.recalculate,
            words.QuarantineList: quarantines.page,
            words.QuarantineShow: quarantines.show,
            words.QuarantineRelease: quarantines.release,
            words.QuarantineDelete: quarantines.delete,
            words.JunkTrain: junk.train,
            words.JunkExplain: junk.explain,
            words.JunkList: junk.page,
            words.RouteShow: routes.show,
            words.Explain: Explaining(rehearsing, routes).explain,
            words.SieveList: sieve.page,
            words.SieveGet: sieve.get,
            words.SievePut: sieve.put,
            words.SieveActivate: sieve.activate,
            words.SieveDelete: sieve.delete,
            words.BanList: bans.page,
            words.BanAdd: bans.add,
            words.BanRemove: bans.remove,
            words.SuppressionList: suppressions.page,
            words.SuppressionAdd: suppressions.add,
            words.SuppressionRemove: suppressions.remove,
            words.QueueList: queues.page,
            words.QueueSummary: queues.summary,
            words.QueueAges: queues.ages,
            words.QueueShow: queues.show,
            words.QueueRead: queues.read,
            words.QueueRetry: queues.retry,
            words.QueueHold: queues.hold,
            words.QueueRelease: queues.release,
            words.QueueRequeue: queues.requeue,
            words.QueueRemove: queues.remove,
        }

    async def _reload(self, request: words.Reload) -> words.Reloaded:
        if self.reloading is None:
            raise ControlError("refused", "there is nothing to reload here: no server that was started with a file")
        done = self.reloading()
        return words.Reloaded(applied=done.applied, restart=done.restart)

    async def _with_mail(self, action: Callable[[Mail, Any], Awaitable[Any]], request: words.AnyMail) -> Any:
        if self.mail is None:
            raise ControlError("temporary", "no server runs: `mailhub start`")
        return await action(self.mail, request)

    async def perform(self, request: words.Request[Answer], progress: Progress | None = None) -> Answer:
        """Do it. `progress(done, total)` is called on the loop. Raises ControlError and nothing else."""
        try:
            if isinstance(request, words.MailboxRebuild):
                return cast(Answer, await self._mailboxes.rebuild(request, progress or _unheard))
            return cast(Answer, await self._actions[type(request)](request))
        except ControlError:
            raise
        except errors.MailError as error:
            kind = next(kind for family, kind in _KINDS if isinstance(error, family))
            raise ControlError(kind, str(error)) from error
        except Exception as error:
            log.exception("action %s failed", type(request).__name__)
            raise ControlError("bug", f"internal trouble, see the log: {type(error).__name__}: {error}") from error


def _unheard(done: int, total: int) -> None:
    return None
