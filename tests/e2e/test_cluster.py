"""Three mailhubs share a Galera cluster. Each kind of process is killed, stalled and cut off in turn, under load: nothing that was promised is
lost, no UID is given twice, all nodes show the same. `make cluster` does several rounds; here it is one."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cluster import Hub, Senders, cluster, numbers
from support.galera import Node, galera

WHO = "alice@example.test"
ROUNDS = int(os.environ.get("MAILHUB_CLUSTER_ROUNDS", "1"))
_HEALED = 90.0  # seconds
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 180 * ROUNDS)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with galera() as made:
        yield made


def _until(found: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, what
        time.sleep(0.2)  # other processes have no way to tell


def test_mail_taken_by_one_node_is_heard_of_on_another(nodes: list[Node], tmp_path: Path) -> None:
    with cluster(tmp_path, nodes, WHO) as hubs, contextlib.ExitStack() as ended:
        listener, writer, reader = (ended.enter_context(hub.imap(WHO)) for hub in (hubs[2], hubs[0], hubs[1]))
        listener.select("INBOX")
        listener.send(b"%s IDLE\r\n" % listener._new_tag())  # type: ignore[attr-defined]
        assert listener.readline().startswith(b"+")
        with Senders(hubs[:1], WHO) as senders:
            _until(lambda: len(senders.promised) >= 3, 30, hubs[0].log())
        assert b"EXISTS" in listener.readline()
        listener.send(b"DONE\r\n")
        _until(lambda: {n for _, n in numbers(hubs[1], WHO)} >= senders.promised, 30, hubs[1].log())
        # what one node changes another shows: at once who comes, within a second who looks on
        reader.select("INBOX")
        writer.select("INBOX")
        writer.store("1", "+FLAGS", r"(\Flagged)")
        with hubs[1].imap(WHO) as late:
            late.select("INBOX")
            assert r"\Flagged" in str(late.fetch("1", "(FLAGS)"))
        _until(lambda: r"\Flagged" in str(reader.fetch("1", "(FLAGS)")), 10, hubs[1].log())


def test_nothing_is_lost_whatever_breaks(nodes: list[Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(4)
    with cluster(tmp_path, nodes, WHO) as hubs, Senders(hubs, WHO) as senders:
        for _ in range(ROUNDS):
            for trouble in (kill_hub, stall_hub, kill_database, stall_database, cut):
                before = len(senders.promised)
                trouble(chance.choice(hubs))
                _until(lambda before=before: len(senders.promised) > before + 5, _HEALED, "mail goes in again")
        senders._ended.set()
        _until(lambda: all(node.size() == 3 for node in nodes), _HEALED, "the servers are together again")
        for hub in hubs:
            hub.wait()
        _until(lambda: promised(senders) <= shown(hubs[0]), _HEALED, missing(senders, hubs))
        seen = [sorted(numbers(hub, WHO)) for hub in hubs]
    assert seen[0] == seen[1] == seen[2]
    uids = [uid for uid, _ in seen[0]]
    assert len(set(uids)) == len(uids)
    counts = Counter(number for _, number in seen[0])
    doubles = {number for number, times in counts.items() if times > 1}
    with capsys.disabled():
        print(f"\n{len(senders.promised)} messages promised, {len(senders.unknown)} answers lost, {senders.refused} refused, "
              f"{len(doubles)} came twice, of which {len(doubles - senders.unknown)} with an answer that came")  # fmt: skip
    assert doubles <= senders.unknown


def promised(senders: Senders) -> set[int]:
    return set(senders.promised)


def shown(hub: Hub) -> set[int]:
    return {number for _, number in numbers(hub, WHO)}


def missing(senders: Senders, hubs: list[Hub]) -> str:
    return "something is missing\n" + "\n".join(hub.log() for hub in hubs)


def kill_hub(hub: Hub) -> None:
    hub.kill()
    time.sleep(5)  # longer than its lease
    hub.start()
    hub.wait()


def stall_hub(hub: Hub) -> None:
    hub.signal(signal.SIGSTOP)
    time.sleep(7)
    hub.signal(signal.SIGCONT)


def kill_database(hub: Hub) -> None:
    hub.node.kill()
    time.sleep(3)
    hub.node.start()


def stall_database(hub: Hub) -> None:
    hub.node.stall()
    time.sleep(8)
    hub.node.resume()


def cut(hub: Hub) -> None:
    hub.node.cut()
    time.sleep(8)
    hub.node.join()
