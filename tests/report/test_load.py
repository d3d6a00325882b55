"""From a real run folder to a report, and the commands `report` and `show`."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from babelbits.analysis import CellResult
from babelbits.cli import report as report_command
from babelbits.cli.show import show
from babelbits.errors import StoreError, StudyError, UnknownNameError
from babelbits.report.item_pairs import list_axes
from babelbits.report.limitations import list_limitations
from babelbits.report.verdicts import Board, make_board
from babelbits.report.views import map_primary_metrics
from babelbits.results import load
from babelbits.results.load import load_run
from babelbits.results.results import Results
from babelbits.results.sources import locate
from babelbits.store import Store
from babelbits.store.codec import dumps
from babelbits.study import load as load_study
from babelbits.study.planning.identity import identify_variant
from report import synthetic

STUDY = """
[study]
name = "recorded"
seed = 3
[model]
path = "somewhere/else"
[analysis]
alpha = 0.01
margins = { fraction = 0.05 }
[groups]
mine = ["en", "ar"]
"""


def record(folder: Path, cells: Sequence[CellResult], *, unfinished: int = 0) -> Store:
    """A run folder as `run` leaves it; the last `unfinished` cells lack their end."""
    store = Store(folder)
    with store.writing():
        store.save_plan(STUDY, [cell.meta for cell in cells])
        for cell in cells[: len(cells) - unfinished]:
            with store.writer(cell.meta, weights_hash="w") as writer:
                for number, batch in writer.missing_batches():
                    writer.append(number, [cell.rows[i] for i in batch], seconds=0.1)
                writer.finish(machine="m", library_versions={})
    for label, bits in {"baseline": 16.0, "w4@en": 4.25}.items():
        made = synthetic.manifest(label, bits)
        target = store.variant_folder(made.variant_id)
        target.mkdir(parents=True)
        (target / "manifest.json").write_bytes(dumps(made))
    return store


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "recorded.run"
    cells = [
        synthetic.cell(variant, "math", language, 160, replicate)
        for variant, replicate in (("baseline", 0), ("baseline", 1), ("w4@en", 0))
        for language in ("en", "ar", "ja")
    ]
    record(folder, cells, unfinished=1)
    return folder


def test_names_are_those_of_the_study_as_it_is_now(tmp_path: Path) -> None:
    """Renamed and removed variants, without a run in between; votes follow their variant."""
    text = """
[model]
path = "somewhere"
[[variants]]
recipe = "w8"
[[variants]]
recipe = "w8a8"
[[tasks]]
suite = "math"
languages = ["en"]
"""
    file = tmp_path / "study.toml"
    file.write_text(text, "utf-8")
    study = load_study(file)
    cells = [synthetic.cell("baseline", "math", "en", 40, 0)]
    for spec in study.variants[1:]:
        identity = {"variant": identify_variant(spec, base_hash="b", seed=0)}
        made = synthetic.cell(spec.label, "math", "en", 40, 0)
        meta = replace(made.meta, identity=identity, variant_id=spec.label)
        cells.append(CellResult(meta=meta, rows=made.rows))
    baseline = {"variant": identify_variant(study.variants[0], base_hash="b", seed=0)}
    cells[0] = CellResult(meta=replace(cells[0].meta, identity=baseline), rows=cells[0].rows)
    folder = tmp_path / "study.run"
    record(folder, cells)
    assert labels_of(load_run(folder, study_file=file)) == {"baseline", "w8", "w8a8"}
    renamed = text.replace('recipe = "w8"\n', 'recipe = "w8"\nname = "eight"\n')
    file.write_text(renamed, "utf-8")
    assert labels_of(load_run(folder, study_file=file)) == {"baseline", "eight", "w8a8"}
    file.write_text(renamed.replace('[[variants]]\nrecipe = "w8a8"\n', ""), "utf-8")
    assert labels_of(load_run(folder, study_file=file)) == {"baseline", "eight"}
    assert labels_of(load_run(folder)) == {"baseline", "w8", "w8a8"}  # as it was run
    assert load_run(folder, study_file=file).study.names_note is None
    file.write_text(renamed + "[engine]\ndtype = 'float64'\n", "utf-8")
    mistaken = load_run(folder, study_file=file)
    assert labels_of(mistaken) == {"baseline", "w8", "w8a8"}
    told = [
        gap.sentence
        for gap in list_limitations(mistaken, board_of(mistaken))
        if "names" in gap.topic
    ]
    assert len(told) == 1
    assert "names of the last run" in told[0]
    assert "'dtype' must be" in told[0]


def board_of(found: Results) -> Board:
    return make_board(found.analysis.effects, map_primary_metrics(found), list_axes(found))


def labels_of(found: Results) -> set[str]:
    return {cell.meta.variant for cell in found.cells}


def test_a_run_folder_alone_is_enough(run_folder: Path) -> None:
    found = load_run(run_folder)
    assert found.study.name == "recorded"
    assert (found.study.alpha, found.study.seed) == (0.01, 3)
    assert found.study.margins == {"fraction": 0.05, "bits/byte": 0.01}
    assert not found.study.bundled
    assert len(found.cells) == 8
    assert [(c.variant, c.language, c.state) for c in found.open_cells] == [
        ("w4@en", "ja", "missing")
    ]
    assert set(found.manifests) == {"baseline", "w4@en"}
    assert "mine" in {effect.group for effect in found.analysis.effects}


def test_a_study_file_brings_its_margins_as_they_are_now(run_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    tasks = '[[tasks]]\nsuite = "math"\nlanguages = ["en", "ar", "ja"]\n'
    file.write_text(STUDY.replace("0.05 }", "0.4 }") + tasks, "utf-8")
    assert load_run(run_folder, study_file=file).study.margins["fraction"] == 0.4


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="babelbits run"):
        load_run(tmp_path)


def test_a_folder_without_a_finished_cell_says_so(tmp_path: Path) -> None:
    record(tmp_path / "x.run", [synthetic.cell("baseline", "math", "en", 3)], unfinished=1)
    with pytest.raises(StoreError, match="no cell is finished"):
        load_run(tmp_path / "x.run")


def test_report_writes_the_page_into_the_folder(run_folder: Path) -> None:
    path = report_command.write_report(run_folder)
    assert path == run_folder / "report.html"
    first = path.read_bytes()
    assert first.startswith(b"<!doctype html>")
    assert report_command.write_report(run_folder).read_bytes() == first


def test_report_json_on_stdout_is_one_strict_object(run_folder: Path) -> None:
    done = CliRunner().invoke(report_command.report, [str(run_folder), "--format", "json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["schema"] == "babelbits.report/1"


def test_report_of_nothing_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such run folder"):
        locate(tmp_path / "nowhere", smoke=False)


def test_show_flips_prints_both_outputs_with_the_change_in_brackets(run_folder: Path) -> None:
    cell = ["--variant", "w4@en", "--suite", "math", "--language", "arb", "--flips"]
    done = CliRunner().invoke(show, [str(run_folder), *cell])
    assert done.exit_code == 0
    broke = done.stdout.count("── broke")
    fixed = done.stdout.count("── fixed")
    assert broke > fixed > 0
    assert done.stdout.count("── ") == broke + fixed
    assert f"{broke + fixed} items" in done.stderr
    assert "[" in done.stdout


def test_show_item_escapes_what_could_steer_a_terminal(run_folder: Path) -> None:
    done = CliRunner().invoke(show, [str(run_folder), "--suite", "math", "--language", "en"])
    assert done.exit_code == 0
    assert "\\x1b[31mred" in done.stdout
    assert "\\u202e" in done.stdout
    assert "<script>window.pwned" in done.stdout
    assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(done.stdout)


def test_show_finds_an_item_by_its_source_in_every_language(run_folder: Path) -> None:
    done = CliRunner().invoke(show, [str(run_folder), "--item", "math-0001"])
    assert done.exit_code == 0
    assert "math_en" in done.stdout
    assert "math_ar" in done.stdout


@pytest.mark.parametrize(
    "options", [["--variant", "w5"], ["--item", "nobody"], ["--suite", "math", "--language", "ja"]]
)
def test_show_names_what_there_is_when_nothing_fits(run_folder: Path, options: list[str]) -> None:
    done = CliRunner().invoke(show, [str(run_folder), *options])
    assert isinstance(done.exception, UnknownNameError)


def test_variants_of_two_engines_name_both() -> None:
    cells = [synthetic.cell(variant, "math", "en", 4, 0) for variant in ("baseline", "w4@en")]
    engines = (
        {"name": "transformers", "dtype": "float32"},
        {"name": "llama.cpp", "dtype": "float32"},
    )
    mixed = [
        replace(one, meta=replace(one.meta, identity={**one.meta.identity, "engine": engine}))
        for one, engine in zip(cells, engines, strict=True)
    ]
    assert load._engine(mixed) == {"name": "transformers, llama.cpp", "dtype": "float32"}
