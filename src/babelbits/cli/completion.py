"""`babelbits completion`: a script with which a shell completes commands and options."""

import click

from babelbits.cli.console import print_data

VARIABLE = "_BABELBITS_COMPLETE"
"""Set by the script when the shell asks; click answers."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and files.

    \b
    babelbits completion bash > ~/.local/share/bash-completion/completions/babelbits
    babelbits completion zsh > "${fpath[1]}/_babelbits"
    babelbits completion fish > ~/.config/fish/completions/babelbits.fish

    Or for this shell alone: eval "$(babelbits completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    script = found(root, {}, "babelbits", VARIABLE)
    print_data(script.source_template % script.source_vars())
