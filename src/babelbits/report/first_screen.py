"""What a report says before anything else: the headline, what to ship, a sentence a variant.

One value that the page, Markdown, JSON and the terminal read, so that none says more than another.
It decides nothing: decisions come from `decide.decision`, the choice from `decide.recommend`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.analysis import BASELINE
from babelbits.decide.decision import Decision, decide_all
from babelbits.decide.decision_input import collect_decision_input
from babelbits.decide.decision_query import ask
from babelbits.decide.recommend import Recommendation, read_sizes, recommend
from babelbits.report import engine_changes, verdicts
from babelbits.results.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstScreen:
    """The report in short."""

    headline: str
    ship: str
    """What to ship and at what cost, or why nothing can be recommended; '' in a smoke run."""
    ship_by_mean: str
    """The same for those to whom the mean over languages is enough; '' where it is no other."""
    verdicts: tuple[verdicts.VariantVerdict, ...]
    """Best variant first."""
    decisions: tuple[Decision, ...]
    """In the same order."""
    choice: Recommendation | None
    """None where nothing is asked."""
    engine_changes: tuple[str, ...] = ()
    """A line for each engine beside that of the study's baseline."""

    @property
    def variants(self) -> tuple[str, ...]:
        """Labels, best first."""
        return tuple(one.variant for one in self.decisions)


def make_first_screen(report: Results, board: verdicts.Board) -> FirstScreen:
    """Everything that the report says first."""
    facts, known = collect_decision_input(report), read_sizes(report)
    smoke = report.study.smoke or report.analysis.smoke
    choice = mean = None
    if facts.suites and facts.variants:
        choice, mean = (
            recommend(facts, ask(facts, pooled=pooled), sizes=known, baseline=known.get(BASELINE))
            for pooled in (False, True)
        )
    chosen = None if choice is None or choice.chosen is None else choice.chosen.variant
    decisions = verdicts.sort_decisions(decide_all(facts), board, chosen)
    names = {code: language.name for code, language in report.languages.items()}
    told = choice is not None and not smoke and bool(board.by_cell)
    return FirstScreen(
        headline=verdicts.write_headline(decisions, alpha=facts.alpha, smoke=smoke),
        ship=verdicts.ship(choice, board) if told and choice else "",
        ship_by_mean=verdicts.ship_by_mean(choice, mean, decisions, board)
        if told and choice and mean
        else "",
        verdicts=tuple(
            verdicts.describe_variant(one, board, names, alpha=facts.alpha) for one in decisions
        ),
        decisions=decisions,
        choice=choice,
        engine_changes=engine_changes.describe_changes(report),
    )


def list_sentences(screen: FirstScreen) -> Sequence[str]:
    """Headline and recommendations, without empty ones."""
    return [text for text in (screen.headline, screen.ship, screen.ship_by_mean) if text]
