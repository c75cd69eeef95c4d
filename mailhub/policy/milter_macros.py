"""The values of macros that milters are sent, by Sendmail's names as Postfix gives them (MILTER_README)."""

from collections.abc import Iterator, Mapping, Sequence

from mailhub.config import schema
from mailhub.model.address import domain_of

from .visit import Visit


class Macros:
    """Of one configuration of milters."""

    def __init__(self, config: schema.Smtp, hostname: str) -> None:
        self._config, self._hostname = config, hostname
        self._names = {
            "connect": config.milter_connect_macros, "helo": config.milter_helo_macros, "mail": config.milter_mail_macros,
            "rcpt": config.milter_rcpt_macros, "data": config.milter_data_macros,
            "end_of_header": config.milter_end_of_header_macros, "end_of_data": config.milter_end_of_data_macros,
        }  # fmt: skip
        self._defaults = {
            name.strip(): value.strip()
            for name, _, value in (text.partition("=") for text in config.milter_macro_defaults)
        }

    async def of(
        self, event: str, visit: Visit, chosen: Mapping[str, Sequence[str]], recipient: str = ""
    ) -> list[tuple[str, str]]:
        """Those that are sent with that event. `chosen`: what the filter itself wants."""
        names = chosen.get(event) or self._names[event]
        return [*self._valued(names, await self._known(visit, recipient))]

    def _valued(self, names: Sequence[str], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        for name in names:
            value = known.get(name.strip("{}")) or self._defaults.get(name.strip("{}")) or self._defaults.get(name)
            if value:
                yield name if len(name) == 1 or name.startswith("{") else f"{{{name}}}", value

    async def _known(self, visit: Visit, recipient: str) -> Mapping[str, str]:
        origin, caller, config = visit.origin, visit.caller, self._config
        name = await visit.name()
        protocol, cipher, bits = visit.tls
        shown = name.verified or "unknown"
        return {
            "j": self._hostname, "v": config.milter_macro_v, "i": visit.queue_id,
            "_": f"{shown} [{origin.client or 'unknown'}]",
            "daemon_name": config.milter_macro_daemon_name or self._hostname,
            "daemon_addr": caller.local[0], "daemon_port": str(caller.local[1] or ""),
            "client_addr": origin.client, "client_name": shown, "client_port": str(caller.port or ""),
            "client_ptr": name.reverse or "unknown",
            "client_resolve": "OK" if name.verified else "TEMP" if name.undecided else "FORGED" if name.reverse else "FAIL",
            "tls_version": protocol, "cipher": cipher, "cipher_bits": bits,
            "auth_type": caller.mechanism, "auth_authen": origin.login,
            "mail_addr": visit.sender or "", "mail_host": domain_of(visit.sender or ""), "mail_mailer": "smtp",
            "rcpt_addr": recipient, "rcpt_host": domain_of(recipient), "rcpt_mailer": "smtp" if recipient else "",
        }  # fmt: skip
