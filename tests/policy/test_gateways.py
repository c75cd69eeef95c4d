"""The gateway guard on what Linux says inside Docker, rootless Podman, Kubernetes, and on plain machines."""

import logging
from pathlib import Path

import pytest

from mailhub.config import schema
from mailhub.model.clock import VirtualClock
from mailhub.net import local
from mailhub.policy import Guard, Sections
from mailhub.policy.gateways import ONLY_CLIENT, Gateways
from mailhub.policy.relay import Networks

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DOCKER = {
    ".dockerenv": "",
    "proc/net/route": HEAD
    + "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    + "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
    "proc/net/ipv6_route": "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "fd00d0c0000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
    "fd00d0c0000000000000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n",
    "proc/net/fib_trie": "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\nLocal:\n"
    "     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.2\n        /32 host LOCAL\n"
    "     |-- 172.17.255.255\n        /32 link BROADCAST\n",
    "proc/net/if_inet6": "00000000000000000000000000000001 01 80 10 80       lo\n"
    "fd00d0c0000000000000000000000002 31 40 00 80     eth0\n",
    "proc/self/cgroup": "0::/\n",
}
PODMAN = {
    "run/.containerenv": "",
    "proc/net/route": HEAD + "tap0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
    "proc/net/fib_trie": "Local:\n     |-- 10.0.2.100\n        /32 host LOCAL\n",
}
KUBERNETES = {
    "proc/net/route": HEAD + "eth0\t00000000\t0100F40A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
    "proc/self/cgroup": "0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-0a1b.scope\n",
}
PLAIN = {
    "proc/net/route": HEAD + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
    "proc/net/fib_trie": "Local:\n     |-- 192.168.1.5\n        /32 host LOCAL\n",
    "proc/self/cgroup": "0::/system.slice/mailhub.service\n",
}


def machine(folder: Path, files: dict[str, str]) -> local.Machine:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return local.read(f"{folder}/")


@pytest.mark.parametrize(
    ("files", "sign", "shared"),
    [
        (DOCKER, "/.dockerenv", {"172.17.0.1", "172.17.0.2", "fd00:d0c0::1", "fd00:d0c0::2"}),
        (PODMAN, "/run/.containerenv", {"10.0.2.2", "10.0.2.100"}),
        (KUBERNETES, "/proc/self/cgroup: containerd", {"10.244.0.1"}),
        (PLAIN, "", set()),
        ({}, "", set()),
    ],
)
def test_gateways_and_own_addresses_of_a_container_are_shared(
    tmp_path: Path, files: dict[str, str], sign: str, shared: set[str]
) -> None:
    found = machine(tmp_path, files)
    assert found.container == sign
    assert {address for address, _, _ in Gateways(found).reasons()} == shared
    assert Gateways(found, trust=True).reasons() == ()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "x y\n" * 3, "a b c d\n" + "eth0 zz QQ 0003\n", "|-- x\n /32 host LOCAL\n"]
)
def test_rubbish_says_nothing(text: str) -> None:
    parsers = (local.parse_route, local.parse_ipv6_route, local.parse_fib_trie, local.parse_if_inet6)
    assert [list(parse(text)) for parse in parsers] == [[], [], [], []]


def test_shared_addresses_lose_trust_and_bans_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    smtp = schema.Smtp(mynetworks=("127.0.0.0/8", "172.16.0.0/12"))
    guard = Guard(Sections(smtp=smtp), VirtualClock(), machine=machine(tmp_path, DOCKER))
    assert guard.trusts("172.17.0.9")
    assert guard.trusts("127.0.0.1")
    assert not guard.trusts("172.17.0.1")
    assert not guard.trusts("::ffff:172.17.0.1")
    with caplog.at_level(logging.WARNING):
        for n in range(1_000):
            assert guard.connected("172.17.0.1", "smtp") is None
            guard.failed_login("172.17.0.1", f"user{n}", "imap")
            guard.error("172.17.0.1")
            guard.admit("172.17.0.1", "user0", "imap")
    told = [record.message for record in caplog.records if "gateway guard" in record.message]
    assert len(told) == 1
    assert "172.17.0.1" in told[0]
    assert guard.bans.all() == []
    assert ("172.17.0.1", 1_000) in [(address, count) for address, _, count in guard.gateways.reasons()]
    guard.configure(Sections(smtp=schema.Smtp(mynetworks=smtp.mynetworks, trust_gateway=True)))
    assert guard.trusts("172.17.0.1")


def test_a_gateway_that_all_come_from_is_found_out(tmp_path: Path) -> None:
    gateways = Gateways(machine(tmp_path, PLAIN))
    for _ in range(ONLY_CLIENT):
        assert not gateways.shared("192.168.1.1")
        gateways.seen("192.168.1.1")
        gateways.seen("127.0.0.1")
    assert gateways.shared("192.168.1.1")
    assert not gateways.shared("127.0.0.1")


def test_a_gateway_among_other_clients_is_one_of_them(tmp_path: Path) -> None:
    gateways = Gateways(machine(tmp_path, PLAIN))
    gateways.seen("192.0.2.1")
    for _ in range(2 * ONLY_CLIENT):
        gateways.seen("192.168.1.1")
    assert not gateways.shared("192.168.1.1")


def test_mynetworks_does_not_hold_a_shared_address(tmp_path: Path) -> None:
    gateways = Gateways(machine(tmp_path, DOCKER))
    networks = Networks(("172.16.0.0/12", "127.0.0.1"), gateways.shared)
    assert "172.17.0.9" in networks
    assert "127.0.0.1" in networks
    assert "172.17.0.1" not in networks
