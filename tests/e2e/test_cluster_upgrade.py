"""A rolling upgrade: three mailhubs behind haproxy, drained, stopped and started again one after the other, while clients send, read and store.

The balancer hears of each end by /health/ready before a client could be turned away, so that nobody is refused and no answer is lost.
"""

import imaplib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.balancer import Balancer, balancer
from support.cluster import BEHIND, HTTP, IMAP, PASSWORD, SMTP, Senders, cluster, numbers
from support.galera import Node, galera

WHO = "alice@example.test"
_PATIENCE = 60.0  # seconds
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with galera() as made:
        yield made


@dataclass
class Reader:
    """A session that looks at INBOX and stores messages in Drafts, until it is told to stop; where it ends it is begun again. `stored`: numbers
    that were answered with OK; `unknown`: those of which nobody knows. `seen`: numbers by UID, in INBOX."""

    balancer: Balancer
    first: int
    stored: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    seen: dict[int, int] = field(default_factory=dict)
    sessions: int = 0
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        number, asked = self.first, False
        while not self._ended.is_set():
            try:
                client = imaplib.IMAP4(self.balancer.address, self.balancer.imap, timeout=20)
                client.login(WHO, PASSWORD)
                client.select("INBOX")
                self.sessions += 1
                while not self._ended.wait(0.1):
                    self._look(client)
                    number, asked = number + 1, True
                    said, _ = client.append(
                        "Drafts", "", imaplib.Time2Internaldate(0.0), b"Subject: message %d\r\n\r\nx\r\n" % number
                    )
                    asked = False
                    if said == "OK":
                        self.stored.add(number)
                    else:
                        self.wrong.append(f"APPEND {number}: {said}")
                client.logout()
            except (OSError, imaplib.IMAP4.error) as error:
                if asked:
                    self.unknown.add(number)
                asked = False
                if "going down" not in str(error) and "EOF" not in str(error):
                    self.wrong.append(repr(error))
                self._ended.wait(0.1)

    def _look(self, client: imaplib.IMAP4) -> None:
        """What was seen once is there for good."""
        client.noop()
        _, found = client.uid("FETCH", f"{max(self.seen, default=0) + 1}:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for part in found:
            if isinstance(part, tuple):
                uid, number = re.search(rb"UID (\d+)", part[0]), re.search(rb"message (\d+)", part[1])
                assert uid is not None
                assert number is not None
                if self.seen.setdefault(int(uid[1]), int(number[1])) != int(number[1]):
                    self.wrong.append(f"UID {int(uid[1])} is another message")


def test_nodes_go_and_come_one_after_the_other_and_no_client_is_the_worse_for_it(
    nodes: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with cluster(tmp_path, nodes, WHO, behind=True) as hubs:
        with hubs[0].imap(WHO) as client:
            client.create("Drafts")
        servers = [(f"n{hub.node.number}", hub.address) for hub in hubs]
        with (
            balancer(tmp_path, nodes[0].side, servers, BEHIND + SMTP, BEHIND + IMAP, HTTP) as front,
            Senders([front], WHO) as senders,
            Reader(front, 10_000) as one,
            Reader(front, 20_000) as other,
        ):
            readers = (one, other)
            for hub in hubs:
                more(senders, readers)
                assert "stopped" in hub.command("stop", "--json")
                more(senders, readers)
                hub.start()
                hub.wait()
                until(lambda: all(front.up().values()), "the balancer has it again")
            more(senders, readers)
        until(lambda: {n for _, n in numbers(hubs[0], WHO)} >= senders.promised, "all has arrived")
        inbox = [sorted(numbers(hub, WHO)) for hub in hubs]
        drafts = [sorted(numbers(hub, WHO, "Drafts")) for hub in hubs]
        logs = [(hub.folder / "log").read_text() for hub in hubs]
    assert inbox[0] == inbox[1] == inbox[2]
    assert drafts[0] == drafts[1] == drafts[2]
    doubles = {n for n, times in Counter(n for _, n in inbox[0]).items() if times > 1}
    stored = Counter(n for _, n in drafts[0])
    with capsys.disabled():
        print(f"\n{len(senders.promised)} messages promised, {senders.refused} refused, {len(senders.unknown)} answers lost, {len(doubles)} came twice;"
              f" {sum(len(r.stored) for r in readers)} drafts stored, {sum(len(r.unknown) for r in readers)} answers lost;"
              f" {sum(r.sessions for r in readers)} IMAP sessions")  # fmt: skip
    assert doubles <= senders.unknown
    assert set(stored.values()) == {1}, "nothing twice"
    for reader in readers:
        assert reader.wrong == []
        assert reader.stored <= set(stored), "nothing lost"
        assert reader.sessions > 1, "it was asked to go elsewhere"
        assert set(reader.seen.items()) <= set(inbox[0]), "what was seen is there"
    assert all("[127.0.0.1]" in log for log in logs), "each has heard from the balancer who the clients are"


def more(senders: Senders, readers: tuple[Reader, ...]) -> None:
    """Everybody gets on."""
    before = len(senders.promised), [len(reader.stored) for reader in readers]
    until(lambda: len(senders.promised) > before[0] + 10, "mail goes in")
    for reader, stored in zip(readers, before[1], strict=True):
        until(
            lambda reader=reader, stored=stored: len(reader.stored) > stored + 3, f"drafts are stored: {reader.wrong}"
        )


def until(found: Callable[[], bool], what: str) -> None:
    last = time.monotonic() + _PATIENCE
    while not found():
        assert time.monotonic() < last, what
        time.sleep(0.1)  # other processes have no way to tell
