"""`mailhub completion`: what a shell needs to complete our commands; and what options' names are completed with."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that has a SHELL complete commands, options and names of options.

    bash: into /usr/share/bash-completion/completions/mailhub; zsh: into a folder of $fpath, as _mailhub; fish: into
    ~/.config/fish/completions/mailhub.fish.
    """
    from click.shell_completion import get_completion_class

    from .root import root

    found = get_completion_class(shell)
    assert found is not None
    made = found(root, {}, "mailhub", "_MAILHUB_COMPLETE")
    click.echo(made.source_template % made.source_vars())  # `source` would ask for a bash


def options(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of options in the configuration's schema; behind -e, to be followed by their value."""
    from mailhub.config import values
    from mailhub.config.schema import Config

    end = "=" if ctx.params.get("edits") else ""
    names = [values.name(path) + end for path, _ in values.flat(Config())]
    return [name for name in names if name.startswith(incomplete)]
