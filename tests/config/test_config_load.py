"""What an operator is told about a config.toml that can not be used."""

import textwrap
from pathlib import Path

import msgspec
import pytest

from mailhub.config.lines import locate
from mailhub.config.load import ConfigError, load, parse
from mailhub.config.schema import Config, Listener


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(textwrap.dedent(text), "c.toml")
    return str(caught.value).split("\n")


def problem(text: str) -> str:
    (only,) = problems(text)
    return only


def test_an_empty_file_means_the_defaults() -> None:
    assert parse("") == Config()


def test_values_reach_their_section() -> None:
    config = parse('domains = ["a.org", "b.org"]\n[queue]\nretry = [60, 1.5]\n[[listener]]\nprotocol = "imap"\n')
    assert config.domains == ("a.org", "b.org")
    assert config.queue.retry == (60.0, 1.5)
    assert all(type(seconds) is float for seconds in config.queue.retry)
    assert config.listener == (Listener(protocol="imap"),)
    assert config.smtp == Config().smtp


def test_the_address_of_a_collector() -> None:
    assert parse('[trace]\notlp = "http://127.0.0.1:4318"\n').trace.otlp
    assert "trace.otlp" in problem('[trace]\notlp = "127.0.0.1:4318"\n')


def test_an_unknown_key_with_a_near_one() -> None:
    assert problem("\n[smtp]\nrecipent_limit = 3\n") == (
        'c.toml:3: smtp.recipent_limit: found an unknown key; allowed: "recipient_limit" (did you mean that?)'
    )


def test_an_unknown_key_with_none_near() -> None:
    assert problem("[tls_reports]\nzzz = 3\n").startswith(
        "c.toml:2: tls_reports.zzz: found an unknown key; allowed: contact, "
    )


def test_an_unknown_section() -> None:
    assert problem("[smpt]\n") == 'c.toml:1: smpt: found an unknown key; allowed: "smtp" (did you mean that?)'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("demo = 1", "demo: found 1; allowed: true or false"),
        (
            'auth.mechanisms = ["PLAIN", "TYPO"]',
            'auth.mechanisms[2]: found "TYPO"; allowed: "CRAM-MD5", "EXTERNAL", "LOGIN", "OAUTHBEARER", "PLAIN", "SCRAM-SHA-1", '
            '"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2"',
        ),
        ("hostname = 1", "hostname: found 1; allowed: text of 1 to 255 characters"),
        ('hostname = ""', 'hostname: found ""; allowed: text of 1 to 255 characters'),
        ("smtp = 3", "smtp: found 3; allowed: a table"),
        ('smtp.recipient_limit = "3"', 'smtp.recipient_limit: found "3"; allowed: a whole number from 1 to 1000000000'),
        ("smtp.recipient_limit = 0", "smtp.recipient_limit: found 0; allowed: a whole number from 1 to 1000000000"),
        (
            "smtp.recipient_limit = true",
            "smtp.recipient_limit: found true; allowed: a whole number from 1 to 1000000000",
        ),
        ("smtp.recipient_limit = 1.0", "smtp.recipient_limit: found 1.0; allowed: a whole number from 1 to 1000000000"),
        ("smtp.data_timeout = nan", "smtp.data_timeout: found nan; allowed: a number from 0 to 31622400"),
        ("smtp.data_timeout = -1", "smtp.data_timeout: found -1; allowed: a number from 0 to 31622400"),
        ("smtp.data_timeout = false", "smtp.data_timeout: found false; allowed: a number from 0 to 31622400"),
        ('log.level = "loud"', 'log.level: found "loud"; allowed: "debug", "error", "info", "warning"'),
        ('domains = "a.org"', 'domains: found "a.org"; allowed: a list, each element text'),
        ("domains = [1]", "domains[1]: found 1; allowed: text"),
        ("listener = [1]", "listener[1]: found 1; allowed: a table"),
        (
            "[[listener]]",
            'listener[1].protocol: found nothing; allowed: "auth", "http", "imap", "lmtp", "managesieve", "pop3", "smtp", "submission"',
        ),
        ("hostname = 2001-01-01", "hostname: found 2001-01-01; allowed: text of 1 to 255 characters"),
    ],
)
def test_a_wrong_type_or_bound(text: str, said: str) -> None:
    assert problem(text) == "c.toml:1: " + said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('hostname = "mail_1.example"', 'hostname: found "mail_1.example"; allowed: a host name in ASCII'),
        ('hostname = "ä.example"', 'hostname: found "ä.example"; allowed: a host name in ASCII'),
        ('domains = ["a b"]', 'domains[1]: found "a b"; allowed: a domain'),
        ('domains = ["a..b"]', 'domains[1]: found "a..b"; allowed: a domain'),
        ('domains = ["a\\nb"]', 'domains[1]: found "a\\nb"; allowed: a domain'),
        ('domains = ["a.org", "A.org"]', 'domains[2]: found "A.org" a second time; allowed: each domain once'),
        ('[arc]\ntrusted_sealers = ["@lists"]', 'arc.trusted_sealers[1]: found "@lists"; allowed'),
        ("domains = []\ndemo = true", "demo: found true with no domain; allowed"),
        (
            'smtp.mynetworks = ["::1", "10.0.0.1/8"]',
            'smtp.mynetworks[2]: found "10.0.0.1/8"; allowed: "10.0.0.0/8" (the',
        ),
        ('limits.allow = ["10.0.0.1/8"]', 'limits.allow[1]: found "10.0.0.1/8"; allowed: "10.0.0.0/8" (the'),
        ('dmarc_reports.contact = "the boss"', 'dmarc_reports.contact: found "the boss"; allowed: an address'),
        ('tls_reports.contact = "the boss"', 'tls_reports.contact: found "the boss"; allowed: an address'),
        (
            '[[mailbox.autoexpunge]]\nfolder = "Trash"',
            "mailbox.autoexpunge[1]: found neither age nor count; allowed: one of them",
        ),
        ('smtp.mynetworks = ["localhost"]', 'smtp.mynetworks[1]: found "localhost"; allowed: a network such as'),
        ('[transport.hold]\nprotocol = "smtp"', 'transport.hold: found "hold"; allowed: a word of letters'),
        ("[transport.x]", 'transport.x.protocol: found nothing; allowed: "lmtp", "pipe", "smtp"'),
        ('transport.x = {protocol = "pipe"}', 'transport.x.command: found ""; allowed: a program by its whole path'),
        (
            'transport.x = {protocol = "pipe", command = ["/bin/x", "$reciepient"]}',
            "transport.x.command[2]: found $reciepient; allowed: $client_address, ",
        ),
        (
            'transport.x = {protocol = "pipe", command = ["/bin/x"], flags = "DZ"}',
            'transport.x.flags: found "Z"; allowed: any of BDFORXhqu.>',
        ),
        (
            'transport.x = {protocol = "pipe", command = ["/bin/x"], flags = "O", recipient_limit = 2}',
            "transport.x.recipient_limit: found 2; allowed: 1 with",
        ),
        (
            'transport.x = {protocol = "smtp", command = ["/bin/x"]}',
            'transport.x.command: found "/bin/x"; allowed: none',
        ),
        ("transport = 3", "transport: found 3; allowed: a table of tables"),
        (
            '[transport.x]\nprotocol = "smtp"\n[transport.x.relay]\nport = 0',
            "transport.x.relay.port: found 0; allowed: a port",
        ),
        ('delivery.relayhost = "[host:587"', 'delivery.relayhost: found "[host:587"; allowed: "[host]", '),
        ('delivery.relayhost = "a b"', 'delivery.relayhost: found "a b"; allowed: "[host]", '),
        ('delivery.srs_domain = "a b"', 'delivery.srs_domain: found "a b"; allowed: a domain of ours'),
        ('delivery.default_transport = "uucp:x"', 'delivery.default_transport: found "uucp:x"; allowed: the name of'),
        ("queue.retry = []", "queue.retry: found an empty list; allowed: at least one waiting time"),
        (
            '[[queue.destination]]\ndomain = "a b"',
            'queue.destination[1].domain: found "a b"; allowed: a domain, such as "example.org" or ".example.org"',
        ),
        (
            '[[queue.destination]]\ndomain = "a.test"\n[[queue.destination]]\ndomain = "A.test"',
            'queue.destination[2].domain: found "A.test" a second time; allowed: each domain once',
        ),
        ("queue.retry = [5, 0]", "queue.retry[2]: found 0.0; allowed: at least 1 second"),
        ('delivery.recipient_delimiter = "a"', 'delivery.recipient_delimiter: found "a"; allowed: one sign'),
        ('mailbox.public_prefix = "a.b"', 'mailbox.public_prefix: found "a.b"; allowed: a folder name of one level'),
        (
            'mailbox.other_users_prefix = "%"',
            'mailbox.other_users_prefix: found "%"; allowed: a folder name of one level',
        ),
        ('mailbox.public_prefix = "Other Users"', "allowed: another name than other_users_prefix"),
        (
            'mailbox.public_account = "public"',
            'mailbox.public_account: found "public"; allowed: an account in lower case',
        ),
        ('delivery.recipient_delimiter = "@"', 'delivery.recipient_delimiter: found "@"; allowed: one sign'),
        ('relay.source_ipv4 = "::1"', 'relay.source_ipv4: found "::1"; allowed: an IPv4 address'),
        ('relay.source_ipv6 = "mx"', 'relay.source_ipv6: found "mx"; allowed: an IPv6 address'),
        ("relay.port = 0", "relay.port: found 0; allowed: a port from 1 to 65535"),
        ('resolver.nameservers = ["ns.example:53"]', 'resolver.nameservers[1]: found "ns.example:53"; allowed'),
        ('resolver.nameservers = ["192.0.2.1:0"]', 'resolver.nameservers[1]: found "192.0.2.1:0"; allowed'),
        ('auth.default_domain = "a b"', 'auth.default_domain: found "a b"; allowed: a domain'),
        (
            'auth.providers = ["passwd-file"]',
            'auth.providers[1]: found "passwd-file"; allowed: "directory", or saslauthd',
        ),
        ('auth.providers = ["table:x:y"]', 'auth.providers[1]: found "x:y"; allowed: '),
        ('auth.oauth.introspection = "https://a/"', "auth.oauth.introspection_client: found nothing; allowed: a value"),
        (
            '[auth.oauth]\njwks = "ftp://a/"\nissuer = "x"\naudience = ["y"]',
            'auth.oauth.jwks: found "ftp://a/"; allowed: a URL such as',
        ),
        (
            '[auth.oauth]\njwks = "https://u:p@a/"\nissuer = "x"\naudience = ["y"]',
            'auth.oauth.jwks: found "https://u:p@a/"; allowed: a URL such as',
        ),
        (
            '[auth.oauth]\njwks = "k"\nissuer = "x"',
            "auth.oauth.audience: found nothing; allowed: a value, where `jwks`",
        ),
        ('[auth.oauth]\njwks = "k"\naudience = ["x"]', "auth.oauth.issuer: found nothing; allowed: a value"),
        ('auth.oauth.algorithms = ["HS256"]', 'auth.oauth.algorithms[1]: found "HS256"; allowed: "ES256"'),
        ('[[listener]]\nprotocol = "auth"\ntls = "none"', "listener[1].path: found nothing; allowed: a unix socket"),
        ('[[listener]]\nprotocol = "auth"\npath = "a"', 'listener[1].tls: found "starttls"; allowed: "none"'),
        (
            'local.mail_spool_directory = "mail"',
            'local.mail_spool_directory: found "mail"; allowed: a folder by its whole path',
        ),
        (
            'local.home_mailbox = "../x"',
            'local.home_mailbox: found "../x"; allowed: "mbox", "Maildir/" or the like, below the home; or ""',
        ),
        (
            'local = { mailbox_command = "x", mailbox_transport = "y" }',
            'local.mailbox_transport: found "y"; allowed: "" where `mailbox_command` is set',
        ),
        ("local.file_timeout = 20.0", "local.file_timeout: found 20.0; allowed: more than `lock_timeout`"),
        (
            'user = "m"\ntransport.p = { protocol = "pipe", command = ["/p"], user = "n" }',
            'transport.p.user: found "n"; allowed: "m", who can not become another; or local.system_users = true, whose process can',
        ),
        (
            'user = "m"\naliases.alias_maps = "aliases:/etc/aliases"',
            'aliases.default_privs: found "nobody"; allowed: "m", who can not become another; or local.system_users = true, whose process can',
        ),
        ('tls.key = "k.pem"', "tls.certificate: found nothing; allowed: `certificate` and `key` together, or neither"),
    ],
)
def test_an_impossible_value(text: str, said: str) -> None:
    assert said in problem(text)


@pytest.mark.parametrize("server", ["192.0.2.1", "2001:db8::1", "192.0.2.1:5353", "[2001:db8::1]:53"])
def test_forms_of_a_name_server(server: str) -> None:
    assert parse(f'resolver.nameservers = ["{server}"]').resolver.nameservers == (server,)


def listeners(*addresses: tuple[str, int]) -> str:
    return "".join(
        f'[[listener]]\nprotocol = "smtp"\naddress = "{address}"\nport = {port}\n' for address, port in addresses
    )


@pytest.mark.parametrize(
    ("one", "other"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::"), ("::1", "0:0::1")]
)
def test_two_listeners_on_one_port(one: str, other: str) -> None:
    said = problem(listeners((one, 2525), (other, 2525)))
    assert said == (
        f"c.toml:8: listener[2].port: found 2525 a second time; allowed: a port that no other listener has on {one}"
    )


@pytest.mark.parametrize(
    ("one", "other", "port"), [("127.0.0.1", "127.0.0.2", 25), ("0.0.0.0", "::", 25), ("::1", "::1", 0)]
)
def test_listeners_that_do_not_meet(one: str, other: str, port: int) -> None:
    assert len(parse(listeners((one, port), (other, port))).listener) == 2


def test_a_listener_on_a_name() -> None:
    assert 'c.toml:3: listener[1].address: found "localhost"' in problem(listeners(("localhost", 25)))


def test_all_problems_are_told_in_the_order_of_their_lines() -> None:
    said = problems("[smtp]\nrecipient_limit = 0\n[log]\nlevel = 1\nlevle = 2\n")
    assert [line.split(": ")[0] for line in said] == ["c.toml:2", "c.toml:4", "c.toml:5"]


@pytest.mark.parametrize("host", ["[h.example]", "h.example:587", "[192.0.2.1]:26", "[2001:db8::1]:25", "[IPv6:::1]"])
def test_relayhosts(host: str) -> None:
    assert parse(f'delivery.relayhost = "{host}"').delivery.relayhost == host


def test_a_transport_has_the_keys_that_differ() -> None:
    text = '[relay]\nconnect_timeout = 7\n[transport.slow]\nprotocol = "smtp"\n[transport.slow.relay]\ndata_timeout = 3600\n'
    config = parse(text)
    assert config.transport["slow"].relay == msgspec.structs.replace(config.relay, data_timeout=3600.0)
    assert config.relay.connect_timeout == 7.0


def test_what_is_not_toml() -> None:
    assert problem("a = 1\nb = = 2\n") == "c.toml:2: found what is not TOML (invalid value); allowed: TOML 1.0"
    assert problem('a = "1').startswith("c.toml:1: found what is not TOML (")
    assert problem("a = 1\na = 2\n").startswith("c.toml:2: found what is not TOML (cannot overwrite a value")


def test_nesting_without_end() -> None:
    assert "found" in problem("a = " + "[" * 100_000)


def test_long_values_are_cut() -> None:
    assert len(problem(f'log.level = "{"x" * 5000}"')) < 250


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="found Is a directory; allowed: a file that can be read"):
        load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'# one\nhostname = "\xe4"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml:2: found octet 0xe4; allowed: text in UTF-8"):
        load(latin)


def test_paths_start_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "mailhub.toml"
    file.parent.mkdir()
    file.write_text('data = "../var"\ntls = { certificate = "c.pem", key = "/k.pem" }\n')
    config = load(file)
    assert config.data == str(tmp_path / "etc" / "../var")
    assert (config.tls.certificate, config.tls.key) == (str(tmp_path / "etc" / "c.pem"), "/k.pem")


def test_no_file_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load().data == str(tmp_path / "var")
    (tmp_path / "config.toml").write_text('hostname = "a.example"\n')
    assert load().hostname == "a.example"


def test_a_socket_without_a_folder_lies_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        '[[listener]]\nprotocol = "lmtp"\npath = "a"\n[[listener]]\nprotocol = "lmtp"\npath = "b/c"\n'
    )
    assert [door.path for door in load(tmp_path / "c.toml").listener] == ["a", f"{tmp_path}/b/c"]


def test_files_of_providers_and_issuers_lie_beside_the_config(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    providers = '["directory", "passwd-file:p", "dovecot:/run/d", "table:hash:t"]'
    oauth = 'jwks = "k.json"\nissuer = "i"\naudience = ["a"]\nintrospection = "https://a/i"\nintrospection_client = "c"'
    file.write_text(f"[auth]\nproviders = {providers}\n[auth.oauth]\n{oauth}\n")
    auth = load(file).auth
    here = str(tmp_path)
    assert auth.providers == ("directory", f"passwd-file:{here}/p", "dovecot:/run/d", f"table:hash:{here}/t")
    assert (auth.oauth.jwks, auth.oauth.introspection_client) == (f"{here}/k.json", f"{here}/c")
    file.write_text(f"[auth.oauth]\n{oauth.replace('k.json', 'https://a/k')}\n")
    assert load(file).auth.oauth.jwks == "https://a/k"


def written(config: Config) -> dict[str, object]:
    """Every key of a configuration, dotted, with its value."""
    keys: dict[str, object] = {}

    def walk(data: object, path: str) -> None:
        if isinstance(data, dict) and set(data) == {"sources"}:  # a lookup table
            keys[path] = data
        elif isinstance(data, dict):
            for key, value in data.items():
                walk(value, f"{path}.{key}")
        elif isinstance(data, tuple) and data and isinstance(data[0], dict):
            for n, value in enumerate(data):
                walk(value, f"{path}[{n}]")
        elif data is not None:  # a section that is not there
            keys[path] = data

    walk(msgspec.to_builtins(config), "")
    return keys


def test_config_toml_is_the_defaults_written_out() -> None:
    file = Path(__file__).parents[2] / "config.toml"
    text = file.read_text(encoding="utf-8")
    config = parse(text)
    assert {key for key, value in written(config).items() if value != written(Config())[key]} == {".demo"}
    assert config.demo is True
    lines = locate(text)
    spelled = {"".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path) for path in lines}
    assert set(written(Config())) - spelled == set()


def test_authorities_of_every_relay_are_found_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[relay]\ntls_ca = "ca.pem"\n[transport.strict]\nprotocol = "smtp"\n[transport.strict.relay]\ntls = "secure"\ntls_ca = "own.pem"\n'
    )
    config = load(file)
    assert config.relay.tls_ca == str(tmp_path / "ca.pem")
    strict = config.transport["strict"].relay
    assert strict is not None
    assert (strict.tls, strict.tls_ca) == ("secure", str(tmp_path / "own.pem"))
