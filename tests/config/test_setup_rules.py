"""[setup]: what would make a zone that is none is told before it is printed."""

import pytest

from mailhub.config.load import ConfigError, parse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('addresses = ["example.org"]', "setup.addresses[1]"),
        ('addresses = ["0.0.0.0"]', "setup.addresses[1]"),
        ('mx = ["a b"]', "setup.mx[1]"),
        ('probes = ["ex\\nample.org"]', "setup.probes[1]"),
        ('spf = ["-all"]', "setup.spf[1]"),
        ('spf = ["include:a.test mx"]', "setup.spf[1]"),
        ('spf = ["include:a\\".test"]', "setup.spf[1]"),
        ('reports = "a@b@c"', "setup.reports"),
        ('reports = "a;p=none"', "setup.reports"),
        ("ports = { nowhere = 25 }", "setup.ports.nowhere"),
        ('mta_sts = "on"', "setup.mta_sts"),
    ],
)
def test_what_is_impossible_is_named(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", "\\[")):
        parse(f"[setup]\n{text}\n")


def test_what_is_possible_is_taken() -> None:
    made = parse(
        '[setup]\nspf = ["include:_spf.a.test", "?ip6:2001:db8::/32"]\nports = { smtp = 25 }\nreports = "x@y.test"\n'
    )
    assert made.setup.ports == {"smtp": 25}


WEB = '[[listener]]\nprotocol = "http"\ntls = "none"\n'
ASKED = '[tls.acme]\ndirectory = "https://ca.test/dir"\nagree_terms = true\n'
MAIL = '[[listener]]\nprotocol = "smtp"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ASKED + MAIL, "no listener that speaks HTTP"),
        (ASKED.replace("true", "false") + WEB, "tls.acme.agree_terms"),
        (ASKED.replace("https:", "http:") + WEB, "tls.acme.directory"),
        (ASKED + 'names = ["*.a.test"]\n' + WEB, "tls.acme.names[1]"),
        (ASKED + 'names = ["../a"]\n' + WEB, "tls.acme.names[1]"),
        (ASKED + 'contact = ["me"]\n' + WEB, "tls.acme.contact[1]"),
    ],
)
def test_certificates_that_could_not_be_had(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", "\\[").replace("*", "\\*")):
        parse(text)


def test_certificates_are_asked_for_by_names_of_domains() -> None:
    assert parse(ASKED + 'names = ["mta-sts.%d", "mail.a.test"]\n' + WEB).tls.acme.names[0] == "mta-sts.%d"


def test_wildcards_need_a_program_for_dns() -> None:
    """Which needs no listener for the authority."""
    made = parse(ASKED + 'names = ["*.%d", "*.a.test"]\ndns_command = ["/etc/mailhub/acme-dns"]\n')
    assert made.tls.acme.dns_command == ("/etc/mailhub/acme-dns",)
