"""Judges and people side by side. Values are worked out by hand unless a source is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from babelbits.cli.votes import votes
from babelbits.errors import StoreError, StudyError
from babelbits.preferences.pair_files import write_pairs
from babelbits.preferences.preference_summary import PreferenceSummary, summarise_preferences
from babelbits.preferences.summary import SummarySettings
from babelbits.preferences.vote_store import read_books, write_people
from babelbits.preferences.votes import Vote, write_votes
from babelbits.report.build import build
from babelbits.results.load import load_run
from judging import pair, vote
from report import synthetic
from run_folders import record

SETTINGS = SummarySettings(resamples=500)


def people(*ratings: tuple[float, ...], language: str = "en", label: str = "w4") -> list[Vote]:
    """A tuple a rater, a value a pair."""
    return [
        vote(number, value, language=language, label=label, kind="human", judge=f"rater {rater}")
        for rater, values in enumerate(ratings, start=1)
        for number, value in enumerate(values)
    ]


def panel_of(parent: Path, votes: list[Vote], *, simulated: bool = False) -> Path:
    return write_people(parent, votes, name="panel", origin={}, simulated=simulated)


def judge_of(parent: Path, votes: list[Vote], *, name: str = "m") -> None:
    folder = parent / f"judge-{len(list(parent.iterdir())) if parent.is_dir() else 0}"
    folder.mkdir(parents=True)
    (folder / "judge.json").write_text(json.dumps({"name": name}), "utf-8")
    write_votes(folder / "votes.jsonl", votes)


def heard(parent: Path) -> PreferenceSummary:
    return summarise_preferences(read_books(parent), SETTINGS)


def test_paper_a_drop_is_the_net_preference(tmp_path: Path) -> None:
    """Marchisio et al. 2024: a win rate of 42.0 % is printed as -16.0 %."""
    judge_of(tmp_path, [vote(n, 1.0 if n < 21 else -1.0) for n in range(50)])
    (voice,) = heard(tmp_path).voices
    preference = voice.summaries[0].preference
    assert preference is not None
    assert preference.win_rate == pytest.approx(0.42)
    assert preference.net == pytest.approx(-0.16)


def test_raters_are_inside_prompts(tmp_path: Path) -> None:
    """Three raters of 20 prompts are 20 units: the interval must not shrink by copying raters."""
    values = tuple(np.where(np.arange(20) < 14, -1.0, 1.0))
    panel_of(tmp_path / "one", people(values))
    panel_of(tmp_path / "three", people(values, values, values))
    one, three = (heard(tmp_path / name).voices[0].summaries[0] for name in ("one", "three"))
    assert one.preference is not None
    assert three.preference is not None
    assert three.preference.n_prompts == 20
    assert three.preference.interval.low <= one.preference.interval.low
    assert three.preference.interval.high >= one.preference.interval.high
    assert three.about == "about these 3 raters only"


def test_agreement_of_raters_by_hand(tmp_path: Path) -> None:
    """Two raters, 4 pairs, one disagreement: 3 of 4 the same, and the third rater saw nothing."""
    panel_of(tmp_path, people((1, 1, -1, -1), (1, 1, -1, 1)))
    (panel,) = heard(tmp_path).voices[0].panels
    assert (panel.n_raters, panel.n_pairs, panel.n_shared) == (2, 4, 4)
    assert panel.raw == pytest.approx(0.75)
    # nominal = ordinal with two categories: 1 - (n-1) * 2 * Do / De, Krippendorff 2011:
    # coincidences 4 (1,1), 2 (-1,-1), 1 + 1 off; n1 = 5, n2 = 3: alpha = 1 - 7 * 1 / 15
    assert panel.alpha == pytest.approx(1 - 7 * 1 / 15)


def test_a_judge_is_held_against_people_language_by_language(tmp_path: Path) -> None:
    rated = people((1, -1, 0), language="en") + people((1, 1), language="ar")
    judged = [vote(n, value) for n, value in enumerate((1.0, -1.0, -1.0, 1.0, 0.0, -1.0))]
    judged += [vote(n, -1.0, language="ar") for n in range(2)]
    panel_of(tmp_path, rated)
    judge_of(tmp_path, judged)
    found = heard(tmp_path)
    (accord,) = found.accords
    assert (accord.judge, accord.people) == ("m", "panel")
    arabic, english = accord.rows
    assert (english.n_pairs, english.raw_agreement) == (3, pytest.approx(2 / 3))
    assert english.judge_bias == pytest.approx(-1 / 3)  # -1/3 less 0
    assert (arabic.language, arabic.raw_agreement, arabic.judge_bias) == ("ar", 0.0, -2.0)
    assert english.powered is not None
    assert (english.powered.n_human, english.powered.n_judge_only) == (3, 3)
    assert arabic.powered is None


def test_more_than_one_variant_stands_on_one_scale(tmp_path: Path) -> None:
    """With ties as half wins a variant's strength is the log odds of its win rate."""
    votes = [vote(n, 1.0 if n < 15 else -1.0, label="a") for n in range(20)]
    votes += [vote(n, 1.0 if n < 5 else -1.0, label="b") for n in range(20)]
    judge_of(tmp_path, votes)
    (voice,) = heard(tmp_path).voices
    assert voice.strengths is not None
    found = {one.name: one.log_strength for one in voice.strengths.strengths}
    assert found["a"] == pytest.approx(np.log(3), abs=1e-4)
    assert found["b"] == pytest.approx(-np.log(3), abs=1e-4)
    assert found["baseline"] == 0


def test_simulated_votes_are_named_and_the_same_panel_replaces_itself(tmp_path: Path) -> None:
    first = panel_of(tmp_path, people((1, 1)), simulated=True)
    again = panel_of(tmp_path, people((1, -1, 0)), simulated=True)
    assert first == again
    found = heard(tmp_path)
    assert found.simulated == ("panel",)
    assert len(found.voices[0].book.votes) == 3


def test_two_judges_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for value in (1.0, -1.0):
        judge_of(tmp_path, [vote(n, value) for n in range(4)])
    assert [voice.book.name for voice in heard(tmp_path).voices] == ["m", "m (2)"]


def test_no_judgments_and_a_judge_without_votes_say_nothing(tmp_path: Path) -> None:
    assert read_books(tmp_path / "none") == ()
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "judge.json").write_text('{"name": "m"}', "utf-8")
    assert read_books(tmp_path) == ()


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    folder = panel_of(tmp_path, people((1, 1)))
    (folder / "judge.json").write_text("{", "utf-8")
    with pytest.raises(StoreError, match="record of a judge cannot be read"):
        read_books(tmp_path)


def test_votes_of_people_and_models_in_one_file_are_refused(tmp_path: Path) -> None:
    folder = panel_of(tmp_path, people((1, 1)))
    write_votes(folder / "votes.jsonl", [*people((1, 1)), vote(9, 1.0)])
    with pytest.raises(StoreError, match="votes of human and llm in one file"):
        read_books(tmp_path)


# --- the command and the page ----------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Path:
    cells = [
        synthetic.cell(variant, "math", language, 20)
        for variant in ("baseline", "w4@en")
        for language in ("en", "ar")
    ]
    return record(tmp_path / "x.run", cells, sizes={"baseline": 16.0, "w4@en": 4.25})


def test_votes_from_a_table_come_onto_the_page_stamped(run: Path, tmp_path: Path) -> None:
    pairs = [pair(number, label="w4@en", language="en") for number in range(6)]
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    rows = ["pair_id,rater,preference"]
    rows += [f"{one.pair_id},kari,venstre" for one in pairs]
    rows = [rows[0] + ",variant_side", *(f"{row},right" for row in rows[1:])]
    (tmp_path / "votes.csv").write_text("\n".join(rows), "utf-8")
    arguments = [str(tmp_path / "votes.csv"), str(run), "--pairs", str(tmp_path / "pairs.jsonl")]
    done = CliRunner().invoke(
        votes, [*arguments, "--means", "venstre=left", "--simulated"], catch_exceptions=False
    )
    assert done.exit_code == 0
    report = load_run(run)
    assert report.voices is not None
    assert report.voices.simulated == ("people",)
    assert report.voices.voices[0].summaries[0].preference is not None
    assert report.voices.voices[0].summaries[0].preference.net == -1
    page = build(report)
    assert "Metrics, judges and people" in page
    assert "<b>SIMULATED</b> The votes of people were made up" in page
    assert "These are different units" in page


def test_a_page_without_votes_has_no_such_section(run: Path) -> None:
    assert 'id="voices"' not in build(load_run(run))


def test_a_table_without_pairs_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("pair_id,rater,preference\n", "utf-8")
    with pytest.raises(StudyError, match="does not say which answers were the variant's"):
        CliRunner().invoke(votes, [str(tmp_path / "votes.csv"), str(run)], catch_exceptions=False)


def test_a_file_in_which_nobody_judged_anything_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("")
    with pytest.raises(StudyError, match="no votes yet"):
        CliRunner().invoke(votes, [str(tmp_path / "votes.jsonl"), str(run)], catch_exceptions=False)
    assert load_run(run).voices is None


def test_votes_in_a_language_without_a_benchmark_come_onto_the_page(run: Path) -> None:
    """Open prompts may be in other languages than the study's tasks."""
    panel_of(run / "judgments", people((1, -1, 0), language="sw", label="w4@en"))
    report = load_run(run)
    assert "Swahili" in build(report)
    assert "sw" not in {cell.meta.task.language for cell in report.cells}


def test_a_language_with_nothing_to_draw_says_so(run: Path) -> None:
    """Every reply refused, and no metric in this language."""
    judge_of(run / "judgments", [vote(n, None, language="sw", label="w4@en") for n in range(3)])
    page = build(load_run(run))
    assert "No figure: no pair has a verdict" in page
    assert "3 unparsed" in page
