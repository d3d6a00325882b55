"""Where results come from: the one place that the commands which decide load them in.

A run folder, a study file, or two runs of another tool. Loads no torch.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.errors import CorruptRecordError, StoreError, StudyError

if TYPE_CHECKING:
    from babelbits.results.results import Results


def load(source: Path, *, smoke: bool = False, early: bool = False) -> "Results":
    """The analysed results that `source` stands for.

    Parameters
    ----------
    source : Path
        A run folder, or a study file, whose margins and families as they are now are used.
    smoke : bool
        The folder's smoke run instead of its results.
    early : bool
        The run whose cells stop when their verdict is known.

    Raises
    ------
    StudyError
        If there is nothing of that name.
    StoreError
        If no cell is finished, or the folder cannot be read.
    """
    from babelbits.results.load import load_run

    folder, study_file, is_smoke = locate(source, smoke=smoke)
    try:
        results = load_run(folder, smoke=is_smoke, early=early, study_file=study_file)
    except CorruptRecordError:
        raise
    except StoreError as error:
        if is_smoke or not (folder / "smoke").is_dir():
            raise
        hint = "the folder has a smoke run: --smoke reads it, and it decides nothing"
        raise type(error)(error.what, where=error.where, hint=hint) from error
    return results


def load_pair(baseline: str, variant: str, *, label: str, chance: float | None = None) -> "Results":
    """Results of another tool: the unquantized model's and a variant's, as `compare` reads them.

    Parameters
    ----------
    baseline, variant : str
        Paths, with or without a label.
    label : str
        What to call the variant.
    chance : float, optional
        What a guess scores, as a fraction, where the logs do not say.
    """
    from dataclasses import replace

    from babelbits.results.analyse_logs import CompareOptions, load_foreign, parse_source

    ours, theirs = parse_source(baseline), replace(parse_source(variant), label=label)
    return load_foreign(ours, [theirs], aa=None, wishes=CompareOptions(chance=chance))


def locate(source: Path, *, smoke: bool) -> tuple[Path, Path | None, bool]:
    """Run folder, study file if one was given, and whether it is a smoke run.

    Raises
    ------
    StudyError
        If there is neither a folder nor a study file of that name.
    """
    if source.is_dir():
        return source, None, smoke
    if not source.exists():
        raise StudyError(
            "there is no such run folder or study file",
            where=str(source),
            hint="name the folder that `babelbits run` made, or its study.toml",
        )
    from babelbits.study import load

    study = load(source)
    return study.folder, source, smoke or study.smoke
