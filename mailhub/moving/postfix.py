"""From main.cf and master.cf to our options: what is taken, adapted, refused, and why. Pure: who calls reads the files.

Adding a setting: a row in `SAME`, or a function in `_SPECIAL`. A setting in none of the tables is refused: nothing is dropped in silence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from mailhub.config import dnsbl, lookup

from .draft import Draft, Row, What
from .main_cf import Expansion, Malformed, Service, Value, listed
from .postfix_tables import DEFAULTS, REASONS, SAME, UNNEEDED
from .postfix_values import (
    KINDS,
    RBL,
    Refused,
    duration,
    inverse,
    is_address,
    known_restrictions,
    lookup_tables,
    number,
)


class Postfix:
    """`files`: the texts of the tables that main.cf names, by path ("" where one can not be read)."""

    def __init__(self, draft: Draft, main: Mapping[str, Value], services: Sequence[Service]) -> None:
        self.draft, self._main, self._services = draft, main, services
        self._texts = {name: value.text for name, value in main.items()}
        self.expansion = Expansion(self._texts, DEFAULTS)

    def run(self) -> None:
        for name, value in self._main.items():
            self._setting(name, value)
        self._doors()
        for service in self._services:
            self._service(service)
        if not self.draft.options.get("aliases", {}).get("local_domains"):
            self._without_local_domains()

    def _without_local_domains(self) -> None:
        """Nobody asks alias_maps then. Ours, without local_domains, would be asked for all of `domains`."""
        self.draft.drop("aliases.local_domains")
        self.draft.drop("aliases.alias_maps")
        for row in self.draft.rows:
            if row.name == "alias_maps":
                row.what, row.option, row.why = (
                    "unneeded",
                    "",
                    "mydestination has no domain with a dot: none of them has aliases",
                )
                self.draft.todo.append(
                    f"alias_maps = {row.value}: mail of this host to root and others goes nowhere; add aliases to a domain"
                )

    def value(self, name: str) -> str:
        return self.expansion.of(name).strip()

    # --- main.cf ---------------------------------------------------------------------------------------------------

    def _setting(self, name: str, value: Value) -> None:
        what: What = "taken"
        option = why = ""
        try:
            text = self.value(name)
            if name in _SPECIAL:
                what, option, why = _SPECIAL[name](self, text)
            elif name in SAME:
                option, kind = SAME[name]
                made, why = KINDS[kind](text)
                what = "adapted" if why else "taken"
                self.draft.put(option, made)
            elif name in UNNEEDED or name.startswith(("debug_", "postscreen_cache", "daemon_", "data_")):
                what, why = "unneeded", "of Postfix's own files and processes"
            else:
                what, why = "refused", REASONS.get(name, "there is no such option here")
        except (Refused, Malformed, lookup.Malformed, dnsbl.Malformed, ValueError) as error:
            what, option, why = "refused", "", str(error)
        self.draft.rows.append(Row("main.cf", value.line, name, value.text, what, option, why))

    # --- master.cf -------------------------------------------------------------------------------------------------

    def _doors(self) -> None:
        """Listeners are written anew: for each smtpd of master.cf."""
        self.draft.options["listener"] = []

    def _service(self, service: Service) -> None:
        row = Row("master.cf", service.line, f"{service.name}/{service.type}", service.command, "unneeded", "", "")
        overridden = ", ".join(f"{name}={value}" for name, value in service.overrides.items())
        row.value = " ".join(filter(None, (service.command, *service.arguments, overridden)))
        try:
            row.what, row.option, row.why = self._made_of(service)
        except (Refused, Malformed, lookup.Malformed, ValueError) as error:
            row.what, row.why = "refused", str(error)
            self.draft.todo.append(f"master.cf, line {service.line}: {error}")
        self.draft.rows.append(row)

    def _made_of(self, service: Service) -> tuple[What, str, str]:
        if service.command in ("smtpd", "postscreen") and service.type == "inet":
            return self._door(service)
        if service.command == "smtpd" and service.type == "pass":
            return "unneeded", "", "behind postscreen: one listener does both"
        if service.command == "pipe":
            return self._pipe(service)
        if service.command in ("smtp", "lmtp", "relay") and service.name not in ("smtp", "lmtp", "relay"):
            option = f"transport.{_word(service.name)}"
            self.draft.put(f"{option}.protocol", "lmtp" if service.command == "lmtp" else "smtp")
            return "adapted", option, "its settings stay those of [relay]" if service.overrides else ""
        if service.overrides:
            return "refused", "", "settings of one service of Postfix have nothing like them here"
        return "unneeded", "", "a process of Postfix's own"

    def _door(self, service: Service) -> tuple[What, str, str]:
        host, _, port = service.name.rpartition(":")
        at = {"smtp": 25, "submission": 587, "smtps": 465, "submissions": 465}.get(port) or number(port)[0]
        said = Expansion({**self._texts, **service.overrides}, DEFAULTS)
        wrapped = said.of("smtpd_tls_wrappermode") == "yes"
        level = said.of("smtpd_tls_security_level")
        signed = at in (465, 587) or (said.of("smtpd_sasl_auth_enable") == "yes" and at != 25)
        door: dict[str, object] = {
            "protocol": "submission" if signed else "smtp",
            "port": at,
            "tls": "implicit" if wrapped else "starttls" if level in ("may", "encrypt") or signed else "none",
        }
        own, left = self._overrides(service, said)
        if own:
            door["smtp"] = own
        for address in [host.strip("[]")] if host else self._addresses():
            self.draft.options["listener"].append({"address": address, **door})
        if level == "encrypt" and not wrapped:
            left.append(
                "STARTTLS is offered and not demanded; passwords are taken only over TLS (auth.allow_plaintext)"
            )
        if service.command == "postscreen":
            left.append("what postscreen does is [limits], [dnsbl] and smtp.greet_pause here")
        return "adapted" if left or service.overrides else "taken", "listener", "; ".join(left)

    def _overrides(self, service: Service, said: Expansion) -> tuple[dict[str, object], list[str]]:
        """[listener.smtp] of one door, and what of its -o has no place there."""
        own: dict[str, object] = {}
        left = []
        for name in service.overrides:
            if name in (
                "smtpd_tls_wrappermode",
                "smtpd_tls_security_level",
                "smtpd_sasl_auth_enable",
                "syslog_name",
                "smtpd_tls_auth_only",
            ):
                continue
            option, kind = SAME.get(name, ("", ""))
            if name.startswith("smtpd_") and name.endswith("_restrictions"):
                option, kind = f"smtp.{name.removeprefix('smtpd_')}", "restrictions"
            if not option.startswith("smtp."):
                left.append(f"{name}: not by door")
                continue
            try:
                own[option.removeprefix("smtp.")] = KINDS[kind](said.of(name).strip())[0]
            except (ValueError, lookup.Malformed) as error:
                left.append(f"{name}: {error}")
        return own, left

    def _addresses(self) -> list[str]:
        """inet_interfaces; of all of them one address speaks for all, IPv4 where that alone is wanted."""
        wanted = self.value("inet_interfaces")
        if wanted in ("all", ""):
            return ["0.0.0.0"] if self.value("inet_protocols") == "ipv4" else ["::"]
        names = ["127.0.0.1" if name in ("loopback-only", "localhost") else name.strip("[]") for name in listed(wanted)]
        return [name for name in dict.fromkeys(names) if is_address(name)] or ["127.0.0.1"]

    def _pipe(self, service: Service) -> tuple[What, str, str]:
        words = dict(word.partition("=")[::2] for word in service.arguments if "=" in word)
        at = next((n for n, word in enumerate(service.arguments) if word.startswith("argv=")), -1)
        if at < 0:
            return "refused", "", "a pipe service without argv="
        name = _word(service.name)
        command = [service.arguments[at].removeprefix("argv="), *service.arguments[at + 1 :]]
        transport: dict[str, object] = {"protocol": "pipe", "command": [word for word in command if word]}
        for key, option in (
            ("user", "user"),
            ("flags", "flags"),
            ("null_sender", "null_sender"),
            ("directory", "directory"),
        ):
            if key in words:
                transport[option] = words[key]
        self.draft.put(f"transport.{name}", transport)
        used = service.name in self.value("virtual_transport") or service.name in self.value("mailbox_transport")
        return (
            "taken",
            f"transport.{name}",
            "" if not used else "mail for our accounts goes to their Maildirs, by Sieve",
        )


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


# --- settings that are more than one value --------------------------------------------------------------------------

Special = Callable[[Postfix, str], tuple[What, str, str]]


def _virtual_domains(postfix: Postfix, text: str) -> tuple[What, str, str]:
    """Names are ours; tables are the directory's business."""
    words = listed(text)
    postfix.draft.extend("domains", [word for word in words if ":" not in word])
    tables = [word for word in words if ":" in word]
    if not tables:
        return "taken", "domains", ""
    if all("mysql:" in word for word in tables):
        return "adapted", "directory", "asked by the directory (see its queries)"
    todo = f"add the domains of {' '.join(tables)}: mailhub domain add NAME, for each"
    postfix.draft.todo.append(todo)
    return "adapted", "domains", "the domains of a table are added by hand (see what is to be done)"


def _virtual_mailboxes(postfix: Postfix, text: str) -> tuple[What, str, str]:
    if "mysql:" in text:
        return "adapted", "directory", "asked by the directory (see its queries)"
    postfix.draft.todo.append(f"make the accounts of {text}: mailhub user add NAME, for each")
    return "adapted", "", "accounts are added by hand, or found by Dovecot's passdb (see what is to be done)"


def _destination(postfix: Postfix, text: str) -> tuple[What, str, str]:
    names = [word for word in listed(text) if ":" not in word]
    names = [name for name in dict.fromkeys(names) if "." in name.strip(".")]
    postfix.draft.extend("domains", names)
    postfix.draft.put("aliases.local_domains", names)
    if not names:
        return "adapted", "", "no domain with a dot is in it: there are no users of the system"
    postfix.draft.put("local.system_users", True)
    return (
        "adapted",
        "aliases.local_domains, domains, local.system_users",
        "names without a dot, and tables, are left out",
    )


def _transport(option: str) -> Special:
    """Who gets the mail of accounts. Dovecot's LMTP and delivery of this host are what mailhub does itself."""

    def put(postfix: Postfix, text: str) -> tuple[What, str, str]:
        kind, _, nexthop = text.partition(":")
        host = nexthop.removeprefix("inet:").rpartition(":")[0].strip("[]") or nexthop.removeprefix("inet:").strip("[]")
        far = kind in ("lmtp", "smtp", "relay") and not nexthop.startswith("unix:")
        if not far or host in ("", "localhost", "127.0.0.1", "::1"):
            return "unneeded", "", "mail for our accounts goes to their Maildirs, by Sieve"
        if option:
            postfix.draft.put(option, text)
            return "taken", option, ""
        why = f"mail for these accounts goes to {host}: it would stay here"
        postfix.draft.todo.append(
            f"{text}: {why}; name the domains in relay_domains with a route instead (transport_maps)"
        )
        raise Refused(why)

    return put


def _delimiter(postfix: Postfix, text: str) -> tuple[What, str, str]:
    postfix.draft.put("delivery.recipient_delimiter", text[:1])
    return ("taken", "delivery.recipient_delimiter", "") if len(text) < 2 else (
        "adapted", "delivery.recipient_delimiter", "one sign only"
    )  # fmt: skip


def _size(option: str) -> Special:
    def put(postfix: Postfix, text: str) -> tuple[What, str, str]:
        size = number(text)[0]
        if not size:
            raise Refused("without a limit: there has to be one here")
        postfix.draft.put(option, size)
        return "taken", option, ""

    return put


def _retry(postfix: Postfix, text: str) -> tuple[What, str, str]:
    """Postfix doubles the time between its two limits; so does the ladder."""
    first, last = (
        int(str(duration("s")(postfix.value(name))[0])) for name in ("minimal_backoff_time", "maximal_backoff_time")
    )
    ladder = [first]
    while ladder[-1] * 2 < last and len(ladder) < 50:
        ladder.append(ladder[-1] * 2)
    postfix.draft.put("queue.retry", [*ladder, max(first, last)])
    return "adapted", "queue.retry", "as a ladder from the shortest to the longest time"


def _sasl(postfix: Postfix, text: str) -> tuple[What, str, str]:
    if postfix.value("smtpd_sasl_type") != "dovecot":
        return "adapted", "auth.providers", "see auth.providers for saslauthd"
    return "unneeded", "", "mailhub signs in by itself, as Dovecot does"


def _dnsbl(postfix: Postfix, text: str) -> tuple[What, str, str]:
    sites = listed(text)
    for site in sites:
        dnsbl.site(site)
    postfix.draft.put("dnsbl.sites", sites)
    return "adapted", "dnsbl.sites", "the weights are added to the score of [filter]"


def _certificate(option: str) -> Special:
    def put(postfix: Postfix, text: str) -> tuple[What, str, str]:
        if not text or text == "none":
            return "unneeded", "", "no certificate"
        postfix.draft.put(option, text)
        return "taken", option, ""

    return put


def _chain(postfix: Postfix, text: str) -> tuple[What, str, str]:
    if not listed(text):
        return "unneeded", "", "no certificate"
    file = listed(text)[0]
    postfix.draft.put("tls.certificate", file)
    postfix.draft.put("tls.key", file)
    return "adapted", "tls.certificate, tls.key", "the first file, which has to hold both"


def _interfaces(postfix: Postfix, text: str) -> tuple[What, str, str]:
    known = ("all", "loopback-only", "localhost")
    names = [name for name in listed(text) if name not in known and not is_address(name.strip("[]"))]
    if names:
        postfix.draft.todo.append(f"inet_interfaces: add a listener for the address of {', '.join(names)}")
    return "adapted", "listener.address", "the address of each listener"


def _protocols(postfix: Postfix, text: str) -> tuple[What, str, str]:
    postfix.draft.put("relay.ipv6", text in ("all", "") or "ipv6" in listed(text))
    return "taken", "relay.ipv6, listener.address", ""


def _restriction_list(name: str) -> Special:
    option = f"smtp.{name.removeprefix('smtpd_')}"

    def put(postfix: Postfix, text: str) -> tuple[What, str, str]:
        made, why = known_restrictions(text)
        if made:
            postfix.draft.put(option, made)
        words = [word for word in listed(text) if word]
        if why:
            postfix.draft.todo.append(f"{name}: {why}; see that no more is let in than before")
        for word, site in pairwise(words):
            if (weight := RBL.get(word.lower())) is not None:
                postfix.draft.extend("dnsbl.sites", [f"{site}*{weight}"])
        return "adapted" if why else "taken", option, why

    return put


def _outgoing_sasl(postfix: Postfix, text: str) -> tuple[What, str, str]:
    return "adapted", "relay.passwords", "signs in where relay.passwords has a password for the host"


def _logins(postfix: Postfix, text: str) -> tuple[What, str, str]:
    made, why = lookup_tables(text)
    postfix.draft.put("smtp.sender_login", made)
    return "taken", "smtp.sender_login", why


def _tls_auth_only(postfix: Postfix, text: str) -> tuple[What, str, str]:
    postfix.draft.put("auth.allow_plaintext", inverse(text)[0])
    return "taken", "auth.allow_plaintext", ""


def _hello(postfix: Postfix, text: str) -> tuple[What, str, str]:
    return "unneeded", "", "HELO or EHLO is always asked for"


def _server_tls(postfix: Postfix, text: str) -> tuple[What, str, str]:
    return "adapted", "listener.tls", "of each listener"


_SPECIAL: Mapping[str, Special] = {
    "virtual_mailbox_domains": _virtual_domains, "virtual_alias_domains": _virtual_domains,
    "virtual_mailbox_maps": _virtual_mailboxes, "mydestination": _destination, "recipient_delimiter": _delimiter,
    "message_size_limit": _size("smtp.message_size_limit"), "minimal_backoff_time": _retry, "maximal_backoff_time": _retry,
    "smtpd_helo_required": _hello, "virtual_transport": _transport(""), "mailbox_transport": _transport("local.mailbox_transport"), "local_transport": _transport(""),
    "smtpd_sasl_type": _sasl, "smtpd_sasl_path": _sasl, "postscreen_dnsbl_sites": _dnsbl,
    "smtpd_tls_cert_file": _certificate("tls.certificate"), "smtpd_tls_key_file": _certificate("tls.key"),
    "smtpd_tls_chain_files": _chain, "inet_interfaces": _interfaces, "inet_protocols": _protocols,
    "smtp_sasl_auth_enable": _outgoing_sasl, "smtpd_sender_login_maps": _logins, "smtpd_tls_auth_only": _tls_auth_only,
    "smtpd_tls_security_level": _server_tls, "smtpd_use_tls": _server_tls, "smtpd_sasl_auth_enable": _sasl,
    **{name: _restriction_list(name) for name in (
        "smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions",
        "smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions",
    )},
}  # fmt: skip
HANDLED = frozenset(_SPECIAL) | frozenset(SAME)
