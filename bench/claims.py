"""How often a report says what is not so: whole studies, the product's own words, known truths.

    python bench/calibration.py --claims --shape 4x4x13 --truth null --reports 400
    python bench/calibration.py --claims --table

A report is one simulated study (`claims_studies`) analysed and put into words by the product
(`claims_said`). Counted is the share of *reports* that hold at least one false claim of a kind.
Runs go on where they stopped: every report is a line of the results file, and those that are there
are not made again. A line names the code that spoke (`--label`), so that two versions, having seen
the same studies, stand in one table.
"""

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from claims_said import RESAMPLES, Claim, Question, Said, what_is_said
from claims_studies import MARGIN, TRUTHS, Shape, Study, shape, simulate
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROUNDING = 1e-12
REPORTS = {"1x1x5": 2000, "4x4x13": 400, "20x6x40": 60}
"""Of each truth, unless told; of other shapes 400."""

# --- true or false ---------------------------------------------------------------------------


def value(study: Study, variant: str, question: Question) -> float:
    """The true difference, or difference of differences, that a question is about."""
    of = study.of
    row = study.deltas[of.variant_names.index(variant), of.suite_names.index(question.suite)]
    mean = _mean(row, of, question.languages)
    return mean - _mean(row, of, question.less) if question.less else mean


def _mean(row: Array, of: Shape, codes: Sequence[str]) -> float:
    return float(np.mean([row[of.codes.index(code)] for code in codes]))


def is_true(claim: Claim, study: Study) -> bool:
    """Whether what a claim says is so; a value at the margin is not inside it."""
    values = np.array([value(study, claim.variant, one) for one in claim.questions])
    return {
        "some loss": bool((values < -_ROUNDING).any()),
        "every loss": bool((values < -_ROUNDING).all()),
        "every gain": bool((values > _ROUNDING).all()),
        "every within": bool((np.abs(values) < MARGIN - _ROUNDING).all()),
        "every above -margin": bool((values > -MARGIN + _ROUNDING).all()),
        "some at -margin": bool((values <= -MARGIN + _ROUNDING).any()),
    }[claim.says]


def counted(said: Said, study: Study) -> dict[str, Any]:
    """How many claims of each kind were made, how many are false, and how much harm was named."""
    made, false = Counter[str](), Counter[str]()
    for claim in said.claims:
        made[claim.kind] += 1
        false[claim.kind] += not is_true(claim, study)
    hurt = {
        name
        for name, deltas in zip(study.of.variant_names, study.deltas, strict=True)
        if (deltas < -_ROUNDING).any()
    }
    called = {claim.variant for claim in said.claims if claim.kind == "headline: harm"}
    equivalent = [claim for claim in said.claims if claim.kind == "row: equivalent, language"]
    return {
        "made": dict(made),
        "false": {kind: count for kind, count in false.items() if count},
        "harmed": len(hurt),
        "harmed_named": len(hurt & called),
        "within": int((np.abs(study.deltas) < MARGIN - _ROUNDING).sum()),
        "within_said": sum(is_true(claim, study) for claim in equivalent),
        "gates": dict(
            Counter(f"{name.rsplit(' ', 1)[0]}: {one}" for name, one in said.gates.items())
        ),
    }


# --- runs ------------------------------------------------------------------------------------

Key = tuple[str, str, str]
"""Label, shape, truth."""


def read(path: Path) -> dict[Key, dict[int, dict[str, Any]]]:
    """The reports that are there, by number; a line cut by a kill is left out."""
    found: dict[Key, dict[int, dict[str, Any]]] = defaultdict(dict)
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            one = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[one["label"], one["shape"], one["truth"]][one["report"]] = one
    return found


def run(path: Path, *, label: str, of: Shape, truth: str, reports: int, resamples: int) -> None:
    """Make the reports that are not there yet, one flushed line each."""
    there = read(path)[label, str(of), truth]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            file.write("\n")
        for report in range(reports):
            if report in there:
                continue
            start = time.process_time()
            study = simulate(of, TRUTHS[truth], report)
            found = counted(what_is_said(study, resamples=resamples), study)
            line = {
                "label": label, "shape": str(of), "truth": truth, "report": report,
                "resamples": resamples, "seconds": round(time.process_time() - start, 3), **found,
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
            file.flush()


# --- tables ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of reports, with its Monte Carlo error."""

    count: int
    total: int

    @property
    def share(self) -> float:
        """Of reports, 0 to 1."""
        return self.count / self.total

    @property
    def error(self) -> float:
        """Standard error; where none or all were counted, that of one report more or less."""
        inside = min(max(self.count, 1), self.total - 1) / self.total if self.total > 1 else 0.5
        return math.sqrt(inside * (1 - inside) / self.total)

    def __str__(self) -> str:
        """In percent, the Monte Carlo error behind it."""
        if not self.count:
            return "0"
        return f"{100 * self.share:.1f} ± {100 * self.error:.1f}"


ANYTHING = "anything"
INTERVALS = frozenset({"reference interval"})
"""Kinds that are no sentence: they do not count as 'anything'."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "headline: harm": ("headline: harm",),
    "headline: unharmed": ("headline: unharmed",),
    "confirmed": ("row: confirmed",),
    "worse": ("row: worse",),
    "better": ("row: better",),
    "equivalent": ("row: equivalent",),
    "group contrast": ("group contrast",),
    "reference contrast": ("reference contrast",),
    "gate passes": ("gate pass: each language", "gate pass: means"),
    "gate fails": ("gate fail: each language", "gate fail: means"),
    "gate: loss": ("gate loss: each language", "gate loss: means"),
    "recommended": ("recommended: each language", "recommended: means", "headline: ship"),
}
"""Head of the short table to the kinds of which it counts any."""
RATES = (
    "harmed variants named",
    "harmed cells worse",
    "harmed cells confirmed",
    "equivalent cells so named",
    "cells at the margin so named",
)
"""What the reports find of what is there; and how many cells, of those at the margin or beyond it,
are called equivalent."""


def false_share(reports: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> Share:
    """Share of the reports that hold a false claim of any of these kinds."""
    count = sum(any(kind in one["false"] for kind in kinds) for one in reports)
    return Share(count=count, total=len(reports))


def false_shares(reports: Iterable[Mapping[str, Any]]) -> dict[str, Share]:
    """Kind of claim to the share of reports with a false one; kinds that were never made too."""
    lines = list(reports)
    kinds = sorted({kind for one in lines for kind in one["made"]})
    found = {kind: false_share(lines, [kind]) for kind in kinds}
    found[ANYTHING] = false_share(lines, [kind for kind in kinds if kind not in INTERVALS])
    return found


def power(reports: Iterable[Mapping[str, Any]]) -> float | None:
    """Share of the truly harmed variants that the headline names; None where none is harmed."""
    return _found(reports, "harmed", "harmed_named")


def equivalence_power(reports: Iterable[Mapping[str, Any]]) -> float | None:
    """Share of the truly equivalent cells that are called so; None where there are none."""
    return _found(reports, "within", "within_said")


def false_equivalences(reports: Sequence[Mapping[str, Any]], of: Shape, truth: str) -> float | None:
    """Share of the cells that lose or gain the margin or more and are called equivalent."""
    cells = len(reports) * int((np.abs(TRUTHS[truth].deltas(of)) >= MARGIN - _ROUNDING).sum())
    false = sum(one["false"].get("row: equivalent, language", 0) for one in reports)
    return false / cells if cells else None


def harm_found(
    reports: Sequence[Mapping[str, Any]], of: Shape, truth: str, kind: str
) -> float | None:
    """Share of the cells that lose something of which a claim of this kind is made."""
    cells = len(reports) * int((TRUTHS[truth].deltas(of) < -_ROUNDING).sum())
    made = sum(one["made"].get(kind, 0) - one["false"].get(kind, 0) for one in reports)
    return made / cells if cells else None


def _found(reports: Iterable[Mapping[str, Any]], there: str, named: str) -> float | None:
    lines = list(reports)
    total = sum(one[there] for one in lines)
    return sum(one[named] for one in lines) / total if total else None


def gate_rates(reports: Iterable[Mapping[str, Any]], how: str) -> dict[str, float]:
    """Share of each outcome among the gates of one kind."""
    total = Counter[str]()
    for one in reports:
        total.update(
            {k.removeprefix(f"{how}: "): n for k, n in one["gates"].items() if k.startswith(how)}
        )
    return {name: count / sum(total.values()) for name, count in sorted(total.items())}


def table(path: Path, *, shapes: Sequence[str] = (), truths: Sequence[str] = ()) -> str:
    """The short table of each shape: reports with a false claim in percent, a row a truth."""
    found, lines = read(path), list[str]()
    for of in _shapes(found):
        here = [key for truth in TRUTHS for key in found if key[1:] == (of, truth) and found[key]]
        here = [key for key in here if not truths or key[2] in truths]
        if here and (not shapes or of in shapes):
            heads = ["truth", "code", "reports", *COLUMNS, ANYTHING, *RATES]
            lines += [f"**{of}**", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
            lines += [_row(key, list(found[key].values())) for key in here]
            lines.append("")
    return "\n".join(lines)


def _shapes(found: Mapping[Key, object]) -> list[str]:
    """Those of the module first."""
    return list(dict.fromkeys([*REPORTS, *(key[1] for key in found)]))


def _row(key: Key, reports: Sequence[Mapping[str, Any]]) -> str:
    shares = [false_share(reports, kinds) for kinds in COLUMNS.values()]
    cells = [
        key[2],
        key[0],
        f"{len(reports):,}",
        *map(str, (*shares, false_shares(reports)[ANYTHING])),
        *("" if one is None else f"{100 * one:.1f} %" for one in _rates(key, reports)),
    ]
    return f"| {' | '.join(cells)} |"


def _rates(key: Key, reports: Sequence[Mapping[str, Any]]) -> tuple[float | None, ...]:
    """In the order of `RATES`."""
    about = reports, shape(key[1]), key[2]
    return (
        power(reports),
        harm_found(*about, "row: worse, language"),
        harm_found(*about, "row: confirmed, language"),
        equivalence_power(reports),
        false_equivalences(*about),
    )


def whole_table(path: Path, *, shapes: Sequence[str] = (), truths: Sequence[str] = ()) -> str:
    """Every kind of claim, a block for each shape and truth, a column a label."""
    found, lines = read(path), list[str]()
    for of in _shapes(found):
        for truth in TRUTHS:
            here = {key[0]: list(found[key].values()) for key in found if key[1:] == (of, truth)}
            if here and (not shapes or of in shapes) and (not truths or truth in truths):
                lines += [*_block(of, truth, here), ""]
    return "\n".join(lines)


def _block(of: str, truth: str, here: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    labels = list(here)
    shares = {label: false_shares(here[label]) for label in labels}
    counts = ", ".join(f"{label} {len(here[label]):,}" for label in labels)
    rows = [f"**{of}, {truth}**: {TRUTHS[truth].about} (reports: {counts})", ""]
    rows += [f"| false claim | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    kinds = list(dict.fromkeys(kind for label in labels for kind in shares[label]))
    for kind in sorted(kinds, key=lambda one: (one == ANYTHING, one)):
        cells = [
            str(shares[label].get(kind, Share(count=0, total=len(here[label])))) for label in labels
        ]
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    for how in ("each language", "means"):
        rates = [gate_rates(here[label], how) for label in labels]
        for outcome in sorted({name for one in rates for name in one}):
            cells = [f"{100 * one.get(outcome, 0):.1f}" for one in rates]
            rows.append(f"| (gates of {how}: {outcome}) | {' | '.join(cells)} |")
    for place, name in enumerate(RATES):
        found = [_rates((label, of, truth), here[label])[place] for label in labels]
        if any(one is not None for one in found):
            cells = ["" if one is None else f"{100 * one:.1f}" for one in found]
            rows.append(f"| ({name}) | {' | '.join(cells)} |")
    return rows


# --- the command -----------------------------------------------------------------------------


def different(of: Shape) -> list[str]:
    """The truths of a shape; with one suite, to lose in the first is to lose in all."""
    return [name for name in TRUTHS if name != "suite" or of.suites > 1]


def main(arguments: Sequence[str]) -> None:
    """Run what is asked, then print its table."""
    parser = argparse.ArgumentParser(prog="calibration.py --claims", description=__doc__)
    parser.add_argument("--shape", action="append", help=f"{', '.join(REPORTS)} unless named")
    parser.add_argument("--truth", action="append", choices=list(TRUTHS), help="all unless named")
    parser.add_argument("--reports", type=int, help="of each shape and truth")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--label", default="now", help="name of the code that speaks")
    parser.add_argument("--results", type=Path, default=Path("build/claims.jsonl"))
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--whole", action="store_true", help="print every kind of claim")
    asked = parser.parse_args(arguments)
    if not asked.table:
        for name in asked.shape or REPORTS:
            for truth in asked.truth or different(shape(name)):
                run(
                    asked.results,
                    label=asked.label,
                    of=shape(name),
                    truth=truth,
                    reports=asked.reports or REPORTS.get(name, 400),
                    resamples=asked.resamples,
                )
    show = whole_table if asked.whole else table
    print(show(asked.results, shapes=asked.shape or (), truths=asked.truth or ()))
