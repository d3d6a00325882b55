"""Run a QAT lab: declare the plan, make the arms, write the studies, and have each of them run.

Seed by seed, so that whoever stops early has whole seeds. The same call goes on where it stopped:
arms and cells that are there are neither made nor computed again. Who runs a study is the caller's
choice. Torch is loaded by what trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelbits.formats.quantized import refuse_quantized
from babelbits.lab import fake_quantization
from babelbits.lab.qat_arms import Making, make_arms, make_untrained
from babelbits.lab.qat_design import QatDesign, SuiteOf, declare
from babelbits.lab.qat_studies import write_held_out, write_study, write_untrained
from babelbits.lab.qat_text import LanguageText, read_texts
from babelbits.languages import resolve
from babelbits.libraries import need
from babelbits.store import Store
from babelbits.study.config.spec import BUNDLED, ModelSpec
from babelbits.study.planning.base_model import BaseModel, locate
from babelbits.tasks import catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedLab:
    """A plan, and what it is of."""

    design: QatDesign
    base: BaseModel
    texts: Mapping[str, LanguageText]


def need_libraries() -> None:
    """Say what is missing of what trains, quantizes and asks.

    Raises
    ------
    MissingExtraError
        Names it, with the command that installs it.
    """
    need(
        ["torch", "transformers", "torchao", "llmcompressor", "lm_eval"],
        what="the QAT lab",
    )


def prepare_lab(
    *,
    model: str,
    corpora: Path,
    languages: Sequence[str],
    suites: Sequence[str],
    held_out: int,
    options: Mapping[str, object],
) -> PreparedLab:
    """The plan that options amount to; nothing is written.

    Parameters
    ----------
    languages : sequence of str
        In any usual form; the balanced mix is of all of them.
    suites : sequence of str
        Asked beside the held-out text, in those of the languages that they have.
    options : mapping
        Further fields of `QatDesign`.

    Raises
    ------
    StudyError, UnknownNameError
        If a language, suite or option is wrong, or a language has no text.
    ModelError
        If the model cannot be used.
    """
    codes = tuple(dict.fromkeys(resolve(one).code for one in languages))
    texts = read_texts(corpora, codes, held_out=held_out)
    folder = None if model == BUNDLED else Path(model).resolve()
    base = locate(ModelSpec(path=model, folder=folder))
    refuse_quantized(base.folder, base.config)
    design = QatDesign(
        model=model,
        model_hash=base.hash,
        languages=codes,
        text_hashes={code: text.hash for code, text in texts.items()},
        number_format=dict(fake_quantization.describe()),
        suites=tuple(_suite(name, codes) for name in suites),
        held_out=held_out,
        **options,  # type: ignore[arg-type]  # checked by the dataclass itself
    )
    return PreparedLab(design=design, base=base, texts=texts)


def _suite(name: str, codes: Sequence[str]) -> SuiteOf:
    known = catalogue.find_info(name).languages
    return SuiteOf(name=name, languages=tuple(code for code in codes if code in known))


def run_lab(
    prepared: PreparedLab,
    lab: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[..., None],
    run: Callable[[Path], bool],
) -> bool:
    """Everything that is missing; whether all studies are finished. The only writer to the folder.

    Parameters
    ----------
    run : callable
        Runs the study of a file; False where cells are missing after it.

    Raises
    ------
    NothingThereError
        If the folder holds another plan.
    StoreLockedError
        If another process works in the folder.
    TrainingError
        If the loss of a training is no number any more.
    """
    with Store(lab).writing():
        return _run(prepared, lab, say=say, progress=progress, run=run)


def _run(
    prepared: PreparedLab,
    lab: Path,
    *,
    say: Callable[[str], None],
    progress: Callable[..., None],
    run: Callable[[Path], bool],
) -> bool:
    design = prepared.design
    if declare(design, lab):
        say(f"the plan is declared in {lab / 'plan.json'}, before anything is trained")
    making = Making(
        lab=lab,
        design=design,
        base=prepared.base.folder,
        texts=prepared.texts,
        say=say,
        progress=progress,
    )
    write_held_out(lab, prepared.texts)
    make_untrained(making)
    complete = run(write_untrained(lab, design))
    for seed in design.seeds:
        for mix in design.mixes:
            make_arms(making, mix, seed)
            complete &= run(write_study(lab, design, mix, seed))
    return complete
