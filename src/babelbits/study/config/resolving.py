"""A study file that has its shape to a `Study`: what its tables mean together, on this machine.

Nothing expensive happens here: no model is opened, no data read, torch stays unimported. Recipes
and suites are known by their catalogues. What is wrong is noted and kept, so that a run folder's
copy of a study can be read where its paths lead nowhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.analysis.settings import Confirmatory
from babelbits.bundled import MODEL_LANGUAGES
from babelbits.engines.base import EngineSettings
from babelbits.errors import BabelbitsError
from babelbits.languages.corpus_shares import CORPORA, read_shares
from babelbits.study.config.baselines import with_engine_baselines
from babelbits.study.config.endpoint import make_endpoint_settings
from babelbits.study.config.engines import format_problem
from babelbits.study.config.labels import find_label
from babelbits.study.config.model_card import read_card_languages
from babelbits.study.config.model_paths import make_absolute, resolve_model
from babelbits.study.config.problems import Findings
from babelbits.study.config.spec import (
    BUNDLED,
    AnalysisSpec,
    Study,
    SuiteSpec,
    VariantSpec,
    choose_reference,
)
from babelbits.study.config.suites import Surroundings, read_chat_options, resolve_suites
from babelbits.study.config.variants import refuse_made, resolve_variants
from babelbits.suggest import did_you_mean, one_of
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.own_files import is_template

if TYPE_CHECKING:
    from babelbits.study.config.file_model import AnalysisTable, EngineTable, StudyFile


def resolve_study(tables: "StudyFile", found: Findings, *, file: Path) -> Study:
    """All tables of a study file together; what is wrong is noted in `found`.

    Parameters
    ----------
    tables : StudyFile
        What the file says.
    found : Findings
        About the file.
    file : Path
        Absolute; relative paths start at its folder.
    """
    home, seed, limit = file.parent, tables.study.seed, tables.limits.items
    model = resolve_model(tables.model, found.at("model"), home=home)
    groups = {name: tuple(dict.fromkeys(codes)) for name, codes in tables.groups.items()}
    declared = tables.languages.claimed
    claimed = (
        list_claimed(model.path, folder=model.folder)
        if declared is None
        else tuple(dict.fromkeys(declared))
    )
    _check_shares(tables.languages.shares, found.at("languages"), home)
    data = _data(tables, found.at("data"), home)
    engine = EngineSettings(
        **tables.engine.model_dump(exclude={"batch_items", "chunk", "python"}),
        python=_interpreter(tables.engine.python, home),
        **tables.model.model_dump(exclude={"path", "revision", "endpoint"}),
    )
    served = None
    if tables.model.endpoint is not None:
        here = found.at("model").at("endpoint")
        served = make_endpoint_settings(tables.model.endpoint, here, cache=None)
    variants = resolve_variants(
        tables.variants, found, home=home, seed=seed, engine=tables.engine.name, served=served
    )
    if model.is_elsewhere and served is not None:
        refuse_made(variants, found)
    chat = read_chat_options(tables.chat, found.at("chat"))
    around = Surroundings(
        home=home,
        user=groups,
        claimed=claimed,
        data=data,
        usual=TaskOptions(limit=limit, seed=seed, chat=chat),
    )
    suites = resolve_suites(tables, found, around)
    problem = format_problem(tables.engine.name, model, variants)
    if problem is not None:
        found.at("engine").note(problem.what, "name", hint=problem.hint)
    elif tables.analysis.baseline_by_engine:
        variants = with_engine_baselines(variants, model=model, engine=engine)
    return Study(
        name=tables.study.name or file.stem,
        file=file,
        folder=make_absolute(tables.study.folder or f"{file.stem}.run", home),
        seed=seed,
        model=model,
        engine=engine,
        batch_items=_batch_items(tables.engine, found.at("engine")),
        variants=variants,
        suites=suites,
        groups=groups,
        analysis=_analysis(tables.analysis, variants, suites, found.at("analysis")),
        limit=limit,
        claimed=claimed,
        corpus=tables.languages.shares,
    )


def _check_shares(name: str, found: Findings, home: Path) -> None:
    """The user's table is read once, so that its mistakes are found before anything runs."""
    if name in CORPORA:
        return
    path = make_absolute(name, home)
    if not path.is_file():
        hint = did_you_mean(name, CORPORA) or f"there is {one_of(CORPORA)}"
        found.note(f"no published corpus and no file {name!r}", "shares", hint=hint)
        return
    try:
        read_shares(str(path))
    except BabelbitsError as error:
        found.note(f"the shares cannot be read: {error}", "shares")


def list_claimed(model: str, *, folder: Path | None = None) -> tuple[str, ...] | None:
    """Languages that a model claims to know, as far as is known without being told.

    Of a model in a folder these are the languages that its card names.

    A claim is what its makers say. Damage in languages that a model does not claim is the first
    open question of Marchisio et al. 2024 (arXiv 2407.03211, section on limitations).
    """
    if model == BUNDLED:
        return MODEL_LANGUAGES
    return None if folder is None else read_card_languages(folder)


def _interpreter(written: str | None, home: Path) -> str | None:
    """A path as the file means it; links stay, for one leads into an environment."""
    return None if written is None else str((home / Path(written).expanduser()).absolute())


def _batch_items(table: "EngineTable", found: Findings) -> int:
    if table.chunk is None:
        return table.batch_items
    if "batch_items" in table.model_fields_set:
        what = "'chunk' is the old name of 'batch_items', which is given too"
        found.note(what, "chunk", hint="leave it out", part="key")
    return table.chunk


def _data(tables: "StudyFile", found: Findings, home: Path) -> dict[str, Path]:
    """`[data]`; a name that a task has is known, or is complained of there."""
    asked = [table.suite for table in tables.tasks]
    folders = {}
    for name, written in tables.data.items():
        folder = make_absolute(written, home)
        if is_template(folder):
            if catalogue.is_known(name):
                what = f"{name!r} is a task already, and this is a benchmark of your own"
                found.note(what, name, hint="give it another name", part="key")
            else:
                folders[name] = folder
        elif name not in asked and not catalogue.is_known(name):
            near = did_you_mean(name, catalogue.list_suites())
            found.note(f"unknown task {name!r}", name, hint=near, part="key")
        elif not folder.is_dir():
            found.note(f"there is no folder {str(folder)!r}", name)
        else:
            folders[name] = folder
    return folders


def _analysis(
    table: "AnalysisTable",
    variants: tuple[VariantSpec, ...],
    suites: tuple[SuiteSpec, ...],
    found: Findings,
) -> AnalysisSpec:
    usual = AnalysisSpec()
    names = tuple(dict.fromkeys(one.suite for one in suites))
    languages = tuple(dict.fromkeys(code for one in suites for code in one.languages))
    if table.reference is not None and table.reference not in languages:
        what = f"'reference' names no language of this study: {table.reference!r}"
        found.note(what, "reference", hint=f"there is {one_of(languages)}")
    _check_margins(table.margins, names, found.at("margins"))
    if table.loss_caps.get("fraction", 0) > 1:
        found.note("no difference of fractions exceeds 1", "loss_caps", "fraction")
    settled = {
        "margins": {**usual.margins, **table.margins},
        "loss_caps": {**usual.loss_caps, **table.given().get("loss_caps", {})},
        "confirmatory": _confirmatory(table, variants, names, found.at("confirmatory")),
        "reference": table.reference or choose_reference(languages),
        "contrasts": _contrasts(table, variants, found.at("contrasts")),
    }
    return AnalysisSpec(**{**table.given(), **settled})


def _contrasts(
    table: "AnalysisTable", variants: tuple[VariantSpec, ...], found: Findings
) -> tuple[tuple[str, str], ...]:
    """`[[analysis.contrasts]]` by label; what names no variant, or one twice, is a mistake."""
    labels = [one.label for one in variants]
    pairs = []
    for index, one in enumerate(table.contrasts):
        both = {
            "variant": find_label(one.variant, labels),
            "against": find_label(one.against, labels),
        }
        for key, label in both.items():
            if label is None:
                name = getattr(one, key)
                hint = did_you_mean(name, labels) or f"there is {one_of(labels)}"
                found.note(f"no variant {name!r} in this study", index, key, hint=hint)
        first, second = both.values()
        if first is not None and first == second:
            found.note("a contrast needs two variants", index, "against")
        if first is not None and second is not None:
            pairs.append((first, second))
    return tuple(pairs)


def _check_margins(margins: Mapping[str, float], suites: tuple[str, ...], found: Findings) -> None:
    from babelbits.study.config.file_model import UNITS

    known = (*UNITS, *suites)
    for name, margin in margins.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"a margin is for {one_of(known)}"
            what = f"{name!r} is no unit and no task of this study"
            found.note(what, name, hint=hint, part="key")
        elif name == "fraction" and margin >= 1:
            found.note("a margin in fractions must be below 1 (2 points are 0.02)", name)


def _confirmatory(
    table: "AnalysisTable",
    variants: tuple[VariantSpec, ...],
    suites: tuple[str, ...],
    found: Findings,
) -> Confirmatory | None:
    """`confirmatory`; a part that is left out stands for everything."""
    declared = table.confirmatory
    if declared is None:
        return None
    labels = tuple(one.label for one in variants if not one.is_baseline)
    known = {"variants": labels, "suites": suites}
    for key, names in declared.given().items():
        for index, name in enumerate(names):
            if name not in known[key]:
                what = "variant" if key == "variants" else "task"
                message = f"'{key}' [{index}] names no {what} of this study: {name!r}"
                hint = did_you_mean(name, known[key]) or f"there is {one_of(known[key])}"
                found.note(message, key, index, hint=hint)
    return Confirmatory(**{key: tuple(names) for key, names in declared.given().items()})
