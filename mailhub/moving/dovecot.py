"""From dovecot.conf to our options: what is taken, adapted, refused, and why. Pure: who calls reads the files."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from .dovecot_conf import Section
from .draft import Draft, Row, What
from .main_cf import Malformed, Value, logical_lines

_SIZES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_VARIABLES = {"%d": "%d", "%n": "%n", "%u": "%u", "%Ld": "%d", "%Ln": "%n", "%Lu": "%u", "%{domain}": "%d", "%{username}": "%n", "%{user}": "%u",
              "%{user|domain}": "%d", "%{user | domain}": "%d", "%{user|username}": "%n", "%{user | username}": "%n"}  # fmt: skip
_PORTS = {"imap": 143, "imaps": 993, "pop3": 110, "pop3s": 995, "sieve": 4190}
_POSTFIXADMIN = re.compile(r"\bfrom\s+mailbox\b", re.IGNORECASE)
UNNEEDED = (
    "base_dir", "state_dir", "log_path", "info_log_path", "debug_log_path", "syslog_facility", "log_timestamp", "login_greeting", "login_trusted_networks",
    "mail_access_groups", "mail_privileged_group", "mail_plugins", "mail_plugin_dir", "first_valid_uid", "last_valid_uid", "first_valid_gid",
    "last_valid_gid", "ssl_dh", "ssl_client_ca_dir", "ssl_client_ca_file", "ssl_cipher_list", "ssl_prefer_server_ciphers", "auth_verbose", "auth_debug", "mail_debug",
    "auth_worker_max_count", "dict", "maildir_stat_dirs", "maildir_copy_with_hardlinks", "mmap_disable", "mail_fsync", "mail_nfs_storage", "mail_nfs_index",
    "protocol", "listen", "shutdown_clients", "verbose_proctitle", "dovecot_config_version", "dovecot_storage_version", "lmtp_save_to_detail_mailbox",
    "postmaster_address", "hostname", "auth_username_chars", "auth_username_format", "mail_max_userip_connections", "namespace", "service", "plugin_dir",
    "auth_cache_size", "auth_cache_ttl", "auth_cache_negative_ttl", "userdb", "recipient_delimiter", "lda_mailbox_autocreate", "lda_mailbox_autosubscribe",
)  # fmt: skip


class Dovecot:
    """`texts`: the files that passdb, userdb and settings name, by path. `rows` name settings as "passdb/driver"."""

    def __init__(self, draft: Draft, root: Section, texts: Mapping[str, str]) -> None:
        self.draft, self._root, self._texts = draft, root, texts
        self._known: set[str] = set()

    def run(self) -> None:
        for name, value in self._root.settings.items():
            if name in _SETTINGS:
                self._told(name, value, partial(_SETTINGS[name], self))
        self._doors()
        for section in self._root.all("passdb"):
            self._passdb(section)
        for section in self._root.all("plugin"):
            for name, value in section.settings.items():
                self._plugin(name, value)
        for name, value in self._root.walk():
            if name not in self._known:
                unneeded = name.split("/")[0].split(" ")[0] in UNNEEDED
                why = "of Dovecot's own files and processes" if unneeded else "there is no such option here"
                self.draft.rows.append(
                    Row("dovecot.conf", value.line, name, value.text, "unneeded" if unneeded else "refused", "", why)
                )

    def _told(self, name: str, value: Value, put: Callable[[str], tuple[What, str, str]]) -> None:
        try:
            what, option, why = put(value.text)
        except (ValueError, Malformed) as error:
            what, option, why = "refused", "", str(error)
        self._known.add(name)
        self.draft.rows.append(Row("dovecot.conf", value.line, name, value.text, what, option, why))

    def said(self, name: str) -> str:
        """A setting of the top level."""
        return self._root.get(name)

    # --- doors -----------------------------------------------------------------------------------------------------

    def _doors(self) -> None:
        """A listener for each port of the protocols that are served; where a service says nothing, Dovecot's own."""
        protocols = self._root.get("protocols", "imap pop3 lmtp").split()
        tls = self._root.get("ssl", "yes")
        listeners = self.draft.options.setdefault("listener", [])
        for protocol in protocols:
            kind = {"imap": "imap", "pop3": "pop3", "sieve": "managesieve"}.get(protocol)
            if kind is None:
                continue
            for name, port in self._ports(protocol).items():
                secure = name.endswith("s") and name != protocol
                if port and (tls != "no" or not secure):
                    mode = "implicit" if secure else "none" if tls == "no" else "starttls"
                    listeners.append({"protocol": kind, "address": self._address(), "port": port, "tls": mode})

    def _ports(self, protocol: str) -> dict[str, int]:
        names = ("imap", "imaps") if protocol == "imap" else ("pop3", "pop3s") if protocol == "pop3" else ("sieve",)
        found = {name: _PORTS[name] for name in names}
        service = "managesieve-login" if protocol == "sieve" else f"{protocol}-login"
        for section in self._root.all("service"):
            if section.name == service:
                for door in section.all("inet_listener"):
                    if door.name in found and door.get("port").isdigit():
                        found[door.name] = int(door.get("port"))
                        self._known.add(f"service {service}/inet_listener {door.name}/port")
                        self.draft.rows.append(
                            Row(
                                "dovecot.conf",
                                door.line,
                                f"service {service}/{door.name}/port",
                                door.get("port"),
                                "taken",
                                "listener",
                            )
                        )
        return found

    def _address(self) -> str:
        listen = re.split(r"[ ,]+", self._root.get("listen", "*, ::"))
        if "::" in listen:
            return "::"
        return "0.0.0.0" if "*" in listen else listen[0]

    # --- who may sign in -------------------------------------------------------------------------------------------

    def _passdb(self, section: Section) -> None:
        driver = section.get("driver")
        row = Row("dovecot.conf", section.line, f"passdb/{driver}", section.get("args"), "refused")
        self._known.update(f"passdb/{name}" for name in section.settings)
        if driver == "sql":
            row.what, row.option, row.why = self._sql(section.get("args"))
        elif driver == "passwd-file":
            file = section.get("args").split()[-1] if section.get("args") else ""
            if file and "%" not in file:
                self.draft.extend("auth.providers", ["directory", f"passwd-file:{file}"])
                self.draft.put("auth.create_accounts", True)
                row.what, row.option = "adapted", "auth.providers, auth.create_accounts"
                row.why = "an account is made at its first login; make those that get mail before: mailhub user add"
            else:
                row.why = "a password file by user or domain has nothing like it here"
        elif driver in ("pam", "shadow", "passwd"):
            row.why = "passwords of the system: run saslauthd, and name its socket in auth.providers"
        elif driver == "ldap":
            row.why = "there is no LDAP: run saslauthd beside it, and name its socket in auth.providers"
        else:
            row.why = f"there is nothing like {driver} here"
        self.draft.rows.append(row)

    def _sql(self, file: str) -> tuple[What, str, str]:
        """A file for the sql driver (dovecot-sql.conf.ext)."""
        text = self._texts.get(file)
        if text is None:
            return "refused", "", f"{file}: can not be read"
        try:
            said = dict(_pairs(text))
        except Malformed as error:
            return "refused", "", f"{file}: {error}"
        if said.get("driver") != "mysql":
            return "refused", "", f"{file}: driver {said.get('driver', '')!r}; MySQL and MariaDB alone are asked"
        connect = dict(word.partition("=")[::2] for word in said.get("connect", "").split())
        host = connect.get("host", "localhost")
        draft = self.draft
        draft.put("directory.kind", "mysql")
        draft.put(
            "directory.hosts",
            [f"unix:{host}" if host.startswith("/") else f"inet:{host}:{connect.get('port', '3306')}"],
        )
        draft.put("directory.database", connect.get("dbname", ""))
        draft.put("directory.user", connect.get("user", ""))
        draft.put("directory.password_scheme", said.get("default_pass_scheme", "CRYPT"))
        if "password" in connect:
            draft.options.setdefault("secrets", {})["directory.password_file"] = connect["password"]
        query = said.get("password_query", "")
        if _POSTFIXADMIN.search(query):
            draft.put("directory.schema", "postfixadmin")
            return "adapted", "directory", f"{file}: PostfixAdmin's tables, read as they are"
        draft.put("directory.schema", "queries")
        draft.put("directory.password_query", query)
        draft.put("directory.user_query", said.get("user_query", ""))
        return "adapted", "directory", f"{file}: by its queries"

    # --- plugins ---------------------------------------------------------------------------------------------------

    def _plugin(self, name: str, value: Value) -> None:
        def put(text: str) -> tuple[What, str, str]:
            if name == "quota_rule" and (
                found := re.fullmatch(r"\*:storage=(\d+)([bkmgt]?)(?:b?)", text.strip().lower())
            ):
                self.draft.put("mailbox.quota_storage", int(found[1]) * _SIZES[found[2]])
                return "taken", "mailbox.quota_storage", ""
            if name in ("sieve_before", "sieve_after"):
                self.draft.extend(f"sieve.{name.removeprefix('sieve_')}", [text])
                return "taken", f"sieve.{name.removeprefix('sieve_')}", ""
            if name == "sieve_global":
                self.draft.put("sieve.global_folder", text)
                return "taken", "sieve.global_folder", ""
            if name in ("sieve", "sieve_dir"):
                self.draft.todo.append(
                    f"hand over each account's script, which lies at {text}: mailhub sieve put ACCOUNT NAME FILE, mailhub sieve activate ACCOUNT NAME"
                )
                return "adapted", "", "scripts are kept in the store: put each there (see what is to be done)"
            if name in (
                "quota",
                "acl",
                "sieve_extensions",
                "sieve_plugins",
                "fts",
                "mail_log_events",
                "mail_log_fields",
            ):
                return "unneeded", "", "built in"
            raise ValueError("there is no such option here")

        self._told(f"plugin/{name}", value, put)


def _pairs(text: str) -> "list[tuple[str, str]]":
    """Settings of a dovecot-sql.conf.ext; a backslash at its end joins a line to the next."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = []
    for _, line in logical_lines(joined):
        name, equals, value = line.partition("=")
        if equals:
            found.append((name.strip(), value.strip()))
    return found


def _location(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    """mail_location: Maildirs alone; `%d`, `%n`, `%u` in the path."""
    kind, _, rest = text.partition(":")
    if kind != "maildir":
        raise ValueError(
            f"mail in the form {kind!r}: Maildir alone is read; convert it by doveadm backup, or copy it by IMAP"
        )
    path = rest.partition(":")[0]
    for word, ours in _VARIABLES.items():
        path = path.replace(word, ours.replace("%", "\0"))
    if "~" in path or "%" in path:
        raise ValueError(f"{path.replace(chr(0), '%')}: a home has to be spelled out with %d, %n and %u")
    dovecot.draft.put("store.mail_location", path.replace("\0", "%").rstrip("/"))
    return "taken", "store.mail_location", ""


def _file(option: str) -> "Callable[[Dovecot, str], tuple[What, str, str]]":
    def put(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
        if not text.startswith("<"):
            raise ValueError("not the name of a file (<FILE)")
        dovecot.draft.put(option, text[1:].strip())
        return "taken", option, ""

    return put


def _mechanisms(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    dovecot.draft.put("auth.mechanisms", [word.upper() for word in text.split()])
    return "taken", "auth.mechanisms", ""


def _plaintext(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    dovecot.draft.put("auth.allow_plaintext", text == "no")
    return "taken", "auth.allow_plaintext", ""


def _realm(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    dovecot.draft.put("auth.default_domain", text)
    return "taken", "auth.default_domain", ""


def _minimum(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    if text not in ("TLSv1.2", "TLSv1.3"):
        return "adapted", "tls.minimum", "TLSv1.2 is the oldest that is spoken"
    dovecot.draft.put("tls.minimum", text)
    return "taken", "tls.minimum", ""


def _owner(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    user = dovecot.said("mail_uid") or text
    group = dovecot.said("mail_gid")
    dovecot.draft.put("user", f"{user}:{group}" if group else user)
    return "adapted", "user", "mailhub as a whole is that user"


def _protocols(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    return "taken", "listener", ""


def _tls(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    return "adapted", "listener.tls", "of each listener"


def _path(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    """mail_path of 2.4, beside mail_driver."""
    return _location(dovecot, f"{dovecot.said('mail_driver')}:{text}")


def _name(option: str) -> "Callable[[Dovecot, str], tuple[What, str, str]]":
    def put(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
        dovecot.draft.put(option, text)
        return "taken", option, ""

    return put


def _cleartext(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    dovecot.draft.put("auth.allow_plaintext", text == "yes")
    return "taken", "auth.allow_plaintext", ""


def _driver(dovecot: Dovecot, text: str) -> tuple[What, str, str]:
    return "unneeded", "", "see mail_path"


_SETTINGS: Mapping[str, Callable[[Dovecot, str], tuple[What, str, str]]] = {
    "mail_location": _location, "ssl_cert": _file("tls.certificate"), "ssl_key": _file("tls.key"), "auth_mechanisms": _mechanisms,
    "disable_plaintext_auth": _plaintext, "auth_default_realm": _realm, "ssl_min_protocol": _minimum, "mail_uid": _owner, "mail_gid": _owner,
    "protocols": _protocols, "ssl": _tls,
    # as 2.4 calls them
    "mail_path": _path, "mail_driver": _driver, "ssl_server_cert_file": _name("tls.certificate"), "ssl_server_key_file": _name("tls.key"),
    "auth_allow_cleartext": _cleartext,
}  # fmt: skip
HANDLED = frozenset(_SETTINGS)
