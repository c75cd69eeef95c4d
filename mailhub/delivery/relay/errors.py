"""What can go wrong with a peer before it has been given a message: then another connection or host may be asked."""

from mailhub.model.reply import Reply

from .demand import NOTHING, Basis

LOST = "4.4.2"  # RFC 3463 section 3.5: bad connection
NO_ANSWER = "4.4.1"
NONSENSE = "4.5.0"
BAD_TLS = "4.7.5"  # Postfix's word; 4.7.4: none was offered


class Refused(Exception):
    """The peer, `remote`, said no: to the session, or to MAIL for all recipients. `doubt`: what the trace is told, where the peer
    may have the message nevertheless."""

    def __init__(self, reply: Reply, remote: str, doubt: str = "") -> None:
        super().__init__(str(reply))
        self.reply, self.remote, self.doubt = reply, remote, doubt


class Lost(Exception):
    """No connection, no answer, or nonsense: try again later. `enhanced`: the status code of that (RFC 3463)."""

    def __init__(self, cause: str, enhanced: str = LOST) -> None:
        super().__init__(cause)
        self.enhanced = enhanced


class TlsFailed(Lost):
    """No TLS, or not with whom the policy demands. `result`: RFC 8460's word for that (section 4.3); `basis`: of the demand."""

    def __init__(self, cause: str, result: str, enhanced: str = BAD_TLS, basis: Basis = NOTHING) -> None:
        super().__init__(cause, enhanced)
        self.result, self.basis = result, basis
