"""Which changes a reload takes over."""

import msgspec
import pytest

from mailhub import hub_reload
from mailhub.config.schema import Auth, Config, Delivery, Imap, Listener, Log, Relay


def test_nothing_changed() -> None:
    done = hub_reload.reloaded(Config(), Config())
    assert (done.config, done.applied, done.restart) == (Config(), (), ())


@pytest.mark.parametrize(
    ("new", "applied", "restart"),
    [
        (Config(imap=Imap(idle_timeout=5)), ("imap.idle_timeout",), ()),
        (Config(domains=("a.test",), hostname="b.test"), ("domains",), ("hostname",)),
        (Config(listener=(Listener(protocol="smtp"),)), (), ("listener",)),
        (Config(relay=Relay(port=26, ipv6=False)), (), ("relay.port", "relay.ipv6")),
        (Config(auth=Auth(threads=9, failure_limit=1)), ("auth.failure_limit",), ("auth.threads",)),
        (
            Config(delivery=Delivery(recipient_delimiter="-", srs=True)),
            ("delivery.srs",),
            ("delivery.recipient_delimiter",),
        ),
        (Config(log=Log(level="debug")), ("log.level",), ()),
    ],
)
def test_each_key_is_taken_over_or_named(new: Config, applied: tuple[str, ...], restart: tuple[str, ...]) -> None:
    done = hub_reload.reloaded(Config(), new)
    assert (done.applied, done.restart) == (applied, restart)


def test_the_configuration_in_force_has_the_old_value_of_what_waits() -> None:
    new = Config(hostname="new.test", auth=Auth(threads=9, failure_limit=1), relay=Relay(port=26))
    force = hub_reload.reloaded(Config(), new).config
    assert force == Config(auth=Auth(failure_limit=1))


def test_the_lists_name_what_there_is() -> None:
    assert set(hub_reload.RELOADABLE) <= set(Config.__struct_fields__)
    for key in hub_reload.FIXED:
        section, _, name = key.partition(".")
        assert section in hub_reload.RELOADABLE
        assert name in msgspec.structs.asdict(getattr(Config(), section))
