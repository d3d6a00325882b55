"""`babelbits schema`: the JSON Schema of study.toml, with which editors complete and check."""

import click

from babelbits.cli.console import print_json


@click.command()
def schema() -> None:
    """Print the JSON Schema of study.toml, for editors.

    `babelbits init` writes it beside the study. After an update of Babelbits write it anew:

    \b
    babelbits schema > babelbits.schema.json

    An editor with Taplo (Even Better TOML in VS Code) finds it by the study's first line:

    \b
    #:schema ./babelbits.schema.json
    """
    from babelbits.study.config.json_schema import make_json_schema

    print_json(make_json_schema())
