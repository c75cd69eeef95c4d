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
