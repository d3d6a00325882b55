"""Imports run downwards only, and the base package loads no heavy library."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "babelbits"

ROOMS = (
    "errors",
    "suggest",
    "registry",
    "libraries",
    "quiet",
    "children",
    "words",
    "devices",
    "records",
    "languages",
    "stats",
    "store",
    "analysis",
    "llamacpp",
    "formats",
    "recipes",
    "engines",
    "tasks",
    "interop",
    "bundled",
    "study",
    "preferences",
    "translate",
    "judge",
    "annotate",
    "results",
    "probes",
    "lab",
    "decide",
    "report",
    "api",
    "cli",
    "__main__",
)
"""A room may import those to its left."""

STRANGERS = {("engines", "recipes"), ("stats", "languages")}
"""Pairs that do not know each other although the order would allow it."""

ORDER_WITHIN = {
    "study": ("config", "planning", "rehearsal", "execution", "speed"),
}
"""Of a room made of rooms, the same rule."""

KNOWS_ONLY = {"analysis": {"errors", "words", "records", "languages", "stats", "analysis"}}
"""Rooms that know fewer than those to their left."""

HEAVY = (
    "torch",
    "transformers",
    "llmcompressor",
    "compressed_tensors",
    "bitsandbytes",
    "llama_cpp",
    "gguf",
    "lm_eval",
    "datasets",
    "altair",
    "pandas",
    "openai",
    "fastapi",
    "sqlalchemy",
    "uvicorn",
)


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of every import, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str | None:
    """The room of 'babelbits.room.module'; None for other packages and for the package itself."""
    parts = name.split(".")
    return parts[1] if parts[0] == "babelbits" and len(parts) > 1 else None


def upward(source: str, room: str) -> list[str]:
    """Imports of a module in `room` that go up, or to a room it must not know."""
    found = []
    for name in imported(ast.parse(source)):
        target = room_of(name)
        if target is None or target not in ROOMS:
            continue
        if ROOMS.index(target) > ROOMS.index(room) or (room, target) in STRANGERS:
            found.append(name)
    return found


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ROOMS, f"{room} has no place in the order"
    assert upward(path.read_text("utf-8"), room) == []


@pytest.mark.parametrize(("room", "known"), KNOWS_ONLY.items())
def test_a_room_knows_no_more_than_it_must(room: str, known: set[str]) -> None:
    for path in (PACKAGE / room).rglob("*.py"):
        rooms = {room_of(name) for name in imported(ast.parse(path.read_text("utf-8")))}
        assert rooms - {None} <= known, path


@pytest.mark.parametrize("room", ORDER_WITHIN)
def test_imports_run_downwards_within_a_room(room: str) -> None:
    order = ORDER_WITHIN[room]
    for path in (PACKAGE / room).glob("*/*.py"):
        own = order.index(path.parent.name)
        for name in imported(ast.parse(path.read_text("utf-8"))):
            parts = name.split(".")
            if parts[:2] == ["babelbits", room] and len(parts) > 2:
                assert parts[2] in order, f"{path}: {name} comes from the whole room"
                assert order.index(parts[2]) <= own, f"{path}: {name} goes back"


def imports_of(path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of the package that one imports, at its top, in functions or for its types."""
    names = set(imported(ast.parse(path.read_text("utf-8"))))
    return {name if name in modules else name.rpartition(".")[0] for name in names} & set(modules)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Kahn's algorithm (graphlib) finds an order, or names the circle."""
    modules = {
        ".".join(("babelbits", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in MODULES
    }
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    graph = {name: imports_of(path, modules) - {name} for name, path in modules.items()}
    order = list(TopologicalSorter(graph).static_order())
    assert len(order) == len(MODULES)


def test_the_test_sees_an_upward_import() -> None:
    hidden = "def f():\n    from babelbits.study.config.spec import Study\n"
    assert upward(hidden, "tasks") == ["babelbits.study.config.spec.Study"]
    assert upward("import babelbits.recipes.make", "engines") == ["babelbits.recipes.make"]
    assert upward("from babelbits.errors import StudyError\nimport torch", "stats") == []


def loaded_by(code: str) -> list[str]:
    """Which heavy libraries a fresh interpreter has loaded after running `code`."""
    program = (
        f"{code}\nimport sys, json\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "module",
    [
        "babelbits.cli.main",
        "babelbits.cli.plan",
        "babelbits.cli.init",
        "babelbits.cli.recipes",
        "babelbits.cli.compare",
        "babelbits.results.analyse_logs",
        "babelbits.cli.doctor",
        "babelbits.analysis",
        "babelbits.report",
        "babelbits.store",
        "babelbits.study.planning.plan",
        "babelbits.study.execution.run",
        "babelbits.tasks.catalogue",
        "babelbits.formats.text_model",
        "babelbits.recipes.catalogue",
        "babelbits.recipes.families.gguf",
        "babelbits.recipes.families.compressed_tensors",
        "babelbits.engines.llama_cpp",
        "babelbits.engines.transformers",
        "babelbits.judge.session",
        "babelbits.preferences.collect",
        "babelbits.preferences.agreement",
        "babelbits.probes",
        "babelbits.probes.damage",
        "babelbits.probes.probed_pairs",
        "babelbits.lab",
        "babelbits.lab.training",
        "babelbits.lab.volume_results",
        "babelbits.cli.judge",
        "babelbits.cli.judge_tables",
        "babelbits.judge.grading.grading_run",
        "babelbits.cli.grade",
        "babelbits.cli.grade_tables",
    ],
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") == []


@pytest.mark.parametrize(
    "command",
    [
        "",
        "init",
        "schema",
        "plan",
        "run",
        "report",
        "compare",
        "kl",
        "probe",
        "lab",
        "lab volume",
        "show",
        "generate",
        "pairs",
        "judge",
        "grade",
        "power",
        "gate",
        "recommend",
        "annotate",
        "annotate create",
        "tasks",
        "doctor",
    ],
)
def test_help_loads_nothing_heavy(command: str) -> None:
    arguments = [*command.split(), "--help"]
    code = f"from babelbits.cli.main import run\nassert run({arguments!r}) == 0"
    assert loaded_by(code) == []


@pytest.mark.parametrize("command", ["", "init", "plan", "report", "power", "translate"])
def test_help_does_not_wait_for_the_models_of_study_files(command: str) -> None:
    arguments = [*command.split(), "--help"]
    code = f"from babelbits.cli.main import run\nassert run({arguments!r}) == 0\nimport sys\n"
    assert loaded_by(f"{code}assert 'pydantic' not in sys.modules") == []


def test_power_counts_items_and_loads_nothing_heavy() -> None:
    arguments = ["power", "--suite", "math", "--suite", "mgsm", "--json"]
    code = (
        "import contextlib, io\nfrom babelbits.cli.main import run\n"
        f"with contextlib.redirect_stdout(io.StringIO()): assert run({arguments!r}) == 0"
    )
    assert loaded_by(code) == []
