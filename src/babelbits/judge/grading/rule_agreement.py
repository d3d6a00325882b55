"""How far the rule parser and the judge say the same of the same answers, language by language.

The unit is the distinct answer, whoever gave it. A grade of at least one half counts as right.
Neither is the truth: where they disagree, one of them misreads the language.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from babelbits.analysis import CellResult
from babelbits.judge.grading.answers import AskedItem, list_asked
from babelbits.judge.grading.grader import Grade
from babelbits.records import ItemRow
from babelbits.stats.agreement import cohen_kappa
from babelbits.tasks.collapse.rule import CollapseRule, find_rule, open_usual_identifier

_RIGHT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What became of the answers of one suite in one language."""

    suite: str
    language: str
    n_answers: int
    """Of all variants; samples are counted each."""
    n_distinct: int
    n_empty: int
    """Distinct answers that are empty: worth 0, not asked about; 0 or 1 a question."""
    n_ungraded: int
    """Distinct answers without a grade."""
    ungraded: Mapping[str, int]
    """The same by kind: refused, unparsed, error."""
    n_collapsed: int | None = None
    """Distinct graded answers, empty ones apart, that show a sign of collapse (`tasks.collapse`): a
    grade read from a loop says nothing about what the model knows. None: from before they were
    counted."""

    @property
    def ungraded_share(self) -> float:
        """Of the distinct answers."""
        return self.n_ungraded / self.n_distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAgreement:
    """Rule against judge on the distinct answers that both scored."""

    suite: str
    language: str
    rule: str
    """Name of the rule's metric."""
    both_right: int
    rule_alone: int
    """Right by the rule, wrong by the judge."""
    judge_alone: int
    both_wrong: int
    kappa: float | None
    """Cohen's; None where both always say the same one thing."""

    @property
    def n(self) -> int:
        """Distinct answers."""
        return self.both_right + self.rule_alone + self.judge_alone + self.both_wrong

    @property
    def agreement(self) -> float:
        """Share on which both say the same."""
        return (self.both_right + self.both_wrong) / self.n


def count_coverage(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]
) -> tuple[Coverage, ...]:
    """A row a suite and language that has answers, in the order of the cells."""
    asked: dict[tuple[str, str], list[AskedItem]] = defaultdict(list)
    collapsed: set[AskedItem] = set()
    identifier = open_usual_identifier()
    for cell in cells:
        task = cell.meta.task
        rule = find_rule(task, identifier)
        for row in cell.rows:
            if row.failure is None:
                ours = list_asked(row, suite=task.suite)
                asked[task.suite, task.language] += ours
                collapsed.update(_collapsed(ours, rule, row))
    return tuple(
        _coverage(suite, language, answers, grades, collapsed)
        for (suite, language), answers in asked.items()
    )


def _collapsed(
    asked: Sequence[AskedItem], rule: CollapseRule | None, row: ItemRow
) -> Sequence[AskedItem]:
    """Those of a row's answers that show a sign of collapse."""
    found = None if rule is None else rule.judge(row)
    if found is None:
        return ()
    if len(found) != len(asked):  # a conversation is graded as one text
        return asked if any(found) else ()
    return [one for one, shown in zip(asked, found, strict=True) if shown]


def _coverage(
    suite: str,
    language: str,
    answers: Sequence[AskedItem],
    grades: Mapping[AskedItem, Grade],
    collapsed: Collection[AskedItem],
) -> Coverage:
    distinct = dict.fromkeys(answers)
    found = [grades[one] for one in distinct]
    kinds = Counter(str(one.outcome) for one in found if not one.is_graded)
    return Coverage(
        suite=suite,
        language=language,
        n_answers=len(answers),
        n_distinct=len(found),
        n_empty=sum(one.outcome == "empty" for one in found),
        n_ungraded=sum(kinds.values()),
        ungraded=dict(sorted(kinds.items())),
        n_collapsed=sum(
            one in collapsed and grades[one].is_graded and grades[one].outcome != "empty"
            for one in distinct
        ),
    )


def measure_agreement(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade]
) -> tuple[RuleAgreement, ...]:
    """A row a suite and language with a binary rule score and grades, in the order of the cells.

    Sampled items are left out: their rule score is a mean.
    """
    pairs: dict[tuple[str, str, str], dict[tuple[AskedItem, str], tuple[bool, bool]]]
    pairs = defaultdict(dict)
    for cell in cells:
        task = cell.meta.task
        if task.metric(task.primary).kind != "binary":
            continue
        for row in cell.rows:
            rule = row.scores.get(task.primary)
            answers = list_asked(row, suite=task.suite) if row.failure is None else ()
            if rule is None or len(answers) != 1:
                continue
            value = grades[answers[0]].value(row.target)
            if value is not None:
                place = task.suite, task.language, task.primary
                # Two options questions that read the same may have other gold letters.
                pairs[place][answers[0], row.target] = rule >= _RIGHT, value >= _RIGHT
    return tuple(_accord(*place, list(by_answer.values())) for place, by_answer in pairs.items())


def _accord(
    suite: str, language: str, rule: str, pairs: Sequence[tuple[bool, bool]]
) -> RuleAgreement:
    counts = Counter(pairs)
    return RuleAgreement(
        suite=suite,
        language=language,
        rule=rule,
        both_right=counts[True, True],
        rule_alone=counts[True, False],
        judge_alone=counts[False, True],
        both_wrong=counts[False, False],
        kappa=cohen_kappa([one for one, _ in pairs], [other for _, other in pairs]),
    )
