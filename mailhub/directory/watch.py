"""What the directory tells of logins, to whoever watches over them (`policy.Guard`)."""

from typing import Protocol


class Watch(Protocol):
    """Asked before, told after. `client`: its address; `login`: as the client gave it, anything at all."""

    def admit(self, client: str, login: str, service: str) -> None:
        """Temporary where this client may not try now."""
        ...

    def failed_login(self, client: str, login: str, service: str, attempt: bytes = b"") -> float:
        """Seconds until it is answered. `attempt`: a keyed digest of what was tried, so that a repetition is known."""
        ...

    def signed_in(self, client: str, account: str, service: str) -> None:
        """Temporary where the account may have no more sessions."""
        ...
