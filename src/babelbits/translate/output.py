"""What passed, what did not, and where each row comes from; every file whole or absent.

    OUTPUT/nb.jsonl (or nb.txt)                   what passed, ready for [data] or a calibration
    OUTPUT/nb.translation/failed.jsonl            what did not pass, with what was found
    OUTPUT/nb.translation/provenance.jsonl        of a text: one row a paragraph
    OUTPUT/nb.translation/summary.json            counts, settings, model, checks

With a limit: nb.first-10.jsonl and nb.translation/first-10/, so that a trial is never taken for the
whole. Rows of failed translations are in no data file: a benchmark must not hold a question of
which it is known that something is wrong.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from babelbits.store.atomic import write_atomically
from babelbits.translate import backward
from babelbits.translate.job import CHECKS_VERSION, TranslationJob
from babelbits.translate.prompts import PROMPT_HASH
from babelbits.translate.source import PROVENANCE, TranslationSource
from babelbits.translate.translate_units import Result, Translation, Unanswered
from babelbits.translate.translation_checks import CHECKS
from babelbits.translate.units import Unit

SCHEMA = "babelbits.translate/1"


def write(
    job: TranslationJob,
    source: TranslationSource,
    results: Sequence[Result],
    *,
    model: Mapping[str, Any],
    checked_by: str | None,
) -> dict[str, Any]:
    """Write all files of a job; returns the summary.

    Parameters
    ----------
    results : sequence of Result
        In the order of the source's units.
    model : mapping
        The model's identity.
    checked_by : str, optional
        Recipe of the language identifier; None: the language was not checked.
    """
    pairs = list(zip(source.units, results, strict=True))
    passed = [(u, r) for u, r in pairs if isinstance(r, Translation) and r.passed]
    part = "" if job.limit is None else f".first-{job.limit}"
    data = job.output / f"{job.target_language}{part}{source.suffix}"
    made = {
        unit.unit_id: make_provenance(job, unit, result, model=model) for unit, result in passed
    }
    if source.suffix == ".txt":
        texts = [unit.rebuilt(result.texts)["text"] for unit, result in passed]
        write_atomically(data, (source.separator.join(texts) + "\n").encode() if texts else b"")
        _write_rows(job.reports / "provenance.jsonl", ({"id": i, **row} for i, row in made.items()))
    else:
        rows = [
            {**(unit.row or {}), **unit.rebuilt(result.texts), PROVENANCE: made[unit.unit_id]}
            for unit, result in passed
        ]
        _write_rows(data, rows)
    _write_rows(job.reports / "failed.jsonl", (_failed(u, r) for u, r in pairs if _is_failed(r)))
    summary = _summary(job, source, results, model=model, checked_by=checked_by)
    summary["data"] = str(data)
    summary["failed"] = str(job.reports / "failed.jsonl")
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
    write_atomically(job.reports / "summary.json", f"{text}\n".encode())
    return summary


def make_provenance(
    job: TranslationJob, unit: Unit, result: Translation, *, model: Mapping[str, Any]
) -> dict[str, Any]:
    """Where a row comes from, as it stands in the row."""
    return {
        "from": job.source_language,
        "to": job.target_language,
        "model": dict(model),
        "prompt": PROMPT_HASH,
        "checks": CHECKS_VERSION,
        "source_hash": unit.source_hash,
        "attempts": result.attempts,
        "back_translation_chrf": _rounded(result.back_translation),
        "at": result.at,
    }


def _is_failed(result: Result) -> bool:
    return isinstance(result, Unanswered) or not result.passed


def _failed(unit: Unit, result: Result) -> dict[str, Any]:
    """A row of `failed.jsonl`."""
    common = {"id": unit.unit_id, "source": unit.texts}
    if isinstance(result, Unanswered):
        return {**common, "failure": result.kind, "message": result.message}
    return {
        **common,
        "failure": "checks",
        "findings": [asdict(finding) for finding in result.findings],
        "translation": dict(result.texts),
        "replies": list(result.replies),
        "attempts": result.attempts,
        "back_translation_chrf": _rounded(result.back_translation),
        "at": result.at,
    }


def _summary(
    job: TranslationJob,
    source: TranslationSource,
    results: Sequence[Result],
    *,
    model: Mapping[str, Any],
    checked_by: str | None,
) -> dict[str, Any]:
    translated = [result for result in results if isinstance(result, Translation)]
    failures = Counter(
        name for result in translated for name in {finding.check for finding in result.findings}
    )
    unanswered = Counter(result.kind for result in results if isinstance(result, Unanswered))
    scores = sorted(
        result.back_translation
        for result in translated
        if result.passed and result.back_translation is not None
    )
    return {
        "schema": SCHEMA,
        "source": str(job.source),
        "from": job.source_language,
        "to": job.target_language,
        "columns": list(source.columns),
        "units": len(results),
        "passed": sum(result.passed for result in translated),
        "passed_second_time": sum(result.passed and result.attempts > 1 for result in translated),
        "failed_checks": sum(not result.passed for result in translated),
        "findings": {name: failures[name] for name in CHECKS if failures[name]},
        "unanswered": dict(sorted(unanswered.items())),
        "back_translation": {
            "least_chrf": job.back_translation,
            "median_chrf": _rounded(scores[len(scores) // 2]) if scores else None,
            "signature": backward.read_signature() if job.back_translation is not None else None,
        },
        "language_identifier": checked_by,
        "limit": job.limit,
        "model": dict(model),
        "prompt": PROMPT_HASH,
    }


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 2)


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_atomically(path, "".join(lines).encode())
