"""What can go wrong with a peer before it has been given a message: then another connection or host may be asked."""

from mailhub.model.reply import Reply

LOST = "4.4.2"  # RFC 3463 section 3.5: bad connection
NO_ANSWER = "4.4.1"
NONSENSE = "4.5.0"


class Refused(Exception):
    """The peer, `remote`, said no: to the session, or to MAIL for all recipients."""

    def __init__(self, reply: Reply, remote: str) -> None:
        super().__init__(str(reply))
        self.reply, self.remote = reply, remote


class Lost(Exception):
    """No connection, no answer, or nonsense: try again later. `enhanced`: the status code of that (RFC 3463)."""

    def __init__(self, cause: str, enhanced: str = LOST) -> None:
        super().__init__(cause)
        self.enhanced = enhanced


class TlsFailed(Lost):
    """STARTTLS was offered and did not work."""
