"""What a program calls: each function is one step of a study. `babelbits` itself has these names.

They print nothing, and the commands call them. Sign: change = variant - baseline, so harm is
negative; margins are in the metric's own unit (0.02 is two points of accuracy).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from babelbits.engines.base import Engine, EngineSettings
from babelbits.errors import ModelError, StudyError
from babelbits.records import Manifest
from babelbits.results.results import Results
from babelbits.study.config.reading import load as load_study
from babelbits.study.config.spec import Study
from babelbits.study.execution.run_study import run_study as run
from babelbits.study.planning.plan_types import Plan

if TYPE_CHECKING:
    from babelbits.decide.decision_query import Claim
    from babelbits.decide.gate import Gate
    from babelbits.decide.power_analysis import PowerAnalysis
    from babelbits.decide.recommend import Recommendation

__all__ = [
    "compare_logs",
    "gate",
    "load_results",
    "load_study",
    "make_variant",
    "open_engine",
    "plan",
    "power",
    "recommend",
    "run",
    "write_report",
]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def plan(study: Study, *, count_items: bool = False) -> Plan:
    """What a study will make and run, in order, what is done already, and why the rest is not.

    Parameters
    ----------
    study : Study
        As `load_study` reads it.
    count_items : bool
        Build lm-eval's tasks too, to count their items: slower, and needs lm-eval.

    Raises
    ------
    ModelError
        If the model is missing, or cannot or must not be used.
    StoreError
        If the run folder cannot be read.
    """
    from babelbits.store import Store
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.plan import build_light, make_plan
    from babelbits.tasks import catalogue

    return make_plan(
        study,
        Store(study.folder, smoke=study.smoke, early=study.stop),
        base=locate(study.model),
        build=catalogue.load if count_items else build_light,
    )


def load_results(source: Path | str, *, smoke: bool = False, early: bool = False) -> Results:
    """The analysed results of a run folder, or of a study file with its margins as they are now.

    Parameters
    ----------
    source : Path or str
        A run folder, or a study file.
    smoke : bool
        The folder's smoke run instead of its results: good for a look, decides nothing.
    early : bool
        The run whose cells stop when their verdict is known.

    Raises
    ------
    StudyError
        If there is nothing of that name.
    StoreError
        If no cell is finished, or the folder cannot be read.
    """
    from babelbits.results.sources import load

    return load(Path(source), smoke=smoke, early=early)


def compare_logs(
    baseline: Path | str,
    variants: Sequence[Path | str] | Mapping[str, Path | str],
    *,
    aa: Path | str | None = None,
    margins: Mapping[str, float] = _NOTHING,
    alpha: float = 0.05,
    groups: Mapping[str, tuple[str, ...]] = _NOTHING,
    metric: str | None = None,
    chance: float | None = None,
    matched_only: bool = False,
    strict: bool = False,
    seed: int = 0,
) -> Results:
    """Paired results of runs that lm-eval, lighteval, Inspect, EvalScope or others made.

    Parameters
    ----------
    baseline : Path or str
        The unquantized model's run; 'label=path' names it.
    variants : sequence or mapping
        The other runs; a mapping gives their labels.
    aa : Path or str, optional
        The baseline evaluated a second time: the noise floor.
    margins : mapping
        Unit ('fraction', 'bits/byte' ...) or suite to the largest difference that does not matter,
        in the metric's own unit; the others are those of a study.
    alpha : float
        Error rate of each family of tests, in (0, 0.5).
    groups : mapping
        Name to language codes.
    metric : str, optional
        What verdicts are about, where a task has it.
    chance : float, optional
        What a guess scores, as a fraction, where the logs do not say.
    matched_only : bool
        Compare the items that all runs have; else runs of different items are refused.
    strict : bool
        Refuse runs that differ in more than their weights.
    seed : int
        Of resampling.

    Raises
    ------
    TaskError
        If a source cannot be read.
    UnpairedItemsError
        If the runs are not about the same items, asked in the same way.
    StudyError
        If there is no variant, two have one name, or a task's language is unknown.
    """
    from dataclasses import replace

    from babelbits.results.analyse_logs import CompareOptions, load_foreign, parse_source
    from babelbits.study.config.spec import AnalysisSpec

    if isinstance(variants, Mapping):
        sources = [
            replace(parse_source(str(path)), label=label) for label, path in variants.items()
        ]
    else:
        sources = [parse_source(str(path)) for path in variants]
    if not sources:
        raise StudyError("no variant is named", hint="name at least one run beside the baseline")
    options = CompareOptions(
        margins={**AnalysisSpec().margins, **margins},
        named_margins=tuple(margins),
        alpha=alpha,
        groups=groups,
        metric=metric,
        chance=chance,
        matched_only=matched_only,
        strict=strict,
        seed=seed,
    )
    again = None if aa is None else parse_source(str(aa))
    return load_foreign(parse_source(str(baseline)), sources, aa=again, wishes=options)


def power(
    study: Study | None = None,
    *,
    items: int | None = None,
    suites: Sequence[str] = (),
    languages: Sequence[str] = (),
    churns: Sequence[float] = (0.02, 0.05, 0.10, 0.20),
    pilot: Results | None = None,
    cautious: bool = False,
    margin: float | None = None,
    alpha: float | None = None,
) -> "PowerAnalysis":
    """What a study can see before it is paid for: minimum detectable losses, items that it takes.

    Parameters
    ----------
    study : Study, optional
        What is planned; else `suites` in `languages`, or plain `items`.
    items : int, optional
        Items a language, instead of those the tasks have.
    churns : sequence of float
        Assumed shares of items whose answer changes, in (0, 1]; of no account with a pilot.
    pilot : Results, optional
        Measures the churn.
    cautious : bool
        Take the upper end of the interval of the pilot's churn.
    margin : float, optional
        In points; replaces those of the study for scores that are fractions.
    alpha : float, optional
        Two-sided; the study's unless given.

    Raises
    ------
    StudyError
        If nothing is named, a number is out of its range, or the pilot has nothing that is planned.
    """
    from babelbits.decide.power_analysis import analyse_power

    if study is None and pilot is None and items is None and not suites:
        raise StudyError("nothing is named", hint="give a study, suites, a pilot or items")
    if items is not None and items < 1:
        raise StudyError(f"items must be at least 1, not {items}")
    for churn in churns:
        if not 0 < churn <= 1:
            raise StudyError(f"a churn is a share above 0 and at most 1, not {churn:g}")
    if alpha is not None and not 0 < alpha < 0.5:
        raise StudyError(f"alpha must lie between 0 and 0.5, not {alpha:g}")
    if margin is not None and margin <= 0:
        raise StudyError(f"a margin is a loss above 0 points, not {margin:g}")
    return analyse_power(
        study, items=items, suites=suites, languages=languages, churns=churns, pilot=pilot,
        cautious=cautious, margin=margin, alpha=alpha,
    )  # fmt: skip


def gate(
    results: Results,
    variant: str,
    *,
    suites: Sequence[str] = (),
    languages: Sequence[str] = (),
    group: str | None = None,
    margins: Mapping[str, float] = _NOTHING,
    claim: "Claim" = "not-worse",
    pooled: bool = False,
) -> "Gate":
    """Whether a variant is shown to be no worse than the margin, in everything that is asked.

    Parameters
    ----------
    results : Results
        Of a run folder or of logs.
    variant : str
        Its label, e.g. 'w4-g@en'.
    suites, languages : sequence of str
        All of the study unless named.
    group : str, optional
        A group's languages instead, e.g. 'non-latin'.
    margins : mapping
        Unit or suite to margin, in the metric's own unit; the study's unless given.
    claim : {'not-worse', 'equivalent'}
        Without or with a bound on gains.
    pooled : bool
        Ask about the mean over the languages, which can hide one language's harm.

    Returns
    -------
    Gate
        Its `outcome` is 'shown' (the only pass), 'worse', 'loss' or 'undecided'; `str()` of it is
        the sentence that the command prints.

    Raises
    ------
    UnknownNameError
        If the results have no such variant, suite, language or group.
    """
    from babelbits.decide.decision_input import collect_decision_input
    from babelbits.decide.decision_query import ask, check_variant
    from babelbits.decide.gate import answer_gate as answer

    facts = collect_decision_input(results)
    check_variant(facts, variant)
    query = ask(
        facts, languages=languages, group=group, suites=suites, pooled=pooled, claim=claim,
        margins=margins,
    )  # fmt: skip
    return answer(facts, variant, query)


def recommend(
    results: Results,
    *,
    suites: Sequence[str] = (),
    languages: Sequence[str] = (),
    group: str | None = None,
    margins: Mapping[str, float] = _NOTHING,
    claim: "Claim" = "not-worse",
    pooled: bool = False,
    any_passing: bool = False,
    max_memory: str | None = None,
    min_speed: str | None = None,
) -> "Recommendation":
    """The variant to ship, by a rule fixed beforehand: most bits first, up to the first no pass.

    Parameters
    ----------
    results, suites, languages, group, margins, claim, pooled
        As in `gate`.
    any_passing : bool
        Take the smallest that passes, whatever stands before it: wrong more often.
    max_memory : str, optional
        Only variants that `babelbits speed` measured to hold no more at batch 1, e.g. '8GB'.
    min_speed : str, optional
        Only variants that it measured to write as much alone: '20' tokens a second,
        '5 sentences/s' in every language asked, or '5 sentences/s in ml'.

    Returns
    -------
    Recommendation
        `chosen` is None where nothing can be recommended; `str()` of it says which, or why not.

    Raises
    ------
    UnknownNameError
        If the results have no such suite, language or group.
    StudyError
        If `max_memory` or `min_speed` is no limit.
    """
    from babelbits.analysis import BASELINE
    from babelbits.decide.cost_limits import read_limits
    from babelbits.decide.decision_input import collect_decision_input
    from babelbits.decide.decision_query import ask
    from babelbits.decide.recommend import read_sizes
    from babelbits.decide.recommend import recommend as choose

    facts, known = collect_decision_input(results), read_sizes(results)
    query = ask(
        facts, languages=languages, group=group, suites=suites, pooled=pooled, claim=claim,
        margins=margins,
    )  # fmt: skip
    codes = [code for one in query.questions for code in one.languages]
    limits = read_limits(max_memory=max_memory, min_speed=min_speed, languages=codes)
    return choose(
        facts, query, sizes=known, baseline=known.get(BASELINE), any_passing=any_passing,
        limits=limits, speed=results.speed,
    )  # fmt: skip


def write_report(results: Results, path: Path | str) -> Path:
    """Write the report of results: an HTML page, or what the file's ending names.

    Parameters
    ----------
    results : Results
        Of a run folder or of logs.
    path : Path or str
        The file; '.html', '.md', '.csv', '.json' or '.tex'. Written whole or not at all.

    Raises
    ------
    StudyError
        If the ending is none of these.
    StoreError
        If the file cannot be written.
    """
    from babelbits.report.exports import write

    return write(results, Path(path))


def open_engine(
    folder: Path | str, *, engine: str | None = None, settings: EngineSettings | None = None
) -> Engine:
    """Load a model to score and write text; `close` it, or use `with contextlib.closing(...)`.

    Parameters
    ----------
    folder : Path or str
        A checkpoint's folder, a variant that `make_variant` made, or a folder with a GGUF file.
    engine : str, optional
        'transformers', 'llama.cpp' or another package's; None: what runs files of this format.
    settings : EngineSettings, optional
        Device, dtype, batch; the defaults suit most machines.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    ModelError
        If there is no model in the folder, or it cannot be loaded.
    MissingExtraError
        If the engine's library is not installed.
    """
    from babelbits.engines.open_engine import list_engines_for, load
    from babelbits.formats.description import find_format
    from babelbits.recipes.manifests import read_manifest

    there = Path(folder)
    if not there.is_dir():
        raise ModelError("there is no such folder", where=str(there))
    manifest = read_manifest(there)
    kind = find_format(there) if manifest is None else manifest.format
    able = (engine,) if engine else list_engines_for(kind)
    if not able:
        raise ModelError(
            f"no engine here runs the format '{kind}'",
            where=str(there),
            hint="install the package that made the variant",
        )
    return load(there, engine=able[0], settings=settings or EngineSettings())


def make_variant(
    base: Path | str,
    recipe: str,
    out: Path | str,
    *,
    parameters: Mapping[str, Any] = _NOTHING,
    calibration: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Manifest:
    """Quantize a model, and leave a complete variant in a folder of its own.

    Parameters
    ----------
    base : Path or str
        Folder of an unquantized Hugging Face checkpoint, or a GGUF file; 'bundled' is the model
        that ships in the package.
    recipe : str
        Name or alias, e.g. 'w4-g', 'nf4', 'q4_k_m': see `babelbits recipes`.
    out : Path or str
        Folder to make; must not exist (an empty one may).
    parameters : mapping
        The recipe's parameters that differ from the defaults.
    calibration : str, optional
        Language of the calibration text that ships in the package, e.g. 'nb'; for text of your
        own write a study.
    seed : int
        Of the libraries' own randomness.
    device : str
        'cpu', 'cuda', 'cuda:1' or 'auto'.

    Raises
    ------
    StudyError, UnknownNameError
        If the recipe or a parameter is unknown or out of range.
    ModelError, RecipeError, CalibrationError
        If the base cannot be used, the recipe does not fit it, or text is needed and missing.
    StoreError
        If `out` is taken or cannot be written.
    """
    from babelbits.languages import resolve
    from babelbits.recipes.calibration import CalibrationSpec
    from babelbits.recipes.make import make
    from babelbits.study.config.spec import BUNDLED, ModelSpec
    from babelbits.study.planning.base_model import locate

    own = None if str(base) == BUNDLED else Path(base).resolve()
    located = locate(ModelSpec(path=str(base), folder=own))
    text = None if calibration is None else CalibrationSpec(language=resolve(calibration).code)
    target = Path(out)
    return make(
        located.folder, recipe=recipe, parameters=parameters, calibration=text, out=target,
        variant_id=target.name, base_label=located.label, base_hash=located.hash, seed=seed,
        device=device,
    )  # fmt: skip
