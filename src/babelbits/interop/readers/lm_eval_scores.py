"""lm-eval's metrics of one document, whichever filter and form they were logged in.

Which metrics are numbers of an item, and which are tuples that only a corpus-wide aggregation can
read, is `tasks.lm_eval.metrics`' to know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from babelbits.interop.readers import files
from babelbits.interop.readers.record import ForeignItem, OutputType
from babelbits.tasks.lm_eval.metrics import count_totals, describe_metric

UNFILTERED = "none"
_CORPUS_ONLY = ("f1", "mcc", "likelihood")
_LENIENT = "flexible-extract"
"""Verdicts are about this filter where a task has it, as in our own adapter."""


@dataclass(slots=True)
class Document:
    """One document's rows, one a filter."""

    where: str
    asked: ForeignItem
    """What all its rows share: question, prompt, answers; without scores."""
    choices: tuple[str, ...] = ()
    rows: dict[str, files.Row] = field(default_factory=dict)
    """Filter to what was logged of its metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Which metrics a task has, and how to read them from a document's rows."""

    sources: Mapping[str, tuple[str, str]]
    """Our name to lm-eval's filter and metric."""
    better: Mapping[str, bool]
    notes: tuple[str, ...]
    kind: OutputType
    own_scorer: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Our names, the one that verdicts are about first."""
        return tuple(self.sources)

    @classmethod
    def of(
        cls,
        docs: Sequence[Document],
        config: Mapping[str, Any],
        kind: OutputType,
        results: files.Row,
        task: str,
    ) -> "Metrics":
        """From what the first document holds and the results file declares."""
        filters = list(docs[0].rows)
        several = len(filters) > 1
        own = bool(config.get("process_results"))
        said = files.as_mapping(files.as_mapping(results.get("higher_is_better")).get(task))
        sources: dict[str, tuple[str, str]] = {}
        better: dict[str, bool] = {}
        left_out = []
        for filter_name in sorted(filters, key=lambda one: one != _LENIENT):
            for metric in _in_order(docs[0].rows[filter_name], config):
                if metric in _CORPUS_ONLY and not own:
                    left_out.append(metric)
                    continue
                shown = describe_metric(metric, _lm_eval_type(kind), has_own_scorer=own)[0]
                name = f"{shown}[{filter_name}]" if several else shown
                sources[name] = (filter_name, metric)
                if shown == "log_likelihood":
                    better[name] = True
                elif isinstance(said.get(metric), bool):
                    better[name] = said[metric]
        notes = tuple(
            f"{task}: {name} is a number of the whole corpus; single items have none to pair"
            for name in dict.fromkeys(left_out)
        )
        return cls(sources=sources, better=better, notes=notes, kind=kind, own_scorer=own)

    def scores(self, doc: Document) -> dict[str, float | None]:
        """Every metric of one document; None where there is no number."""
        found: dict[str, float | None] = {}
        for name, (filter_name, metric) in self.sources.items():
            raw = doc.rows.get(filter_name, {}).get(metric)
            *_, convert = describe_metric(
                metric, _lm_eval_type(self.kind), has_own_scorer=self.own_scorer
            )
            found[name] = None if raw is None else _converted(convert, raw)
        return found

    def statistics(self, doc: Document) -> dict[str, tuple[float, ...]]:
        """Bits and bytes of one document, where they were logged."""
        logged = {
            name: count_totals(metric, doc.rows.get(filter_name, {}).get(metric))
            for name, (filter_name, metric) in self.sources.items()
        }
        return {name: found for name, found in logged.items() if found is not None}


def list_filters(task: str, config: Mapping[str, Any], results: files.Row) -> list[str]:
    """A task's filters in the order in which their rows are logged; [] where nobody says."""
    declared = [
        files.as_text(files.as_mapping(one).get("name"))
        for one in files.as_list(config.get("filter_list"))
    ]
    totals = files.as_mapping(files.as_mapping(results.get("results")).get(task))
    named = (key.partition(",") for key in totals if "_stderr," not in key)
    said = list(dict.fromkeys(name for _, comma, name in named if comma))
    return declared if set(declared) == set(said) or not said else said


_NO_METRICS = frozenset(
    ("doc_id", "target", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash")
)
"""What else stands in a sample's row."""


def _in_order(row: files.Row, config: Mapping[str, Any]) -> list[str]:
    """The row's metrics, those that the task declares first in its order.

    Before 0.4.5 rows do not list them: whatever is no known field is one.
    """
    listed = files.as_list(row.get("metrics")) if "metrics" in row else set(row) - _NO_METRICS
    logged = sorted({files.as_text(name) for name in listed})
    declared = [
        files.as_mapping(one).get("metric") for one in files.as_list(config.get("metric_list"))
    ]
    return sorted(logged, key=lambda one: declared.index(one) if one in declared else len(declared))


def _converted(convert: Any, raw: Any) -> float | None:
    """A metric's number; None where there is none, or it needs sacrebleu that is not installed."""
    try:
        value: float | None = convert(raw)
    except (ImportError, ArithmeticError, TypeError, ValueError, AttributeError, LookupError):
        return None
    return files.score(value)


def _lm_eval_type(kind: OutputType) -> str:
    return {"choice": "multiple_choice", "generation": "generate_until"}.get(kind, kind)
