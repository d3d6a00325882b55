"""Effects of several studies as rows of one table: damage, its error, and what could explain it.

A row is one variant on one task in one language. It comes from a run folder, from results of other
tools that `babelbits compare` reads, or from a table of published numbers. Only run folders and
results item by item bring standard errors; a table may. Nothing is fitted here.
Sign: delta = variant - baseline, oriented; harm is negative. Fractions are in [0, 1].
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from babelbits.analysis.cell_index import sort_cells
from babelbits.analysis.cells import BASELINE
from babelbits.analysis.paired_samples import Sample, select_part
from babelbits.analysis.settings import AnalysisSettings
from babelbits.errors import StudyError
from babelbits.languages import resolve
from babelbits.records import Effect, TaskInfo
from babelbits.results.results import Results
from babelbits.stats.cluster import cluster_standard_error
from babelbits.stats.meta import sampling_variances
from babelbits.stats.paired_scores import FloatArray
from babelbits.suggest import did_you_mean

REQUIRED = ("model", "variant", "task", "language")
OPTIONAL = (
    *("delta", "baseline", "score", "standard_error", "unit", "higher_is_better", "kind"),
    *("bits", "method", "size", "n_items"),
)
FACTS = ("model", "variant", "bits", "method", "size")
_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """One variant of one model on one task in one language."""

    model: str
    variant: str
    task: str
    language: str
    """Canonical code."""
    unit: str
    delta: float
    standard_error: float | None
    """None where the source has none: the row is shown and not fitted."""
    source: str
    """The run folder or file, as it was given."""
    kind: str | None = None
    """What a model does in the task: 'choice', 'generation', 'text' ..."""
    bits: float | None = None
    """Stored bits a weight."""
    method: str | None = None
    size: float | None = None
    """Number of the model's weights."""
    n_items: int | None = None
    fertility: float | None = None
    """Tokens of a parallel sentence under the model's tokenizer; None where nobody measured it."""
    claimed: bool | None = None
    """Whether the model claims the language; None where nobody says what it claims."""
    at_floor: bool = False
    early: bool = False
    """The cell could stop when its verdict was known, so that its delta is biased."""
    aa_delta: float | None = None
    """Of the baseline against itself; None where it was not run."""
    halves: tuple[tuple[float, float], ...] = ()
    """Delta and standard error of every other unit from the first on, and from the second on."""
    half_changes: tuple[int, ...] = ()
    """Units of each half that changed; empty where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One argument of the command, read."""

    name: str
    rows: tuple[EvidenceRow, ...]
    models: Mapping[str, str]
    """Model to what identifies its weights, '' where nothing does."""
    measured_as: Mapping[str, str]
    """Task to how it was scored; '' where nobody says."""
    settings: str = ""
    """What an analysis declares and this one does not use."""


# --- results item by item --------------------------------------------------------------------


def make_rows(results: Results, *, source: str, model: str | None = None) -> Source:
    """The primary effects of every language, each with its standard error.

    Parameters
    ----------
    results : Results
        Of a run folder or of other tools.
    source : str
        Its name in messages.
    model : str, optional
        Its name; a run folder's own unless given.

    Raises
    ------
    StudyError
        If it is a smoke run.
    """
    if results.study.smoke:
        raise StudyError(
            "a smoke run is no evidence", where=source, hint="run the study without --limit"
        )
    name = model or results.study.model
    base = results.manifests.get(BASELINE) or next(iter(results.manifests.values()), None)
    tasks = {cell.meta.task.suite: cell.meta.task for cell in results.cells}
    samples = _samples(results)
    errors = _errors(samples)
    tokens = _tokens(results)
    claims = _claims(results)
    rows = []
    for effect, task in _primary(results):
        key = (effect.variant, effect.task, effect.language or "")
        made = results.manifests.get(effect.variant)
        rows.append(
            replace(
                _row(effect, task, model=name, source=source),
                standard_error=errors.get(key),
                bits=None if made is None else made.bits_per_weight,
                method=None if made is None else made.recipe,
                size=None if base is None else float(base.n_weights),
                fertility=tokens.get(effect.language or ""),
                claimed=None if claims is None else (effect.language or "") in claims,
                halves=_halves(samples[key]) if key in samples else (),
                half_changes=_half_changes(samples[key]) if key in samples else (),
            )
        )
    return Source(
        name=source,
        rows=tuple(rows),
        models={name: "" if base is None else base.base_hash},
        measured_as={suite: _measured(task) for suite, task in tasks.items()},
        settings=_declared(results),
    )


def make_rows_without_errors(results: Results) -> tuple[EvidenceRow, ...]:
    """The primary effects of every language of one study, for what uses no standard errors.

    Of a smoke run too: whoever shows them says that it is one.
    """
    tokens = _tokens(results)
    return tuple(
        replace(
            _row(effect, task, model=results.study.model, source=results.study.folder),
            fertility=tokens.get(effect.language or ""),
        )
        for effect, task in _primary(results)
    )


def _primary(results: Results) -> Iterator[tuple[Effect, TaskInfo]]:
    """Effects of single languages on primary metrics, and no baseline's."""
    tasks = {cell.meta.task.suite: cell.meta.task for cell in results.cells}
    apart = {*results.reference_labels, *results.analysis.apart}
    for effect in results.analysis.effects:
        task = tasks[effect.task]
        primary = effect.scope == "language" and effect.metric == task.primary
        if primary and effect.variant not in apart:
            yield effect, task


def _row(effect: Effect, task: TaskInfo, *, model: str, source: str) -> EvidenceRow:
    return EvidenceRow(
        model=model,
        variant=effect.variant,
        task=effect.task,
        language=effect.language or "",
        unit=effect.unit,
        delta=effect.delta,
        standard_error=None,
        source=source,
        kind=task.output_type,
        n_items=effect.counts.n_items,
        at_floor=effect.arms.at_floor,
        early=effect.counts.n_planned is not None,
        aa_delta=effect.arms.aa_delta,
    )


def _tokens(results: Results) -> Mapping[str, float]:
    """Language to the tokens of a parallel sentence, where `babelbits speed` counted them."""
    arm = None if results.speed is None else results.speed.arms.get(BASELINE)
    return {} if arm is None or arm.fertility is None else arm.fertility.tokens


def _claims(results: Results) -> frozenset[str] | None:
    """Canonical codes of the languages that the model claims."""
    claimed = results.study.claimed
    return None if claimed is None else frozenset(resolve(code).code for code in claimed)


def _measured(task: TaskInfo) -> str:
    metric = task.metric(task.primary)
    return f"{metric.name} in {metric.unit}, {task.output_type}, scorer {task.scorer_version}"


def _declared(results: Results) -> str:
    margins = ", ".join(f"{k} {v:g}" for k, v in sorted(results.study.margins.items()))
    return f"alpha {results.study.alpha:g}; margins: {margins}"


_Key = tuple[str, str, str]


def _samples(results: Results) -> dict[_Key, Sample]:
    """Variant, suite and language to the pairs on the primary metric."""
    desk, found = sort_cells(results.cells), {}
    settings = AnalysisSettings()
    for variant, cells in desk.variants.items():
        for suite, paired in desk.pairs(cells).items():
            for cell, pairs in paired:
                task = cell.meta.task
                ours = select_part(pairs, task.metric(task.primary), settings=settings)
                if ours is not None:
                    one = Sample(variant=variant, scope="language", group=None, parts=(ours,))
                    found[variant, suite, task.language] = one
    return found


def _errors(samples: Mapping[_Key, Sample]) -> dict[_Key, float]:
    """Standard errors, steadied by what the languages of a variant and task have in common."""
    found: dict[_Key, float] = {}
    for place in dict.fromkeys(key[:2] for key in samples):
        ours = {key: one for key, one in samples.items() if key[:2] == place}
        variances = sampling_variances(
            [one.unit_variance for one in ours.values()],
            [one.scores.n_clusters for one in ours.values()],
        )
        found |= {key: math.sqrt(v) for key, v in zip(ours, variances, strict=True) if v > 0}
    return found


def _halves(sample: Sample) -> tuple[tuple[float, float], ...]:
    """Every other unit: which is in which half is fixed before any score is looked at."""
    units = sample.scores.linearised
    halves = [units[start::2] for start in (0, 1)]
    if min(one.size for one in halves) < 2 or cluster_standard_error(sample.scores) is None:
        return ()
    return tuple((float(one.mean()), _error(one)) for one in halves)


def _half_changes(sample: Sample) -> tuple[int, ...]:
    changed = sample.scores.contributions != 0
    return tuple(int(changed[start::2].sum()) for start in (0, 1))


def _error(values: FloatArray) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(values.size))


# --- tables ----------------------------------------------------------------------------------


def read_table(path: Path) -> Source:
    """A table of published effects: a row a model, variant, task and language.

    Columns: model, variant, task, language; delta, or baseline and score; and where they are known
    standard_error, unit ('fraction' unless given; 'points' are hundredths of it),
    higher_is_better, kind, bits, method, size, n_items.

    Raises
    ------
    StudyError
        If a column or a number cannot be read; the message names the line.
    UnknownNameError
        If a language is unknown.
    """
    rows, _ = _records(path, required=REQUIRED, known=(*REQUIRED, *OPTIONAL))
    found = tuple(_published(row, where=f"{path}:{line}", source=str(path)) for line, row in rows)
    if not found:
        raise StudyError("the table has no rows", where=str(path))
    return Source(
        name=str(path),
        rows=found,
        models=dict.fromkeys((one.model for one in found), ""),
        measured_as={},
    )


def _records(
    path: Path, *, required: Sequence[str], known: Sequence[str]
) -> tuple[list[tuple[int, dict[str, str]]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            heads = list(reader.fieldnames or ())
            rows = [
                (reader.line_num, {k: (v or "").strip() for k, v in row.items() if k is not None})
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"the table cannot be read: {error}", where=str(path)) from error
    for head in heads:
        if head not in known:
            near = did_you_mean(head, known) or f"columns: {', '.join(known)}"
            raise StudyError(f"unknown column '{head}'", where=f"{path}:1", hint=near)
    lacking = [one for one in required if one not in heads]
    if lacking:
        raise StudyError(
            f"no column '{lacking[0]}'", where=f"{path}:1", hint=f"it needs {', '.join(required)}"
        )
    return rows, heads


def _published(row: Mapping[str, str], *, where: str, source: str) -> EvidenceRow:
    for name in REQUIRED:
        if not row[name]:
            raise StudyError(f"no {name}", where=where)
    unit = row.get("unit") or "fraction"
    factor = 1.0
    if unit == "points":
        unit, factor = "fraction", _POINTS
    error = _number(row, "standard_error", where)
    if error is not None and error <= 0:
        raise StudyError(
            f"a standard error of {error:g}", where=where, hint="leave it empty if it is not known"
        )
    return EvidenceRow(
        model=row["model"],
        variant=row["variant"],
        task=row["task"],
        language=resolve(row["language"]).code,
        unit=unit,
        delta=_delta(row, where) / factor,
        standard_error=None if error is None else error / factor,
        source=source,
        kind=row.get("kind") or None,
        bits=_number(row, "bits", where),
        method=row.get("method") or None,
        size=_positive(row, "size", where),
        n_items=None if (n := _positive(row, "n_items", where)) is None else int(n),
    )


def _delta(row: Mapping[str, str], where: str) -> float:
    given = _number(row, "delta", where)
    before, after = _number(row, "baseline", where), _number(row, "score", where)
    if given is not None:
        return given
    if before is None or after is None:
        raise StudyError(
            "no effect", where=where, hint="give delta, or baseline and score of the variant"
        )
    higher = (row.get("higher_is_better") or "true").lower()
    if higher not in ("true", "false", "1", "0"):
        raise StudyError(f"higher_is_better is '{higher}'", where=where, hint="true or false")
    return (after - before) * (1.0 if higher in ("true", "1") else -1.0)


def _number(row: Mapping[str, str], name: str, where: str) -> float | None:
    text = row.get(name) or ""
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise StudyError(f"{name} is '{text}', which is no number", where=where)
    return found


def _positive(row: Mapping[str, str], name: str, where: str) -> float | None:
    found = _number(row, name, where)
    if found is not None and found <= 0:
        raise StudyError(f"{name} is {found:g}; it is above 0", where=where)
    return found


def with_facts(source: Source, path: Path) -> Source:
    """What the results do not say of their models and variants, from a table.

    Columns: model, and any of variant (empty: all of the model), bits, method, size.

    Raises
    ------
    StudyError
        If the table cannot be read.
    """
    facts, _ = _records(path, required=("model",), known=FACTS)
    rows = list(source.rows)
    for line, fact in facts:
        where = f"{path}:{line}"
        bits, size = _positive(fact, "bits", where), _positive(fact, "size", where)
        rows = [
            replace(
                row,
                bits=row.bits if row.bits is not None else bits,
                method=row.method or fact.get("method") or None,
                size=row.size if row.size is not None else size,
            )
            if row.model == fact["model"] and fact.get("variant", "") in ("", row.variant)
            else row
            for row in rows
        ]
    return replace(source, rows=tuple(rows))


# --- together --------------------------------------------------------------------------------


def gather(sources: Sequence[Source]) -> tuple[tuple[EvidenceRow, ...], tuple[str, ...]]:
    """All rows, and what a reader must know of their putting together.

    Raises
    ------
    StudyError
        If a model is there twice, or a task was scored in several ways.
    """
    _refuse_twice(sources)
    _refuse_scores(sources)
    rows = tuple(row for one in sources for row in one.rows)
    if not rows:
        raise StudyError("there is no effect in what was given")
    return rows, tuple(_notes(sources))


def _refuse_twice(sources: Sequence[Source]) -> None:
    """By name, and by weights where a run folder knows them."""
    seen: dict[str, tuple[str, str]] = {}
    for one in sources:
        for model, identity in one.models.items():
            for key in (f"name {model}", f"weights {identity}" if identity else ""):
                called, where = seen.get(key, ("", ""))
                if where:
                    known = f"'{model}'" if called == model else f"'{called}' and '{model}'"
                    raise StudyError(
                        f"the same model twice, {known}: {where} and {one.name}",
                        hint="its luck would count as that of two models: give one of them, "
                        "or make it one study with all variants",
                    )
            seen[f"name {model}"] = (model, one.name)
            if identity:
                seen[f"weights {identity}"] = (model, one.name)


def _refuse_scores(sources: Sequence[Source]) -> None:
    first: dict[str, tuple[str, str]] = {}
    for one in sources:
        for task, how in one.measured_as.items():
            known, where = first.setdefault(task, (how, one.name))
            if known != how:
                raise StudyError(
                    f"'{task}' was scored in two ways: {known} ({where}); {how} ({one.name})",
                    hint="run one of them again with the other's setting, or leave it out",
                )


def _notes(sources: Sequence[Source]) -> Iterator[str]:
    declared = {one.settings: one.name for one in sources if one.settings}
    if len(declared) > 1:
        listed = "; ".join(f"{name}: {settings}" for settings, name in declared.items())
        yield (
            "the studies declare different settings, which this analysis does not use: it takes "
            f"changes and their errors, and no verdict ({listed})"
        )
