"""From sources to a report's input: labels, run folders, and the same numbers as a study's own."""

import dataclasses
from pathlib import Path

import pytest

from babelbits.cli.compare import make_table_rows
from babelbits.errors import StudyError, UnknownNameError
from babelbits.records import Effect
from babelbits.report.build import build
from babelbits.results.analyse_logs import CompareOptions, LogSource, load_foreign, parse_source
from babelbits.results.load import load_run
from report import synthetic
from report.browser import Browser
from report.test_load import record

LOGS = Path(__file__).parent.parent / "interop" / "readers" / "fixtures" / "lm_eval"
BASE, W4 = LogSource(path=LOGS / "base"), LogSource(path=LOGS / "w4")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "recorded.run"
    cells = [
        synthetic.cell(variant, "math", language, 160, replicate)
        for variant, replicate in (("baseline", 0), ("baseline", 1), ("w4@en", 0), ("w8", 0))
        for language in ("en", "ar", "ja")
    ]
    record(folder, cells)
    return folder


def numbers(effect: Effect) -> tuple[object, ...]:
    return (
        *(effect.variant, effect.task, effect.language, effect.group, effect.decision.verdict),
        *(
            effect.delta,
            effect.inference.interval,
            effect.inference.p_value,
            effect.counts.broke,
            effect.counts.fixed,
        ),
        *(
            effect.counts.n_items,
            effect.counts.n_source_items,
            effect.inference.minimal_detectable_effect,
        ),
    )


def test_a_run_folder_compared_says_what_its_own_report_says(run_folder: Path) -> None:
    """Two ways through the package to the same numbers, the A/A run included."""
    own = load_run(run_folder)
    wishes = CompareOptions(
        alpha=0.01, margins=own.study.margins, groups={"mine": ("en", "ar")}, seed=3
    )
    source = LogSource(path=run_folder)
    found = load_foreign(source, [source], aa=None, wishes=wishes)
    assert list(map(numbers, found.analysis.effects)) == list(map(numbers, own.analysis.effects))
    assert list(map(numbers, found.analysis.aa)) == list(map(numbers, own.analysis.aa))
    assert found.analysis.contrasts == own.analysis.contrasts


def test_a_run_folder_with_a_baseline_alone_is_told(tmp_path: Path) -> None:
    """Three of them were compared with nothing, and ended with 0."""
    folders = []
    for name in ("a", "b", "c"):
        folder = tmp_path / f"{name}.run"
        record(folder, [synthetic.cell("baseline", "math", code, 40, 0) for code in ("en", "ar")])
        folders.append(folder)
    first, *others = (LogSource(path=folder) for folder in folders)
    with pytest.raises(StudyError, match="no variant but its baseline") as caught:
        load_foreign(first, others, aa=None, wishes=CompareOptions())
    assert caught.value.hint == f"to compare that one: NAME={folders[1]}:baseline"
    named = [parse_source(f"{path.stem}={path}:baseline") for path in folders[1:]]
    found = load_foreign(first, named, aa=None, wishes=CompareOptions())
    assert {effect.variant for effect in found.analysis.effects} == {"b", "c"}


def test_one_variant_of_a_run_folder(run_folder: Path) -> None:
    one = parse_source(f"mine={run_folder}:w8")
    assert (one.path, one.label, one.variant) == (run_folder, "mine", "w8")
    found = load_foreign(LogSource(path=run_folder), [one], aa=None, wishes=CompareOptions())
    assert {effect.variant for effect in found.analysis.effects} == {"mine"}
    with pytest.raises(UnknownNameError, match="no finished variant 'w9'"):
        load_foreign(
            LogSource(path=run_folder),
            [parse_source(f"{run_folder}:w9")],
            aa=None,
            wishes=CompareOptions(),
        )


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("w4=out/w4", "w4", "out/w4"),
        ("out/w4", "w4", "out/w4"),
        ("a=b=c", "a", "b=c"),
        ("a=folder:x", "a", "folder:x"),
    ],
)
def test_labels_and_paths(text: str, name: str, path: str) -> None:
    found = parse_source(text)
    assert (found.name, str(found.path)) == (name, path)


def test_a_path_with_an_equals_sign_that_exists_is_a_path(tmp_path: Path) -> None:
    odd = tmp_path / "a=b"
    odd.mkdir()
    assert parse_source(str(odd)).path == odd


def test_two_sources_of_one_name_need_labels() -> None:
    with pytest.raises(StudyError, match="two variants are called 'w4'"):
        load_foreign(BASE, [W4, W4], aa=None, wishes=CompareOptions())


def test_the_table_has_what_the_results_file_has() -> None:
    """Expected: 87.5 in both languages, as lm-eval's own results file says (acc_bytes)."""
    found = load_foreign(BASE, [W4], aa=None, wishes=CompareOptions())
    rows = {(row[1], row[2]): row for row in make_table_rows(found)}
    assert rows["babelmini_pairs", "German"][3:5] == ("8", "87.5")
    assert rows["babelmini_pairs", "Swahili"][3:5] == ("8", "87.5")


def test_an_aa_run_is_the_noise_floor() -> None:
    found = load_foreign(BASE, [W4], aa=BASE, wishes=CompareOptions())
    assert {effect.counts.churn for effect in found.analysis.aa} == {0.0}
    assert not any(problem.kind == "no_aa" for problem in found.analysis.problems)


@pytest.mark.chromium
def test_the_page_works_in_a_browser_without_a_run_folder(
    chromium: Browser, tmp_path: Path
) -> None:
    found = load_foreign(BASE, [W4], aa=None, wishes=CompareOptions())
    file = tmp_path / "report.html"
    file.write_bytes(build(found).encode())
    chromium.open(file)
    assert chromium.errors == []
    assert chromium.ask("document.querySelectorAll('#browser article.item').length") > 0
    assert "babelbits show" not in chromium.ask("document.body.textContent")


def test_what_a_study_advises_is_not_advised_here() -> None:
    found = load_foreign(BASE, [W4], aa=None, wishes=CompareOptions())
    said = " ".join(str(dataclasses.asdict(one)) for one in found.analysis.problems)
    assert "--aa" in said
    assert "[analysis]" not in said
