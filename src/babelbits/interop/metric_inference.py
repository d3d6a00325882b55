"""What kind of number a metric is, where its tool does not say: from its name and its values.

A benchmark's metric has one kind in all languages and runs: binary if every score is 0 or 1,
bounded if all lie in [0, 1], else real. Harm's direction comes from the tool, else from the name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from babelbits.errors import UnpairedItemsError
from babelbits.interop.run_index import RunIndex
from babelbits.records import Metric, MetricKind
from babelbits.tasks.lm_eval.metrics import describe_metric
from babelbits.tasks.suites import list_all_suites

# --- what guessing scores on public benchmarks ------------------------------------------------
# Where a log or table does not say how many choices, by the benchmark's name; languages, shots and
# other endings of a name are of no account. Written answers have a chance of 0: their own floor is
# declared by the study.

_QUARTER = (
    *(
        "mmlu",
        "global_mmlu",
        "m_mmlu",
        "mmmlu",
        "cmmlu",
        "ceval",
        "ceval_valid",
        "kmmlu",
        "arabicmmlu",
    ),
    *("hellaswag", "m_hellaswag", "xhellaswag", "arc", "arc_easy", "arc_challenge", "m_arc"),
    *("belebele", "openbookqa", "race", "sciq", "logiqa", "gpqa", "exams", "medmcqa", "include"),
)
_HALF = (
    *("xcopa", "copa", "xwinograd", "winogrande", "xstorycloze", "storycloze", "piqa", "boolq"),
    *("pawsx", "paws", "wic", "rte", "global_piqa", "multiblimp", "blimp"),
)
_THIRD = ("xnli", "mnli", "anli", "cb", "siqa", "social_iqa", "afrixnli")
_WRITTEN = (
    *("mgsm", "gsm8k", "gsm_plus", "svamp", "humaneval", "mbpp", "lambada", "triviaqa", "nq_open"),
    *(
        "squad",
        "squadv2",
        "xquad",
        "mlqa",
        "tydiqa",
        "drop",
        "ifeval",
        "bbh",
        "minerva_math",
        "aime",
    ),
)

CHANCES: Mapping[str, float] = {
    **dict.fromkeys(_QUARTER, 0.25),
    **dict.fromkeys(_HALF, 0.5),
    **dict.fromkeys(_THIRD, 1 / 3),
    **dict.fromkeys(_WRITTEN, 0.0),
    "commonsense_qa": 0.2,
    "commonsenseqa": 0.2,
    "mmlu_pro": 0.1,
    "sib200": 1 / 7,
}
"""Benchmark to the expected score of guessing."""


def find_known_chance(benchmark: str) -> float | None:
    """The chance level of a benchmark of this name; None where it is not known.

    The longest known name that the benchmark's begins with, up to the end of a word.

    Examples
    --------
    >>> find_known_chance("xcopa_et"), find_known_chance("MMLU-Pro"), find_known_chance("arcade")
    (0.5, 0.1, None)
    """
    words = re.sub(r"[^a-z0-9]+", "_", benchmark.lower()).strip("_").split("_")
    for count in range(len(words), 0, -1):
        found = CHANCES.get("_".join(words[:count]))
        if found is not None:
            return found
    return None


_LOWER_IS_BETTER = (
    *("bits_per_byte", "byte_perplexity", "word_perplexity", "perplexity", "ppl", "ter", "wer"),
    *("cer", "brier_score", "loss", "nll", "bpb"),
)
_GUESSABLE = (
    *(
        "acc",
        "acc_norm",
        "acc_bytes",
        "acc_mutual_info",
        "accuracy",
        "score",
        "em",
        "loglikelihood_acc",
    ),
)


def infer_metrics(books: Sequence[RunIndex], chosen: str | None) -> dict[str, Metric]:
    """Every metric that all cells of a benchmark have, by name, the primary one first.

    Parameters
    ----------
    books : sequence of Book
        All cells of one benchmark: every run, every language.
    chosen : str, optional
        The metric that verdicts shall be about, where the benchmark has it.

    Returns
    -------
    dict
        Name to metric, without a chance level: that differs cell by cell, see `infer_chance`.

    Raises
    ------
    UnpairedItemsError
        If two runs disagree on which direction of a metric is better.
    """
    names = [m for m in books[0].metrics if all(m in book.metrics for book in books)]
    if chosen in names:
        names = [chosen, *(name for name in names if name != chosen)]
    return {name: _metric(name, books) for name in names}


def _metric(name: str, books: Sequence[RunIndex]) -> Metric:
    told = next((m for b in books for t in b.tasks for m in t.known if m.name == name), None)
    if told is not None:
        return told
    base = _base(name)
    _, kind, unit, _ = describe_metric(base, None, has_own_scorer=True)
    if unit in ("fraction", "score"):
        kind = _kind(v for book in books for v in _values(book, name))
        unit = "score" if kind == "real" else "fraction"
    if base == "log_likelihood":
        unit = "nats"
    totals = base == "bits_per_byte" and all(
        name in item.statistics for book in books for item in book.items.values()
    )
    return Metric(
        name=name,
        kind=kind,
        unit=unit,
        higher_is_better=_direction(name, books),
        corpus="ratio" if totals else None,
    )


def _base(name: str) -> str:
    """'exact_match' of 'exact_match[flexible-extract]'."""
    return name.partition("[")[0]


def _direction(name: str, books: Sequence[RunIndex]) -> bool:
    said = {
        t.higher_is_better[name]: next(iter(b.items.values())).where.rpartition(":")[0]
        for b in books
        for t in b.tasks
        if name in t.higher_is_better
    }
    if len(said) > 1:
        raise UnpairedItemsError(
            f"{books[0].suite}: higher is better in '{name}' by {said[True]}, lower by "
            f"{said[False]}",
            hint="higher_is_better must be the same in all files: one of them is wrong",
        )
    return next(iter(said), _base(name).lower() not in _LOWER_IS_BETTER)


def _values(book: RunIndex, name: str) -> Iterable[float]:
    return (value for value in book.scores(name) if value is not None)


def _kind(values: Iterable[float]) -> MetricKind:
    kind: MetricKind = "binary"
    for value in values:
        if value in (0.0, 1.0):
            continue
        if not 0 <= value <= 1:
            return "real"
        kind = "bounded"
    return kind


def infer_chance(name: str, metric: Metric, books: Sequence[RunIndex]) -> float | None:
    """Expected score of guessing: as the format says, by the choices, or by the suites we know.

    `books` are one cell's: the same questions in every run.
    """
    if metric.chance is not None:
        return metric.chance
    told = {task.chances[name] for b in books for task in b.tasks if name in task.chances}
    if len(told) > 1:
        raise UnpairedItemsError(
            f"{books[0].suite} · {books[0].language}: the chance level of '{name}' is "
            f"{' and '.join(f'{one:g}' for one in sorted(told))}",
            hint="it must be the same in all files",
        )
    if told:
        return told.pop()
    if metric.unit != "fraction" or _base(name) not in _GUESSABLE:
        return None
    items = books[0].items
    counts = takewhile(bool, (item.n_choices for item in items.values()))
    shares = [1 / count for count in counts if count]
    if shares and len(shares) == len(items):
        return sum(shares) / len(shares)
    suite = list_all_suites().get(books[0].suite)
    return find_known_chance(books[0].suite) if suite is None else suite.chance
