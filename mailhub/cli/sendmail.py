"""`mailhub sendmail`: what sendmail(1) is to the programs of a host. Exit codes are those of sysexits.h."""

from pathlib import Path

import click

from mailhub.config.load import ConfigError, load
from mailhub.config.schema import Config
from mailhub.model.envelope import Notify

from .composing import Order
from .names import Fatal
from .options import config_option
from .sysexits import SysExit, give_up

_VALUES = "ABCDfFrhLNOopRVX"  # options of sendmail that have a value
_IGNORED = "ABDhLOopXvmneUG"  # those that change nothing here
_MODES = "mpisv"


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@config_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sendmail(config: Path | None, arguments: tuple[str, ...]) -> None:
    """Do as sendmail(1) does.

    -bm, or no mode: take a message from standard input, for the running server or, where none runs, into the maildrop, from which
    the next one takes it. -t: recipients stand in the header; -i, -oi: a line with a dot is one; -f, -r: envelope sender; -F: name;
    -N, -R, -V: which reports are wanted, what they return, and their envelope id.

    -bp: list the queue. -bi, -I: check the alias files. -bs: speak SMTP on standard input and output. -bv: say where mail for each
    address would go. -q: attempt now what waits; -qR SITE, -qI ID: of it, what is for that site, or has that ID.

    Other options of sendmail are accepted and change nothing; other modes are refused: `mailhub start` is what starts a server.
    """
    perform(config, list(arguments))


def perform(config: Path | None, arguments: list[str]) -> None:
    """The command itself, whatever it is called."""
    order = parsed(arguments)
    path = config or (Path(order.config) if order.config else None)
    try:
        settings = load(path)
    except ConfigError as error:
        give_up(SysExit.CONFIG, str(error))
    try:
        _act(order, settings, path)
    except Fatal as error:
        give_up(SysExit(error.code), str(error))


def _act(order: Order, settings: Config, path: Path | None) -> None:
    """Parts that are not needed are not imported."""
    if order.queue is not None:
        from .names.queue import flush

        flush(path, order.queue)
    elif order.mode == "p":
        from .names.queue import print_queue

        print_queue(path)
    elif order.mode == "i":
        from .newaliases import check_files

        check_files((), path, False)
    elif order.mode == "s":
        from .submitting import converse

        converse(settings)
    elif order.mode == "v":
        from .names.verifying import verify

        verify(path, order, settings)
    else:
        from .composing import composed
        from .submitting import submit

        domain = (*settings.domains, settings.hostname)[0]
        sender, recipients, text = composed(order, settings.smtp.message_size_limit, domain)
        submit(settings, sender, recipients, text, order)


def parsed(arguments: list[str]) -> Order:
    """The program ends where they are wrong."""
    order = Order()
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            order.recipients += arguments
            break
        if len(word) < 2 or word[0] != "-":
            order.recipients.append(word)
            continue
        _option(word[1:], arguments, order)
    return order


def _option(word: str, rest: list[str], order: Order) -> None:
    """One word: letters, of which the last may have a value, in it or behind it."""
    while word:
        letter, word = word[0], word[1:]
        if letter == "b":
            _mode(word, order)
            return
        if letter == "q":
            order.queue = _queue(word, rest)
            return
        if letter in _VALUES:
            _valued(letter, word or (rest.pop(0) if rest else ""), order)
            return
        if letter == "t":
            order.from_header = True
        elif letter == "i":
            order.dots = False
        elif letter == "I":
            order.mode = "i"
        elif letter not in _IGNORED:
            give_up(SysExit.USAGE, f"unknown option -{letter}")


def _mode(word: str, order: Order) -> None:
    if len(word) != 1 or word not in _MODES:
        remedy = "; `mailhub start` starts the server" if word[:1] in ("d", "D", "l") else ""
        give_up(SysExit.USAGE, f"-b{word} is not done here: {', '.join(f'-b{mode}' for mode in _MODES)} are{remedy}")
    order.mode = word


def _queue(word: str, rest: list[str]) -> str:
    """ "" for all, "R" and a site, "I" and an ID. An interval is for a server that is started with it."""
    if word[:1] in ("R", "I"):
        return word if len(word) > 1 else word + (rest.pop(0) if rest else "")
    if word and not word[0].isdigit():
        give_up(SysExit.USAGE, f"-q{word} is not done here: -q, -qR and -qI are")
    return ""


def _notify(value: str) -> Notify:
    """`never`, or some of success, failure and delay."""
    words = {"never": Notify.NEVER, "success": Notify.SUCCESS, "failure": Notify.FAILURE, "delay": Notify.DELAY}
    found = Notify.DEFAULT
    for word in value.lower().split(","):
        if word not in words or (word == "never" and value.lower() != "never"):
            give_up(SysExit.USAGE, f"-N {value}: never, or some of success,failure,delay")
        found |= words[word]
    return found


def _valued(letter: str, value: str, order: Order) -> None:
    if letter in "fr":
        order.sender = value.strip("<>")
    elif letter == "F":
        order.name = value
    elif letter == "C":
        order.config = value
    elif letter == "N":
        order.notify = _notify(value)
    elif letter == "R":
        if value.upper() not in ("FULL", "HDRS"):
            give_up(SysExit.USAGE, f"-R {value}: full or hdrs")
        order.ret = "FULL" if value.upper() == "FULL" else "HDRS"
    elif letter == "V":
        if not (0 < len(value) <= 100 and value.isascii() and value.isprintable()):
            give_up(SysExit.USAGE, "-V wants up to 100 printable characters of ASCII")
        order.envid = value
    elif letter == "o" and value == "i":
        order.dots = False
