"""`mailhub import maildir|mbox|imap` and `mailhub export`."""

import getpass
import imaplib
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from mailhub.config.schema import Config
from mailhub.control.words import MailboxRepair, MailboxSync, MailboxTake, QuotaGet
from mailhub.moving import mail
from mailhub.moving.places import Incoming, home, incoming
from mailhub.moving.sending import to_maildir, to_mbox

from .backend import backend
from .exits import Exit, fail
from .options import config_option, embedded_config, json_option, read_config
from .output import print_json

_TIMEOUT = 300.0  # seconds of silence of an IMAP server


def _take(
    config: Path | None,
    account: str,
    source: str,
    messages: Iterable[mail.Message],
    target: Incoming,
    as_json: bool,
    total: int | None = None,
) -> None:
    """Put all of them there, and have them taken into the index. `total`: about how many they are, where that is known."""
    new = old = 0
    try:
        with click.progressbar(messages, total, label=account, file=sys.stderr, show_pos=True) as bar:
            for message in bar:
                name = f"{source} {message.source}"
                if target.came(message.folder, name):
                    old += 1
                    continue
                target.put(message.folder, name, message.date, message.flags, message.keywords, message.blocks)
                new += 1
    except (mail.Trouble, OSError, imaplib.IMAP4.error) as error:
        target.close()
        fail(f"{error}; {new} messages came, the same command goes on", Exit.LATER)
    target.flush()
    _index(config, account, target)
    target.close()
    if as_json:
        print_json({"account": account, "new": new, "there": old})
    else:
        click.echo(f"{account}: {new} messages came, {old} were there")


def _index(config: Path | None, account: str, target: Incoming) -> None:
    """What came enters the index, oldest first."""
    waiting = target.waiting()
    with (
        backend(config) as side,
        click.progressbar(length=sum(waiting.values()), label="index", file=sys.stderr, show_pos=True) as bar,
    ):
        for folder in waiting:
            floor = 0
            while files := target.batch(folder):
                taken = side.ask(MailboxTake(address=account, folder=folder, files=tuple(files), floor=floor))
                floor = taken.floor
                target.entered(folder, files if taken.done else (), taken.seen)
                bar.update(len(files) if taken.done else 0)
        side.ask(MailboxSync())


def _target(config: Path | None, account: str) -> Incoming:
    """Of an account that exists."""
    settings = embedded_config(config)
    with backend(config) as side:
        side.ask(MailboxSync())
        side.ask(QuotaGet(address=account))  # says whether there is such an account
    return incoming(settings, account)


@click.command("maildir")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("account")
@config_option
@json_option
def from_maildir(folder: Path, account: str, config: Path | None, as_json: bool) -> None:
    """Copy a Maildir with all its folders into ACCOUNT: flags, keywords and dates too.

    What was broken off goes on by the same command; nothing comes twice.
    """
    if not (folder / "cur").is_dir():
        fail(f"{folder}: no Maildir, for there is no {folder / 'cur'}", Exit.USAGE)
    target = _target(config, account)
    _take(
        config,
        account,
        f"maildir {folder.absolute()}",
        mail.from_maildir(folder),
        target,
        as_json,
        mail.count_maildir(folder),
    )


@click.command("mbox")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("account")
@click.option("--folder", default="INBOX", show_default=True, help="The folder that the messages come into.")
@config_option
@json_option
def from_mbox(file: Path, account: str, folder: str, config: Path | None, as_json: bool) -> None:
    """Copy an mbox file into a folder of ACCOUNT."""
    target = _target(config, account)
    _take(config, account, f"mbox {file.absolute()}", mail.from_mbox(file, folder), target, as_json)


@click.command("imap")
@click.argument("account")
@click.option("--from", "host", required=True, help="The server: HOST or HOST:PORT.")
@click.option("--login", help="The login there; default: ACCOUNT.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Its first line is the password; else it is asked for.",
)
@click.option("--tls", type=click.Choice(["implicit", "starttls", "none"]), default="implicit", show_default=True)
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@config_option
@json_option
def from_imap(
    account: str,
    host: str,
    login: str | None,
    password_file: Path | None,
    tls: str,
    insecure: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Copy all folders of an account on another server into ACCOUNT: flags, keywords and dates too.

    What was broken off goes on by the same command; nothing comes twice.
    """
    if password_file is not None:
        password = password_file.read_text().partition("\n")[0]
    else:
        password = getpass.getpass(f"Password of {login or account} at {host}: ")
    target = _target(config, account)
    try:
        session = _session(host, tls, insecure=insecure, limit=read_config(config).imap.append_limit)
        session.login(login or account, password)
        total = mail.count_imap(session)
    except (mail.Trouble, OSError, imaplib.IMAP4.error) as error:
        fail(f"{host}: {error}", Exit.LATER)
    name = f"imap {host} {login or account}"
    messages = mail.from_imap(session, lambda folder, source: target.came(folder, f"{name} {source}"))
    _take(config, account, name, messages, target, as_json, total)


def _session(host: str, tls: str, *, insecure: bool, limit: int) -> imaplib.IMAP4:
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "")
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session: imaplib.IMAP4
    if tls == "implicit":
        session = imaplib.IMAP4_SSL(name, int(port or 993), ssl_context=context, timeout=_TIMEOUT)
    else:
        session = imaplib.IMAP4(name, int(port or 143), timeout=_TIMEOUT)
        if tls == "starttls":
            session.starttls(context)
    mail.bounded(session, limit)
    return session


@click.command()
@click.argument("account")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--mbox", is_flag=True, help="An mbox file for each folder, instead of a Maildir.")
@config_option
@json_option
def export(account: str, target: Path, mbox: bool, config: Path | None, as_json: bool) -> None:
    """Copy all mail of ACCOUNT to TARGET, a folder that is not there yet: a Maildir that Dovecot, Courier and mutt read, or mbox files."""
    settings: Config = embedded_config(config)
    with backend(config) as side:
        side.ask(MailboxSync())
        side.ask(MailboxRepair(address=account))
    try:
        with click.progressbar(length=1, label=account, file=sys.stderr) as bar:
            count = (to_mbox if mbox else to_maildir)(home(settings, account), target, bar.update)
    except FileExistsError:
        fail(f"{target} is there already", Exit.EXISTS)
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror}")
    if as_json:
        print_json({"account": account, "target": str(target), "messages": count})
    else:
        click.echo(f"{account}: {count} messages are in {target}")
