"""`babelbits generate`: the answers of every variant to open prompts, for judges and people."""

from pathlib import Path

import click

from babelbits.cli.console import say
from babelbits.errors import ExitCode, StudyError


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--prompts",
    "prompt_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help='JSON Lines: {"id": "1", "language": "nb", "prompt": "..."}; translations share an id. '
    "Beginnings of texts that ship in the package, in the study's languages, unless given.",
)
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="Longest answer; default: 256.")
@click.option("--limit", type=click.IntRange(min=1), help="First N prompts: a smoke run.")
@click.option("--workers", type=click.IntRange(min=1), help="As in `babelbits run`.")
@click.option(
    "--pairs",
    "pairs_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the pairs of answers to this file too, for `annotate` or another tool.",
)
def generate(
    study: Path,
    *,
    prompt_file: Path | None,
    max_new_tokens: int | None,
    limit: int | None,
    workers: int | None,
    pairs_file: Path | None,
) -> int:
    """Let the baseline and the variants of STUDY (study.toml) answer open prompts.

    Answers are kept in the run folder, apart from results; the same command again resumes. They
    are what `babelbits judge` judges and `babelbits annotate` shows to people.

    \b
    babelbits generate study.toml --prompts prompts.jsonl
    babelbits generate study.toml --limit 5 --pairs pairs.jsonl
    """
    from babelbits.cli.run import run_with_progress
    from babelbits.study import load
    from babelbits.study.config.prompt_files import ask_prompts, read_prompts

    if study.is_dir():
        raise StudyError(
            "this is a folder", where=str(study), hint="name the study file: it knows the model"
        )
    prompts = None if prompt_file is None else read_prompts(prompt_file)
    wanted = ask_prompts(load(study, limit=limit), prompts, max_new_tokens=max_new_tokens)
    code = run_with_progress(wanted, report=False, workers=workers)
    if code == ExitCode.DONE and pairs_file is not None:
        from babelbits.cli.pairs import write

        write(wanted.folder, pairs_file, smoke=wanted.smoke)
    elif code == ExitCode.DONE:
        smoke = " --smoke" if wanted.smoke else ""
        say(f"judge them with: babelbits judge {study}{smoke} --endpoint URL --model NAME")
    return code
