"""Three mailhubs share a Galera cluster and a Ceph's S3 gateway. Each kind of process is killed, stalled and cut off in turn, under load: nothing that was promised is
lost, no UID is given twice, all nodes show the same. `make cluster` does several rounds; here it is one."""

import contextlib
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cluster import Hub, Senders, cluster, numbers
from support.galera import Node, galera
from support.radosgw import Radosgw, installed, radosgw

WHO = "alice@example.test"
ROUNDS = int(os.environ.get("MAILHUB_CLUSTER_ROUNDS", "1"))
_HEALED = 90.0  # seconds
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 180 * ROUNDS)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[Node]]:
    with galera() as made:
        yield made


@pytest.fixture(scope="module")
def bodies(nodes: list[Node]) -> Iterator[Radosgw | None]:
    """On this side of the bridge; None: it is not installed, and bodies lie in a folder."""
    if not installed():
        yield None
        return
    with radosgw(nodes[0].side) as made:
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


def test_nothing_is_lost_whatever_breaks(
    nodes: list[Node], bodies: Radosgw | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4)
    with cluster(tmp_path, nodes, WHO, objects=bodies) as hubs, Senders(hubs, WHO) as senders:
        for _ in range(ROUNDS):
            for trouble in (kill_hub, stall_hub, kill_database, stall_database, cut, kill_objects, stall_objects):
                before = len(senders.promised)
                trouble(chance.choice(hubs), bodies)
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


def test_without_the_objects_small_mail_goes_on_and_large_mail_waits(
    nodes: list[Node], bodies: Radosgw | None, tmp_path: Path
) -> None:
    if bodies is None:
        pytest.skip("ceph-mon, ceph-osd and radosgw are not installed")
    with cluster(tmp_path, nodes, WHO, objects=bodies) as hubs:
        assert hubs[0].send(WHO, 7) == 250
        assert hubs[0].send(WHO, 8) == 250
        _until(lambda: len(numbers(hubs[1], WHO)) == 2, 30, hubs[0].log())
        bodies.kill()
        assert hubs[0].send(WHO, 14) == 451
        assert hubs[0].send(WHO, 9) == 250
        with hubs[2].imap(WHO) as client:
            client.select("INBOX")
            _until(
                lambda: client.noop()[0] == "OK" and len(client.uid("SEARCH", "ALL")[1][0].split()) == 3,
                30,
                hubs[0].log(),
            )
            listed = str(client.uid("FETCH", "1:*", "(FLAGS ENVELOPE BODYSTRUCTURE)")[1])
            assert [f"message {n}" in listed for n in (7, 8, 9)] == [True, True, True]
            sizes = dict(
                re.findall(rb"UID (\d+) RFC822.SIZE (\d+)", b" ".join(client.uid("FETCH", "1:*", "RFC822.SIZE")[1]))
            )
            large = max(sizes, key=lambda uid: int(sizes[uid])).decode()
            said, answer = client.uid("FETCH", large, "BODY.PEEK[]")
            assert (said, b"[UNAVAILABLE]" in answer[0]) == ("NO", True), (said, answer)
            bodies.start()
            said, answer = client.uid("FETCH", large, "BODY.PEEK[]")
            assert len(answer[0][1]) == int(sizes[large.encode()])
        assert hubs[0].send(WHO, 14) == 250
        _until(lambda: sorted(n for _, n in numbers(hubs[1], WHO)) == [7, 8, 9, 14], 30, hubs[1].log())


def promised(senders: Senders) -> set[int]:
    return set(senders.promised)


def shown(hub: Hub) -> set[int]:
    return {number for _, number in numbers(hub, WHO)}


def missing(senders: Senders, hubs: list[Hub]) -> str:
    return "something is missing\n" + "\n".join(hub.log() for hub in hubs)


def kill_hub(hub: Hub, bodies: Radosgw | None) -> None:
    hub.kill()
    time.sleep(5)  # longer than its lease
    hub.start()
    hub.wait()


def stall_hub(hub: Hub, bodies: Radosgw | None) -> None:
    hub.signal(signal.SIGSTOP)
    time.sleep(7)
    hub.signal(signal.SIGCONT)


def kill_database(hub: Hub, bodies: Radosgw | None) -> None:
    hub.node.kill()
    time.sleep(3)
    hub.node.start()


def stall_database(hub: Hub, bodies: Radosgw | None) -> None:
    hub.node.stall()
    time.sleep(8)
    hub.node.resume()


def cut(hub: Hub, bodies: Radosgw | None) -> None:
    hub.node.cut()
    time.sleep(8)
    hub.node.join()


def kill_objects(hub: Hub, bodies: Radosgw | None) -> None:
    if bodies is not None:
        bodies.kill()
        time.sleep(5)
        bodies.start()


def stall_objects(hub: Hub, bodies: Radosgw | None) -> None:
    if bodies is not None:
        bodies.stall()
        time.sleep(8)
        bodies.resume()
