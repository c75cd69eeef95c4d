"""What a program is told: its arguments (pipe(8)) and its environment (local(8)). Pure."""

from msgspec import Struct

from mailhub.config import commands, schema
from mailhub.model import address as addresses
from mailhub.model import ids, steps

from ..transport import Job, JobRecipient

_PATH = "/usr/local/bin:/usr/bin:/bin"
_SAFE = frozenset("!@%-_=+:,./ ")  # beside letters and digits: what a program may be told in its environment


class Arguments(Struct, frozen=True):
    """`delimiter`: of user and tag."""

    config: schema.Transport
    delimiter: str

    def argv(self, job: Job, recipients: tuple[JobRecipient, ...]) -> list[str]:
        """An argument that names something of a recipient is given once for each of them."""
        argv = []
        for argument in self.config.command:
            several = commands.names(argument) & commands.OF_RECIPIENT
            argv += [
                self._filled(argument, job, recipient) for recipient in (recipients if several else recipients[:1])
            ]
        return argv

    def is_safe(self, job: Job, recipient: JobRecipient) -> bool:
        """Whether nothing that came from outside could be taken for an option."""
        return not any(
            self._filled(argument, job, recipient).startswith("-")
            for argument in self.config.command
            if argument.startswith("$")
        )

    def environment(self, job: Job, recipients: tuple[JobRecipient, ...]) -> dict[str, str]:
        """Those of its own, then the operator's. What is of a recipient is told where there is one alone."""
        words = ["sender", "nexthop", "queue_id", "client_address", "client_helo", "client_hostname", "client_protocol"]
        words += ["sasl_username", "size"]
        if len(recipients) == 1:
            words += sorted(commands.OF_RECIPIENT)
        found = {word.upper(): _harmless(self._value(word, job, recipients[0])) for word in words}
        if len(recipients) == 1:
            found["LOCAL"] = found["MAILBOX"]
        own = dict(line.partition("=")[::2] for line in self.config.environment)
        return {"PATH": _PATH, "LANG": "C.UTF-8", **found, **own}

    def sender(self, job: Job) -> str:
        return self._address(job.sender) if job.sender else self.config.null_sender

    def _filled(self, argument: str, job: Job, recipient: JobRecipient) -> str:
        return commands.filled(argument, lambda word: self._value(word, job, recipient))

    def _value(self, word: str, job: Job, recipient: JobRecipient) -> str:
        origin = job.origin
        match word:
            case "recipient":
                return self._folded(recipient.address)
            case "original_recipient":
                return self._folded(original(recipient))
            case "sender":
                return self.sender(job)
            case "nexthop":
                return job.nexthop.lower() if "h" in self.config.flags else job.nexthop
            case "queue_id":
                return ids.text(job.queue_id)
            case "size":
                return str(job.content.size)
            case "envid":
                return _harmless(job.parameters.envid or "")
            case "client_address":
                return origin.client
            case "client_helo":
                return origin.helo
            case "client_hostname":
                return origin.name or "unknown"
            case "client_protocol":
                return origin.protocol
            case "sasl_username":
                return origin.login
        local, at, domain = recipient.address.rpartition("@")
        if not at:
            local, domain = domain, ""
        local, domain = self._local(addresses.unquote(local)), self._domain(domain)
        user, detail = addresses.without_detail(local, self.delimiter)
        return {"mailbox": local, "user": user, "extension": detail or "", "domain": domain}[word]

    def _folded(self, address: str) -> str:
        local, at, domain = self._address(address).rpartition("@")
        return f"{self._local(local)}{at}{self._domain(domain)}"

    def _address(self, address: str) -> str:
        """Quotes are only for who asked for them (flag q)."""
        local, at, domain = address.rpartition("@")
        return address if "q" in self.config.flags else f"{addresses.unquote(local)}{at}{domain}"

    def _local(self, local: str) -> str:
        return local.lower() if "u" in self.config.flags else local

    def _domain(self, domain: str) -> str:
        return domain.lower() if "h" in self.config.flags else domain


def original(recipient: JobRecipient) -> str:
    """The address as the sender gave it: before aliases, or as he said himself (RFC 3461)."""
    kind, found, text = (recipient.orcpt or "").partition(";")
    if found and kind.lower() in ("rfc822", "utf-8"):
        return "".join(char if char.isprintable() else "?" for char in text)
    return steps.plain(recipient.path[0]) if recipient.path else recipient.address


def _harmless(text: str) -> str:
    """As local(8): a shell that reads its environment shall find nothing to do in it."""
    return "".join(char if char.isalnum() or char in _SAFE else "_" for char in text)
