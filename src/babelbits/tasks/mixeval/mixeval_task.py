"""MixEval's questions as tasks: multiple choice (constrained or written) and free-form.

*constrained*: the likeliest of the option letters as the one next token, greedily, as in Paper B
(Borgersen and Goodwin 2025, arXiv 2503.03592); *written*: the answer is written and parsed by rule.
Upstream gives an answer that chooses nothing a letter at random: `acc_guess` is what that is worth
on average (1/n), `acc` counts it wrong, and `parsed` says how often it happened. Upstream's
leaderboard parses by GPT-3.5: `babelbits grade` does that with any judge.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, cast

from babelbits.errors import TaskError, UnknownNameError
from babelbits.records import (
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
    Score,
    ScoreRequest,
)
from babelbits.tasks import hub_data
from babelbits.tasks.base import own_options
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.jsonl_task import OutputType, OwnTask
from babelbits.tasks.mixeval import prompts, shots
from babelbits.tasks.mixeval.freeform import find_chosen, matches
from babelbits.tasks.mixeval.rows import (
    CONFIGS,
    SPLITS,
    MixEvalRelease,
    find_languages,
    read_release,
)
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import SuiteInfo
from babelbits.words import plural

Mode = Literal["constrained", "written"]
LETTER_TOKENS = 64
SHORT_TOKENS = 64
STEPWISE_TOKENS = 512
ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class MixEvalOptions:
    """`[[tasks]]` of MixEval's choices."""

    mode: Mode = "constrained"
    """How an option is chosen: see the module."""


class _MixEvalTask(OwnTask):
    """What both kinds of question share."""

    @cached_property
    def _release(self) -> MixEvalRelease:
        folder = self.folder
        if self.options.data is None:
            (config,) = self.wanted()
            # A copy of the hub's data is a folder like any other.
            folder = hub_data.get(config).folder.parent
        return read_release(self.suite.name, self.language, folder)

    def wanted(self) -> tuple[HubDataset, ...]:
        """Upstream's English questions; translations of them are in no hub."""
        if self.options.data is not None:
            return ()
        if self.language != ENGLISH:
            raise UnknownNameError(
                f"suite '{self.suite.name}' is on the hub in English only",
                hint=f"name a folder of translations under [data]: {self.suite.name} = ...; "
                "`babelbits translate` makes them",
            )
        dataset, config = str(self.suite.hub_dataset), CONFIGS[SPLITS[self.suite.name][0]]
        return (HubDataset(dataset=dataset, config=config, revision=self.suite.revision),)

    @classmethod
    def languages(cls, suite: SuiteInfo, folder: Path) -> tuple[str, ...]:
        """English first."""
        found = find_languages(suite.name, folder)
        return tuple(sorted(found, key=lambda code: (code != "en", code)))

    def rows(self) -> list[tuple[str, Row]]:
        """Upstream's rows, in upstream's order."""
        return list(self._release.rows)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]  # read-only here
        """Release, composition, and what differs from upstream."""
        counted = Counter(str(row.get("benchmark_name")) for _, row in self._release.rows)
        mixed = ", ".join(f"{name} {count}" for name, count in counted.most_common())
        version = self._release.version or "of unknown date"
        asked = () if prompts.has_wording(self.language) else ("instruction in English",)
        return (f"release {version}: {mixed}", *asked)

    def kept(self, row: Row) -> Row:
        """What scoring and the breakdown by source benchmark need."""
        return {name: row.get(name) for name in ("benchmark_name", "options", "target")}

    @cached_property
    def _words(self) -> prompts.Wording:
        return prompts.find_wording(self.language)


class MixEvalChoice(_MixEvalTask):
    """Multiple choice."""

    @property
    def mode(self) -> Mode:
        """How an option is chosen; constrained unless the study says otherwise."""
        return own_options(self.options, MixEvalOptions).mode

    @property
    def output_type(self) -> OutputType:  # type: ignore[override]  # read-only here
        """By mode."""
        return "choice" if self.mode == "constrained" else "generation"

    @property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only here
        """Mode and rule."""
        return f"mixeval-choice 1: {self.mode}"

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # by release
        """Chance is the mean of 1/n over the items, for they have 2 to 10 options."""
        chance = fmean(1 / len(_options(row, where)) for where, row in self._release.rows)
        acc = Metric(name="acc", kind="binary", chance=chance)
        if self.mode == "constrained":
            return (acc,)
        return (
            acc,
            Metric(name="acc_guess", kind="bounded", chance=chance),
            Metric(name="parsed", kind="binary"),
        )

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """One request a letter, or one that writes."""
        options = _options(row, where)
        prompt = prompts.write_choice_prompt(
            text_field(row, "prompt", where),
            context=row.get("context"),
            options=options,
            words=self._words,
        )
        letters = prompts.list_letters(options)
        target = letters[_gold(row, options, where)]
        prompt = shots.write_choice_prefix(self.language, self.options.shots or 0) + prompt
        if self.mode == "written":
            return (
                GenerateRequest(prompt=f"{prompt}\n", max_new_tokens=LETTER_TOKENS, stop=("\n\n",)),
            ), target
        return [ScoreRequest(context=f"{prompt}\n", continuation=one) for one in letters], target

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the chosen letter is the gold one."""
        options: list[str] = item.doc["options"]
        if self.mode == "constrained":
            logprobs = tuple(score.logprob for score in cast(Sequence[Score], replies))
            best = prompts.list_letters(options)[logprobs.index(max(logprobs))]
            return Outcome(
                output=best, scores={"acc": float(best == item.target)}, choice_logprobs=logprobs
            )
        reply = cast(Generation, replies[0])
        place = find_chosen(reply.texts[0], options)
        right = place is not None and prompts.list_letters(options)[place] == item.target
        scores = {
            "acc": float(right),
            "acc_guess": 1 / len(options) if place is None else float(right),
            "parsed": float(place is not None),
        }
        return Outcome(output=reply.texts[0], scores=scores, finish_reason=reply.finish_reasons[0])


class MixEvalFreeForm(_MixEvalTask):
    """Free-form questions, parsed by rule."""

    metrics = (Metric(name="rule_match", kind="binary"),)
    output_type = "generation"
    scorer_version = "mixeval-free-form 1: rule"

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """One request that writes; the target is the first gold answer."""
        benchmark = text_field(row, "benchmark_name", where)
        prompt = prompts.write_freeform_prompt(
            text_field(row, "prompt", where),
            context=row.get("context"),
            benchmark=benchmark,
            words=self._words,
        )
        prompt = shots.write_freeform_prefix(self.language, self.options.shots or 0) + prompt
        stepwise = benchmark in prompts.STEP_BY_STEP
        request = GenerateRequest(
            prompt=f"{prompt}\n",
            max_new_tokens=STEPWISE_TOKENS if stepwise else SHORT_TOKENS,
            stop=(f"\n{self._words.question.strip()}", "\n\n\n"),
        )
        return (request,), _golds(row, where)[0]

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the answer holds a gold answer."""
        reply = cast(Generation, replies[0])
        right = matches(reply.texts[0], item.doc["target"], words=self._words)
        return Outcome(
            output=reply.texts[0],
            scores={"rule_match": float(right)},
            finish_reason=reply.finish_reasons[0],
            golds=tuple(dict.fromkeys(str(gold) for gold in item.doc["target"])),
        )


def _options(row: Row, where: str) -> list[str]:
    options: Any = row.get("options")
    if not isinstance(options, list) or len(options) < 2:
        raise TaskError(f"'options' must be two texts or more, found {options!r:.80}", where=where)
    return [str(option) for option in options]


def _gold(row: Row, options: Sequence[str], where: str) -> int:
    target: Any = row.get("target")
    place = target[0] if isinstance(target, list) and len(target) == 1 else target
    if isinstance(place, str) and place.isdecimal():  # as the hub has it
        place = int(place)
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(options):
        raise TaskError(
            "'target' must be the place of one of "
            f"{plural(len(options), 'option')}, found {target!r:.80}",
            where=where,
        )
    return place


def _golds(row: Row, where: str) -> list[str]:
    target: Any = row.get("target")
    golds = [str(one) for one in target] if isinstance(target, list) else []
    if not any(gold.strip() for gold in golds):
        raise TaskError(f"'target' must hold a gold answer, found {target!r:.80}", where=where)
    return golds
