"""One offline HTML page of what `babelbits probe` measured; the same input gives the same bytes.

The declared question comes first. Everything else is marked as exploratory. Nothing on the page
runs, and it asks for nothing. Pure: no files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from babelbits.analysis import format as numbers
from babelbits.languages import resolve
from babelbits.probes.probe_results import ProbeResults
from babelbits.probes.strategies import StrategyContrast
from babelbits.probes.summaries import (
    EXPLORATORY,
    ClassSummary,
    LayerSummary,
    ModuleSummary,
    ProbeSummary,
)
from babelbits.probes.token_classes import CLASSES
from babelbits.report import probe_charts, svg

if TYPE_CHECKING:
    from markupsafe import Markup

PARTED = ("before", "after")
CLASS_HEADS = (
    *("variant", "task", "language", *CLASSES),
    *("answer, before it parts", "answer, after it parts"),
)
LANGUAGE_HEADS = (
    "variant",
    "task",
    "language",
    "logit lens agrees, %",
    "attention JS",
    "attention entropy, nats",
    "largest/median, baseline",
    "largest/median, variant",
    "kurtosis, baseline",
    "kurtosis, variant",
)
STRATEGY_HEADS = (
    *("variants", "task", "measure", "shown"),
    *("difference", "interval", "p (Holm)", "items"),
)
MODULE_HEADS = ("variant", "layer of the model", "weights", "signal to noise, dB")
_MODULES_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    """A suite's map of layers and languages."""

    suite: str
    markup: "Markup"


def make_page(results: ProbeResults, *, name: str, smoke: bool) -> str:
    """The page.

    Parameters
    ----------
    name : str
        Of the study.
    smoke : bool
        Whether it is a run on a few items, whose numbers are no results.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("babelbits.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    probes = [one for one in results.summaries if not one.record.again]
    style = (resources.files("babelbits.report") / "assets/report.css").read_text("utf-8")
    context = {
        "name": name,
        "smoke": smoke,
        "style": style,
        "sentences": results.sentences(),
        "notes": results.notes(),
        "exploratory": EXPLORATORY,
        "forest": _forest(results),
        "maps": _maps(probes),
        "survivals": _survivals(results),
        "loss_sentences": results.loss_sentences(),
        "attention_sentences": results.attention_sentences(),
        "strategy_heads": STRATEGY_HEADS,
        "strategies": list(map(_strategy_row, results.strategies)),
        "strategy_sentences": results.strategy_sentences(),
        "class_heads": CLASS_HEADS,
        "classes": _class_rows(probes),
        "language_heads": LANGUAGE_HEADS,
        "languages": [_language_row(one) for one in probes if one.layers],
        "module_heads": MODULE_HEADS,
        "modules": _module_rows(results.modules),
    }
    return environment.get_template("probes.html.j2").render(context)


def _drawn(chart: object, label: str) -> "Markup":
    from markupsafe import Markup

    return Markup(svg.embed_chart(chart, label))  # noqa: S704  serialised by ElementTree, which escapes


def _forest(results: ProbeResults) -> "Markup | None":
    if not any(one.auc.auc is not None for one in results.predictions):
        return None
    chart = probe_charts.draw_area_forest(results.predictions)
    return _drawn(chart, "Areas under the ROC curve by variant and task")


def _maps(probes: Sequence[ProbeSummary]) -> list[_Map]:
    found = []
    for suite in dict.fromkeys(one.record.suite for one in probes):
        members = [one for one in probes if one.record.suite == suite and one.layers]
        names = {one.record.language: resolve(one.record.language).name for one in members}
        if members:
            chart = probe_charts.draw_layer_map(members, names)
            label = f"{suite}: relative error of hidden states by layer and language"
            found.append(_Map(suite=suite, markup=_drawn(chart, label)))
    return found


def _survivals(results: ProbeResults) -> list[_Map]:
    """A suite each: how long answers stay in their language."""
    found = []
    for suite in dict.fromkeys(one.suite for one in results.losses):
        members = [one for one in results.losses if one.suite == suite and one.curve]
        names = {one.language: resolve(one.language).name for one in members}
        if members:
            chart = probe_charts.draw_survival(members, names)
            label = f"{suite}: answers still in their language by token"
            found.append(_Map(suite=suite, markup=_drawn(chart, label)))
    return found


def _strategy_row(one: StrategyContrast) -> tuple[str, ...]:
    """A contrast of two variants on a task, or on one task against another."""
    task = one.suite if one.other_suite is None else f"{one.suite} less {one.other_suite}"
    found = one.difference or 0.0
    shown = "nothing" if one.why_not is None else "not known"
    if one.shown:
        shown = f"{'less' if found > 0 else 'more'} harm by the first"
    return (
        f"{one.pair.variant} less {one.pair.against}",
        task,
        one.measure,
        shown if one.pair.declared else f"{shown} (exploratory)",
        numbers.amount(one.difference, one.unit),
        numbers.interval(one.interval, one.unit),
        numbers.p_value(one.p_adjusted),
        f"{one.n_items:,}",
    )


def _class_rows(probes: Sequence[ProbeSummary]) -> list[tuple[str, ...]]:
    """A row a probe: tokens by class, then those of answers before and after they part."""
    return [
        (
            *_who(one),
            *(_class_cell(one.classes, name) for name in CLASSES),
            *(_class_cell(one.parted, name) for name in PARTED),
        )
        for one in probes
    ]


def _class_cell(found: Sequence[ClassSummary], name: str) -> str:
    """Error in per cent, and of how many tokens."""
    of_name = next((one for one in found if one.name == name), None)
    if of_name is None:
        return numbers.NOTHING
    return f"{_figure(of_name.relative_error, 100, 2)} ({of_name.n_tokens:,})"


def _who(one: ProbeSummary) -> tuple[str, str, str]:
    record = one.record
    return record.variant, record.suite, resolve(record.language).name


def _language_row(one: ProbeSummary) -> tuple[str, ...]:
    layers = [layer for layer in one.layers if layer.layer > 0]
    first, last = layers[0], layers[-1]
    peaks = [
        max((v for layer in layers if (v := layer.largest_peak[arm]) is not None), default=None)
        for arm in ("baseline", "variant")
    ]
    lens = [_figure(layer.means["lens_agrees"], 100, 1) for layer in (first, last)]
    entropy = [
        _figure(_mean(layers, f"attention_entropy_{arm}"), 1, 3) for arm in ("baseline", "variant")
    ]
    kurtosis = [_figure(_mean(layers, f"kurtosis_{arm}"), 1, 1) for arm in ("baseline", "variant")]
    return (
        *_who(one),
        " to ".join(lens),
        _figure(_mean(layers, "attention_js"), 1, 4),
        " to ".join(entropy),
        *(_figure(peak, 1, 0) for peak in peaks),
        *kurtosis,
    )


def _mean(layers: Sequence[LayerSummary], name: str) -> float | None:
    values = [value for layer in layers if (value := layer.means[name]) is not None]
    return sum(values) / len(values) if values else None


def _module_rows(modules: Sequence[ModuleSummary]) -> list[tuple[str, ...]]:
    """The layers with the most error of each variant, and how many are equal or stay packed."""
    rows: list[tuple[str, ...]] = []
    for variant in dict.fromkeys(one.variant for one in modules):
        members = [one for one in modules if one.variant == variant]
        noisy = sorted(
            (one for one in members if one.snr_db is not None), key=lambda one: one.snr_db or 0.0
        )
        rows += [
            (variant, one.module, f"{one.n_weights:,}", _figure(one.snr_db, 1, 1))
            for one in noisy[:_MODULES_SHOWN]
        ]
        for state, words in (
            ("equal", "not quantized, or without error"),
            ("packed", "not to be read"),
        ):
            few = [one for one in members if one.state == state]
            if few:
                weights = sum(one.n_weights for one in few)
                rows.append((variant, f"{len(few)} more: {words}", f"{weights:,}", numbers.NOTHING))
    return rows


def _figure(value: float | None, scale: float, digits: int) -> str:
    return numbers.NOTHING if value is None else f"{scale * value:.{digits}f}"
