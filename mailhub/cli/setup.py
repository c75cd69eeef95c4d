"""`mailhub setup`: a host that serves the world, from a few answers to a first account and the records in DNS."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mailhub.config.production import DOORS, LETS_ENCRYPT, Language, Production, text
from mailhub.config.schema import Config

from .exits import KINDS, Exit, fail
from .options import json_option
from .output import harmless, print_json
from .passwords import obtain
from .setup_unit import NAME, install
from .setup_words import WORDS, language

FILE = Path("/etc/mailhub/config.toml")
DATA = Path("/var/lib/mailhub")
USER = "mailhub"
Words = Mapping[str, str]


@click.command()
@click.argument("domain", required=False)
@click.option("--hostname", help="Name of this host in DNS; default: mail.DOMAIN.")
@click.option("--account", help="Address of the first account; default: postmaster@DOMAIN.")
@click.option("--password-stdin", "from_stdin", is_flag=True, help="Read its password from the first line of stdin.")
@click.option("--generate", is_flag=True, help="Make a password and print it.")
@click.option("--user", help=f"Whom mailhub serves as; made where missing. Default: {USER}, where root sets it up.")
@click.option("--data", type=click.Path(path_type=Path), default=DATA, help=f"Where mail is kept; default: {DATA}.")
@click.option("--address", "addresses", multiple=True, help="Address others reach this host by, behind a router.")
@click.option("--acme", metavar="URL|letsencrypt", help="Certificates by ACME of that authority; agrees to its terms.")
@click.option("--replace", is_flag=True, help="Where the configuration is there already: keep it beside a new one.")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given has its default.")
@click.option("--language", "chosen", type=click.Choice(["en", "zh"]), help="Default: as LANG says.")
@click.option("--config", type=click.Path(path_type=Path), help=f"The configuration that is written; default: {FILE}.")
@json_option
@click.pass_context
def setup(
    ctx: click.Context,
    domain: str | None,
    hostname: str | None,
    account: str | None,
    from_stdin: bool,
    generate: bool,
    user: str | None,
    data: Path,
    addresses: tuple[str, ...],
    acme: str | None,
    replace: bool,
    yes: bool,
    chosen: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Set up a mail host for DOMAIN: its configuration with all usual ports, the first account, DKIM keys, the records for DNS.

    Asks for what is not given, where somebody sits at the terminal. What is there already is left as it is: exit 4.
    """
    file = Path(os.path.realpath(config or ctx.find_object(Path) or FILE))
    if file.exists() and not replace:
        fail(f"{file} is there already: name another by --config, or --replace (it is kept beside)", Exit.EXISTS)
    spoken = language(chosen)
    words = WORDS[spoken]
    asking = not yes and sys.stdin.isatty()
    if not (asking or from_stdin or generate):
        raise click.UsageError("the account's password: --password-stdin or --generate")
    ask = _Asking(words, asking)
    name = _name(ask.text("domain", domain), ascii_only=False)
    host = _name(ask.text("hostname", hostname, f"mail.{_name(name)}"))
    address = _account(ask.text("account", account, f"postmaster@{name}"), name)
    if acme is None and ask.yes("acme", default=False):
        acme = LETS_ENCRYPT
    wanted = Production(
        domain=name,
        hostname=host,
        data=os.path.abspath(data),
        account=address,
        user=user if user is not None else "" if os.geteuid() else USER,
        ipv6=_ipv6(),
        addresses=addresses,
        acme=LETS_ENCRYPT if acme == "letsencrypt" else acme or "",
    )
    settings = _checked(wanted, spoken, file)
    if asking and not ask.yes("go on", default=True, file=file, data=wanted.data, user=wanted.user or os.geteuid()):
        fail(words["nothing"])
    password = obtain(from_stdin, generate) if from_stdin or generate else ask.password()
    made_user = _make_user(wanted)
    taken = _taken()
    new, zone = _filled(settings, wanted, password)
    old = _put(file, text(wanted, spoken))
    service = _service(wanted, file)
    printed = password if generate and new else ""
    if as_json:
        secret = {"password": printed} if printed else {}
        done = {"config": str(file), "kept": old, "user": wanted.user, "account": address, "made": new, **secret}
        print_json({**done, "ports_taken": taken, "unit": service, "zone": zone})
        return
    lines = [
        words["made user"].format(user=wanted.user) if made_user else "",
        words["written"].format(file=file),
        words["kept"].format(old=old) if old else "",
        words["unit"].format(unit=service) if service else "",
        f"{words['account made' if new else 'account there'].format(account=address)} {printed}",
        words["taken"].format(ports=", ".join(map(str, taken))) if taken else "",
        "" if wanted.user or not os.geteuid() else words["no root"],
    ]
    _tell(words, wanted, file, lines, zone)


class _Asking:
    """Questions where somebody sits at the terminal, on stderr; elsewhere the usual answers."""

    def __init__(self, words: Words, asking: bool) -> None:
        self._words, self._asking = words, asking

    def text(self, what: str, given: str | None, usual: str | None = None) -> str:
        if given is not None:
            return given
        if self._asking:
            return str(click.prompt(self._words[what], default=usual, err=True))
        if usual is None:
            raise click.UsageError("DOMAIN is missing")
        return usual

    def yes(self, what: str, *, default: bool, **names: object) -> bool:
        return click.confirm(self._words[what].format(**names), default=default, err=True) if self._asking else default

    def password(self) -> str:
        return str(click.prompt(self._words["password"], hide_input=True, confirmation_prompt=True, err=True))


def _name(given: str, *, ascii_only: bool = True) -> str:
    """A domain name with a dot; in ASCII, or as people write it."""
    from mailhub.net.names import ascii_name, people_name

    try:
        name = ascii_name(given.strip().lower())
    except ValueError as error:
        fail(str(error), Exit.USAGE)
    if "." not in name:
        fail(f"{given!r} has no dot: a name such as example.org", Exit.USAGE)
    return name if ascii_only else people_name(name)


def _account(given: str, domain: str) -> str:
    from mailhub.directory import names
    from mailhub.model.errors import MailError

    try:
        address = names.account(given.strip() if "@" in given else f"{given.strip()}@{domain}")
    except MailError as error:
        fail(str(error), Exit.USAGE)
    if not address.endswith(f"@{domain}"):
        fail(f"{address} is not in {domain}", Exit.USAGE)
    return address


def _ipv6() -> bool:
    """Whether others could reach this host so."""
    import ipaddress

    from mailhub.net import local

    found = [ipaddress.ip_address(one) for one in local.read().own]
    return any(one.version == 6 and not one.is_link_local and not one.is_loopback for one in found)


def _checked(wanted: Production, spoken: Language, file: Path) -> Config:
    """As the server will read it."""
    from mailhub.config.load import ConfigError, parse

    try:
        return parse(text(wanted, spoken), str(file), os.environ)
    except ConfigError as error:
        fail(str(error), Exit.USAGE)


def _make_user(wanted: Production) -> bool:
    """Whether one was made; none where there is one, or root does not set this up."""
    import pwd

    if not wanted.user or os.geteuid():
        return False
    name = wanted.user.partition(":")[0]
    try:
        pwd.getpwnam(name)
    except KeyError:
        pass
    else:
        return False
    options = [
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        wanted.data,
        "--shell",
        "/usr/sbin/nologin",
    ]
    try:
        subprocess.run(["useradd", *options, "--", name], check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        fail(f"user {name}: {error}: make it, or name another by --user")
    return True


def _taken() -> list[int]:
    """Our ports that other programs hold."""
    found = []
    for door in DOORS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", door.port))
            except PermissionError:
                continue
            except OSError:
                found.append(door.port)
    return found


def _filled(config: Config, wanted: Production, password: str) -> tuple[bool, str]:
    """Account, keys and certificate are made, as mailhub's user: whether the account is new, and the zone."""
    from mailhub.control.errors import ControlError
    from mailhub.control.words import DkimCreate, DnsShow, UserAdd
    from mailhub.model.clock import SystemClock
    from mailhub.model.errors import MailError
    from mailhub.net.tls import ServerTls

    from .backend import acting, open_side

    def unless_there(ask: Callable[[], object]) -> bool:
        try:
            ask()
        except ControlError as error:
            if error.kind != "exists":
                raise
            return False
        return True

    try:
        with acting(config):
            if not config.tls.acme.directory:
                ServerTls(config.tls, Path(config.data), config.hostname, SystemClock()).context()
            side = open_side(config)
            try:
                new = unless_there(lambda: side.ask(UserAdd(address=wanted.account, password=password)))
                unless_there(lambda: side.ask(DkimCreate(domain=wanted.domain)))
                return new, side.ask(DnsShow(domain=wanted.domain)).zone
            finally:
                side.close()
    except ControlError as error:
        fail(str(error), KINDS[error.kind])
    except MailError as error:
        fail(str(error))


def _put(file: Path, made: str) -> str:
    """In one step, nothing overwritten: what another one was renamed to, or ""."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    old = ""
    try:
        os.makedirs(file.parent, mode=0o755, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(made)
                stream.flush()
                os.fsync(stream.fileno())
            if file.exists():
                old = _beside(file)
                os.rename(new, file)
            else:
                os.link(new, file)  # fails where somebody was quicker
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    return old


def _service(wanted: Production, file: Path) -> str:
    """The unit that was written, "" for none: a configuration elsewhere is a trial."""
    try:
        return install(wanted, file) if file == FILE else ""
    except OSError as error:
        fail(f"{error.filename or NAME}: {error.strerror or error}")


def _beside(file: Path) -> str:
    number = 1
    while True:
        try:
            os.link(file, place := f"{file}.old{number}")
            return place
        except FileExistsError:
            number += 1


def _tell(words: Words, wanted: Production, file: Path, lines: list[str], zone: str) -> None:
    command = f"mailhub --config {file}"
    for line in filter(None, lines):
        click.echo(harmless(line.rstrip()))
    click.echo(f"\n{words['dns'].format(command=command, domain=wanted.domain)}\n")
    for line in zone.splitlines():
        click.echo(harmless(line))
    click.echo(f"\n{words['next']}")
    for what, verb in (
        ("check", "check"),
        ("start", "start"),
        ("add", f"user add NAME@{wanted.domain}"),
        ("doctor", f"doctor {wanted.domain}"),
    ):
        click.echo(f"  {command} {verb}    # {words[what]}")
    click.echo(f"  {words['browser'].format(hostname=wanted.hostname)}")
