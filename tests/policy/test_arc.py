"""ARC: the chain validation suite of RFC 8617's authors, chains of dkimpy's making, and sealing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mailhub.mailbox.heavy import HeavyLane
from mailhub.message import arc, dkim
from mailhub.message.arc_sealing import made, results_of, status_of
from mailhub.message.dkim_signing import SigningKey, loaded
from mailhub.net.resolver import NoSuchName
from mailhub.policy.arc import validated

SUITE = Path(__file__).parents[2].parent / "shared" / "suites" / "arc" / "tests"


class Keys:
    """A resolver that knows TXT records."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    async def records(self, name: str, kind: str) -> list[str]:
        if name.rstrip(".") not in self._texts:
            raise NoSuchName(name)
        return [self._texts[name.rstrip(".")]]


class Text:
    """A letter."""

    def __init__(self, message: bytes) -> None:
        head, _, _ = message.partition(b"\r\n\r\n")
        self.header = b"" if message.startswith(b"\r\n") else head + b"\r\n"
        self._message, self.size = message, len(message)
        self.start = min(len(self.header) + 2, self.size)

    async def read(self, offset: int, length: int) -> bytes:
        return self._message[offset : offset + length]


def octets(text: str) -> bytes:
    return (text.rstrip("\n") + "\n").replace("\n", "\r\n").encode() if text else b""


def vectors(name: str) -> Iterator[Any]:
    if not SUITE.exists():
        return
    reader = YAML(typ="safe")
    reader.allow_duplicate_keys = True  # one test stands there twice
    with (SUITE / name).open(encoding="utf-8") as file:
        for scenario in reader.load_all(file):
            texts = {key: "".join(text.split("\n")) for key, text in (scenario.get("txt-records") or {}).items()}
            for test, fields in scenario["tests"].items():
                yield pytest.param(scenario, texts, fields, id=test)


@pytest.fixture
def lane() -> Iterator[HeavyLane]:
    made = HeavyLane()
    yield made
    made.close()


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
@pytest.mark.parametrize(("scenario", "texts", "test"), list(vectors("arc-draft-validation-tests.yml")))
async def test_the_validation_suite(scenario: Any, texts: dict[str, str], test: Any, lane: HeavyLane) -> None:
    chain = await validated(Text(octets(test["message"])), Keys(texts), lane)  # type: ignore[arg-type]
    wanted = {"Pass": "pass", "Fail": "fail", None: "none", "None": "none", "": "fail"}[test["cv"]]
    assert (chain.status, chain.reason) == (wanted, chain.reason)


def tags(text: str | bytes) -> dict[str, str]:
    plain = text.decode() if isinstance(text, bytes) else text
    return {
        name.strip(): "".join(value.split())
        for name, _, value in (piece.partition("=") for piece in " ".join(plain.split()).split(";"))
    }


@pytest.mark.skipif(not SUITE.exists(), reason="no suites")
@pytest.mark.parametrize(("scenario", "texts", "test"), list(vectors("arc-draft-sign-tests.yml")))
def test_the_signing_suite(scenario: Any, texts: dict[str, str], test: Any) -> None:
    head, _, body = octets(test["message"]).partition(b"\r\n\r\n")
    fields = dkim.fields(head + b"\r\n")
    key = SigningKey(scenario["domain"], scenario["sel"], "rsa", loaded(scenario["privatekey"].encode()))
    results = results_of(fields, test["srv-id"])
    hashed = dkim.BodyHash("relaxed")
    hashed.feed(body)
    sealed = any(name == arc.SEAL for name, _ in fields)
    status = status_of(results, sealed)
    wanted = test["sig-headers"].encode().lower().split(b":")
    if not test["AS"]:
        with pytest.raises(ValueError, match="broken already"):
            made(key, fields, hashed.digest(), results, test["srv-id"], "fail", test["t"], wanted)
        return
    assert status is not None
    got = made(key, fields, hashed.digest(), results, test["srv-id"], status, test["t"], wanted)
    (_, seal), (_, message), (_, told) = dkim.fields(got)
    assert tags(seal.partition(b":")[2]) == tags(test["AS"])
    assert tags(message.partition(b":")[2]) == tags(test["AMS"])
    assert b" ".join(told.partition(b":")[2].split()) == b" ".join(test["AAR"].encode().split())
