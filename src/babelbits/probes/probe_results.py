"""What a study's probes say: means, the declared question, and what must be known to read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.probes.attention_difference import (
    NO_SWITCH,
    AttentionDifference,
    describe_attention,
)
from babelbits.probes.damage import (
    Prediction,
    PredictionDifference,
    compare_predictions,
    describe_difference,
    describe_prediction,
    predict,
)
from babelbits.probes.language_loss import LanguageLoss, describe_loss
from babelbits.probes.probe_files import Probe
from babelbits.probes.strategies import StrategyContrast, contrast_sentence
from babelbits.probes.summaries import (
    EXPLORATORY,
    ModuleSummary,
    ProbeSummary,
    list_modules,
    summarise,
)
from babelbits.probes.word_lists import WORDS
from babelbits.store import Store
from babelbits.store.codec import to_json
from babelbits.study.config.spec import BASELINE
from babelbits.words import agreeing, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResults:
    """Everything that the command prints and the page shows."""

    summaries: tuple[ProbeSummary, ...]
    """A probe each, those of the A/A run too."""
    predictions: tuple[Prediction, ...]
    differences: tuple[PredictionDifference, ...]
    modules: tuple[ModuleSummary, ...]
    closed: Mapping[str, str]
    """Variants that no probe can enter, and why."""
    losses: tuple[LanguageLoss, ...] = ()
    """How answers leave their language; empty where that was not asked for."""
    attention: tuple[AttentionDifference, ...] = ()
    """Of the tokens that leave a language to its name; empty where that was not asked for."""
    strategies: tuple[StrategyContrast, ...] = ()
    """Contrasts of two variants; empty where none was asked for or declared."""

    def sentences(self) -> list[str]:
        """Answers to the declared question, then arithmetic against reading, then null checks."""
        asked = [describe_prediction(one) for one in self.predictions if not one.again]
        null = [describe_prediction(one) for one in self.predictions if one.again]
        if not asked and self.summaries:
            asked = ["No task of this study has items that are right or wrong: nothing to predict"]
        return [*asked, *map(describe_difference, self.differences), *null]

    def loss_sentences(self) -> list[str]:
        """How answers leave their language, a sentence a variant, task and language."""
        return list(map(describe_loss, self.losses))

    def attention_sentences(self) -> list[str]:
        """Attention to the language's name, a sentence a variant and task that has a switch."""
        told = [one for one in self.attention if one.n_switched]
        quiet = list(
            dict.fromkeys(
                f"{one.variant} on {one.suite}" for one in self.attention if not one.n_switched
            )
        )
        none = [f"{NO_SWITCH}, so no attention is compared: {', '.join(quiet)}"] if quiet else []
        return [*map(describe_attention, told), *none]

    def strategy_sentences(self) -> list[str]:
        """Contrasts of two variants, a sentence a task or two tasks."""
        return list(map(contrast_sentence, self.strategies))

    def notes(self) -> list[str]:
        """What was left out, the floor, and how to read the rest."""
        records = [one.record for one in self.summaries if not one.record.again]
        lines = [
            f"{label}: cannot be probed: {why}"
            for label, why in self.closed.items()
            if label != BASELINE
        ]
        lines += self._floor()
        unseen = sum(one.n_without_attention for one in records)
        if unseen:
            limit = records[0].attention_limit
            lines.append(
                f"attention was not looked at in {plural(unseen, 'sequence')}: "
                f"{agreeing(unseen, 'it is', 'they are')} longer than {plural(limit, 'token')} "
                "(--attention-tokens), or the model keeps no such weights"
            )
        left_out: dict[str, int] = {}
        for one in records:
            for why, count in one.left_out.items():
                left_out[why] = left_out.get(why, 0) + count
        lines += [f"left out: {plural(count, 'item')}: {why}" for why, count in left_out.items()]
        unlisted = sorted({one.language for one in records} - set(WORDS))
        if unlisted:
            lines.append(
                f"no lists of number words and function words for {', '.join(unlisted)}: there "
                "these words count as the rest"
            )
        unknown = sorted({one.language for one in self.losses if one.means["margin"] is None})
        if unknown:
            lines.append(
                f"no bundled text in {', '.join(unknown)}: there tokens are told apart by script "
                "alone, and no switch is found"
            )
        if records:
            lines.append(f"tables and maps are {EXPLORATORY}")
        return lines

    def _floor(self) -> list[str]:
        """The largest mean distance of the baseline from itself."""
        found = [
            layer.means["relative_error"] or 0.0
            for one in self.summaries
            if one.record.again
            for layer in one.layers
        ]
        if not found:
            return []
        return [f"the baseline in other batches is {100 * max(found):.2g} % from itself at most"]

    def as_json(self) -> dict[str, Any]:
        """Of JSON types."""
        return {
            "probes": [to_json(one) for one in self.summaries],
            "predictions": [to_json(one) for one in self.predictions],
            "differences": [to_json(one) for one in self.differences],
            "modules": [to_json(one) for one in self.modules],
            "cannot_be_probed": dict(self.closed),
            "language_loss": [to_json(one) for one in self.losses],
            "switch_attention": [to_json(one) for one in self.attention],
            "strategies": [to_json(one) for one in self.strategies],
            "sentences": [
                *self.sentences(),
                *self.loss_sentences(),
                *self.attention_sentences(),
                *self.strategy_sentences(),
            ],
        }


def make_results(
    probes: Sequence[Probe],
    store: Store,
    *,
    closed: Mapping[str, str],
    seed: int,
    losses: Sequence[LanguageLoss] = (),
    attention: Sequence[AttentionDifference] = (),
    strategies: Sequence[StrategyContrast] = (),
) -> ProbeResults:
    """Read probes and say what they say.

    Raises
    ------
    StoreError
        If a probe or a cell cannot be read.
    """
    predictions = predict(probes, store, seed=seed)
    return ProbeResults(
        summaries=tuple(map(summarise, probes)),
        predictions=tuple(predictions),
        differences=tuple(compare_predictions(predictions)),
        modules=tuple(list_modules(probes)),
        closed=dict(closed),
        losses=tuple(losses),
        attention=tuple(attention),
        strategies=tuple(strategies),
    )
