"""Whatever two mail hosts say, at whatever stage: each recipient has a result, and mail counts as sent only where a host has it
and said so; no host gets what another one may have."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from support.far_hosts import HANG_UP, TEXT, Answer, FarHost, world

from mailhub.store.api import Fate

STAGES = ["greeting", "EHLO", "HELO", "MAIL", "RCPT", "RCPT TO:<c@far.test>", "DATA", "BDAT", ".", "RSET"]
ANSWERS: list[Answer] = [
    "220 2.0.0 hello", "250 2.0.0 ok", "354 go", "251 2.1.5 forwarded", "421 4.3.2 bye", "450 4.2.0 later", "452 4.5.3 too many",
    "451-4.3.0 a\r\n451 4.3.0 b", "550 5.1.1 nobody", "552 full", "554 5.7.1 no", "nonsense", HANG_UP,
]  # fmt: skip
EXTENSIONS = ["PIPELINING", "CHUNKING", "8BITMIME", "SIZE 1000000", "SIZE 1", "LIMITS RCPTMAX=1", "DSN", "SMTPUTF8"]
SCRIPT = some.tuples(
    some.dictionaries(some.sampled_from(STAGES), some.sampled_from(ANSWERS), max_size=3),
    some.lists(some.sampled_from(EXTENSIONS), unique=True),
)


def accepts(host: FarHost) -> bool:
    """Whether its answer to a message says yes: the first digit alone counts (RFC 5321 section 4.2)."""
    answer = host.script.get(".", "250")
    return isinstance(answer, str) and answer.startswith("2")


def lost(script: dict[str, Answer]) -> bool:
    """Whether it refuses the envelope, takes the message nevertheless, and its last answer is lost: a window for doubles."""
    refuses = any(stage in script for stage in ("MAIL", "RCPT", "RCPT TO:<c@far.test>"))
    return refuses and "." in script and script["."] in (HANG_UP, "nonsense")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(some.lists(SCRIPT, min_size=2, max_size=2), some.integers(1, 2))
async def test_any_two_hosts(scripts: list[tuple[dict[str, Answer], list[str]]], messages: int) -> None:
    async with world(hosts=2) as far:
        for host, (script, extensions) in zip(far.hosts, scripts, strict=True):
            host.script, host.extensions = dict(script), extensions
        for _ in range(messages):
            before = [len(host.bodies) for host in far.hosts]
            results = await far.deliver("b@far.test", "c@far.test")
            assert [result.n for result in results] == [0, 1]
            assert {result.fate for result in results} <= {Fate.DELIVERED, Fate.RELAYED, Fate.DEFERRED, Fate.FAILED}
            grown = [len(host.bodies) - count for host, count in zip(far.hosts, before, strict=True)]
            for result in results:
                if result.reply.ok:
                    (host,) = (host for host in far.hosts if result.remote.startswith(host.name))
                    assert grown[far.hosts.index(host)] >= 1
                    assert accepts(host)
                    assert all(body.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.") == TEXT for body in host.bodies)
            assert sum(grown) <= len(results)
            if not any("LIMITS" in word for _, extensions in scripts for word in extensions):
                # the rest of the recipients asks again
                again = {"452 4.5.3 too many", "552 full"} & {
                    answer for script, _ in scripts for answer in script.values()
                }
                assert sum(grown) <= 1 or again or any(lost(script) for script, _ in scripts)
