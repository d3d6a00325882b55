"""`babelbits export`: a variant as a folder for others, with a model card."""

from pathlib import Path

import click

from babelbits.cli.console import print_data, say
from babelbits.errors import NothingThereError


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.argument("variant")
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--licence", "--license", help="Hub id of the base model's licence, e.g. apache-2.0.")
@click.option("--push", metavar="OWNER/NAME", help="Upload it to the Hugging Face Hub.")
@click.option("--private", is_flag=True, help="With --push: make a new repository private.")
def export(
    source: Path,
    variant: str,
    target: Path,
    *,
    licence: str | None,
    push: str | None,
    private: bool,
) -> None:
    """Write VARIANT of a run into the folder TARGET, with a model card of what was measured.

    \b
    babelbits export my-study.run w4-g@en model-w4
    babelbits export study.toml q4_k_m@nb model-q4 --push me/model-q4-nb

    The card says what quantization did, language by language, with intervals and verdicts; what was
    not measured is said to be so. The folder babelbits/ in it has the study and every comparison.
    """
    from babelbits.report.variant_export import export_variant
    from babelbits.report.variant_export import push as upload
    from babelbits.results.sources import load, locate

    folder, _, _ = locate(source, smoke=False)
    try:
        results = load(source)
    except NothingThereError:
        results = None
    done = export_variant(folder, variant, target, results=results, licence=licence)
    for name in done.files:
        print_data(str(done.folder / name))
    for note in done.notes:
        say(f"note: {note}")
    if push is not None:
        print_data(upload(done, push, private=private))
