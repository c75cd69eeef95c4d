import pytest

from mailhub.policy.relay import Networks, names_another_host


@pytest.mark.parametrize(
    ("client", "inside"),
    [
        ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("fe80::1%eth0", True),
        ("10.0.0.1", False), ("::2", False), ("", False), ("localhost", False), ("::ffff:10.0.0.1", False),
    ],
)  # fmt: skip
def test_networks(client: str, inside: bool) -> None:
    assert (client in Networks(("127.0.0.0/8", "::1/128", "fe80::/10"))) is inside


def test_the_same_answer_again_and_after_many_others() -> None:
    networks = Networks(("192.0.2.0/24",))
    for _ in range(2):
        assert [f"192.0.{n}.1" in networks for n in range(4)] == [False, False, True, False]
        assert not any(f"10.0.{n}.{m}" in networks for n in range(30) for m in range(50))


def test_no_networks_trust_nobody() -> None:
    assert "127.0.0.1" not in Networks(())


def test_host_bits_are_forgiven_and_rubbish_is_not() -> None:
    assert "192.0.2.9" in Networks(("192.0.2.1/24",))
    with pytest.raises(ValueError):
        Networks(("192.0.2.0/33",))


@pytest.mark.parametrize("local", ["a%b", "b!a", '"a@b"', '"a\\@b"', '"a%b"'])
def test_local_parts_with_a_route(local: str) -> None:
    assert names_another_host(local)


@pytest.mark.parametrize("local", ["a", "a+b", '"a b"', "a=b", "a.b"])
def test_local_parts_without(local: str) -> None:
    assert not names_another_host(local)
