"""Runs with --early-stopping: order, dependencies, kills, workers, and what they leave behind."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.records import StopPlan
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.config.spec import Confirmatory
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import RunCell
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.early import order_items, stop_plan
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from kill_and_resume import results, run_killed

TinyModel = Callable[[str], Path]

STUDY = """\
[study]
name = "early"
folder = "run"
[model]
path = "{model}"
[engine]
batch_items = {chunk}
[[variants]]
recipe = "w8a8"
[[tasks]]
suite = "pairs"
languages = ["en", "ar"]
[[tasks]]
suite = "text"
languages = ["nb"]
[analysis]
margins = {{ pairs = 0.4, "bits/byte" = 0.05 }}
loss_caps = {{ "bits/byte" = 0.5 }}
"""
"""With so wide a margin a random model, which changes few answers, is known soon."""


def write(folder: Path, model: Path, *, chunk: int = 20) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "study.toml"
    path.write_text(STUDY.format(model=model, chunk=chunk), "utf-8")
    return path


def study(folder: Path, model: Path) -> Study:
    return load(write(folder, model), stop=True)


@pytest.fixture(scope="module")
def finished(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("early")
    file = write(folder, tiny_model("llama"))
    assert babelbits(["run", str(file), "--early-stopping"]) == ExitCode.DONE
    return folder


def test_all_languages_share_one_order_that_the_seed_fixes(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    first = study(tmp_path, tiny_model("llama"))
    orders = {}
    for language in ("en", "ar"):
        task = catalogue.load("pairs", language, TaskOptions())
        shuffled = order_items(task, first).items()
        assert sorted(i.item_id for i in shuffled) == sorted(i.item_id for i in task.items())
        orders[language] = list(dict.fromkeys(item.source_id for item in shuffled))
    shared = set(orders["en"]) & set(orders["ar"])
    en, ar = ([s for s in orders[code] if s in shared] for code in ("en", "ar"))
    assert en == ar
    assert en != sorted(en)
    other = order_items(
        catalogue.load("pairs", "en", TaskOptions()), replace(first, seed=1)
    ).items()
    assert [item.source_id for item in other] != orders["en"]
    # Items of one source item stay together.
    sources = [item.source_id for item in other]
    runs = [s for n, s in enumerate(sources) if n == 0 or sources[n - 1] != s]
    assert len(runs) == len(set(sources))


def test_the_error_rate_is_split_over_the_declared_family(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    plain = study(tmp_path, tiny_model("llama"))
    pairs = catalogue.load("pairs", "en", TaskOptions()).info
    text = catalogue.load("text", "nb", TaskOptions()).info
    assert stop_plan(plain, pairs, variant="w8a8", replicate=0) == StopPlan(
        alpha=0.025, family=2, margin=0.4
    )
    assert stop_plan(plain, pairs, variant="baseline", replicate=0) is None
    assert stop_plan(plain, pairs, variant="baseline", replicate=1) is not None
    assert stop_plan(plain, text, variant="w8a8", replicate=0) is None  # bits have no range
    assert stop_plan(replace(plain, stop=False), pairs, variant="w8a8", replicate=0) is None
    declared = Confirmatory(variants=("w8a8",), suites=("pairs", "text"))
    study_ = replace(plain, analysis=replace(plain.analysis, confirmatory=declared))
    found = stop_plan(study_, pairs, variant="w8a8", replicate=0)
    assert found is not None
    assert (found.family, found.alpha) == (3, pytest.approx(0.05 / 3))
    other = stop_plan(study_, pairs, variant="w4", replicate=0)
    assert other is not None
    assert other.family == 1  # exploratory


def test_a_cell_that_may_stop_waits_for_its_baseline(tiny_model: TinyModel, tmp_path: Path) -> None:
    early = study(tmp_path, tiny_model("llama"))
    store = Store(early.folder, early=True)
    plan = make_plan(early, store, base=locate(early.model), build=build_light)
    agenda = Scheduler(plan.variants, plan.cells, base=plan.base)
    agenda.ready("w8a8", "hash")
    first = [agenda.next(loaded=None) for _ in range(4)]
    named = [
        (j.cell.suite, j.cell.language, j.cell.replicate) for j in first if isinstance(j, RunCell)
    ]
    # The A/A cell of text never stops and need not wait; those of pairs do.
    assert named == [("pairs", "en", 0), ("pairs", "ar", 0), ("text", "nb", 0), ("text", "nb", 1)]
    text = agenda.next(loaded="w8a8")
    assert isinstance(text, RunCell)
    assert text.cell.suite == "text"
    assert agenda.next(loaded=None) is None
    assert isinstance(first[1], RunCell)
    agenda.finished(first[1].number)
    job = agenda.next(loaded=None)
    assert isinstance(job, RunCell)
    assert (job.cell.language, job.cell.replicate) == ("ar", 1)
    assert job.baseline == first[1].cell.meta
    assert len(agenda.waiting()) == 3  # pairs en twice, pairs ar under w8a8


def test_cells_stop_and_say_so(finished: Path) -> None:
    store = Store(finished / "run", early=True)
    cells = {(m.variant, m.replicate, m.task.name): (m, rows) for m, rows in store.cells()}
    for (variant, replicate, task), (meta, rows) in cells.items():
        if task.startswith("pairs") and (variant, replicate) != ("baseline", 0):
            assert len(rows) < meta.n_items
            assert store.status(meta).reason == (
                f"{len(rows)} of {meta.n_items} items: the verdict was known"
            )
        else:
            assert len(rows) == meta.n_items
    assert not (finished / "run" / "plan.json").exists()  # nothing among the results proper
    assert (finished / "run" / "early" / "report.html").exists()


def test_the_same_command_again_computes_nothing(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(finished / "study.toml")
    assert babelbits(["run", file, "--early-stopping", "--no-report"]) == ExitCode.DONE
    assert "nothing to do: all 9 cells are recorded" in capsys.readouterr().err
    assert babelbits(["plan", file, "--early-stopping"]) == ExitCode.DONE
    assert "all 9 cells are done" in capsys.readouterr().out


def test_the_report_shows_sequences_and_the_items_that_were_not_needed(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert babelbits(["report", str(finished / "run"), "--early-stopping", "--format", "json"]) == 0
    effects = json.loads(capsys.readouterr().out)["effects"]
    pairs = [e for e in effects if e["suite"] == "pairs" and e["scope"] == "language"]
    assert len(pairs) == 2
    for effect in pairs:
        # A random model is at chance: what could not have been lost is not shown to be kept.
        assert (effect["verdict"], effect["reason"]) == ("undecided", "at floor")
        assert -0.4 < effect["low"] < effect["high"] < 0.4
        assert "stops when the verdict is known" in effect["notes_text"]
        assert "betting" in effect["test"]
        assert "betting confidence sequence 98%" in effect["recipe"]
    text = [e for e in effects if e["suite"] == "text"]
    assert text  # it ran to the end: a fixed number of items
    assert not any("betting" in e["test"] for e in text)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_and_resumed_a_cell_stops_at_the_same_item(
    finished: Path, tiny_model: TinyModel, tmp_path: Path, workers: str
) -> None:
    file = write(tmp_path / "killed", tiny_model("llama"))
    folder = file.parent / "run"
    sessions = run_killed(
        file,
        folder,
        kills=3,
        longest=1.0,
        seed=int(workers),
        smoke=False,
        options=("--early-stopping", "--workers", workers),
    )
    assert any(session.killed for session in sessions)
    assert results(folder, smoke=False, early=True) == results(
        finished / "run", smoke=False, early=True
    )


def test_a_gate_reads_what_stopped_early(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(finished / "run")
    code = babelbits(["gate", run, "--early-stopping", "--variant", "w8a8", "--suite", "text"])
    assert code == ExitCode.DONE
    assert capsys.readouterr().out.startswith("pass: w8a8 is shown to be not worse")
    code = babelbits(["gate", run, "--early-stopping", "--variant", "w8a8", "--suite", "pairs"])
    assert code == ExitCode.UNDECIDED  # a random model is at its floor
