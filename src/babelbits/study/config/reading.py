"""study.toml to `Study`: one function a table, every mistake reported at once.

Nothing expensive happens here: no model is opened, no data read, torch stays unimported. Recipes
and suites are known by their catalogues.
"""

import dataclasses
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.errors import StudyError
from babelbits.languages import GROUP_NAMES, resolve
from babelbits.study.config import problems as found_problems
from babelbits.study.config.chat_settings import read_chat
from babelbits.study.config.claimed_languages import claimed_by
from babelbits.study.config.problems import StudyProblem
from babelbits.study.config.spec import (
    BUNDLED,
    AnalysisSpec,
    Confirmatory,
    ModelSpec,
    Study,
    default_reference,
)
from babelbits.study.config.suites import read_suites
from babelbits.study.config.toml_table import (
    Table,
    Wrong,
    array,
    choice,
    flag,
    integer,
    kind_of,
    number,
    text,
    unique,
)
from babelbits.study.config.variants import read_variants
from babelbits.suggest import did_you_mean, one_of
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
UNITS = (
    "fraction",
    "bits/byte",
    "bits/unit",
    "nats",
    "score",
    "perplexity/byte",
    "perplexity/word",
)
"""Units that a margin may be given in."""


def load(path: Path, *, limit: int | None = None, stop: bool = False) -> Study:
    """Read, check and resolve a study.

    Parameters
    ----------
    path : Path
        The study file; relative paths in it start at its folder.
    limit : int, optional
        First n items of each task only; wins over `[limits] items`.
    stop : bool
        Cells stop when their verdict is known.

    Raises
    ------
    StudyError
        If the file cannot be read; `StudyFileError` with every mistake if it holds any.
    """
    source = _read(path)
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise found_problems.syntax_error(error, text=source, file=str(path)) from None
    problems: list[StudyProblem] = []
    root = Table(data, path=(), problems=problems)
    study = _study(root, path.resolve())
    if problems:
        raise found_problems.located(problems, text=source, file=str(path))
    return dataclasses.replace(study if limit is None else _limited(study, limit), stop=stop)


def _read(path: Path) -> str:
    """The file's text with line feeds only; a byte-order mark is dropped."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError(
            "there is no such study file",
            where=str(path),
            hint=f"write one with: babelbits init {path}",
        ) from None
    except OSError as error:
        raise StudyError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise StudyError(
            f"byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8",
            where=f"{path}:{line}",
            hint="save the file as UTF-8",
        ) from None


def _study(root: Table, file: Path) -> Study:
    """All tables, in the order in which they need each other."""
    head = root.table("study")
    name = head.get("name", text, file.stem)
    seed = head.get("seed", integer(minimum=0, maximum=2**32 - 1), 0)
    folder = head.get("folder", text, f"{file.stem}.run")
    head.close(what="[study]")
    limits = root.table("limits")
    limit = limits.get("items", integer(minimum=1), 0) or None
    limits.close(what="[limits]")
    model = _model(root.table("model"), file.parent)
    engine, chunk = _engine(root.table("engine"), model)
    groups = _groups(root.table("groups"))
    claimed = _claimed(root.table("languages"), model)
    data = _data(root.table("data"), file.parent, asked=_suites_as_written(root))
    variants = read_variants(root.tables("variants"), home=file.parent, seed=seed)
    chat = read_chat(root.table("chat"), what="[chat]")
    usual = TaskOptions(limit=limit, seed=seed, chat=chat)
    asked = read_suites(
        root, home=file.parent, user=groups, claimed=claimed, data=data, usual=usual
    )
    labels = tuple(variant.label for variant in variants)
    analysis = _analysis(
        root.table("analysis"),
        labels,
        tuple(suite.suite for suite in asked),
        unique(tuple(code for suite in asked for code in suite.languages)),
    )
    root.close(what="the study")
    return Study(
        name=name,
        file=file,
        folder=_path(folder, file.parent),
        seed=seed,
        model=model,
        engine=engine,
        chunk=chunk,
        variants=variants,
        suites=asked,
        groups=groups,
        analysis=analysis,
        limit=limit,
        claimed=claimed,
    )


def _limited(study: Study, limit: int) -> Study:
    """The study with another limit on the number of items."""
    if limit < 1:
        raise StudyError(f"the limit must be at least 1, not {limit}", where="--limit")
    suites = tuple(
        dataclasses.replace(suite, options=dataclasses.replace(suite.options, limit=limit))
        for suite in study.suites
    )
    return dataclasses.replace(study, limit=limit, suites=suites)


def _path(text_: str, home: Path) -> Path:
    """A path of the study, absolute."""
    return (home / Path(text_).expanduser()).resolve()


def _model(table: Table, home: Path) -> ModelSpec:
    """Read `[model]`."""
    path = table.get("path", text, BUNDLED)
    revision = table.get("revision", text, "main")
    remote_code = table.get("trust_remote_code", flag, False)
    pickle = table.get("allow_pickle", flag, False)
    differences = table.get("allow_token_differences", flag, False)
    table.close(what="[model]")
    folder = None
    if path != BUNDLED:
        local = _path(path, home)
        looks_local = path.startswith((".", "/", "~")) or "\\" in path or local.is_dir()
        if path.endswith(".gguf") and not local.is_dir():
            looks_local = True
            if not local.is_file():
                table.complain(f"there is no GGUF file {str(local)!r}", "path")
        elif looks_local and not local.is_dir():
            table.complain(f"there is no model folder {str(local)!r}", "path")
        elif not looks_local and not _HUB_ID.fullmatch(path):
            table.complain(
                f"{path!r} is neither a folder nor a hub id",
                "path",
                hint="a hub id looks like 'owner/model'",
            )
        folder = local if looks_local else None
    if "revision" in table.data and (path == BUNDLED or folder is not None):
        table.complain(
            "only a hub model has a revision", "revision", hint="leave it out", part="key"
        )
    return ModelSpec(
        path=path,
        folder=folder,
        revision=revision,
        trust_remote_code=remote_code,
        allow_pickle=pickle,
        allow_token_differences=differences,
    )


def _device(value: Any) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise Wrong(f"must be 'auto', 'cpu', 'cuda' or 'cuda:N', not {value!r}")
    return value


def _engine(table: Table, model: ModelSpec) -> tuple[EngineSettings, int]:
    """Read `[engine]`."""
    settings = EngineSettings(
        device=table.get("device", _device, "auto"),
        dtype=table.get("dtype", choice("auto", "float32", "bfloat16", "float16"), "auto"),
        long_prompts=table.get("long_prompts", _long_prompts, "truncate-left"),
        token_budget=table.get("token_budget", integer(minimum=1), 8192),
        batch=table.get("batch", _batch, "auto"),
        trust_remote_code=model.trust_remote_code,
        allow_pickle=model.allow_pickle,
        allow_token_differences=model.allow_token_differences,
    )
    chunk = table.get("chunk", integer(minimum=1, maximum=100_000), 64)
    table.close(what="[engine]")
    return settings, chunk


def _batch(value: Any) -> Any:
    return choice("auto", "single", "many")(value)


def _long_prompts(value: Any) -> Any:
    return choice("truncate-left", "fail")(value)


def _code(value: Any) -> str:
    """A language code in canonical form."""
    if not isinstance(value, str):
        raise Wrong(f"must be a language code in quotes, not {kind_of(value)}")
    return resolve(value).code


def _groups(table: Table) -> dict[str, tuple[str, ...]]:
    """Read `[groups]`."""
    found: dict[str, tuple[str, ...]] = {}
    check = array(_code, what="languages")
    for name in table.data:
        if name in (*GROUP_NAMES, "all"):
            table.complain(f"the group {name!r} exists already", name, hint="rename it", part="key")
        found[name] = unique(table.get(name, check, ()))
    return found


def _claimed(table: Table, model: ModelSpec) -> tuple[str, ...] | None:
    """Read `[languages]`."""
    declared = table.get("claimed", array(_code, what="languages"), None)
    table.close(what="[languages]")
    return claimed_by(model.path) if declared is None else unique(declared)


def _suites_as_written(root: Table) -> list[Any]:
    """What `suite` is in every `[[tasks]]`, unchecked: tasks of own YAML folders are among them."""
    tables = root.data.get("tasks")
    if not isinstance(tables, list):
        return []
    return [table.get("suite") for table in tables if isinstance(table, dict)]


def _data(table: Table, home: Path, *, asked: list[Any]) -> dict[str, Path]:
    """Read `[data]`; a name that a task has is known, or is complained of there."""
    found = {}
    for name in table.data:
        folder = table.get(name, text, "")
        if name not in asked and not catalogue.is_known(name):
            near = did_you_mean(name, catalogue.suites())
            table.complain(f"unknown task {name!r}", name, hint=near, part="key")
        elif folder and not _path(folder, home).is_dir():
            table.complain(f"there is no folder {str(_path(folder, home))!r}", name)
        elif folder:
            found[name] = _path(folder, home)
    return found


def _one_of(options: tuple[str, ...], what: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in options:
            return value
        near = did_you_mean(value, options) if isinstance(value, str) else None
        raise Wrong(
            f"names no {what} of this study: {value!r}", hint=near or f"there is {one_of(options)}"
        )

    return check


def _analysis(
    table: Table, labels: tuple[str, ...], suites: tuple[str, ...], languages: tuple[str, ...]
) -> AnalysisSpec:
    """Read `[analysis]`."""
    usual = AnalysisSpec()
    margins = _margins(table.table("margins"), suites)
    caps = _loss_caps(table.table("loss_caps"))
    confirmatory = None
    if "confirmatory" in table.data:
        confirmatory = _confirmatory(table.table("confirmatory"), labels, suites)
    spec = AnalysisSpec(
        alpha=table.get("alpha", number(above=0, below=0.5), usual.alpha),
        margins={**usual.margins, **margins},
        loss_caps={**usual.loss_caps, **caps},
        confirmatory=confirmatory,
        floor=table.get("floor", number(above=0, below=1, closed=True), usual.floor),
        reference=table.get("reference", _asked(languages), default_reference(languages)),
        aa=table.get("aa", flag, usual.aa),
    )
    table.close(what="[analysis]")
    return spec


def _asked(languages: tuple[str, ...]) -> Callable[[Any], str]:
    """A language, by any of its codes or names, that some task is asked in."""

    def check(value: Any) -> str:
        code = _code(value)
        if code not in languages:
            raise Wrong(
                f"names no language of this study: {value!r}", hint=f"there is {one_of(languages)}"
            )
        return code

    return check


def _margins(table: Table, suites: tuple[str, ...]) -> Mapping[str, float]:
    """`margins`, by the metric's unit or by the suite's name."""
    known = (*UNITS, *unique(suites))
    found = {}
    for name in table.data:
        value = table.get(name, number(above=0, below=float("inf")), 0.0)
        if name not in known:
            hint = did_you_mean(name, known) or f"a margin is for {one_of(known)}"
            table.complain(
                f"{name!r} is no unit and no task of this study", name, hint=hint, part="key"
            )
        elif name == "fraction" and value >= 1:
            table.complain("a margin in fractions must be below 1 (2 points are 0.02)", name)
        else:
            found[name] = value
    return found


def _loss_caps(table: Table) -> Mapping[str, float]:
    """`loss_caps`: the most that one item can lose, by the metric's unit."""
    found = {}
    for name in table.data:
        value = table.get(name, number(above=0, below=float("inf")), 0.0)
        if name not in UNITS:
            hint = did_you_mean(name, UNITS) or f"a cap is for {one_of(UNITS)}"
            table.complain(f"{name!r} is no unit", name, hint=hint, part="key")
        elif name == "fraction" and value > 1:
            table.complain("no difference of fractions exceeds 1", name)
        else:
            found[name] = value
    return found


def _confirmatory(table: Table, labels: tuple[str, ...], suites: tuple[str, ...]) -> Confirmatory:
    """`confirmatory`; a part that is left out stands for everything."""
    variants = tuple(label for label in labels if label != labels[0])
    suites = unique(suites)
    found = Confirmatory(
        variants=table.get(
            "variants", array(_one_of(variants, "variant"), what="variants"), variants
        ),
        suites=table.get("suites", array(_one_of(suites, "task"), what="tasks"), suites),
    )
    table.close(what="'confirmatory'")
    return found
