"""`mailhub user forward`, and where such an account's mail goes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.queue_world import world

from mailhub.cli.root import root
from mailhub.config.schema import Delivery
from mailhub.delivery.forwarding import Forwarding
from mailhub.model.errors import NotFound

ALICE, BOB = "alice@mailhub.test", "bob@mailhub.test"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text('domains = ["mailhub.test"]\n')
    return tmp_path / "config.toml"


def run(config: Path, *arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(root, ["--config", str(config), "user", *arguments], input=given)


def test_set_show_and_end(config: Path) -> None:
    assert run(config, "add", ALICE, "--password-stdin", given="a long password").exit_code == 0
    assert run(config, "forward", ALICE).stdout == "alice@mailhub.test (kept copy)\n"
    assert run(config, "forward", ALICE, "x@far.test", "y@far.test", "--keep").exit_code == 0
    assert run(config, "forward", ALICE).stdout == "x@far.test\ny@far.test\nalice@mailhub.test (kept copy)\n"
    assert run(config, "forward", ALICE, "x@far.test", ALICE).exit_code == 0
    assert json.loads(run(config, "forward", ALICE, "--json").stdout) == {
        "address": ALICE,
        "targets": ["x@far.test"],
        "keep": False,
    }
    assert run(config, "forward", ALICE, "--off").exit_code == 0
    assert run(config, "forward", ALICE).stdout == "alice@mailhub.test (kept copy)\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((BOB, "x@far.test"), 3),
        ((BOB,), 3),
        ((ALICE, "--off", "--keep"), 2),
        ((ALICE, "--keep"), 2),
        ((ALICE, "no address"), 1),
    ],
)
def test_what_can_not_be(config: Path, arguments: tuple[str, ...], code: int) -> None:
    run(config, "add", ALICE, "--password-stdin", given="a long password")
    assert run(config, "forward", *arguments).exit_code == code


@pytest.mark.parametrize("keep", [True, False])
async def test_mail_goes_on_under_an_address_of_ours_and_a_copy_stays_where_it_is_kept(
    tmp_path: Path, keep: bool
) -> None:
    async with world(tmp_path) as w:
        await w.directory.set_forward(ALICE, ["x@far.test"], keep=keep)
        forwarding = Forwarding(b"k" * 32, "mailhub.test", w.clock)
        w.router._forwarding = forwarding
        w.router.configure(Delivery(srs=True))
        senders = []
        deliver = w.hosts.deliver

        async def watched(job):  # type: ignore[no-untyped-def]
            senders.append(job.sender)
            return await deliver(job)

        w.hosts.deliver = watched  # type: ignore[method-assign]
        await w.script('require ["envelope", "subaddress"]; if not envelope :detail "to" "lists" { discard; }')
        await w.put("alice+lists@mailhub.test", sender="s@else.test")
        await w.manager.idle()
        assert w.hosts.addresses() == ["x@far.test"]
        assert senders[0].startswith("SRS0=")
        assert senders[0].endswith("=else.test=s@mailhub.test")
        assert len(await w.mail(ALICE)) == keep
        assert await w.queued() == []


async def test_nobody_who_is_no_account_forwards(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(NotFound):
            await w.directory.set_forward("nobody@mailhub.test", ["x@far.test"], keep=True)
