"""The example with every benchmark that local data can feed: it reads, and a cut of it runs."""

import re
import tomllib
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.store import Store
from babelbits.study import load
from babelbits.tasks.catalogue import list_suites

EXAMPLE = Path(__file__).parents[2] / "examples" / "all_benchmarks.toml"
CUT = ("sib200", "mixeval", "mixeval-hard", "xwinograd", "ntrex-translation-from")
ON_THE_HUB_ONLY = {
    *("flores", "flores-from", "mgsm-en-cot", "m_mmlu", "global-mmlu", "global-mmlu-lite"),
    *("xstorycloze", "belebele", "include", "global-piqa", "global-piqa-parallel", "multiblimp"),
    "mmlu-prox-lite",
}

pytestmark = pytest.mark.shared_data


def example(folder: Path, data: Path, *, cut: bool) -> Path:
    """The example beside its data; cut to a few suites and one variant."""
    (folder / "data").symlink_to(data)
    text = EXAMPLE.read_text("utf-8")
    if cut:
        head, *tables = text.split("[[tasks]]\n")
        last, rest = tables[-1].split("[data]")
        kept = [one for one in (*tables[:-1], last) if re.search('suite = "(.*)"', one)[1] in CUT]  # type: ignore[index]
        head = head.replace('[[variants]]\nrecipe = "w8a8"\n', "")
        text = "[[tasks]]\n".join([head, *kept]) + "\n[data]" + rest
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


def test_it_has_every_suite_that_local_data_can_feed(shared_data: Path, tmp_path: Path) -> None:
    study = load(example(tmp_path, shared_data, cut=False))
    asked = {suite.suite for suite in study.suites}
    assert asked == set(list_suites()) - ON_THE_HUB_ONLY
    local = tomllib.loads(EXAMPLE.read_text("utf-8"))["data"]
    for suite in study.suites:
        bundled = (
            not list_suites()[suite.suite].upstream and not list_suites()[suite.suite].downloads
        )
        assert bundled or suite.options.data == (tmp_path / local[suite.suite]).resolve()


@pytest.mark.slow
def test_a_cut_of_it_runs(shared_data: Path, tmp_path: Path) -> None:
    study = example(tmp_path, shared_data, cut=True)
    assert babelbits(["run", str(study), "--limit", "2"]) == ExitCode.DONE
    found = list(Store(tmp_path / "study.run", smoke=True).cells())
    assert {meta.task.suite for meta, _ in found} == set(CUT)
    scored = [row for _, rows in found for row in rows]
    assert all(row.failure is None for row in scored)
    assert {meta.task.suite: meta.task.output_type for meta, _ in found} == {
        "sib200": "choice",
        "mixeval": "choice",
        "mixeval-hard": "generation",
        "xwinograd": "choice",
        "ntrex-translation-from": "generation",
    }
    assert (tmp_path / "study.run" / "smoke" / "report.html").is_file()
