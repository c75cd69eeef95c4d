"""`mailhub dev`: a mail sink for development that is a whole mail server, where Mailpit's and MailHog's users look for it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from mailhub.config.capture import Capture
from mailhub.config.lookup import Lookup
from mailhub.config.schema import Config, Delivery, Listener, Log, Smtp, Trace
from mailhub.model.clock import Clock, SystemClock, VirtualClock

from .options import under_environment
from .serve import run

_OURS = frozenset(("mode", "data", "listener"))  # said by the options of this command
_DOORS = (("smtp", 1025), ("http", 8025), ("imap", 1143), ("pop3", 1110))


def _ports(function: Any) -> Any:
    for name, port in reversed(_DOORS):
        help_text = f"The port of {name.upper()}; 0 takes any free one."
        function = click.option(
            f"--{name}-port", type=click.IntRange(0, 65535), default=port, show_default=True, help=help_text,
            envvar=f"MAILHUB_{name.upper()}_PORT", show_envvar=True,
        )(function)  # fmt: skip
    return function


@click.command()
@click.option("--address", default="127.0.0.1", show_default=True, envvar="MAILHUB_ADDRESS", show_envvar=True,
              help="The address to listen on; 0.0.0.0 in a container.")  # fmt: skip
@_ports
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), envvar="MAILHUB_DATA", show_envvar=True,
              help="Keep mail here; without it, it goes when the server ends.")  # fmt: skip
@click.option("--mailboxes", type=click.Choice(["each", "one"]), default="each", show_default=True,
              envvar="MAILHUB_MAILBOXES", show_envvar=True,
              help="A mailbox for each recipient, or all mail in inbox@mailhub.test.")  # fmt: skip
@click.option("--rule", "rules", multiple=True, metavar="DOMAIN=INBOX", envvar="MAILHUB_RULES", show_envvar=True,
              help="Mail for a domain or an address goes to that inbox: one for each project.")  # fmt: skip
@click.option("--relayhost", default="", envvar="MAILHUB_RELAYHOST", show_envvar=True,
              help="Where released messages go; without it, to the MX of their domain.")  # fmt: skip
@click.option("--virtual-time", is_flag=True, envvar="MAILHUB_VIRTUAL_TIME", show_envvar=True,
              help="Time stands still until a request moves it.")  # fmt: skip
@click.option("--host-name", "hosts", multiple=True, envvar="MAILHUB_HOSTS", show_envvar=True,
              help="A name that browsers call this server by, besides localhost and addresses.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, envvar="MAILHUB_VERBOSE", show_envvar=True, help="Log each step.")
def dev(
    address: str,
    data: Path | None,
    mailboxes: Any,
    rules: tuple[str, ...],
    relayhost: str,
    virtual_time: bool,
    hosts: tuple[str, ...],
    verbose: bool,
    **ports: int,
) -> None:
    """Catch all mail, and show it.

    Every address is a mailbox, every login is right, and nothing leaves unless you release it. The page and its interfaces are
    on the HTTP port; mail programs read the same mail by IMAP and POP3. Any option of config.toml is taken from the environment, too:
    MAILHUB_HOSTNAME, MAILHUB_SMTP_MESSAGE_SIZE_LIMIT, MAILHUB_QUEUE_RETRY.
    """
    from mailhub.config.web import Web
    from mailhub.testing.hub_faults import HubFaults
    from mailhub.testing.taps import TappedHub, Traffic

    folder = data or Path(tempfile.mkdtemp(prefix="mailhub-dev-"))
    doors = [
        Listener(protocol=name, address=address, port=ports[f"{name}_port"], tls="none")  # type: ignore[arg-type]
        for name, _ in _DOORS
    ]
    config = Config(
        mode="capture", data=str(folder), listener=tuple(doors), capture=Capture(mailboxes=mailboxes, rules=_rules(rules)), web=Web(hosts=hosts),
        smtp=Smtp(mynetworks=("0.0.0.0/0", "::/0")), delivery=Delivery(relayhost=relayhost), trace=Trace(),
        log=Log(level="info" if verbose else "warning"),
    )  # fmt: skip
    config = under_environment(config, but=_OURS)
    clock: Clock = VirtualClock(SystemClock().now()) if virtual_time else SystemClock()

    def make() -> TappedHub:
        hub = TappedHub(config, clock=clock)
        faults = HubFaults(clock)
        hub.traffic, hub.doors, hub.faults = Traffic(), faults.doors, faults
        faults.attach(hub, folder)
        return hub

    try:
        run(config, make)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _rules(words: tuple[str, ...]) -> Lookup:
    pairs = [word.partition("=") for word in words]
    if any(not key or "@" not in inbox for key, _, inbox in pairs):
        raise click.BadParameter("a rule is a domain or an address, =, and an address", param_hint="--rule")
    return Lookup((tuple((key.lower(), inbox) for key, _, inbox in pairs),)) if pairs else Lookup()
