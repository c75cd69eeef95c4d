"""Domain names as DNS carries them."""

import pytest

from mailhub.net.names import ascii_name, people_name


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("example.org", "example.org"),
        ("Example.ORG.", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ＥＸＡＭＰＬＥ.org", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("x" * 63 + ".test", "x" * 63 + ".test"),
    ],
)
def test_a_name_as_it_is_asked_for(name: str, asked: str) -> None:
    assert ascii_name(name) == asked


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        ".a",
        "-a.test",
        "a-.test",
        "a b",
        "a/b",
        "a\\032b",
        "a\nb",
        "ü\x00",
        "ü b.test",
        "ü\u202e.test",
        "[192.0.2.1]",
        "x" * 64,
        "ü" * 64,
        ".".join(["x" * 60] * 5),
        "\ud800.test",
    ],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError):
        ascii_name(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("xn--bcher-kva.test", "bücher.test"),
        ("XN--Bcher-KVA.test.", "bücher.test"),
        ("plain.test", "plain.test"),
        ("xn--.test", "xn--.test"),
        ("xn--a-.test", "xn--a-.test"),
        ("xn--abc.test", "xn--abc.test"),  # decodes to nothing that would be written so
        ("xn--99999999999.test", "xn--99999999999.test"),
    ],
)
def test_names_for_people(name: str, shown: str) -> None:
    assert people_name(name) == shown
