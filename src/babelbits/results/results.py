"""What a report is made of: one frozen value that holds everything a page shows.

Nothing here reads a file, a clock or the environment. `load.load_run` makes the value from a run
folder; `build.build` turns it into a page, `exports` into tables. Equal inputs give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from babelbits.analysis import BASELINE, Analysis, AnalysisSettings, CellResult
from babelbits.analysis.tables import make_effect_row, make_effect_rows
from babelbits.interop.matching import Match
from babelbits.interop.readers.record import DivergenceLog
from babelbits.judge.grading.grade_store import GradeBook
from babelbits.languages import Language
from babelbits.languages.corpus_shares import DEFAULT_CORPUS
from babelbits.preferences.preference_summary import PreferenceSummary
from babelbits.records import Manifest
from babelbits.results.item_table import make_items_table, make_table
from babelbits.study.planning.divergence_files import RecordedDivergence as Kept
from babelbits.study.speed.recorded_speed import RecordedSpeed
from babelbits.words import html_table, plural

if TYPE_CHECKING:
    import pyarrow as pa

    from babelbits.results.collapses import Collapses


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """The study as the report tells it."""

    name: str
    model: str
    """Hub id, folder name or 'bundled'."""
    study_file: str
    """As the commands name it, e.g. 'study.toml'."""
    folder: str
    """Run folder as the commands name it."""
    engine: Mapping[str, str]
    """Name, version, device kind, dtype, policy for long prompts."""
    seed: int
    margins: Mapping[str, float]
    """Metric unit or suite to margin, in the metric's own unit."""
    alpha: float
    loss_caps: Mapping[str, float]
    """Metric unit to the most that one item is taken to lose."""
    smoke: bool
    bundled: bool
    """The model is the tiny one that ships in the package."""
    versions: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    """The study file itself."""
    early: bool = False
    """Cells could stop when their verdict was known."""
    limit: int | None = None
    """Items a task in a smoke run, if it is the same for all cells."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The user's own groups of languages."""
    claimed: tuple[str, ...] | None = None
    """Languages that the model claims to know; None where nobody says."""
    names_note: str | None = None
    """Why variants have the names of the last run and not those of the study file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCell:
    """A cell of the plan that has no result, and why."""

    variant: str
    suite: str
    language: str
    state: str
    """'missing', 'partial' or 'damaged'."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """Where a run came from."""

    label: str
    path: str
    """As it was given."""
    tool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledLog:
    """A llama-perplexity log, whose it is and in which language."""

    label: str
    log: DivergenceLog
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What a comparison of other tools' runs has in place of a study."""

    sources: tuple[SourceLine, ...]
    """The baseline's first."""
    matches: tuple[Match, ...]
    notes: tuple[str, ...]
    """What a reader must know about the joining."""
    logs: tuple[LabelledLog, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything a report shows."""

    study: StudySummary
    analysis: Analysis
    cells: tuple[CellResult, ...]
    manifests: Mapping[str, Manifest]
    """Variant label to manifest; the baseline's too."""
    languages: Mapping[str, Language]
    """Code to name, script and direction, for every language of `cells` and of votes."""
    open_cells: tuple[OpenCell, ...] = ()
    foreign: Foreign | None = None
    """None: a study of our own."""
    divergences: tuple[Kept, ...] = ()
    """What `babelbits kl` measured; all numbers of kept tokens."""
    voices: PreferenceSummary | None = None
    """What judges and people said; None where nobody was asked."""
    grades: tuple[GradeBook, ...] = ()
    """What judges graded of these cells."""
    speed: RecordedSpeed | None = None
    """What `babelbits speed` measured; None where nobody did."""
    baselines: Mapping[str, str] = field(default_factory=dict)
    """Variant label to that of what it is compared with; a baseline has its own. Labels that are
    not here are compared with the study's baseline."""

    @property
    def reference_labels(self) -> frozenset[str]:
        """Labels of all baselines: the study's and those of further engines."""
        return frozenset({BASELINE, *(k for k, its in self.baselines.items() if k == its)})

    corpus: str = DEFAULT_CORPUS
    """Corpus whose shares damage is held against: a published one's name, or a file's."""
    shares: Mapping[str, float] | None = None
    """Those of the user's file; None: the published ones of `corpus`."""
    again: tuple[CellResult, ...] = ()
    """Cells of served variants that were asked the same again: their servers' noise."""

    @property
    def effects(self) -> "pa.Table":
        """A row an effect, raw numbers in the metric's own unit, as `report --format csv` has.

        Without pyarrow it is a plain list a column, which pandas and Polars take as well.
        """
        return make_table(make_effect_rows(self.analysis.effects))

    @property
    def collapses(self) -> "Collapses":
        """Degenerate answers of every suite that writes, judged anew each time it is asked for.

        See `results.collapses`: paired rates by language, which signs are off, and what the worst
        items carry of each loss that is shown.
        """
        from babelbits.results.collapses import find_collapses

        study = self.study
        settings = AnalysisSettings(
            alpha=study.alpha,
            margins=study.margins,
            seed=study.seed,
            loss_caps=study.loss_caps,
        )
        return find_collapses(self.cells, self.analysis.effects, settings)

    @property
    def items(self) -> "pa.Table":
        """A row an item of every finished cell, with its variant, suite, task and replicate."""
        return make_items_table((*self.cells, *self.again))

    @property
    def votes(self) -> "pa.Table":
        """A row a vote of every judge and panel, with its name; no rows where nobody was asked."""
        voters = () if self.voices is None else self.voices.voices
        rows = [
            {"voter": one.book.name, **asdict(vote)} for one in voters for vote in one.book.votes
        ]
        return make_table(rows)

    def __repr__(self) -> str:
        """In one line: every item would fill screens."""
        return f"<Results {self._title()}, {plural(len(self.analysis.effects), 'effect')}>"

    def _repr_html_(self) -> str:
        """A row an effect that verdicts are about, for notebooks."""
        names = ("variant", "suite", "where", "baseline_text", "delta_text", "interval_text")
        rows = [
            make_effect_row(one)
            for one in self.analysis.effects
            if one.inference.family is not None
        ]
        heads = ("variant", "task", "language", "baseline", "change", "interval", "verdict")
        cells = [[str(row[name]) for name in (*names, "verdict_text")] for row in rows]
        return html_table(heads, cells, caption=self._title(), numeric=heads[3:6])

    def _title(self) -> str:
        kind = " (SMOKE run: decides nothing)" if self.study.smoke else ""
        return f"{self.study.name}{kind}: {self.study.model}, variants against the baseline"
