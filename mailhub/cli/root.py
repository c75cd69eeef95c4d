"""The `mailhub` command itself: which commands there are, and which module has each."""

import gc
import importlib
from pathlib import Path

import click
from click.shell_completion import CompletionItem

_COMMANDS = {
    "serve": ("serve:serve", "Run the server in the foreground (the default)."),
    "start": ("lifecycle:start", "Start the server in the background; return when it is ready."),
    "stop": ("lifecycle:stop", "Stop it: sessions and deliveries may end."),
    "restart": ("lifecycle:restart", "Stop it, and start it."),
    "reload": ("lifecycle:reload", "Have it read its configuration and certificates again."),
    "abort": ("lifecycle:abort", "End it at once."),
    "setup": ("setup:setup", "Set up a mail host: configuration, first account, records for DNS."),
    "dev": ("dev:dev", "Catch all mail for development, and show it (ports 1025 and 8025)."),
    "check": ("check:check", "Say what is wrong with the configuration."),
    "status": ("status:status", "Show listeners, sessions and queue of the running server."),
    "user": ("users:user", "Add, list and remove accounts; set passwords."),
    "directory": (
        "directories:directory",
        "Tables of ours in a MySQL or MariaDB database: make them, bring them forward.",
    ),
    "domain": ("domains:domain", "Add, list and remove mail domains."),
    "alias": ("aliases:alias", "Add, list and remove aliases."),
    "newaliases": ("newaliases:newaliases", "Check the alias files."),
    "ban": ("bans:ban", "Refuse clients' connections; list and end bans."),
    "suppression": ("suppressions:suppression", "Addresses that refused mail: list, add, remove."),
    "route": ("routes:route", "Say where mail for an address would go."),
    "queue": ("queues:queue", "Look at the queue and act on it."),
    "quarantine": ("quarantines:quarantine", "Mail held because of its verdict: list, show, release, delete."),
    "explain": ("explain:explain", "Ask every rule about a message that has not come."),
    "junk": ("junk:junk", "Teach the junk filter, and ask it why."),
    "flush": ("queues:flush", "Attempt now all mail that waits, or that for a domain."),
    "trace": ("traces:trace", "Show what happened to a message."),
    "mailbox": ("mailboxes:mailbox", "Maintain mailboxes."),
    "sendmail": ("sendmail:sendmail", "Take a message of a program, as sendmail(1) does."),
    "sieve": ("sieve:sieve", "Check and try Sieve scripts; keep those of accounts."),
    "quota": ("quotas:quota", "What accounts hold and may hold."),
    "dkim": ("dkim:dkim", "Keys that sign our mail: make, show, let follow, remove."),
    "dns": ("dns:dns", "Print the DNS records that a domain needs."),
    "reports": ("reports:reports", "Reports of others on DMARC and TLS, summed up."),
    "history": ("histories:history", "Figures over time: mail in and out, queue, sessions, memory."),
    "webhook": ("webhooks:webhook", "Programs of others that are told of mail: what waits, try one."),
    "doctor": ("doctor:doctor", "Look at a domain as others do: DNS, ways, certificates, lists."),
    "token": ("tokens:token", "Tokens for the HTTP interface: make, list, remove."),
    "import": (
        "importing:importing",
        "Move in: settings of Postfix and Dovecot, mail of Maildirs, mbox files and IMAP servers.",
    ),
    "export": ("moving_mail:export", "Copy an account's mail out, as a Maildir or as mbox files."),
    "backup": ("backups:backup", "Copy accounts, queue and mail of a running server; list and verify copies."),
    "restore": ("backups:restore", "Bring back all of a backup, an account, a folder or one message."),
    "store": ("stores:store", "Move a site from SQLite and Maildirs to a cluster, and back."),
    "config": ("config:show", "Show and set options; lookup tables and ways to sign in that there are."),
    "table": ("tables:table", "Ask lookup tables."),
    "as": ("names.install:as_name", "Be sendmail, mailq, postqueue, ...: the commands people know."),
    "install-names": ("names.install:install_names", "Put scripts for those names into a folder."),
    "completion": ("completion:completion", "Have bash, zsh or fish complete our commands."),
    "version": ("version:version", "Print the version."),
}


class _Root(click.Group):
    """Knows its commands' names and one-line helps; imports a command when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name][0].partition(":")
        gc.disable()  # what is imported stays: to look through it for garbage was a sixth of a server's start
        command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        gc.freeze()
        gc.enable()
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """No command is imported for its name to be shown."""
        names = [
            CompletionItem(name, help=text) for name, (_, text) in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in _COMMANDS.items()])


_EPILOG = """\
Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 not there (status: no server runs); 4 exists already;
5 try again later."""


@click.group(
    cls=_Root,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration; default: ./config.toml, or /etc/mailhub/config.toml where there is none.",
)
@click.pass_context
def root(ctx: click.Context, config: Path | None) -> None:
    """A whole mail system in one process. Without a command it serves."""
    ctx.obj = config
    if ctx.invoked_subcommand is None:
        command = root.get_command(ctx, "serve")
        assert command is not None
        ctx.invoke(command, config=config)


def main() -> None:
    """The program's entry."""
    root.main(prog_name="mailhub")
